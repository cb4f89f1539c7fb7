"use client";

import { useConvex, useMutation } from "convex/react";
import { useCallback, useEffect, useRef } from "react";
import { api } from "@/convex/_generated/api";
import type { Id } from "@/convex/_generated/dataModel";
import { newKey } from "@/lib/chat/tokens";

const AFTER_A_FAILURE_MS = 20_000;
const TYPING_EVERY_MS = 3_000;

/** Says that this room is open, as long as it is and can be seen. Nobody has to say when it ends. */
export function usePresence(room: Id<"rooms">): void {
  const here = useMutation(api.presence.here);
  const gone = useMutation(api.presence.gone);
  useEffect(() => {
    // Others of the same person have keys of their own: closing one leaves them here.
    const page = newKey();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let ended = false;
    const beat = async () => {
      clearTimeout(timer);
      if (document.hidden) return; // Goes on when it is seen again.
      const again = await here({ room, page }).catch(() => AFTER_A_FAILURE_MS);
      if (!ended) timer = setTimeout(() => void beat(), again);
    };
    const changed = () => void (document.hidden || beat());
    const left = () => void gone({ room, page }).catch(() => null);
    void beat();
    document.addEventListener("visibilitychange", changed);
    addEventListener("pagehide", left);
    return () => {
      ended = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", changed);
      removeEventListener("pagehide", left);
      left();
    };
  }, [room, here, gone]);
}

/** A function to call at every key that is pressed: it says so now and then. */
export function useTyping(room: Id<"rooms">): () => void {
  const client = useConvex();
  const said = useRef(-Infinity);
  return useCallback(() => {
    // What waits for a connection would tell of keys that were pressed long ago.
    if (!client.connectionState().isWebSocketConnected || Date.now() - said.current < TYPING_EVERY_MS) return;
    said.current = Date.now();
    client.mutation(api.presence.keyPressed, { room }).catch(() => null);
  }, [client, room]);
}
