"use client";

import { useQueries } from "convex/react";
import { type FunctionReference, type FunctionReturnType, getFunctionName } from "convex/server";
import { convexToJson, type Value } from "convex/values";
import { useMemo, useRef } from "react";

type Query = FunctionReference<"query">;

export interface Live<Q extends Query> {
  /** The newest result there was; undefined: none yet. It stays while the query fails. */
  value: FunctionReturnType<Q> | undefined;
  /** Why the query fails just now. */
  error: Error | undefined;
}

/**
 * A query's result, kept current, as `useQuery` does; but a query that fails blanks nothing: what
 * was shown stays, and `error` says why it is not the newest. It recovers by itself.
 */
export function useLive<Q extends Query>(query: Q, args: Q["_args"] | "skip"): Live<Q> {
  const asked = args === "skip" ? "skip" : `${getFunctionName(query)} ${JSON.stringify(convexToJson(args as Value))}`;
  // Arguments are new objects on each render; what they say is what counts.
  const queries = useMemo(() => (args === "skip" ? {} : { it: { query, args } }), [asked]);
  const result: unknown = useQueries(queries as Parameters<typeof useQueries>[0])["it"];
  const last = useRef<{ asked: string; value: FunctionReturnType<Q> | undefined }>({ asked, value: undefined });
  if (last.current.asked !== asked) last.current = { asked, value: undefined };
  if (result instanceof Error) return { value: last.current.value, error: result };
  if (result !== undefined) last.current.value = result as FunctionReturnType<Q>;
  return { value: last.current.value, error: undefined };
}
