"use client";

import { useMutation } from "convex/react";
import type { FunctionReturnType } from "convex/server";
import Link from "next/link";
import { useRouter } from "next/navigation";
import { useEffect, useState } from "react";
import { api } from "@/convex/_generated/api";
import { Button } from "@/components/frame/Button";
import { Loading } from "@/components/frame/Loading";
import { Problem } from "@/components/frame/Problem";
import { SignIn } from "@/components/frame/SignIn";
import { useGoing } from "@/components/frame/useGoing";
import { useLive } from "@/components/frame/useLive";
import { type Me, useMe } from "@/components/frame/useMe";
import { tokenIn } from "@/lib/chat/tokens";

type Invited = FunctionReturnType<typeof api.invitations.look>;

const SHELF = "invitation";

const OVER: Record<Exclude<Invited["state"], "good">, string> = {
  expired: "This invitation has expired.",
  used_up: "This invitation has been used up.",
  revoked: "This invitation was taken back.",
  room_closed: "The room was closed meanwhile.",
  unknown: "There is no such invitation. Perhaps a part of the link is missing.",
};

/** What somebody sees who followed a link that lets them in. */
export function Invite() {
  const token = useToken();
  const me = useMe();
  const { value: invited, error } = useLive(api.invitations.look, token ? { token } : "skip");
  if (token === null) return <p>An invitation is a link. This one has nothing in it: open it again, or ask for another.</p>;
  if (error !== undefined) return <Problem error={error} />;
  if (token === undefined || invited === undefined || me === undefined) return <Loading />;
  return (
    <div aria-live="polite">
      <Words invited={invited} />
      {invited.state === "good" && (me === null ? <Come /> : <Accept token={token} me={me} room={invited.roomTitle ?? ""} />)}
      {invited.state !== "good" && me !== null && (
        <p>
          If you have been in already, the room is <Link href="/chat/">where it was</Link>.
        </p>
      )}
    </div>
  );
}

function Words({ invited }: { invited: Invited }) {
  const { state, roomTitle, invitedBy, goodUntil } = invited;
  if (state !== "good") {
    return (
      <p>
        {OVER[state]} {invitedBy !== null && state !== "room_closed" && `Ask ${invitedBy} for another one.`}
      </p>
    );
  }
  return (
    <p>
      {invitedBy} invites you to talk in <em>{roomTitle}</em>.
      {goodUntil !== null && ` The invitation is good until ${new Date(goodUntil).toLocaleString([], { dateStyle: "long", timeStyle: "short" })}.`}
    </p>
  );
}

function Come() {
  return (
    <>
      <p>Say who you are, so that others know who is speaking: as a guest, or with GitHub.</p>
      <SignIn>Sign in to accept</SignIn>
    </>
  );
}

function Accept({ token, me, room }: { token: string; me: Me; room: string }) {
  const accept = useMutation(api.invitations.accept);
  const router = useRouter();
  const [going, go] = useGoing(async () => {
    const id = await accept({ token });
    sessionStorage.removeItem(SHELF);
    router.push(`/chat/?room=${id}`);
  });
  return (
    <>
      <Button disabled={going.busy} onClick={() => void go()}>
        Come in as {me.name}
      </Button>
      {going.error !== undefined && <Problem error={going.error} />}
      <p className="visually-hidden">to {room}</p>
    </>
  );
}

/**
 * The token in the address: behind the #, which is sent to no server. Kept for the way over GitHub and back, which
 * loses it. Undefined: not known yet; null: there is none.
 */
function useToken(): string | null | undefined {
  const [token, setToken] = useState<string | null>();
  useEffect(() => {
    const read = () => {
      const found = tokenIn(location.hash);
      try {
        if (found !== null) sessionStorage.setItem(SHELF, found);
        setToken(found ?? sessionStorage.getItem(SHELF));
      } catch {
        setToken(found);
      }
    };
    read();
    addEventListener("hashchange", read);
    return () => removeEventListener("hashchange", read);
  }, []);
  return token;
}
