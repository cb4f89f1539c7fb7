import { expect, test } from "vitest";
import { tooLong } from "./length";

test("a text that fits is nothing to speak of", () => {
  expect(tooLong("", 5)).toBeUndefined();
  expect(tooLong("words", 5)).toBeUndefined();
});

test("what is too much is told exactly", () => {
  expect(tooLong("words!", 5)).toBe("1 character too long. At most 5 are sent at once.");
  expect(tooLong("a".repeat(9_234), 8_000)).toBe("1,234 characters too long. At most 8,000 are sent at once.");
});

test("characters are counted as the server counts them", () => {
  expect(tooLong("🙂".repeat(5), 5)).toBeUndefined();
  expect(tooLong("🙂".repeat(6), 5)).toMatch(/^1 character/);
});

test("space around it is not sent, and not counted", () => {
  expect(tooLong("  words\n\n", 5)).toBeUndefined();
});
