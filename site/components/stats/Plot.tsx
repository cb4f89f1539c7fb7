"use client";

import { plot, rectY, ruleY } from "@observablehq/plot";
import { useEffect, useRef, useState } from "react";
import { type History, type Span, summary, when } from "@/lib/stats";
import styles from "./Stats.module.css";

const HEIGHT = 132;

/**
 * One counter over time: a bar for each step, from zero. A scale of its own, as units differ; all of them share time.
 *
 * What is drawn has a name for whoever does not see it, and the table beside it has every value.
 */
export function Plot({ history, span }: { history: History; span: Span }) {
  const place = useRef<HTMLDivElement>(null);
  const width = useWidth(place);
  useEffect(() => {
    if (place.current === null || width === 0) return;
    const most = Math.max(...history.steps.map((step) => step.value));
    const tickFormat = (at: Date) => when(at.getTime(), span);
    const drawn = plot({
      width,
      height: HEIGHT,
      marginLeft: 52,
      marginRight: 20,
      marginBottom: 26,
      style: { fontFamily: "inherit", fontSize: "13px", background: "transparent" },
      x: { type: span === "month" ? "utc" : "time", label: null, ticks: width < 480 ? 4 : 7, tickSize: 4, tickFormat },
      y: { label: null, ticks: most === 0 ? [0] : 3, tickFormat: "~s", domain: [0, most || 1], tickSize: 0 },
      marks: [
        rectY(history.steps, {
          x1: (step) => new Date(step.at),
          x2: (step) => new Date(step.at + history.stepMs),
          y: "value",
          inset: 0.5,
          fill: "var(--accent)",
        }),
        ruleY([0], { stroke: "var(--rule-strong)" }),
      ],
    });
    // It names its own parts in a way that no screen reader has use for.
    drawn.setAttribute("aria-hidden", "true");
    place.current.replaceChildren(drawn);
  }, [history, span, width]);
  return (
    <div
      ref={place}
      role="img"
      aria-label={summary(history, span)}
      className={styles.plot}
      style={{ minHeight: HEIGHT }}
    />
  );
}

function useWidth(place: React.RefObject<HTMLDivElement | null>): number {
  const [width, setWidth] = useState(0);
  useEffect(() => {
    if (place.current === null) return;
    const watching = new ResizeObserver(([entry]) => setWidth(Math.floor(entry?.contentRect.width ?? 0)));
    watching.observe(place.current);
    return () => watching.disconnect();
  }, [place]);
  return width;
}
