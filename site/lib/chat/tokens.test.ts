import { expect, test } from "vitest";
import { newKey, newToken, tokenIn } from "./tokens";

test("tokens fit into a link, and are different", () => {
  const made = new Set(Array.from({ length: 1_000 }, newToken));
  expect(made.size).toBe(1_000);
  for (const token of made) expect(token).toMatch(/^[A-Za-z0-9_-]{32}$/);
  expect(newKey()).toMatch(/^[A-Za-z0-9_-]{16}$/);
});

test("a link has a token or not", () => {
  expect(["", "#", "#abc", " abc "].map(tokenIn)).toEqual([null, null, "abc", "abc"]);
});
