"use client";

import { useMutation } from "convex/react";
import { useState } from "react";
import { api } from "@/convex/_generated/api";
import { Ago } from "@/components/frame/Ago";
import { Button } from "@/components/frame/Button";
import { Empty } from "@/components/frame/Empty";
import { Loading } from "@/components/frame/Loading";
import { Problem } from "@/components/frame/Problem";
import { useLive } from "@/components/frame/useLive";
import styles from "./Dashboard.module.css";
import { State } from "./State";

/** The parts of the system that report how they are. */
export function Components() {
  const { value: components, error } = useLive(api.health.components, {});
  const forget = useMutation(api.health.forget);
  const [problem, setProblem] = useState<unknown>();
  return (
    <section aria-labelledby="components">
      <h2 id="components">Components</h2>
      {error !== undefined && <Problem error={error} />}
      {problem !== undefined && <Problem error={problem} />}
      {components === undefined ? (
        error === undefined && <Loading />
      ) : components.length === 0 ? (
        <Empty>No component has reported yet.</Empty>
      ) : (
        <ul className={styles.list} aria-live="polite">
          {components.map(({ name, state, detail, reportedAt }) => (
            <li key={name} data-state={state}>
              <span className={styles.name}>{name}</span>
              <State state={state} />
              <span className={styles.detail}>{detail}</span>
              <span className={styles.when}>
                <Ago at={reportedAt} />
                {state === "silent" && (
                  <>
                    {" "}
                    <Button
                      quiet
                      aria-label={`Forget ${name}`}
                      onClick={() => forget({ component: name }).then(() => setProblem(undefined), setProblem)}
                    >
                      Forget
                    </Button>
                  </>
                )}
              </span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
