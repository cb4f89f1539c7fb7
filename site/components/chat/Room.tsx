"use client";

import { type DragEvent, useCallback, useMemo, useRef, useState } from "react";
import { api } from "@/convex/_generated/api";
import { useLive } from "@/components/frame/useLive";
import type { Me } from "@/components/frame/useMe";
import type { Outbox, Pending } from "@/lib/chat/outbox";
import { typingLine } from "@/lib/chat/rows";
import { Composer, Editor } from "./Composer";
import { History } from "./History";
import { People } from "./People";
import styles from "./Room.module.css";
import { RoomActions } from "./RoomActions";
import type { RoomSeen, Said } from "./types";
import { usePresence } from "./usePresence";
import { useUploads } from "./useUploads";

interface Props {
  room: RoomSeen;
  me: Me;
  outbox: Outbox;
  pending: readonly Pending[];
  back: () => void;
}

/** A room that is open: what is said in it, who is there, and where to write. */
export function Room({ room, me, outbox, pending, back }: Props) {
  usePresence(room.id);
  const uploads = useUploads(room.id);
  const [editing, setEditing] = useState<Said | null>(null);
  const messages = useRef<readonly Said[]>([]);
  const onSaid = useCallback((said: readonly Said[]) => void (messages.current = said), []);
  const here = useMemo(() => pending.filter((message) => message.room === room.id), [pending, room.id]);
  const dropping = useDropping(room.closed ? null : uploads.add);
  const editLast = () => {
    const mine = messages.current.findLast(({ author, removed }) => author.id === me.id && !removed);
    if (mine !== undefined) setEditing(mine);
  };
  return (
    <section className={styles.room} aria-label={room.title} {...dropping.handlers}>
      <header className={styles.head}>
        <button type="button" className={styles.back} onClick={back}>
          Rooms
        </button>
        <h2>{room.title}</h2>
        <RoomActions room={room} me={me} />
      </header>
      <People room={room} me={me} />
      <div className={styles.talk}>
        <History room={room} me={me} outbox={outbox} pending={here} edit={setEditing} onSaid={onSaid} />
        <Typing room={room} me={me} />
        {room.closed ? (
          <p className={styles.closed}>This room is closed. What was said can be read, and nothing is added.</p>
        ) : editing === null ? (
          <Composer room={room} outbox={outbox} uploads={uploads} editLast={editLast} />
        ) : (
          <Editor key={editing.id} message={editing} done={() => setEditing(null)} />
        )}
      </div>
      {dropping.over && <p className={styles.drop}>Drop files here to send them to {room.title}</p>}
    </section>
  );
}

function Typing({ room, me }: { room: RoomSeen; me: Me }) {
  const { value = [] } = useLive(api.presence.typing, { room: room.id });
  const others = value.filter(({ id }) => id !== me.id).map(({ name }) => name);
  // There all the time, so that nothing moves when somebody begins.
  return (
    <p className={styles.typing} aria-live="off">
      {typingLine(others)}
    </p>
  );
}

/** Files that are dragged over an element, and taken there. */
function useDropping(take: ((files: Iterable<File>) => void) | null) {
  const [over, setOver] = useState(false);
  const hasFiles = (event: DragEvent) => take !== null && event.dataTransfer.types.includes("Files");
  const handlers = {
    onDragOver: (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      setOver(true);
    },
    onDragLeave: (event: DragEvent) => {
      if (!event.currentTarget.contains(event.relatedTarget as Node | null)) setOver(false);
    },
    onDrop: (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      setOver(false);
      take?.(event.dataTransfer.files);
    },
  };
  return { over, handlers };
}
