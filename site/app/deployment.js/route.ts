/**
 * Where this site finds its backend: a file of its own beside the pages.
 *
 * It is written by the build, from NEXT_PUBLIC_CONVEX_URL. A deployment may replace it: the pages are the same everywhere.
 */

export const dynamic = "force-static";

export function GET(): Response {
  const url = (process.env.NEXT_PUBLIC_CONVEX_URL || "http://127.0.0.1:3210").replace(/\/+$/, "");
  return new Response(`globalThis.deployment = ${JSON.stringify({ url })};\n`, {
    headers: { "Content-Type": "text/javascript" },
  });
}
