"use client";

import "./tokens.css";
import "./global.css";
import { Button } from "@/components/frame/Button";

/** The frame itself broke: there is nothing left to stand in. */
export default function FrameBroken({ reset }: { error: Error; reset: () => void }) {
  return (
    <html lang="en">
      <body>
        <main style={{ padding: "var(--space-6)", maxWidth: "var(--measure)", marginInline: "auto" }}>
          <h1>This page broke</h1>
          <p>What you wrote and sent is safe. The page itself has to be begun anew.</p>
          <Button onClick={reset}>Try again</Button>
        </main>
      </body>
    </html>
  );
}
