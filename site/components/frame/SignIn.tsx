"use client";

import { useAuthActions } from "@convex-dev/auth/react";
import { type FormEvent, type ReactNode, useState } from "react";
import { Button } from "./Button";
import { Dialog } from "./Dialog";
import { Field } from "./Field";
import { Problem } from "./Problem";
import styles from "./SignIn.module.css";
import { useGoing } from "./useGoing";

/** A button that asks who somebody is: with GitHub, or as a guest with a name. */
export function SignIn({ quiet = false, children = "Sign in" }: { quiet?: boolean; children?: ReactNode }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button quiet={quiet} aria-haspopup="dialog" onClick={() => setOpen(true)}>
        {children}
      </Button>
      <Dialog title="Sign in" open={open} onClose={() => setOpen(false)}>
        <WithGithub />
        <AsGuest done={() => setOpen(false)} />
      </Dialog>
    </>
  );
}

/** Leaves the page, and comes back to it. Of a guest it makes a reader, with all that they have written. */
export function WithGithub({ children = "Sign in with GitHub" }: { children?: ReactNode }) {
  const { signIn } = useAuthActions();
  const [going, go] = useGoing(async () => {
    await signIn("github", { redirectTo: location.pathname + location.search });
  });
  return (
    <div className={styles.way}>
      <Button onClick={() => void go()} disabled={going.busy}>
        {children}
      </Button>
      {going.error !== undefined && <Problem error={going.error} />}
    </div>
  );
}

function AsGuest({ done }: { done: () => void }) {
  const { signIn } = useAuthActions();
  const [name, setName] = useState("");
  const [going, go] = useGoing(async () => {
    await signIn("anonymous", { name });
    done();
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void go();
  };
  return (
    <form className={styles.way} onSubmit={submit}>
      <p className={styles.or}>Or as a guest: your comments appear when the owner has read them.</p>
      <Field
        label="Your name"
        value={name}
        required
        maxLength={80}
        autoComplete="nickname"
        onChange={(event) => setName(event.target.value)}
      />
      <Button type="submit" disabled={going.busy || name.trim() === ""}>
        Come in as a guest
      </Button>
      {going.error !== undefined && <Problem error={going.error} />}
    </form>
  );
}
