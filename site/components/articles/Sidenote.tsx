import { Children, type ReactNode, useId } from "react";
import styles from "./Sidenote.module.css";

/**
 * Said aside: beside the line in the margin, or opened below it where there is none.
 *
 * A check box does it, so that notes open before any script has come, and with no script at all.
 */
export function Sidenote({ children }: { children: ReactNode }) {
  const id = useId();
  return (
    <span className={styles.place}>
      <input type="checkbox" className={styles.toggle} id={id} aria-label="Note" />
      <span className={styles.note} role="note" data-sidenote>
        {Children.map(children, unwrapped)}
      </span>
    </span>
  );
}

/** MDX makes a paragraph of a note on lines of its own, and there is none within a paragraph. */
function unwrapped(child: ReactNode): ReactNode {
  if (typeof child === "object" && child !== null && "type" in child && child.type === "p") {
    return (child.props as { children: ReactNode }).children;
  }
  return child;
}
