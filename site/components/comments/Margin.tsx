"use client";

/** What is said beside an article's paragraphs: each has `data-anchor`. */
export function Margin(_: { article: string }) {
  return null;
}
