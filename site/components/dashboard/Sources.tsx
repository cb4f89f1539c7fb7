"use client";

import type { FunctionReturnType } from "convex/server";
import { api } from "@/convex/_generated/api";
import { Ago } from "@/components/frame/Ago";
import { Loading } from "@/components/frame/Loading";
import { Problem } from "@/components/frame/Problem";
import { useLive } from "@/components/frame/useLive";
import styles from "./Dashboard.module.css";
import { State } from "./State";

type Source = FunctionReturnType<typeof api.health.sources>[number];

const NAMES: Record<Source["name"], string> = { slog: "Log", inngest: "Inngest", redis: "Redis" };

/** Where what is shown here comes from, and whether it still does. */
export function Sources() {
  const { value: sources, error } = useLive(api.health.sources, {});
  return (
    <section aria-labelledby="sources">
      <h2 id="sources">Sources</h2>
      {error !== undefined && <Problem error={error} />}
      {sources === undefined ? (
        error === undefined && <Loading />
      ) : (
        <ul className={styles.list} aria-live="polite">
          {sources.map((source) => (
            <li key={source.name} data-state={source.state}>
              <span className={styles.name}>{NAMES[source.name]}</span>
              <State state={source.state} />
              <span className={styles.detail}>
                <Detail source={source} />
              </span>
              <span className={styles.when}>{source.goodAt !== null && source.goodAt !== undefined && <Ago at={source.goodAt} />}</span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Detail({ source }: { source: Source }) {
  if (source.state === "not configured") {
    return (
      <>
        Set <code>{source.setting}</code>.
      </>
    );
  }
  if (source.state === "silent") return <>Nobody has asked it since.</>;
  if (source.problem === null || source.problem === undefined) return null;
  return (
    <>
      {source.problem}
      {source.downSince !== null && source.downSince !== undefined && (
        <>
          {" "}
          Since <Ago at={source.downSince} />.
        </>
      )}
    </>
  );
}
