"use client";

import { type KeyboardEvent, useEffect, useRef, useState } from "react";
import { Button } from "@/components/frame/Button";
import { Field } from "@/components/frame/Field";
import { Problem } from "@/components/frame/Problem";
import { useGoing } from "@/components/frame/useGoing";
import { tooLong } from "@/lib/length";
import styles from "./Comments.module.css";

const BODY_CHARACTERS = 4_000;

interface Props {
  label: string;
  hint?: string | undefined;
  initial?: string;
  /** What the button says that sends. */
  verb: string;
  send: (body: string) => Promise<unknown>;
  keep?: ((body: string) => Promise<unknown>) | undefined;
  done: () => void;
}

/** Where a comment is written. While it is on its way the page shows the comment; if it is refused, the text is here again. */
export function Composer({ label, hint, initial = "", verb, send, keep, done }: Props) {
  const [text, setText] = useState(initial);
  const form = useRef<HTMLFormElement>(null);
  const [going, go] = useGoing(async (deliver: (body: string) => Promise<unknown>) => {
    await deliver(text);
    done();
  });
  useEffect(() => form.current?.querySelector("textarea")?.focus({ preventScroll: true }), []);
  const excess = tooLong(text, BODY_CHARACTERS);
  const unready = text.trim() === "" || excess !== undefined || going.busy;
  const keyed = (event: KeyboardEvent) => {
    if (event.key === "Escape" && text.trim() === initial) done();
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !unready) void go(send);
  };
  return (
    <form
      ref={form}
      className={styles.composer}
      hidden={going.busy}
      onSubmit={(event) => {
        event.preventDefault();
        void go(send);
      }}
    >
      <Field
        label={label}
        lines={3}
        hint={hint}
        value={text}
        error={excess}
        onKeyDown={keyed}
        onChange={(event) => setText(event.target.value)}
      />
      <div className={styles.actions}>
        <Button type="submit" disabled={unready}>
          {verb}
        </Button>
        {keep && (
          <Button quiet disabled={unready} onClick={() => void go(keep)}>
            Keep as draft
          </Button>
        )}
        <Button quiet onClick={done}>
          Cancel
        </Button>
      </div>
      {going.error !== undefined && <Problem error={going.error} />}
    </form>
  );
}
