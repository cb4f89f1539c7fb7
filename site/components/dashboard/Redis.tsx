"use client";

import type { FunctionReturnType } from "convex/server";
import type { ReactNode } from "react";
import { api } from "@/convex/_generated/api";
import { Ago } from "@/components/frame/Ago";
import { Empty } from "@/components/frame/Empty";
import { Loading } from "@/components/frame/Loading";
import { Problem } from "@/components/frame/Problem";
import { useLive } from "@/components/frame/useLive";
import styles from "./Dashboard.module.css";
import { State } from "./State";

type Loop = FunctionReturnType<typeof api.loops.current>[number];
type Queue = FunctionReturnType<typeof api.gateway.queues>[number];
type Registration = FunctionReturnType<typeof api.gateway.registrations>[number];

/** What agents keep in Redis: loops, queues and sessions. Before a Redis was asked there is none of it. */
export function Redis() {
  const { value: sources } = useLive(api.health.sources, {});
  const source = sources?.find(({ name }) => name === "redis");
  if (source === undefined || source.state === "not configured" || source.state === "waiting") return null;
  return (
    <>
      <Loops source={source} />
      <Queues source={source} />
      <Registrations source={source} />
    </>
  );
}

interface Shown {
  source: FunctionReturnType<typeof api.health.sources>[number];
}

function Loops({ source }: Shown) {
  const loops = useLive(api.loops.current, {});
  return (
    <Section id="loops" title="Loops" live={loops} source={source} empty="No agent has a loop.">
      {(loop: Loop) => (
        <li key={loop.name} data-state={loop.state}>
          <Name name={loop.name} title={loop.title} />
          <State state={loop.state} />
          <Detail problem={loop.problem}>
            {loop.iteration !== null && `Iteration ${loop.iteration}`}
            {loop.iteration !== null && loop.detail !== "" && " · "}
            {loop.detail}
          </Detail>
          <When at={loop.updatedAt ?? loop.startedAt} />
        </li>
      )}
    </Section>
  );
}

function Queues({ source }: Shown) {
  const queues = useLive(api.gateway.queues, {});
  return (
    <Section id="queues" title="Queues" live={queues} source={source} empty="Nothing waits in a queue.">
      {(queue: Queue) => (
        <li key={queue.name}>
          <Name name={queue.name} />
          <span className={styles.count}>{queue.problem === null && `${queue.depth.toLocaleString("en")} waiting`}</span>
          <Detail problem={queue.problem}>
            {queue.oldestAt !== null && (
              <>
                The oldest came <Ago at={queue.oldestAt} />.
              </>
            )}
          </Detail>
          <span className={styles.when} />
        </li>
      )}
    </Section>
  );
}

function Registrations({ source }: Shown) {
  const registrations = useLive(api.gateway.registrations, {});
  return (
    <Section id="registrations" title="Sessions" live={registrations} source={source} empty="No session is registered.">
      {(session: Registration) => (
        <li key={session.name}>
          <Name name={session.name} title={session.title} />
          <span>{session.state || "registered"}</span>
          <Detail problem={session.problem}>{session.host}</Detail>
          <When at={session.startedAt} />
        </li>
      )}
    </Section>
  );
}

interface SectionProps<Item> extends Shown {
  id: string;
  title: string;
  live: { value: Item[] | undefined; error: Error | undefined };
  empty: string;
  children: (item: Item) => ReactNode;
}

function Section<Item>({ id, title, live: { value: items, error }, source, empty, children }: SectionProps<Item>) {
  const isKnown = source.state !== "down" && source.state !== "silent";
  return (
    <section aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      {error !== undefined && <Problem error={error} />}
      {!isKnown && (
        <p className={styles.asOf} role="status">
          {source.goodAt === null ? "Nothing is known yet" : <>As it was <Ago at={source.goodAt} /></>}; Redis is {source.state}.
        </p>
      )}
      {items === undefined ? (
        error === undefined && <Loading />
      ) : items.length > 0 ? (
        <ul className={styles.list}>{items.map(children)}</ul>
      ) : (
        isKnown && <Empty>{empty}</Empty>
      )}
    </section>
  );
}

/** What something is called; by its key, if by nothing else. */
function Name({ name, title = "" }: { name: string; title?: string }) {
  return (
    <span className={styles.name}>
      {title === "" || title === name ? (
        name
      ) : (
        <>
          {title} <span className={styles.key}>{name}</span>
        </>
      )}
    </span>
  );
}

/** What there is to say, and what in Redis cannot be understood. */
function Detail({ problem, children }: { problem: string | null; children: ReactNode }) {
  return (
    <span className={styles.detail}>
      {children}
      {problem !== null && <span className={styles.problem}> {problem}</span>}
    </span>
  );
}

function When({ at }: { at: number | null }) {
  return <span className={styles.when}>{at !== null && <Ago at={at} />}</span>;
}
