"use client";

import { Components } from "./Components";
import { Log } from "./Log";
import { Redis } from "./Redis";
import { Sources } from "./Sources";

/** How everything is, for the owner. */
export function Dashboard() {
  return (
    <>
      <Components />
      <Sources />
      <Redis />
      <Log />
    </>
  );
}
