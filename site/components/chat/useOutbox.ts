"use client";

import { useConvex } from "convex/react";
import { useMemo, useSyncExternalStore } from "react";
import { api } from "@/convex/_generated/api";
import type { Id } from "@/convex/_generated/dataModel";
import { Outbox, type Pending } from "@/lib/chat/outbox";
import { sentence } from "@/lib/sentence";

/** One for each user, as long as the page is loaded: what is on its way arrives while other pages are looked at. */
const outboxes = new Map<string, Outbox>();

const NOTHING: readonly Pending[] = [];

/** What `user` has written and what has not arrived yet, of all rooms. */
export function useOutbox(user: string): { outbox: Outbox; pending: readonly Pending[] } {
  const client = useConvex();
  const outbox = useMemo(() => {
    const known = outboxes.get(user);
    if (known) return known;
    const shelf = `chat outbox ${user}`;
    const made = new Outbox(
      {
        deliver: ({ room, body, key, attachments }) =>
          client.mutation(api.chat.send, {
            room: room as Id<"rooms">,
            body,
            key,
            attachments: attachments.map(({ file, name }) => ({ file: file as Id<"_storage">, name })),
          }),
        why: sentence,
      },
      {
        read: () => sessionStorage.getItem(shelf),
        write: (text) => sessionStorage.setItem(shelf, text),
      },
    );
    outboxes.set(user, made);
    return made;
  }, [client, user]);
  const pending = useSyncExternalStore(outbox.subscribe, outbox.pending, () => NOTHING);
  return { outbox, pending };
}
