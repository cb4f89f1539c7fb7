"use client";

import { useMutation } from "convex/react";
import type { FunctionArgs, FunctionReturnType } from "convex/server";
import { type FormEvent, useState } from "react";
import { api } from "@/convex/_generated/api";
import { Button } from "@/components/frame/Button";
import { Field } from "@/components/frame/Field";
import { Problem } from "@/components/frame/Problem";
import { useGoing } from "@/components/frame/useGoing";
import { useLive } from "@/components/frame/useLive";
import { newToken } from "@/lib/chat/tokens";
import styles from "./Dialogs.module.css";
import type { RoomSeen } from "./types";

type ValidFor = NonNullable<FunctionArgs<typeof api.invitations.create>["validFor"]>;
type Listed = FunctionReturnType<typeof api.invitations.ofRoom>[number];

const VALID_FOR: Record<ValidFor, string> = { "1h": "an hour", "1d": "a day", "7d": "a week", "30d": "a month" };

const STATES: Record<Listed["state"], string> = {
  good: "good",
  expired: "expired",
  used_up: "used up",
  revoked: "revoked",
  room_closed: "waits until the room is open",
  unknown: "unknown",
};

/** A link that lets somebody in, made and shown once; and those that were made, to take back. */
export function Invitations({ room }: { room: RoomSeen }) {
  const [link, setLink] = useState<string | null>(null);
  return (
    <>
      {link === null ? <Create room={room} done={setLink} /> : <Link link={link} another={() => setLink(null)} />}
      <Made room={room} />
    </>
  );
}

function Create({ room, done }: { room: RoomSeen; done: (link: string) => void }) {
  const create = useMutation(api.invitations.create);
  const [validFor, setValidFor] = useState<ValidFor>("7d");
  const [uses, setUses] = useState("1");
  const [note, setNote] = useState("");
  // Made here: the server keeps a digest of it, and cannot tell it again.
  const [token] = useState(newToken);
  const [going, go] = useGoing(async () => {
    await create({ room: room.id, token, validFor, uses: Number(uses), note });
    done(`${location.origin}/invite/#${token}`);
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void go();
  };
  return (
    <form className={styles.form} onSubmit={submit}>
      <Field
        label="For whom"
        hint="Only you see this."
        value={note}
        maxLength={200}
        onChange={(event) => setNote(event.target.value)}
      />
      <div className={styles.two}>
        <label className={styles.select}>
          Good for
          <select value={validFor} onChange={(event) => setValidFor(event.target.value as ValidFor)}>
            {Object.entries(VALID_FOR).map(([value, words]) => (
              <option key={value} value={value}>
                {words}
              </option>
            ))}
          </select>
        </label>
        <Field
          label="People"
          type="number"
          min={1}
          max={100}
          required
          value={uses}
          onChange={(event) => setUses(event.target.value)}
        />
      </div>
      <div className={styles.buttons}>
        <Button type="submit" disabled={going.busy}>
          Make a link
        </Button>
      </div>
      {going.error !== undefined && <Problem error={going.error} />}
    </form>
  );
}

function Link({ link, another }: { link: string; another: () => void }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(link);
    setCopied(true);
  };
  return (
    <div className={styles.form}>
      <div className={styles.link}>
        <Field
          label="Whoever has this link may come in"
          hint="It is shown once. Copy it now."
          readOnly
          value={link}
          onFocus={(event) => event.target.select()}
        />
        <div className={styles.buttons}>
          {/* Without a secure connection the browser lets nobody copy; the field can be. */}
          {globalThis.navigator.clipboard !== undefined && <Button onClick={() => void copy()}>Copy the link</Button>}
          <span role="status">{copied && "Copied."}</span>
        </div>
      </div>
      <Button quiet onClick={another}>
        Make another
      </Button>
    </div>
  );
}

function Made({ room }: { room: RoomSeen }) {
  const { value, error } = useLive(api.invitations.ofRoom, { room: room.id });
  if (error !== undefined) return <Problem error={error} />;
  if (value === undefined || value.length === 0) return null;
  return (
    <div className={styles.part}>
      <ul className={styles.list} aria-label="Invitations">
        {value.map((invitation) => (
          <Invitation key={invitation.id} invitation={invitation} />
        ))}
      </ul>
    </div>
  );
}

function Invitation({ invitation }: { invitation: Listed }) {
  const revoke = useMutation(api.invitations.revoke);
  const [going, go] = useGoing(async () => {
    await revoke({ id: invitation.id });
  });
  const isGood = invitation.state === "good" || invitation.state === "room_closed";
  const name = invitation.note || "Somebody";
  return (
    <li className={isGood ? undefined : styles.over}>
      <span>
        {name}: {isGood ? until(invitation) : STATES[invitation.state]}
      </span>
      {isGood && (
        <Button quiet disabled={going.busy} aria-label={`Revoke the invitation for ${name}`} onClick={() => void go()}>
          Revoke
        </Button>
      )}
      {going.error !== undefined && <Problem error={going.error} />}
    </li>
  );
}

function until({ goodUntil, usesLeft, state }: Listed): string {
  if (state !== "good") return STATES[state];
  const people = usesLeft === 1 ? "one person" : `${usesLeft} people`;
  const at = new Date(goodUntil).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  return `${people}, until ${at}`;
}
