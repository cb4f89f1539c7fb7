"use client";

import { described, label, type Layout, type Machine } from "@/lib/network";
import styles from "./Network.module.css";

interface Props {
  machines: readonly Machine[];
  layout: Layout;
}

/**
 * What there is, and what runs on what. Kinds are shapes; a state is how the shape is filled, and its colour besides.
 *
 * Each mark is a stop of the Tab key, with everything about it for a name.
 */
export function MapDrawn({ machines, layout: { places, box } }: Props) {
  return (
    <figure className={styles.map}>
      <svg
        viewBox={`${box.x} ${box.y} ${box.width} ${box.height}`}
        style={{ maxWidth: box.width * 1.1 }}
        role="group"
        aria-label="Map of machines"
      >
        {machines.map(({ id, runsOn }) => {
          const [from, to] = [places.get(id), runsOn === null ? undefined : places.get(runsOn)];
          if (from === undefined || to === undefined) return null;
          return <line key={id} x1={from.x} y1={from.y} x2={to.x} y2={to.y} className={styles.link} />;
        })}
        {machines.map((machine) => {
          const place = places.get(machine.id);
          return (
            place && (
              <g
                key={machine.id}
                transform={`translate(${place.x} ${place.y})`}
                className={machine.old ? `${styles.mark} ${styles.faded}` : styles.mark}
                data-state={machine.state}
                role="img"
                tabIndex={0}
                aria-label={described(machine, machines)}
              >
                <title>{described(machine, machines)}</title>
                <Shape kind={machine.kind} />
                {machine.state === "failed" && <path d="M-4,-4 L4,4 M4,-4 L-4,4" className={styles.cross} />}
                <text y={machine.kind === "node" ? 30 : 23} data-kind={machine.kind}>
                  {label(machine.name)}
                </text>
              </g>
            )
          );
        })}
      </svg>
      <figcaption className={styles.legend}>
        <Sample kind="node">node</Sample>
        <Sample kind="pod">pod</Sample>
        <Sample kind="daemon">daemon</Sample>
        <Sample kind="pod" state="waiting">
          waiting
        </Sample>
        <Sample kind="pod" state="failed">
          failed
        </Sample>
        <Sample kind="daemon" state="silent">
          silent
        </Sample>
      </figcaption>
    </figure>
  );
}

export function Shape({ kind }: { kind: Machine["kind"] }) {
  if (kind === "node") return <circle r={13} />;
  if (kind === "daemon") return <path d="M0,-10 L10,0 L0,10 L-10,0 Z" />;
  return <rect x={-8} y={-8} width={16} height={16} rx={2} />;
}

interface SampleProps {
  kind: Machine["kind"];
  state?: Machine["state"];
  children: string;
}

function Sample({ kind, state = "ready", children }: SampleProps) {
  return (
    <span>
      <svg viewBox="-16 -16 32 32" width={20} height={20} aria-hidden="true">
        <g className={styles.mark} data-state={state}>
          <Shape kind={kind} />
          {state === "failed" && <path d="M-4,-4 L4,4 M4,-4 L-4,4" className={styles.cross} />}
        </g>
      </svg>
      {children}
    </span>
  );
}
