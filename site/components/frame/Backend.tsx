"use client";

import { ConvexAuthProvider } from "@convex-dev/auth/react";
import { ConvexReactClient } from "convex/react";
import type { ReactNode } from "react";
import { Renewal } from "@/lib/renewal";

/** Only what is rendered ahead of time looks here, and it asks for nothing. */
const NOWHERE = "http://127.0.0.1:3210";

/** The official client, which stays signed in while the server is away. */
class Client extends ConvexReactClient {
  readonly #renewal = new Renewal(untilOnline);

  override setAuth(...[fetchToken, ...rest]: Parameters<ConvexReactClient["setAuth"]>): void {
    super.setAuth(this.#renewal.patient(fetchToken), ...rest);
  }
}

const client = new Client(globalThis.deployment?.url ?? NOWHERE);

/** Everything inside may ask the backend; who signed in stays so. */
export function Backend({ children }: { children: ReactNode }) {
  return <ConvexAuthProvider client={client}>{children}</ConvexAuthProvider>;
}

/** Wait, but not after the network is back. */
function untilOnline(ms: number): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    addEventListener("online", done);
  });
}
