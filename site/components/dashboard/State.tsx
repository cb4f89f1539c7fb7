import styles from "./Dashboard.module.css";

type Tone = "good" | "warn" | "bad" | "quiet";

const TONES: Record<string, Tone> = {
  up: "good",
  degraded: "warn",
  down: "bad",
  running: "good",
  failed: "bad",
  unknown: "warn",
};

/** How something is: a word, and a mark whose form says the same as its colour. */
export function State({ state }: { state: string }) {
  return (
    <span className={styles.state} data-tone={TONES[state] ?? "quiet"}>
      {state}
    </span>
  );
}
