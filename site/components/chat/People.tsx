"use client";

import { useMutation } from "convex/react";
import { useEffect, useRef } from "react";
import { api } from "@/convex/_generated/api";
import { Button } from "@/components/frame/Button";
import { Problem } from "@/components/frame/Problem";
import { useGoing } from "@/components/frame/useGoing";
import { useLive } from "@/components/frame/useLive";
import type { Me } from "@/components/frame/useMe";
import styles from "./People.module.css";
import type { Person, RoomSeen } from "./types";

/** Who belongs to a room, and who of them is here; beside it, or folded above it where that is too narrow. */
export function People({ room, me }: { room: RoomSeen; me: Me }) {
  const members = useLive(api.chat.members, { room: room.id }).value ?? [];
  const here = new Set((useLive(api.presence.who, { room: room.id }).value ?? []).map(({ id }) => id));
  const fold = useOpenWhere("(min-width: 62.5rem)");
  const sorted = [...members].sort((one, other) => Number(here.has(other.person.id)) - Number(here.has(one.person.id)));
  return (
    <details ref={fold} className={styles.people}>
      <summary>
        {members.length === 1 ? "1 member" : `${members.length} members`}, {here.size} here
      </summary>
      <ul aria-label="Members">
        {sorted.map(({ person, openedIt }) => (
          <li key={person.id} className={here.has(person.id) ? styles.here : styles.away}>
            <span>
              {person.name}
              <span className="visually-hidden">{here.has(person.id) ? ", here" : ", not here"}</span>
              {openedIt && <span className={styles.note}> opened it</span>}
            </span>
            {me.standing === "owner" && person.id !== me.id && <PutOut room={room} person={person} />}
          </li>
        ))}
      </ul>
    </details>
  );
}

function PutOut({ room, person }: { room: RoomSeen; person: Person }) {
  const remove = useMutation(api.chat.removeMember);
  const [going, go] = useGoing(async () => {
    await remove({ room: room.id, user: person.id });
  });
  return (
    <>
      <Button quiet disabled={going.busy} aria-label={`Put out ${person.name}`} onClick={() => void go()}>
        Put out
      </Button>
      {going.error !== undefined && <Problem error={going.error} />}
    </>
  );
}

/** A fold that is open where there is room for it; whoever looks may do otherwise. */
function useOpenWhere(condition: string) {
  const fold = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    const wide = matchMedia(condition);
    const follow = () => {
      if (fold.current) fold.current.open = wide.matches;
    };
    follow();
    wide.addEventListener("change", follow);
    return () => wide.removeEventListener("change", follow);
  }, [condition]);
  return fold;
}
