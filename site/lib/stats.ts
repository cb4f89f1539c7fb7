/** What is counted, in words and figures. */

import type { FunctionReturnType } from "convex/server";
import type { api } from "@/convex/_generated/api";

export type History = FunctionReturnType<typeof api.stats.history>;
export type Span = (typeof api.stats.history)["_args"]["span"];

/** Each span, and what its steps are. */
export const SPANS: Record<Span, { label: string; step: string }> = {
  hour: { label: "the last hour", step: "minute" },
  day: { label: "the last day", step: "hour" },
  month: { label: "the last 30 days", step: "day" },
};

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

/** Grouped, with a tenth where a tenth says something: `12.5`, `1,234`. */
export function figure(value: number): string {
  return (value < 1_000 ? tenths : whole).format(value);
}

/** When a step began. Days are those of UTC; hours and minutes are the reader's. */
export function when(at: number, span: Span): string {
  if (span === "month") {
    return new Date(at).toLocaleDateString("en", { month: "short", day: "numeric", timeZone: "UTC" });
  }
  return new Date(at).toLocaleTimeString("en", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
}

/** What a plot shows, for whoever does not see it. */
export function summary(history: History, span: Span): string {
  const { label, step } = SPANS[span];
  const most = history.steps.reduce((most, it) => (it.value > most.value ? it : most), { at: 0, value: 0 });
  if (most.value === 0) return `${history.label}: nothing in ${label}.`;
  const sum = history.steps.reduce((sum, it) => sum + it.value, 0);
  return (
    `${history.label} by ${step}: ${figure(sum)} ${history.unit} in ${label}, ` +
    `at most ${figure(most.value)}, ${span === "month" ? "on" : "at"} ${when(most.at, span)}.`
  );
}
