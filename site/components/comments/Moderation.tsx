"use client";

import { usePaginatedQuery } from "convex/react";
import Link from "next/link";
import { useState } from "react";
import { Ago } from "@/components/frame/Ago";
import { Button } from "@/components/frame/Button";
import { Empty } from "@/components/frame/Empty";
import { Loading } from "@/components/frame/Loading";
import { OnlyFor } from "@/components/frame/OnlyFor";
import { Problem } from "@/components/frame/Problem";
import { useLive } from "@/components/frame/useLive";
import { type Me, useMe } from "@/components/frame/useMe";
import { api } from "@/convex/_generated/api";
import styles from "./Comments.module.css";
import { Actions } from "./Thread";
import type { Note } from "./useNotes";

const PAGE = 20;

/** What waits for the owner, and what was said of late. */
export function Moderation() {
  return (
    <OnlyFor standing="owner">
      <Held />
      <Recent />
    </OnlyFor>
  );
}

function Held() {
  const { value: held, error } = useLive(api.comments.held, {});
  return (
    <section aria-label="Held">
      <h2>Waiting for you</h2>
      <div aria-live="polite">
        {error && <Problem error={error} />}
        {held === undefined ? <Loading /> : held.length === 0 ? <Empty>Nothing waits.</Empty> : <Entries notes={held} />}
      </div>
    </section>
  );
}

function Recent() {
  const [state, setState] = useState<"published" | "hidden">("published");
  const { results, status, loadMore } = usePaginatedQuery(api.comments.recent, { state }, { initialNumItems: PAGE });
  return (
    <section aria-label="Of late">
      <h2>{state === "published" ? "Published" : "Hidden"}</h2>
      <Button quiet onClick={() => setState(state === "published" ? "hidden" : "published")}>
        {state === "published" ? "Look at what is hidden" : "Look at what is published"}
      </Button>
      {status === "LoadingFirstPage" ? <Loading /> : results.length === 0 ? <Empty>There is none.</Empty> : <Entries notes={results} />}
      {status === "CanLoadMore" && <Button onClick={() => loadMore(PAGE)}>Older ones</Button>}
    </section>
  );
}

function Entries({ notes }: { notes: readonly Note[] }) {
  const me = useMe();
  return notes.map((note) => <div key={note.id} className={styles.entry}>{me && <Entry note={note} me={me} />}</div>);
}

function Entry({ note, me }: { note: Note; me: Me }) {
  return (
    <article aria-label={`Comment by ${note.author?.name}`}>
      <p className={styles.by}>
        <span className={styles.name}>{note.author?.name}</span>{" "}
        <span className={styles.when}>
          <Ago at={note.at} />, on <Link href={`/articles/${note.article}/`}>{note.article}</Link>
        </span>
      </p>
      {note.anchor.quote && <blockquote className={styles.quote}>{note.anchor.quote}</blockquote>}
      <p className={styles.body}>{note.body}</p>
      <Actions note={note} me={me} />
    </article>
  );
}
