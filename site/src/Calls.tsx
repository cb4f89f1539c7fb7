import { useQuery } from "convex/react";
import { api } from "../convex/_generated/api";
import type { Doc } from "../convex/_generated/dataModel";
import { Time } from "./Time";

const STATES: Record<Doc<"call_sessions">["state"], string> = {
  ringing: "ringing",
  talking: "talking",
  on_hold: "on hold",
};

/** Calls that are on. One without a heartbeat leaves the list by itself. */
export function Calls() {
  const calls = useQuery(api.calls.live);
  return (
    <section aria-label="Calls">
      <h2>On the line</h2>
      {calls?.length === 0 && (
        <p className="empty">
          Nobody, just now. A heartbeat puts a call here for fifteen seconds:
          <code>joelclaw run calls:heartbeat '{"{"}"key": "k1", "title": "Hello"{"}"}'</code>
        </p>
      )}
      <ul className="calls">
        {calls?.map((call) => (
          <li key={call._id} data-state={call.state}>
            <strong>{call.title}</strong>
            <span>
              {STATES[call.state]} since <Time at={call.startedAt} />
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
