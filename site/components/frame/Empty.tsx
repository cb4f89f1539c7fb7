import type { ReactNode } from "react";
import styles from "./quiet.module.css";

/** There is nothing yet, and what would be here. */
export function Empty({ children }: { children: ReactNode }) {
  return <p className={styles.empty}>{children}</p>;
}
