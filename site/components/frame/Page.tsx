import type { ReactNode } from "react";
import styles from "./Page.module.css";

interface Props {
  title: string;
  lead?: ReactNode;
  /** Uses the width of the margin, too: tables, maps. */
  wide?: boolean;
  children: ReactNode;
}

/** A page's own part, between header and footer. */
export function Page({ title, lead, wide = false, children }: Props) {
  return (
    <main id="main" tabIndex={-1} className={wide ? styles.wide : styles.page}>
      <h1>{title}</h1>
      {lead && <p className={styles.lead}>{lead}</p>}
      {children}
    </main>
  );
}
