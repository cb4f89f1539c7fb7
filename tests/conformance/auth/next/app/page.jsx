"use client";

import { useAuthActions } from "@convex-dev/auth/react";
import { useConvexAuth, useQuery } from "convex/react";
import { anyApi as api } from "convex/server";
import Link from "next/link";

export default function Page() {
  const { isAuthenticated, isLoading } = useConvexAuth();
  const { signIn, signOut } = useAuthActions();
  const me = useQuery(api.people.me);
  if (isLoading) return <main aria-busy="true">One moment …</main>;
  if (!isAuthenticated) {
    return (
      <main>
        <h1>Notes</h1>
        <button onClick={() => void signIn("github", { redirectTo: "/private" })}>Continue with GitHub</button>
        <button onClick={() => void signIn("anonymous")}>Look around first</button>
      </main>
    );
  }
  return (
    <main>
      <h1>Notes</h1>
      <p>{me ? `Signed in as ${me.name ?? "somebody"}` : "…"}</p>
      <p>
        <Link href="/private">For those who signed in</Link>
      </p>
      <button onClick={() => void signOut()}>Sign out</button>
    </main>
  );
}
