// Answers for pairs of wire values how the shipped client reads, orders and writes them.
//
// One JSON object a line in, `{a, b}`, an absent one meaning undefined; one a line out:
// `{order, a, b}`, or `{error}` when the client refuses.
import { createInterface } from "node:readline";
import { compareValues, convexToJson, jsonToConvex } from "convex/values";

const read = (json) => (json === undefined ? undefined : jsonToConvex(json));
const write = (value) => (value === undefined ? undefined : convexToJson(value));

function answer({ a, b }) {
  try {
    const [left, right] = [read(a), read(b)];
    return { order: compareValues(left, right), a: write(left), b: write(right) };
  } catch (error) {
    return { error: error.message };
  }
}

const answers = [];
for await (const line of createInterface({ input: process.stdin })) {
  answers.push(JSON.stringify(answer(JSON.parse(line))));
}
process.stdout.write(answers.join("\n") + "\n");
