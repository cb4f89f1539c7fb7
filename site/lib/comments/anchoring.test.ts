import { expect, test } from "vitest";
import { anchorAt, locate, type Paragraph, type Place } from "./anchoring";

const ARTICLE: readonly Paragraph[] = [
  { name: "below", text: "Below an article is a bad place for a comment: nobody remembers what it answers." },
  { name: "margin", text: "The margin is a better place, and an old one. Whoever owned the book wrote there." },
  { name: "paper", text: "On paper the line stays where it is. Here a comment has to find its line again." },
];

function anchorOf(quote: string, paragraph: number, article = ARTICLE) {
  const start = article[paragraph]!.text.indexOf(quote);
  expect(start).toBeGreaterThanOrEqual(0);
  return anchorAt(article, { paragraph, start, end: start + quote.length });
}

/** The words at a place. */
function wordsAt(place: Place | null, article: readonly Paragraph[]): string | null {
  return place && article[place.paragraph]!.text.slice(place.start, place.end);
}

function edited(paragraph: number, from: string, to: string): Paragraph[] {
  return ARTICLE.map((it, at) => (at === paragraph ? { ...it, text: it.text.replace(from, to) } : it));
}

test("in an article that nobody edited, words are where they were", () => {
  for (let paragraph = 0; paragraph < ARTICLE.length; paragraph += 1) {
    for (let start = 0; start < 60; start += 7) {
      const place = { paragraph, start, end: start + 5 };
      expect(locate(anchorAt(ARTICLE, place), ARTICLE)).toEqual(place);
    }
  }
});

test("a word that was changed within the quote is found with the rest of it", () => {
  const article = edited(1, "a better place", "a finer place");
  const anchor = anchorOf("The margin is a better place, and an old one.", 1);
  expect(wordsAt(locate(anchor, article), article)).toBe("The margin is a finer place, and an old one.");
});

test("a paragraph that moved takes its comment along, though its name be new", () => {
  const article = [ARTICLE[2]!, { name: "margin-2", text: ARTICLE[1]!.text }, ARTICLE[0]!];
  expect(locate(anchorOf("Whoever owned the book", 1), article)?.paragraph).toBe(1);
  expect(locate(anchorOf("nobody remembers", 0), article)?.paragraph).toBe(2);
});

test("of a paragraph that was split, the comment stays with its words", () => {
  const [first, second] = ARTICLE[1]!.text.split(/(?<=one\.) /);
  const article = [ARTICLE[0]!, { name: "margin", text: first! }, { name: "whoever", text: second! }, ARTICLE[2]!];
  expect(locate(anchorOf("Whoever owned the book", 1), article)).toEqual({ paragraph: 2, start: 0, end: 22 });
});

test("paragraphs that were merged keep both their comments", () => {
  const article = [{ name: "below", text: `${ARTICLE[0]!.text} ${ARTICLE[1]!.text}` }, ARTICLE[2]!];
  for (const [quote, paragraph] of [["a bad place", 0], ["a better place, and", 1]] as const) {
    const place = locate(anchorOf(quote, paragraph), article);
    expect([place?.paragraph, wordsAt(place, article)]).toEqual([0, quote]);
  }
});

test("what was deleted leaves its comments detached, short and long", () => {
  const article = [ARTICLE[0]!, ARTICLE[2]!];
  for (const quote of ["an", "place", "Whoever owned the book wrote there."]) {
    expect(locate(anchorOf(quote, 1), article)).toBeNull();
  }
});

test("of the same words twice, those are meant that stood there", () => {
  const article = [{ name: "p", text: "one word and one more, then one last" }];
  for (const start of [0, 13, 28]) {
    const anchor = anchorAt(article, { paragraph: 0, start, end: start + 3 });
    expect(locate(anchor, article)?.start).toBe(start);
    const longer = [{ name: "p", text: `Well. ${article[0]!.text}` }];
    expect(locate(anchor, longer)?.start).toBe(start + 6);
  }
});

test("between two places that are as similar, nobody chooses", () => {
  const article = [1, 2].map((n) => ({ name: `p${n}`, text: "the quick brown fox jumped over it" }));
  const anchor = anchorAt([{ name: "p", text: "the quick brown fox jumps over it" }], { paragraph: 0, start: 0, end: 33 });
  expect(locate(anchor, article)).toBeNull();
});

test("a comment on a whole paragraph follows its name", () => {
  const anchor = { paragraph: "paper", quote: "", prefix: "", suffix: "", start: 0, position: 2 };
  expect(locate(anchor, ARTICLE)).toEqual({ paragraph: 2, start: 0, end: ARTICLE[2]!.text.length });
  expect(locate(anchor, ARTICLE.slice(0, 2))).toBeNull();
});

test("after edits elsewhere a quote is where its words are", () => {
  const seed = Date.now() % 2 ** 31;
  console.log(`seed ${seed}`);
  let state = seed;
  const below = (limit: number) => (state = (state * 48_271 + 11) % 2_147_483_647) % limit;
  for (let round = 0; round < 200; round += 1) {
    // Words of their own, so that each quote stands in one place.
    const words = Array.from({ length: 60 }, (_, n) => `${"abcdefghij"[below(10)]}word${n}`);
    const cut = 20 + below(20);
    const at = [below(cut - 4), cut + below(60 - cut - 4)][below(2)]!;
    const before = [words.slice(0, cut), words.slice(cut)].map((it, n) => ({ name: `p${n}`, text: it.join(" ") }));
    const quote = words.slice(at, at + 4).join(" ");
    const paragraph = before.findIndex(({ text }) => text.includes(quote));
    const anchor = anchorOf(quote, paragraph, before);

    const after = words.flatMap((word, n) => {
      if (n >= at && n < at + 4) return [word];
      return [[word], [], [word, `new${below(1000)}`], [`other${below(1000)}`]][below(4)]!;
    });
    const kept = after.join(" ");
    const split = kept.indexOf(quote) + (below(2) ? 0 : quote.length);
    const article = [kept.slice(0, split), kept.slice(split)].map((text, n) => ({ name: `q${n}`, text }));
    expect(wordsAt(locate(anchor, article), article)).toBe(quote);
  }
});
