"use client";

import { useEffect, useState } from "react";
import { Button } from "./Button";
import styles from "./Offline.module.css";

const PARAMETER = "convexAuthError";

const WORDS: Record<string, string> = {
  access_denied: "You were not signed in, because you have changed your mind.",
  expired: "You were not signed in, because it has taken too long.",
};

const OTHERWISE = "You were not signed in: GitHub and this site did not understand each other.";

/** Whoever comes back from GitHub without being signed in is told why; the address is as it was before. */
export function SignInTrouble() {
  const [trouble, setTrouble] = useState<string | null>(null);
  useEffect(() => {
    const url = new URL(location.href);
    const code = url.searchParams.get(PARAMETER);
    if (code === null) return;
    setTrouble(WORDS[code] ?? OTHERWISE);
    url.searchParams.delete(PARAMETER);
    history.replaceState(history.state, "", url);
  }, []);
  return (
    <div role="status" aria-live="polite">
      {trouble !== null && (
        <p className={styles.offline}>
          {trouble}{" "}
          <Button quiet onClick={() => setTrouble(null)}>
            I see
          </Button>
        </p>
      )}
    </div>
  );
}
