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
import styles from "./Dialogs.module.css";
import { Invitations } from "./Invitations";
import type { RoomSeen } from "./types";

type Asked = "invite" | "settings" | "leave" | null;

/** What may be done with a room: its owner invites, renames and closes; everybody else may leave. */
export function RoomActions({ room, me }: { room: RoomSeen; me: Me }) {
  const [asked, ask] = useState<Asked>(null);
  const done = () => ask(null);
  if (me.standing !== "owner") {
    return (
      <>
        <Button quiet aria-haspopup="dialog" onClick={() => ask("leave")}>
          Leave
        </Button>
        <Dialog title={`Leave ${room.title}`} open={asked === "leave"} onClose={done}>
          <Leave room={room} done={done} />
        </Dialog>
      </>
    );
  }
  return (
    <>
      <Button quiet aria-haspopup="dialog" onClick={() => ask("invite")}>
        Invite
      </Button>
      <Button quiet aria-haspopup="dialog" onClick={() => ask("settings")}>
        Settings
      </Button>
      <Dialog title={`Invite to ${room.title}`} open={asked === "invite"} onClose={done}>
        <Invitations room={room} />
      </Dialog>
      <Dialog title={`Settings of ${room.title}`} open={asked === "settings"} onClose={done}>
        <Settings room={room} done={done} />
      </Dialog>
    </>
  );
}

function Leave({ room, done }: { room: RoomSeen; done: () => void }) {
  const leave = useMutation(api.chat.leave);
  const [going, go] = useGoing(async () => {
    await leave({ room: room.id });
    done();
  });
  return (
    <div className={styles.form}>
      <p>What you said stays. To come back you need an invitation that is still good.</p>
      <div className={styles.buttons}>
        <Button disabled={going.busy} onClick={() => void go()}>
          Leave the room
        </Button>
        <Button quiet onClick={done}>
          Stay
        </Button>
      </div>
      {going.error !== undefined && <Problem error={going.error} />}
    </div>
  );
}

function Settings({ room, done }: { room: RoomSeen; done: () => void }) {
  const rename = useMutation(api.chat.rename);
  const close = useMutation(api.chat.closeRoom);
  const [title, setTitle] = useState(room.title);
  const [naming, name] = useGoing(async () => {
    await rename({ room: room.id, title });
    done();
  });
  const [closing, setClosed] = useGoing(async (closed: boolean) => {
    await close({ room: room.id, closed });
    done();
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void name();
  };
  return (
    <>
      <form className={styles.form} onSubmit={submit}>
        <Field label="Title" value={title} required maxLength={80} onChange={(event) => setTitle(event.target.value)} />
        <div className={styles.buttons}>
          <Button type="submit" disabled={naming.busy || title.trim() === ""}>
            Rename
          </Button>
        </div>
        {naming.error !== undefined && <Problem error={naming.error} />}
      </form>
      <div className={styles.part}>
        <p>{room.closed ? "Nothing is said here any more." : "In a closed room nothing more is said; it can be read."}</p>
        <Button disabled={closing.busy} onClick={() => void setClosed(!room.closed)}>
          {room.closed ? "Open the room again" : "Close the room"}
        </Button>
        {closing.error !== undefined && <Problem error={closing.error} />}
      </div>
    </>
  );
}
