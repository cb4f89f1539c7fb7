import { expect, test } from "vitest";
import { figure, type History, summary, when } from "./stats";

const NOON = Date.UTC(2026, 2, 1, 12, 0);

function history(...values: number[]): History {
  return {
    name: "tokens",
    label: "Tokens",
    unit: "tokens",
    stepMs: 864e5,
    steps: values.map((value, i) => ({ at: NOON + i * 864e5, value })),
  };
}

test("a figure is grouped, and has a tenth where that says something", () => {
  expect([0, 0.25, 12.5, 999.96, 1234.5, 1_234_567].map(figure)).toEqual([
    "0",
    "0.3",
    "12.5",
    "1,000",
    "1,235",
    "1,234,567",
  ]);
});

test("a day is one of UTC, wherever the reader is", () => {
  expect(when(Date.UTC(2026, 2, 1), "month")).toBe("Mar 1");
  expect(when(Date.UTC(2026, 2, 1, 23, 59), "month")).toBe("Mar 1");
});

test("an hour has two digits, at midnight too", () => {
  const midnight = new Date(2026, 2, 1, 0, 5).getTime();
  expect(when(midnight, "hour")).toBe("00:05");
});

test("a plot is summed up: how much, and when most", () => {
  expect(summary(history(1, 5, 2), "month")).toBe(
    "Tokens by day: 8 tokens in the last 30 days, at most 5, on Mar 2.",
  );
});

test("that there was nothing is said, too", () => {
  expect(summary(history(0, 0), "month")).toBe("Tokens: nothing in the last 30 days.");
});
