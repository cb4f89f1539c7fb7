"use client";

import { useMutation } from "convex/react";
import { useState } from "react";
import { Ago } from "@/components/frame/Ago";
import { Button } from "@/components/frame/Button";
import { Problem } from "@/components/frame/Problem";
import { useGoing } from "@/components/frame/useGoing";
import type { Me } from "@/components/frame/useMe";
import { api } from "@/convex/_generated/api";
import { newKey } from "@/lib/chat/tokens";
import styles from "./Comments.module.css";
import { Composer } from "./Composer";
import { isOnItsWay, nameOf, type Note, type Thread as AThread, useAnswer, useEdit } from "./useNotes";

const STATES: Partial<Record<Note["state"], string>> = {
  draft: "draft",
  held: "waits for the owner",
  hidden: "hidden by the owner",
};

interface Props {
  thread: AThread;
  me: Me | null | undefined;
  /** Its words are not in the article any more. */
  detached?: boolean;
}

/** A comment and the answers to it. */
export function Thread({ thread: { root, answers }, me, detached = false }: Props) {
  const [answering, setAnswering] = useState<string | null>(null);
  const open = root.state === "published" || root.state === "deleted";
  const notes = (
    <>
      {detached && root.anchor.quote !== "" && <blockquote className={styles.quote}>{root.anchor.quote}</blockquote>}
      <OneNote note={root} me={me} />
      {answers.length > 0 && (
        <ol className={styles.answers}>
          {answers.map((note) => (
            <li key={nameOf(note)}>
              <OneNote note={note} me={me} />
            </li>
          ))}
        </ol>
      )}
      {me && open && !isOnItsWay(root) && answering === null && (
        <Button quiet onClick={() => setAnswering(newKey())}>
          Answer
        </Button>
      )}
      {me && answering !== null && (
        <AnswerTo root={root} me={me} written={answering} done={() => setAnswering(null)} />
      )}
    </>
  );
  if (!root.resolved) return notes;
  return (
    <details>
      <summary className={styles.settled}>Settled: {root.body.slice(0, 60) || "a deleted comment"}</summary>
      {notes}
    </details>
  );
}

function AnswerTo({ root, me, written, done }: { root: Note; me: Me; written: string; done: () => void }) {
  const answer = useAnswer(me, root);
  const send = (draft: boolean) => (body: string) => answer({ to: root.id, body, key: written, draft });
  return (
    <Composer label="Your answer" hint={hintFor(me)} verb="Answer" send={send(false)} keep={send(true)} done={done} />
  );
}

/** What becomes of what they write. */
export function hintFor(me: Me): string | undefined {
  return me.standing === "guest" ? "It appears when the owner has read it." : undefined;
}

function OneNote({ note, me }: { note: Note; me: Me | null | undefined }) {
  const edit = useEdit(note.article);
  const [editing, setEditing] = useState(false);
  if (note.author === null) return <p className={styles.gone}>This comment was deleted.</p>;
  return (
    <article className={styles.note} aria-label={`Comment by ${note.author.name}`} aria-busy={isOnItsWay(note)}>
      <p className={styles.by}>
        <span className={styles.name}>{note.author.name}</span>{" "}
        <span className={styles.when}>
          <Ago at={note.at} />
          {note.editedAt !== null && ", edited"}
          {STATES[note.state] && `, ${STATES[note.state]}`}
        </span>
      </p>
      {editing ? (
        <Composer
          label="Change your comment"
          initial={note.body}
          verb="Save"
          send={(body) => edit({ id: note.id, body })}
          done={() => setEditing(false)}
        />
      ) : (
        <>
          <p className={styles.body}>{note.body}</p>
          {me && !isOnItsWay(note) && <Actions note={note} me={me} edit={() => setEditing(true)} />}
        </>
      )}
    </article>
  );
}

/** What whoever is here may do with a note. The server looks again. */
export function Actions({ note, me, edit }: { note: Note; me: Me; edit?: () => void }) {
  const remove = useMutation(api.comments.remove);
  const resolve = useMutation(api.comments.resolve);
  const approve = useMutation(api.comments.approve);
  const hide = useMutation(api.comments.hide);
  const unhide = useMutation(api.comments.unhide);
  const [going, go] = useGoing(async (work: () => Promise<unknown>) => {
    await work();
  });
  const own = note.author?.id === me.id;
  const owner = me.standing === "owner";
  const { id, state } = note;
  const does = (label: string, work: () => Promise<unknown>) => (
    <Button quiet disabled={going.busy} onClick={() => void go(work)}>
      {label}
    </Button>
  );
  return (
    <>
      <div className={styles.actions}>
        {owner && state === "held" && does("Approve", () => approve({ id }))}
        {own && edit && (
          <Button quiet onClick={edit}>
            Edit
          </Button>
        )}
        {(own || owner) && note.root === null && state === "published" &&
          does(note.resolved ? "Open again" : "Settle", () => resolve({ id, resolved: !note.resolved }))}
        {owner && !own && (state === "published" || state === "held") && does("Hide", () => hide({ id }))}
        {owner && state === "hidden" && does("Show again", () => unhide({ id }))}
        {(own || owner) && does("Delete", () => remove({ id }))}
      </div>
      {going.error !== undefined && <Problem error={going.error} />}
    </>
  );
}
