import Link from "next/link";
import styles from "./Header.module.css";
import { Navigation } from "./Navigation";
import { Who } from "./Who";

export function Header() {
  return (
    <header className={styles.header}>
      <Link href="/" className={styles.name}>
        joelclaw
      </Link>
      <Navigation />
      <Who />
    </header>
  );
}
