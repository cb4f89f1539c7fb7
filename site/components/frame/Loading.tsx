import styles from "./quiet.module.css";

/** Something is on its way. Seen only if it takes a moment, so that what is quick does not flicker. */
export function Loading({ what = "Loading" }: { what?: string }) {
  return (
    <p className={styles.loading} aria-busy="true">
      {what}…
    </p>
  );
}
