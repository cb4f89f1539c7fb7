"use client";

import { useAuthActions } from "@convex-dev/auth/react";
import { useState } from "react";
import { Button } from "./Button";
import { Dialog } from "./Dialog";
import { SignIn, WithGithub } from "./SignIn";
import styles from "./SignIn.module.css";
import { type Me, useMe } from "./useMe";

const STANDING: Record<Me["standing"], string> = {
  owner: "You are the owner of this site.",
  reader: "You signed in with GitHub.",
  guest: "You are here as a guest.",
};

/** Who you are, in the header: a stranger may sign in, everybody else sign out. */
export function Who() {
  const me = useMe();
  return (
    <div className={styles.who} aria-live="polite">
      {me === null && <SignIn quiet />}
      {me && <Account me={me} />}
    </div>
  );
}

function Account({ me }: { me: Me }) {
  const { signOut } = useAuthActions();
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button quiet aria-haspopup="dialog" onClick={() => setOpen(true)}>
        <span className="visually-hidden">Signed in as </span>
        {me.name}
      </Button>
      <Dialog title={me.name} open={open} onClose={() => setOpen(false)}>
        <p className={styles.facts}>{STANDING[me.standing]}</p>
        <div className={styles.way}>
          {me.standing === "guest" && <WithGithub>Stay, with GitHub</WithGithub>}
          <Button onClick={() => void signOut()}>Sign out</Button>
        </div>
      </Dialog>
    </>
  );
}
