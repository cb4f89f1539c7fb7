"use client";

import { useSearchParams } from "next/navigation";
import { useCallback } from "react";
import { api } from "@/convex/_generated/api";
import { Empty } from "@/components/frame/Empty";
import { Loading } from "@/components/frame/Loading";
import { Problem } from "@/components/frame/Problem";
import { SignIn } from "@/components/frame/SignIn";
import { useLive } from "@/components/frame/useLive";
import { type Me, useMe } from "@/components/frame/useMe";
import { Boundary, NoMember } from "./Boundary";
import styles from "./Chat.module.css";
import { Room } from "./Room";
import { OpenRoom, Rooms } from "./Rooms";
import { useOutbox } from "./useOutbox";

/** Chat, for whoever is here. */
export function Chat() {
  const me = useMe();
  if (me === undefined) return <Loading />;
  if (me === null) return <SignedOut />;
  // Somebody else begins anew.
  return <OwnRooms key={me.id} me={me} />;
}

function SignedOut() {
  return (
    <>
      <p>Rooms are for those who were invited. If you were, sign in, and they are here.</p>
      <SignIn />
    </>
  );
}

function OwnRooms({ me }: { me: Me }) {
  const { value: rooms, error } = useLive(api.chat.rooms, {});
  const { outbox, pending } = useOutbox(me.id);
  const [asked, open] = useAskedRoom();
  if (rooms === undefined) return error === undefined ? <Loading /> : <Problem error={error} />;
  const current = rooms.find(({ slug, id }) => slug === asked || id === asked);
  if (rooms.length === 0 && asked === null) return <NoRooms me={me} open={open} />;
  return (
    <div className={styles.chat} data-open={asked !== null}>
      <Rooms rooms={rooms} me={me} current={current} open={open} />
      {current !== undefined ? (
        <Boundary of={current.id}>
          <Room key={current.id} room={current} me={me} outbox={outbox} pending={pending} back={() => open(null)} />
        </Boundary>
      ) : (
        <div className={styles.none}>{asked === null ? <Empty>Choose a room.</Empty> : <NoMember />}</div>
      )}
    </div>
  );
}

function NoRooms({ me, open }: { me: Me; open: (room: string) => void }) {
  if (me.standing !== "owner") {
    return <Empty>You belong to no room yet. Whoever opened one can send you a link that lets you in.</Empty>;
  }
  return (
    <>
      <Empty>There is no room yet.</Empty>
      <OpenRoom opened={open} />
    </>
  );
}

/** The room in the address, so that it can be linked to, and Back leads back. */
function useAskedRoom(): [string | null, (room: string | null) => void] {
  const asked = useSearchParams().get("room");
  const open = useCallback((room: string | null) => {
    history.pushState(null, "", room === null ? "/chat/" : `/chat/?room=${encodeURIComponent(room)}`);
  }, []);
  return [asked, open];
}
