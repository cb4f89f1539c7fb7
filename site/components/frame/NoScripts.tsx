import styles from "./Offline.module.css";

/** A line for whoever has no scripts: what is text is there, and all that will come. */
export function NoScripts() {
  return (
    <noscript>
      <p className={styles.offline}>The text can be read as it is; the live parts of this page need JavaScript.</p>
    </noscript>
  );
}
