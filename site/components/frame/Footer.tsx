import styles from "./Footer.module.css";
import { ThemeToggle } from "./ThemeToggle";

export function Footer() {
  return (
    <footer className={styles.footer}>
      <p>joelclaw: articles about a small system, and the system itself, live.</p>
      <ThemeToggle />
    </footer>
  );
}
