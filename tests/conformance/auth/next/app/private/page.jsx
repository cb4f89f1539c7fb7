import { convexAuthNextjsToken } from "@convex-dev/auth/nextjs/server";
import { fetchQuery } from "convex/nextjs";
import { anyApi as api } from "convex/server";

/** Made on the server, with the token of whoever asks. */
export default async function Private() {
  const me = await fetchQuery(api.people.me, {}, { url: process.env.CONVEX_URL, token: await convexAuthNextjsToken() });
  return (
    <main>
      <h1>Yours alone</h1>
      <p>{me === null ? "Nobody" : `Made for ${me.name ?? "somebody"} (${me.provider})`}</p>
    </main>
  );
}
