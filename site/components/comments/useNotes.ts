"use client";

import { useMutation } from "convex/react";
import type { OptimisticLocalStore } from "convex/browser";
import type { FunctionReturnType } from "convex/server";
import { useLive } from "@/components/frame/useLive";
import type { Me } from "@/components/frame/useMe";
import { api } from "@/convex/_generated/api";
import type { Id } from "@/convex/_generated/dataModel";

export type Note = FunctionReturnType<typeof api.comments.forArticle>[number];

export interface Thread {
  root: Note;
  answers: Note[];
}

/** What is said beside an article, as whoever is here sees it. */
export function useThreads(article: string, me: Me | null | undefined): { threads: Thread[]; error: Error | undefined } {
  const shared = useLive(api.comments.forArticle, { article });
  const own = useLive(api.comments.mine, me ? { article } : "skip");
  const notes = new Map([...(shared.value ?? []), ...((me && own.value) || [])].map((note) => [note.id, note]));
  const threads = [...notes.values()].filter((note) => note.root === null).map((root) => ({ root, answers: [] as Note[] }));
  const byRoot = new Map(threads.map((thread) => [thread.root.id, thread]));
  for (const note of notes.values()) if (note.root !== null) byRoot.get(note.root)?.answers.push(note);
  return { threads, error: shared.error ?? own.error };
}

/** The same for a comment before it has arrived and after. A key alone is its author's choice, who may have seen another's. */
export function nameOf(note: Note): string {
  return note.author === null ? note.id : `${note.author.id} ${note.key}`;
}

/** Not there yet: what the page shows until the server has answered. */
export function isOnItsWay(note: Note): boolean {
  return (note.id as string) === note.key;
}

export function useAdd(me: Me) {
  return useMutation(api.comments.add).withOptimisticUpdate((store, { article, anchor, body, key, draft }) => {
    const full = { quote: "", prefix: "", suffix: "", start: 0, position: 0, ...anchor };
    show(store, me, { article, anchor: full, root: null, body, key }, draft ?? false);
  });
}

export function useAnswer(me: Me, root: Note) {
  return useMutation(api.comments.answer).withOptimisticUpdate((store, { body, key, draft }) => {
    show(store, me, { article: root.article, anchor: root.anchor, root: root.id, body, key }, draft ?? false);
  });
}

export function useEdit(article: string) {
  return useMutation(api.comments.edit).withOptimisticUpdate((store, { id, body }) => {
    for (const query of [api.comments.forArticle, api.comments.mine]) {
      const notes = store.getQuery(query, { article });
      if (notes) store.setQuery(query, { article }, notes.map((note) => (note.id === id ? { ...note, body } : note)));
    }
  });
}

type Written = Pick<Note, "article" | "anchor" | "root" | "body" | "key">;

/** Show a note where the server will: with everybody's, or among one's own. */
function show(store: OptimisticLocalStore, me: Me, written: Written, draft: boolean): void {
  const state = draft ? "draft" : me.standing === "guest" ? "held" : "published";
  const query = state === "published" ? api.comments.forArticle : api.comments.mine;
  const notes = store.getQuery(query, { article: written.article });
  if (notes === undefined || notes.some(({ key }) => key === written.key)) return;
  const note: Note = {
    ...written,
    id: written.key as Id<"comments">,
    body: written.body.trim(),
    author: { id: me.id, name: me.name, image: me.image },
    state,
    resolved: false,
    at: Date.now(),
    editedAt: null,
  };
  store.setQuery(query, { article: written.article }, [...notes, note]);
}
