"use client";

import { usePaginatedQuery } from "convex/react";
import type { FunctionArgs, FunctionReturnType } from "convex/server";
import { useState } from "react";
import { api } from "@/convex/_generated/api";
import { Button } from "@/components/frame/Button";
import { Empty } from "@/components/frame/Empty";
import { Loading } from "@/components/frame/Loading";
import styles from "./Log.module.css";

type Line = FunctionReturnType<typeof api.slog.tail>["page"][number];
type Level = NonNullable<FunctionArgs<typeof api.slog.tail>["level"]>;

const LEVELS: readonly Level[] = ["error", "warn", "info", "debug"];
const AT_FIRST = 50;
const MORE = 100;

/** The newest lines of the log, live; while it is paused, what was there stands still. */
export function Log() {
  const [component, setComponent] = useState("");
  const [level, setLevel] = useState<Level | "">("");
  const [paused, setPaused] = useState<readonly Line[] | null>(null);
  const { results, status, loadMore } = usePaginatedQuery(
    api.slog.tail,
    { ...(component.trim() !== "" && { component: component.trim() }), ...(level !== "" && { level }) },
    { initialNumItems: AT_FIRST },
  );
  const lines = paused ?? results;
  const asked = (change: () => void) => {
    setPaused(null);
    change();
  };
  return (
    <section aria-labelledby="log">
      <h2 id="log">Log</h2>
      <div className={styles.filters}>
        <label>
          Component <input value={component} onChange={({ target }) => asked(() => setComponent(target.value))} />
        </label>
        <label>
          Level{" "}
          <select value={level} onChange={({ target }) => asked(() => setLevel(target.value as Level | ""))}>
            <option value="">all</option>
            {LEVELS.map((it) => (
              <option key={it}>{it}</option>
            ))}
          </select>
        </label>
        <Button aria-pressed={paused !== null} onClick={() => setPaused(paused === null ? results : null)}>
          {paused === null ? "Pause" : "Go on"}
        </Button>
        <span className={styles.told} role="status">
          {paused !== null && `Paused. ${newer(results, paused)}`}
        </span>
      </div>
      {status === "LoadingFirstPage" && paused === null ? (
        <Loading />
      ) : lines.length === 0 ? (
        <Empty>{component !== "" || level !== "" ? "No line is like that." : "Nothing was logged yet."}</Empty>
      ) : (
        <ol className={styles.lines} aria-label="Lines of the log, the newest first">
          {lines.map((line) => (
            <LogLine key={line.id} line={line} />
          ))}
        </ol>
      )}
      {status === "CanLoadMore" && paused === null && (
        <Button quiet onClick={() => loadMore(MORE)}>
          Earlier lines
        </Button>
      )}
    </section>
  );
}

function LogLine({ line: { at, level, component, text, details } }: { line: Line }) {
  const when = new Date(at);
  const said = text === "" ? details : text;
  return (
    <li data-level={level}>
      <time dateTime={when.toISOString()} title={when.toLocaleString()}>
        {when.toLocaleTimeString(undefined, { hour12: false })}
      </time>
      <span className={styles.level}>{level}</span>
      <span className={styles.component}>{component}</span>
      {details === "" || text === "" ? (
        <span className={styles.text}>{said}</span>
      ) : (
        <details className={styles.text}>
          <summary>{text}</summary>
          <code>{details}</code>
        </details>
      )}
    </li>
  );
}

/** How much has come since. */
function newer(results: readonly Line[], paused: readonly Line[]): string {
  const first = paused[0]?.id;
  const count = results.findIndex(({ id }) => id === first);
  if (count === 0 || results.length === 0) return "Nothing new since.";
  if (count < 0) return "There is more since.";
  return count === 1 ? "1 line since." : `${count} lines since.`;
}
