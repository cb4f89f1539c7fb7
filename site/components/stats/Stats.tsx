"use client";

import type { FunctionReturnType } from "convex/server";
import { useState } from "react";
import { Loading } from "@/components/frame/Loading";
import { Problem } from "@/components/frame/Problem";
import { useLive } from "@/components/frame/useLive";
import { api } from "@/convex/_generated/api";
import { figure, type History, SPANS, type Span, when } from "@/lib/stats";
import { Calls } from "./Calls";
import { Plot } from "./Plot";
import styles from "./Stats.module.css";

type Total = FunctionReturnType<typeof api.stats.totals>[number];

/** Every counter: all it has counted, and how that came about. */
export function Stats() {
  const { value: totals, error } = useLive(api.stats.totals, {});
  const [span, setSpan] = useState<Span>("hour");
  return (
    <>
      <h2>Calls</h2>
      <Calls />
      <h2>Counters</h2>
      <fieldset className={styles.spans}>
        <legend className="visually-hidden">How far back</legend>
        {(Object.keys(SPANS) as Span[]).map((it) => (
          <label key={it}>
            <input type="radio" name="span" checked={span === it} onChange={() => setSpan(it)} />
            <span>{SPANS[it].label}</span>
          </label>
        ))}
      </fieldset>
      {error !== undefined && <Problem error={error} />}
      {totals === undefined && error === undefined && <Loading />}
      {totals?.map((total) => <Counter key={total.name} total={total} span={span} />)}
    </>
  );
}

/** The total is not announced as it ticks: nobody could listen to that. */
function Counter({ total, span }: { total: Total; span: Span }) {
  const { value: history, error } = useLive(api.stats.history, { name: total.name, span });
  return (
    <section className={styles.counter} aria-labelledby={`counter-${total.name}`}>
      <div>
        <h3 id={`counter-${total.name}`}>{total.label}</h3>
        <p className={styles.total}>
          <data value={total.value}>{figure(total.value)}</data> <span>{total.unit}</span>
        </p>
      </div>
      <div>
        {error !== undefined && <Problem error={error} />}
        {history === undefined ? (
          error === undefined && <Loading />
        ) : (
          <>
            <Plot history={history} span={span} />
            <Values history={history} span={span} />
          </>
        )}
      </div>
    </section>
  );
}

function Values({ history, span }: { history: History; span: Span }) {
  const { label, step } = SPANS[span];
  return (
    <details className={styles.values}>
      <summary>
        By {step}, in {history.unit}
        <span className="visually-hidden">, {history.label}, as a table</span>
      </summary>
      <table>
        <caption className="visually-hidden">
          {history.label} in {label}
        </caption>
        <thead>
          <tr>
            <th scope="col">{span === "month" ? "Day (UTC)" : "From"}</th>
            <th scope="col">{history.unit}</th>
          </tr>
        </thead>
        <tbody>
          {history.steps.toReversed().map(({ at, value }) => (
            <tr key={at}>
              <th scope="row">{when(at, span)}</th>
              <td>{figure(value)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}
