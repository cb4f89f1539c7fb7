/**
 * Names for the paragraphs of an article, so that a comment can say which one it hangs on.
 *
 * A name is made of the paragraph's first words: it stays when other paragraphs come, go or move, and
 * when this one is changed behind its beginning. Where it does not, whoever looks for it has the quote.
 *
 * A plugin of rehype: `evaluate(text, { rehypePlugins: [nameParagraphs] })`.
 */

import type { Element, Root, RootContent } from "hast";

const NAMED = new Set(["p", "li", "blockquote", "pre", "h2", "h3"]);
const WORDS = 6;

export function nameParagraphs() {
  return (tree: Root): void => {
    const taken = new Map<string, number>();
    for (const block of blocks(tree)) {
      const base = slug(textOf(block).trim().split(/\s+/).slice(0, WORDS).join(" ")) || block.tagName;
      const count = (taken.get(base) ?? 0) + 1;
      taken.set(base, count);
      const name = count === 1 ? base : `${base}-${count}`;
      block.properties = { ...block.properties, id: block.properties?.["id"] ?? name, "data-anchor": name };
    }
  };
}

/** What is read as one: a list item with paragraphs is its paragraphs, and what is said beside the text is none. */
function* blocks(parent: { children: unknown[] }): Generator<Element> {
  for (const child of parent.children as RootContent[]) {
    if (child.type !== "element") continue;
    const within = [...blocks(child)];
    if (within.length > 0) yield* within;
    else if (NAMED.has(child.tagName)) yield child;
  }
}

/** The words of the paragraph itself, without those of notes in it. */
export function textOf(node: unknown): string {
  const { type, value, children } = node as { type: string; value?: string; children?: unknown[] };
  if (type === "text") return value ?? "";
  if (type.startsWith("mdx")) return "";
  return (children ?? []).map(textOf).join("");
}

export function slug(text: string): string {
  return text
    .normalize("NFKD")
    .replace(/\p{Mark}/gu, "")
    .toLowerCase()
    .replace(/['’]/g, "")
    .replace(/[^\p{Letter}\p{Number}]+/gu, "-")
    .replace(/^-+|-+$/g, "");
}
