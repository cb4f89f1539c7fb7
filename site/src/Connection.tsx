import { useConvexConnectionState } from "convex/react";

/** Whether what the page shows is current. */
export function Connection() {
  const state = useConvexConnectionState();
  const [kind, words] = state.isWebSocketConnected
    ? ["live", state.hasInflightRequests ? "live, sending" : "live"]
    : state.hasEverConnected
      ? ["lost", "connection lost, trying again"]
      : ["waiting", "connecting"];
  return (
    <p className="connection" data-state={kind} role="status">
      {words}
    </p>
  );
}
