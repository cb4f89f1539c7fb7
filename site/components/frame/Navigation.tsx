"use client";

import Link from "next/link";
import { usePathname } from "next/navigation";
import styles from "./Header.module.css";
import { useMe } from "./useMe";

const PLACES = [
  ["/", "Articles"],
  ["/chat/", "Chat"],
  ["/network/", "Network"],
  ["/stats/", "Stats"],
] as const;

const OWNERS = [
  ["/dashboard/", "Dashboard"],
  ["/moderation/", "Moderation"],
] as const;

export function Navigation() {
  const path = usePathname();
  const isOwner = useMe()?.standing === "owner";
  return (
    <nav aria-label="Pages" className={styles.navigation}>
      <ul>
        {[...PLACES, ...(isOwner ? OWNERS : [])].map(([to, name]) => (
          <li key={to}>
            <Link href={to} aria-current={isWithin(path, to) ? "page" : undefined}>
              {name}
            </Link>
          </li>
        ))}
      </ul>
    </nav>
  );
}

/** An article belongs to the list of them, which is the first page. */
function isWithin(path: string, place: string): boolean {
  if (place === "/") return path === "/" || path.startsWith("/articles/");
  return path.startsWith(place.replace(/\/$/, ""));
}
