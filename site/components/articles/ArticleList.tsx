import Link from "next/link";
import { type Article, dayInWords } from "@/lib/articles";
import styles from "./ArticleList.module.css";

export function ArticleList({ articles }: { articles: Article[] }) {
  return (
    <ol className={styles.list}>
      {articles.map(({ slug, title, date, summary }) => (
        <li key={slug}>
          <h2>
            <Link href={`/articles/${slug}/`}>{title}</Link>
          </h2>
          <p>{summary}</p>
          <p className={styles.date}>
            <time dateTime={date}>{dayInWords(date)}</time>
          </p>
        </li>
      ))}
    </ol>
  );
}
