"use client";

import { useMutation } from "convex/react";
import { type FormEvent, useState } from "react";
import { api } from "@/convex/_generated/api";
import { Button } from "@/components/frame/Button";
import { Dialog } from "@/components/frame/Dialog";
import { Field } from "@/components/frame/Field";
import { Problem } from "@/components/frame/Problem";
import { useGoing } from "@/components/frame/useGoing";
import type { Me } from "@/components/frame/useMe";
import { slugOf } from "@/lib/chat/rows";
import dialogs from "./Dialogs.module.css";
import styles from "./Rooms.module.css";
import type { RoomSeen } from "./types";

interface Props {
  rooms: readonly RoomSeen[];
  me: Me;
  /** The room that is open. */
  current: RoomSeen | undefined;
  open: (room: string) => void;
}

/** The rooms that one belongs to; where something was said last comes first. */
export function Rooms({ rooms, me, current, open }: Props) {
  return (
    <nav aria-label="Rooms" className={styles.rooms}>
      <ul>
        {rooms.map((room) => (
          <li key={room.id}>
            <a
              href={`/chat/?room=${room.slug}`}
              aria-current={room.id === current?.id ? "page" : undefined}
              onClick={(event) => {
                if (event.metaKey || event.ctrlKey || event.shiftKey) return; // Another tab, as everywhere.
                event.preventDefault();
                open(room.slug);
              }}
            >
              <span className={styles.title}>
                {room.title}
                {room.closed && <span className={styles.closed}> closed</span>}
              </span>
              {room.unread > 0 && (
                <span className={styles.unread}>
                  {room.unread > 99 ? "99+" : room.unread}
                  <span className="visually-hidden"> unread</span>
                </span>
              )}
              {room.lastSaid !== "" && <span className={styles.last}>{room.lastSaid}</span>}
            </a>
          </li>
        ))}
      </ul>
      {me.standing === "owner" && <OpenRoom opened={open} />}
    </nav>
  );
}

export function OpenRoom({ opened }: { opened: (room: string) => void }) {
  const openRoom = useMutation(api.chat.openRoom);
  const [asking, setAsking] = useState(false);
  const [title, setTitle] = useState("");
  const slug = slugOf(title);
  const [going, go] = useGoing(async () => {
    await openRoom({ slug, title });
    setAsking(false);
    setTitle("");
    opened(slug);
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void go();
  };
  return (
    <>
      <Button quiet aria-haspopup="dialog" onClick={() => setAsking(true)}>
        Open a room
      </Button>
      <Dialog title="Open a room" open={asking} onClose={() => setAsking(false)}>
        <form className={dialogs.form} onSubmit={submit}>
          <Field
            label="Title"
            hint={slug === "" ? "Letters or digits make its address." : `Its address ends in ?room=${slug}`}
            value={title}
            required
            maxLength={80}
            onChange={(event) => setTitle(event.target.value)}
          />
          <div className={dialogs.buttons}>
            <Button type="submit" disabled={going.busy || slug === ""}>
              Open it
            </Button>
          </div>
          {going.error !== undefined && <Problem error={going.error} />}
        </form>
      </Dialog>
    </>
  );
}
