import type { Metadata } from "next";
import styles from "@/components/articles/Article.module.css";
import { Text } from "@/components/articles/Text";
import { Margin } from "@/components/comments/Margin";
import { allArticles, dayInWords, readArticle } from "@/lib/articles";

interface Props {
  params: Promise<{ slug: string }>;
}

export const dynamicParams = false;

export function generateStaticParams(): { slug: string }[] {
  return allArticles().map(({ slug }) => ({ slug }));
}

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  const { title, summary } = readArticle((await params).slug);
  return { title, description: summary };
}

export default async function ArticlePage({ params }: Props) {
  const { slug, title, date, summary, text } = readArticle((await params).slug);
  return (
    <main id="main" tabIndex={-1} className={styles.article}>
      <article aria-labelledby="title">
        <header className={styles.head}>
          <h1 id="title">{title}</h1>
          <p className={styles.summary}>{summary}</p>
          <p className={styles.date}>
            <time dateTime={date}>{dayInWords(date)}</time>
          </p>
        </header>
        <div className={styles.text} data-article={slug}>
          <Text mdx={text} />
        </div>
      </article>
      <Margin article={slug} />
    </main>
  );
}
