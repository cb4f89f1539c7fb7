/** Requests on standard input, answers and events on standard output, a JSON object a line. */

import { ConvexError, convexToJson } from "convex/values";
import { createInterface } from "node:readline";

// Standard output is for answers; what the clients log is not one.
globalThis.console = new console.Console(process.stderr);

/** Answer requests with these handlers until the input ends; then call `end`. */
export async function talk(handlers, end) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { id, do: what, ...request } = JSON.parse(line);
    // Not awaited: a client does several things at once.
    answer(id, handlers[what], request);
  }
  await end();
}

async function answer(id, handler, request) {
  try {
    say({ id, value: await handler(request) });
  } catch (error) {
    say({ id, error: described(error) });
  }
}

/** Tell an event with a value. */
export function tell(event, value) {
  say({ event, value });
}

/** Tell an event that is an error. */
export function tellError(event, error) {
  say({ event, error: described(error) });
}

function described(error) {
  const { name, message } = error;
  return error instanceof ConvexError ? { name, message, data: convexToJson(error.data) } : { name, message };
}

function say(message) {
  process.stdout.write(JSON.stringify(message) + "\n");
}
