import { expect, test } from "vitest";
import { allArticles, dayInWords, parseArticle } from "./articles";

const SOURCE = "---\ntitle: T\ndate: \"2026-11-03\"\nsummary: S\n---\n\nText.\n";

test("an article is its front matter and its text", () => {
  expect(parseArticle("t", SOURCE)).toEqual({ slug: "t", title: "T", date: "2026-11-03", summary: "S", text: "\nText.\n" });
});

test.each([
  ["Text.", /begin with front matter/],
  [SOURCE.replace("summary: S\n", ""), /no summary/],
  [SOURCE.replace("title: T", "title: ''"), /no title/],
  [SOURCE.replace("2026-11-03", "soon"), /no day/],
])("one that lacks something is refused", (source, message) => {
  expect(() => parseArticle("t", source)).toThrow(message);
});

test("the newest comes first", () => {
  const dates = allArticles().map(({ date }) => date);
  expect(dates.length).toBeGreaterThan(2);
  expect(dates).toEqual([...dates].sort().reverse());
});

test("a day is read as one", () => {
  expect(dayInWords("2026-11-03")).toBe("3 November 2026");
});
