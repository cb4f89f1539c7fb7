"use client";

import { sentence } from "@/lib/sentence";
import { Button } from "./Button";
import styles from "./quiet.module.css";

/** What went wrong, as a sentence, and a way to try again where there is one. */
export function Problem({ error, again }: { error: unknown; again?: () => void }) {
  return (
    <p className={styles.problem} role="alert">
      {sentence(error)}
      {again && (
        <>
          {" "}
          <Button quiet onClick={again}>
            Try again
          </Button>
        </>
      )}
    </p>
  );
}
