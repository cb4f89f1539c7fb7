"use client";

import { ConvexAuthProvider } from "@convex-dev/auth/react";
import { ConvexReactClient } from "convex/react";
import type { ReactNode } from "react";

/** Only what is rendered ahead of time looks here, and it asks for nothing. */
const NOWHERE = "http://127.0.0.1:3210";

const client = new ConvexReactClient(globalThis.deployment?.url ?? NOWHERE);

/** Everything inside may ask the backend; who signed in stays so. */
export function Backend({ children }: { children: ReactNode }) {
  return <ConvexAuthProvider client={client}>{children}</ConvexAuthProvider>;
}
