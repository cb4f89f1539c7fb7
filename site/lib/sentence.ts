/** An error as a sentence for whoever reads the page. */

import { ConvexError } from "convex/values";

const UNKNOWN = "Something went wrong, and it is written down.";

export function sentence(error: unknown): string {
  if (error instanceof ConvexError) return told(error.data);
  if (!(error instanceof Error)) return UNKNOWN;
  // The client wraps what the server says: `[CONVEX Q(a:b)] [Request ID: …] Server Error`.
  if (/^\[CONVEX /.test(error.message)) {
    const uncaught = /Uncaught \w+: (.*)/.exec(error.message)?.[1];
    return uncaught ? ended(uncaught) : "The server could not answer. It is written down there.";
  }
  return ended(error.message || UNKNOWN);
}

/** What an app raises on purpose: `{ code, message }`, or `RATE_LIMITED` with when to come back. */
function told(data: unknown): string {
  if (typeof data === "string") return ended(data);
  if (typeof data !== "object" || data === null) return UNKNOWN;
  const { code, message, retryAfterS } = data as { code?: unknown; message?: unknown; retryAfterS?: unknown };
  if (code === "RATE_LIMITED" && typeof retryAfterS === "number") {
    return `That was often. Try again in ${duration(retryAfterS)}.`;
  }
  return typeof message === "string" ? ended(message) : UNKNOWN;
}

/** `90` is "2 minutes": rounded up, so that nobody comes back too early. */
export function duration(seconds: number): string {
  const [size, unit] = seconds > 5400 ? [3600, "hour"] : seconds > 90 ? [60, "minute"] : [1, "second"];
  const count = Math.max(1, Math.ceil(seconds / size));
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

function ended(text: string): string {
  return /[.?!]$/.test(text) ? text : `${text}.`;
}
