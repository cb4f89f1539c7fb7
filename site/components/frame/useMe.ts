"use client";

import { useConvexAuth } from "convex/react";
import type { FunctionReturnType } from "convex/server";
import { api } from "@/convex/_generated/api";
import { useLive } from "./useLive";

export type Me = NonNullable<FunctionReturnType<typeof api.users.me>>;
export type Standing = Me["standing"];

/** Whoever is here: null is a stranger, undefined is not known yet. */
export function useMe(): Me | null | undefined {
  const { isLoading, isAuthenticated } = useConvexAuth();
  // The header asks, too, and is on every page: a query that fails must not take it along.
  const { value: me } = useLive(api.users.me, isAuthenticated ? {} : "skip");
  if (isLoading) return undefined;
  return isAuthenticated ? me : null;
}
