/**
 * Finds the words that a comment hangs on, in an article that may have been edited since.
 *
 * An anchor keeps the words, what stood around them, the paragraph's name and their place, as the W3C's
 * TextQuoteSelector and TextPositionSelector do. The words themselves count first, then what stood around
 * them, then the place. If they were changed, the most similar place is taken, but only when it is similar
 * enough and there is one such place. Otherwise the comment is detached: better that than beside words which it
 * never meant.
 *
 * Offsets count UTF-16 units, as the DOM does.
 */

export interface Anchor {
  paragraph: string;
  quote: string;
  prefix: string;
  suffix: string;
  start: number;
  position: number;
}

export interface Paragraph {
  name: string;
  text: string;
}

export interface Place {
  /** Which of the paragraphs, counted from 0. */
  paragraph: number;
  start: number;
  end: number;
}

const AROUND = 32;
export const QUOTE_MAX = 2_000;

/** Fewer characters stand in any text by chance: alone they say nothing. */
const TELLING = 16;
const SHORTEST_CHANGED = 8;

/** How much of a quote may be changed, and how much more similar it must be than the second best place. */
const CHANGED_MAX = 0.35;
const CLEARLY = 0.1;

/** What to keep of a place, to find it again. */
export function anchorAt(paragraphs: readonly Paragraph[], { paragraph, start, end }: Place): Anchor {
  const { name, text } = paragraphs[paragraph]!;
  const until = Math.min(end, start + QUOTE_MAX);
  return {
    paragraph: name,
    quote: text.slice(start, until),
    prefix: text.slice(Math.max(0, start - AROUND), start),
    suffix: text.slice(until, until + AROUND),
    start,
    position: paragraph,
  };
}

/** Where the words of an anchor stand now; null: nowhere, or nobody can say where. */
export function locate(anchor: Anchor, paragraphs: readonly Paragraph[]): Place | null {
  if (anchor.quote === "") return whole(anchor, paragraphs);
  return unchanged(anchor, paragraphs) ?? changed(anchor, paragraphs);
}

function whole(anchor: Anchor, paragraphs: readonly Paragraph[]): Place | null {
  const paragraph = paragraphs.findIndex(({ name }) => name === anchor.paragraph);
  return paragraph < 0 ? null : { paragraph, start: 0, end: paragraphs[paragraph]!.text.length };
}

function unchanged(anchor: Anchor, paragraphs: readonly Paragraph[]): Place | null {
  const { quote } = anchor;
  let best: { place: Place; rank: number[] } | null = null;
  paragraphs.forEach(({ name, text }, paragraph) => {
    for (let start = text.indexOf(quote); start >= 0; start = text.indexOf(quote, start + 1)) {
      const end = start + quote.length;
      const around = agreement(anchor, text, start, end);
      const home = name === anchor.paragraph;
      if (!home && quote.length < TELLING && around < 0.5) continue;
      const rank = [
        around,
        home ? 1 : 0,
        -Math.abs(paragraph - anchor.position),
        -Math.abs(start - anchor.start),
      ];
      if (best === null || greater(rank, best.rank)) best = { place: { paragraph, start, end }, rank };
    }
  });
  return (best as { place: Place } | null)?.place ?? null;
}

/** How much of what stood around the quote stands around this place: 0 to 1. */
function agreement({ prefix, suffix }: Anchor, text: string, start: number, end: number): number {
  const kept = prefix.length + suffix.length;
  if (kept === 0) return start === 0 && end === text.length ? 1 : 0;
  let same = 0;
  for (let i = 1; i <= prefix.length && text[start - i] === prefix[prefix.length - i]; i += 1) same += 1;
  for (let i = 0; i < suffix.length && text[end + i] === suffix[i]; i += 1) same += 1;
  return same / kept;
}

function greater(a: readonly number[], b: readonly number[]): boolean {
  const differs = a.findIndex((value, at) => value !== b[at]);
  return differs >= 0 && a[differs]! > b[differs]!;
}

function changed(anchor: Anchor, paragraphs: readonly Paragraph[]): Place | null {
  if (anchor.quote.length < SHORTEST_CHANGED) return null;
  const found = paragraphs
    .map(({ text }, paragraph) => ({ paragraph, ...mostSimilar(anchor.quote, text) }))
    .sort((a, b) => a.distance - b.distance);
  const [best, second] = found;
  if (best === undefined || best.distance > CHANGED_MAX * anchor.quote.length) return null;
  if (second !== undefined && second.distance - best.distance < CLEARLY * anchor.quote.length) return null;
  return { paragraph: best.paragraph, start: best.start, end: best.end };
}

/**
 * The part of a text that takes the fewest edits to become the quote.
 *
 * P. H. Sellers, "The theory and computation of evolutionary distances: pattern recognition" (1980); beside each
 * distance goes where its part begins.
 */
function mostSimilar(quote: string, text: string): { start: number; end: number; distance: number } {
  let distances = Uint32Array.from({ length: quote.length + 1 }, (_, i) => i);
  let starts = new Uint32Array(quote.length + 1);
  let best = { start: 0, end: 0, distance: quote.length };
  for (let end = 1; end <= text.length; end += 1) {
    const next = new Uint32Array(quote.length + 1);
    const nextStarts = new Uint32Array(quote.length + 1);
    nextStarts[0] = end;
    for (let i = 1; i <= quote.length; i += 1) {
      const replaced = distances[i - 1]! + (quote[i - 1] === text[end - 1] ? 0 : 1);
      const added = distances[i]! + 1;
      const dropped = next[i - 1]! + 1;
      const least = Math.min(replaced, added, dropped);
      next[i] = least;
      nextStarts[i] = least === replaced ? starts[i - 1]! : least === added ? starts[i]! : nextStarts[i - 1]!;
    }
    [distances, starts] = [next, nextStarts];
    if (distances[quote.length]! < best.distance) {
      best = { start: starts[quote.length]!, end, distance: distances[quote.length]! };
    }
  }
  return best;
}
