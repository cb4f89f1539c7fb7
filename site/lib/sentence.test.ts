import { ConvexError } from "convex/values";
import { expect, test } from "vitest";
import { duration, sentence } from "./sentence";

test("what the app says is said", () => {
  expect(sentence(new ConvexError({ code: "name_needed", message: "Say what you are called." }))).toBe(
    "Say what you are called.",
  );
  expect(sentence(new ConvexError("Not today"))).toBe("Not today.");
});

test("who was too often there is told when to come back", () => {
  expect(sentence(new ConvexError({ code: "RATE_LIMITED", retryAfterS: 12.2 }))).toBe(
    "That was often. Try again in 13 seconds.",
  );
});

test("of an error of the server, what it lets out", () => {
  const wrapped = "[CONVEX M(comments:add)] [Request ID: 1] Server Error\nUncaught DuplicateKey: it is there already";
  expect(sentence(new Error(wrapped))).toBe("it is there already.");
  expect(sentence(new Error("[CONVEX Q(a:b)] [Request ID: 1] Server Error"))).toMatch(/could not answer/);
});

test("anything else is still a sentence", () => {
  for (const odd of [undefined, null, 3, {}, new ConvexError(7), new ConvexError({})]) {
    expect(sentence(odd)).toMatch(/\.$/);
  }
});

test("durations are rounded up", () => {
  expect([0, 1, 59.5, 91, 5401].map(duration)).toEqual(["1 second", "1 second", "60 seconds", "2 minutes", "2 hours"]);
});
