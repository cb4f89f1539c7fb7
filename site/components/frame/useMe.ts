"use client";

import { useConvexAuth, useQuery } from "convex/react";
import type { FunctionReturnType } from "convex/server";
import { api } from "@/convex/_generated/api";

export type Me = NonNullable<FunctionReturnType<typeof api.users.me>>;
export type Standing = Me["standing"];

/** Whoever is here: null is a stranger, undefined is not known yet. */
export function useMe(): Me | null | undefined {
  const { isLoading, isAuthenticated } = useConvexAuth();
  const me = useQuery(api.users.me, isAuthenticated ? {} : "skip");
  if (isLoading) return undefined;
  return isAuthenticated ? me : null;
}
