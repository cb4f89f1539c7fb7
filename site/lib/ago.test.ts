import { expect, test } from "vitest";
import { ago, nextChange } from "./ago";

test("time that has passed, in words", () => {
  expect([-5_000, 0, 9_999, 10_000, 60_000, 119_999, 3_600_000, 86_400_000, 172_800_000].map(ago)).toEqual([
    "just now",
    "just now",
    "just now",
    "10 seconds ago",
    "1 minute ago",
    "1 minute ago",
    "1 hour ago",
    "1 day ago",
    "2 days ago",
  ]);
});

test("the words change when they are said to, and not before", () => {
  for (const passed of [0, 9_000, 10_500, 59_999, 61_000, 3_599_000]) {
    const change = nextChange(passed);
    expect(change).toBeGreaterThan(0);
    expect(ago(passed + change - 1)).toBe(ago(passed));
    expect(ago(passed + change)).not.toBe(ago(passed));
  }
});

test("a wait is never longer than an hour", () => {
  expect(nextChange(86_400_000)).toBe(3_600_000);
});
