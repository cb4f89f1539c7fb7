/** An article's paragraphs in the page: their words, and where these stand. Notes of the author's are not among them. */

import type { Paragraph, Place } from "@/lib/comments/anchoring";

export interface Shown extends Paragraph {
  element: HTMLElement;
}

const ASIDE = "[data-sidenote], [data-comments]";

export function paragraphsOf(article: string): Shown[] {
  const found = document.querySelectorAll<HTMLElement>(`[data-article="${CSS.escape(article)}"] [data-anchor]`);
  return [...found].map((element) => ({
    element,
    name: element.dataset["anchor"] ?? "",
    text: [...texts(element)].map((node) => node.data).join(""),
  }));
}

/** The part of the page that a place is. */
export function rangeOf(paragraphs: readonly Shown[], place: Place): Range {
  const { element } = paragraphs[place.paragraph]!;
  const range = document.createRange();
  range.selectNodeContents(element);
  let before = 0;
  for (const node of texts(element)) {
    const after = before + node.length;
    if (place.start >= before && place.start < after) range.setStart(node, place.start - before);
    if (place.end > before && place.end <= after) range.setEnd(node, place.end - before);
    before = after;
  }
  return range;
}

/** The place that somebody has selected; null: nothing, or more than one paragraph. */
export function selectedPlace(paragraphs: readonly Shown[]): Place | null {
  const selection = getSelection();
  if (selection === null || selection.rangeCount === 0 || selection.isCollapsed) return null;
  const range = selection.getRangeAt(0);
  const paragraph = paragraphs.findIndex(({ element }) => element.contains(range.startContainer));
  if (paragraph < 0) return null;
  const { element, text } = paragraphs[paragraph]!;
  const start = lengthUntil(element, range.startContainer, range.startOffset);
  // A triple click ends where the next paragraph begins.
  const within = element.contains(range.endContainer);
  if (!within && range.toString().trim().length > text.length) return null;
  const end = within ? lengthUntil(element, range.endContainer, range.endOffset) : text.length;
  const words = text.slice(start, end);
  if (words.trim() === "") return null;
  const skipped = words.length - words.trimStart().length;
  return { paragraph, start: start + skipped, end: start + words.trimEnd().length };
}

function lengthUntil(element: HTMLElement, container: Node, offset: number): number {
  const end = document.createRange();
  end.setStart(container, offset);
  let length = 0;
  for (const node of texts(element)) {
    if (node === container) return length + offset;
    if (end.comparePoint(node, 0) >= 0) break;
    length += node.length;
  }
  return length;
}

function* texts(element: HTMLElement): Generator<Text> {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    if (node.parentElement?.closest(ASIDE) === null) yield node as Text;
  }
}
