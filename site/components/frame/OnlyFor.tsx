"use client";

import type { ReactNode } from "react";
import { Loading } from "./Loading";
import { SignIn } from "./SignIn";
import { type Standing, useMe } from "./useMe";

const RANK: Record<Standing, number> = { guest: 0, reader: 1, owner: 2 };

const WORDS: Record<Standing, string> = {
  guest: "whoever signed in",
  reader: "readers who signed in with GitHub",
  owner: "the owner of this site",
};

/** What only somebody of this standing is shown. The server refuses everybody else by itself; this says so nicely. */
export function OnlyFor({ standing, children }: { standing: Standing; children: ReactNode }) {
  const me = useMe();
  if (me === undefined) return <Loading />;
  if (me !== null && RANK[me.standing] >= RANK[standing]) return children;
  return (
    <p>
      This page is for {WORDS[standing]}. {me === null ? <SignIn quiet /> : `You are here as a ${me.standing}.`}
    </p>
  );
}
