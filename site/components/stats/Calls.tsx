"use client";

import { Ago } from "@/components/frame/Ago";
import { Empty } from "@/components/frame/Empty";
import { Loading } from "@/components/frame/Loading";
import { Problem } from "@/components/frame/Problem";
import { useLive } from "@/components/frame/useLive";
import { api } from "@/convex/_generated/api";
import styles from "./Stats.module.css";

const STATES = { ringing: "ringing", talking: "talking", on_hold: "on hold" } as const;

/** Voice calls that are on. One that is not heard of any more leaves by itself. */
export function Calls() {
  const { value: calls, error } = useLive(api.calls.live, {});
  if (calls === undefined) return error ? <Problem error={error} /> : <Loading />;
  return (
    <div aria-live="polite">
      {calls.length === 0 && <Empty>Nobody is on a call.</Empty>}
      <ul className={styles.calls}>
        {calls.map((call) => (
          <li key={call._id}>
            <span className={styles.title}>{call.title}</span>
            <span className={styles.state}>{STATES[call.state]}</span>
            <span className={styles.since}>
              began <Ago at={call.startedAt} />
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
}
