/** Time that has passed, in words. */

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** `ago(90_000)` is "1 minute ago". What is to come, as clocks of two machines differ, is now. */
export function ago(passed: number): string {
  if (passed < 10 * SECOND) return "just now";
  const [unit, size] = unitOf(passed);
  const count = Math.floor(passed / size);
  return `${count} ${unit}${count === 1 ? "" : "s"} ago`;
}

/** How many milliseconds later `ago` says something else. */
export function nextChange(passed: number): number {
  if (passed < 10 * SECOND) return 10 * SECOND - Math.max(passed, 0);
  const [, size] = unitOf(passed);
  return Math.min(size - (passed % size), HOUR);
}

function unitOf(passed: number): [string, number] {
  if (passed < MINUTE) return ["second", SECOND];
  if (passed < HOUR) return ["minute", MINUTE];
  if (passed < DAY) return ["hour", HOUR];
  return ["day", DAY];
}
