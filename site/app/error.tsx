"use client";

import { Page } from "@/components/frame/Page";
import { Problem } from "@/components/frame/Problem";

/** Whatever a page did not catch. The frame around it stays. */
export default function Broken({ error, reset }: { error: Error; reset: () => void }) {
  return (
    <Page title="This page broke">
      <Problem error={error} again={reset} />
    </Page>
  );
}
