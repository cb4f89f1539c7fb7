/** Have the built site talk to the deployment at NEXT_PUBLIC_CONVEX_URL, if that is set. */

import { writeFileSync } from "node:fs";

const url = process.env.NEXT_PUBLIC_CONVEX_URL;
if (url) {
  writeFileSync("out/deployment.js", `globalThis.deployment = ${JSON.stringify({ url: new URL(url).href.replace(/\/$/, "") })};\n`);
}
