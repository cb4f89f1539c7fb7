"use client";

import { useAuthActions } from "@convex-dev/auth/react";
import { useMutation } from "convex/react";
import { type FormEvent, useState } from "react";
import { api } from "@/convex/_generated/api";
import { Button } from "./Button";
import { Dialog } from "./Dialog";
import { Field } from "./Field";
import { Problem } from "./Problem";
import { SignIn, WithGithub } from "./SignIn";
import styles from "./SignIn.module.css";
import { useGoing } from "./useGoing";
import { type Me, useMe } from "./useMe";

const STANDING: Record<Me["standing"], string> = {
  owner: "You are the owner of this site.",
  reader: "You signed in with GitHub.",
  guest: "You are here as a guest.",
};

/** Who you are, in the header: a stranger may sign in, everybody else change their name and sign out. */
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
        <Rename me={me} done={() => setOpen(false)} />
        <div className={styles.way}>
          {me.standing === "guest" && <WithGithub>Stay, with GitHub</WithGithub>}
          <Button onClick={() => void signOut()}>Sign out</Button>
        </div>
      </Dialog>
    </>
  );
}

function Rename({ me, done }: { me: Me; done: () => void }) {
  const rename = useMutation(api.users.rename);
  const [name, setName] = useState(me.name);
  const [going, go] = useGoing(async () => {
    await rename({ name });
    done();
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void go();
  };
  return (
    <form className={styles.rename} onSubmit={submit}>
      <Field
        label="Your name"
        value={name}
        required
        maxLength={80}
        autoComplete="nickname"
        onChange={(event) => setName(event.target.value)}
      />
      <Button type="submit" disabled={going.busy || name.trim() === "" || name === me.name}>
        Change it
      </Button>
      {going.error !== undefined && <Problem error={going.error} />}
    </form>
  );
}
