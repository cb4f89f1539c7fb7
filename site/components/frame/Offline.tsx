"use client";

import { type ConnectionState } from "convex/browser";
import { useConvex } from "convex/react";
import { useEffect, useState } from "react";
import styles from "./Offline.module.css";

/** A connection that comes back at once, as over a restart, is not worth a word. */
const PATIENCE_MS = 1_500;

/** A line below the header while the live parts of the page stand still. */
export function Offline() {
  const connection = useConnection();
  const known = connection?.hasEverConnected ?? false;
  const away = connection !== null && !connection.isWebSocketConnected && (known || connection.connectionRetries > 0);
  const [since, setSince] = useState<number | null>(null);
  useEffect(() => {
    if (!away) {
      setSince(null);
      return;
    }
    const lost = Date.now();
    const timer = setTimeout(() => setSince(lost), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [away]);
  return (
    <div role="status" aria-live="polite">
      {since !== null && <p className={styles.offline}>{known ? lostAt(since) : NEVER}</p>}
    </div>
  );
}

/** The client's own hook would have it connect while pages are rendered ahead of time. */
function useConnection(): ConnectionState | null {
  const client = useConvex();
  const [state, setState] = useState<ConnectionState | null>(null);
  useEffect(() => {
    setState(client.connectionState());
    return client.subscribeToConnectionState(setState);
  }, [client]);
  return state;
}

const NEVER = "The live parts of this page cannot be reached just now; the text can be read. They come by themselves.";

function lostAt(since: number): string {
  const time = new Date(since).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return `The connection was lost. What you see is as of ${time}; it goes on by itself when the connection is back.`;
}
