/** The articles: MDX files of `content/`, read when the site is built. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

export interface Article {
  slug: string;
  title: string;
  /** The day it was published: `2026-11-03`. */
  date: string;
  summary: string;
  /** The MDX below the front matter. */
  text: string;
}

const CONTENT = join(process.cwd(), "content");

/** All articles, the newest first. */
export function allArticles(): Article[] {
  const files = readdirSync(CONTENT).filter((name) => name.endsWith(".mdx"));
  const articles = files.map((name) => readArticle(name.replace(/\.mdx$/, "")));
  return articles.sort((one, other) => other.date.localeCompare(one.date) || one.slug.localeCompare(other.slug));
}

export function readArticle(slug: string): Article {
  return parseArticle(slug, readFileSync(join(CONTENT, `${slug}.mdx`), "utf8"));
}

/** The front matter has a title, a date and a summary; an article that lacks one is not published by mistake. */
export function parseArticle(slug: string, source: string): Article {
  const parts = /^---\n(.*?)\n---\n(.*)$/s.exec(source);
  if (parts === null) throw new Error(`${slug}.mdx does not begin with front matter between two lines of ---`);
  const matter: unknown = parse(parts[1]!);
  const { title, date, summary } = (matter ?? {}) as Record<string, unknown>;
  for (const [name, value] of Object.entries({ title, date, summary })) {
    if (typeof value !== "string" || value === "") throw new Error(`${slug}.mdx has no ${name} in its front matter`);
  }
  if (!/^\d{4}-\d\d-\d\d$/.test(date as string)) throw new Error(`${slug}.mdx has a date that is no day: ${date}`);
  return { slug, title: title as string, date: date as string, summary: summary as string, text: parts[2]! };
}

/** `2026-11-03` as it is read: "3 November 2026". */
export function dayInWords(date: string): string {
  return new Date(`${date}T00:00:00Z`).toLocaleDateString("en-GB", { dateStyle: "long", timeZone: "UTC" });
}
