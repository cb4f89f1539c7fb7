import { expect, test } from "vitest";
import { dayName, parts, type Row, rows, slugOf, type Spoken, typingLine } from "./rows";

const noon = new Date(2026, 4, 20, 12).getTime();
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

const said = (seq: number, author: string, at = noon): Spoken => ({ seq, at, author: { id: author } });
const shape = (found: Row<Spoken>[]) =>
  found.map((row) => (row.kind === "message" ? `${row.message.seq}${row.named ? " named" : ""}` : row.kind));

test("a name stands once before what somebody says in one breath", () => {
  const messages = [said(1, "a"), said(2, "a", noon + MINUTE), said(3, "b", noon + MINUTE), said(4, "b", noon + 7 * MINUTE)];
  expect(shape(rows(messages, 4, "me"))).toEqual(["day", "1 named", "2", "3 named", "4 named"]);
});

test("each day begins with its name, and everybody is named anew", () => {
  expect(shape(rows([said(1, "a", noon - DAY), said(2, "a")], 2, "me"))).toEqual(["day", "1 named", "day", "2 named"]);
});

test("a mark stands before the first message that is new and somebody else's", () => {
  const messages = [said(1, "a"), said(2, "me"), said(3, "a"), said(4, "a")];
  expect(shape(rows(messages, 1, "me"))).toEqual(["day", "1 named", "2 named", "new", "3 named", "4"]);
  expect(shape(rows(messages, 3, "me")).indexOf("new")).toBe(4);
  expect(shape(rows(messages, 4, "me"))).not.toContain("new");
  expect(shape(rows(messages.slice(0, 2), 1, "me"))).not.toContain("new");
});

test("rows have different keys, which do not change when older messages are loaded", () => {
  const messages = [said(1, "a", noon - DAY), said(2, "b"), said(3, "a")];
  const keys = rows(messages, 2, "me").map(({ key }) => key);
  expect(new Set(keys).size).toBe(keys.length);
  expect(keys).toEqual(expect.arrayContaining(rows(messages.slice(1), 2, "me").map(({ key }) => key)));
});

test("days have names", () => {
  expect([noon, noon - DAY, noon - 10 * DAY, noon - 400 * DAY].map((at) => dayName(at, noon, "en"))).toEqual([
    "Today",
    "Yesterday",
    "Sunday, May 10",
    "Tuesday, April 15, 2025",
  ]);
});

test("who is typing fits into a line", () => {
  expect([[], ["Ann"], ["Ann", "Bob"], ["Ann", "Bob", "Cy", "Di"]].map(typingLine)).toEqual([
    "",
    "Ann is typing",
    "Ann and Bob are typing",
    "Ann, Bob and 2 more are typing",
  ]);
});

test("a title makes an address", () => {
  expect(["The Lobby", "  Käse & Öl! ", "---", "x".repeat(60), "a".repeat(39) + " b"].map(slugOf)).toEqual([
    "the-lobby",
    "kase-ol",
    "",
    "x".repeat(40),
    "a".repeat(39),
  ]);
});

test("addresses in a text are told apart from what is around them", () => {
  expect(parts("see https://a.example/b?c=d. And (http://x.example), or not")).toEqual([
    { text: "see " },
    { text: "https://a.example/b?c=d", url: "https://a.example/b?c=d" },
    { text: ". And (" },
    { text: "http://x.example", url: "http://x.example" },
    { text: "), or not" },
  ]);
  expect(parts("javascript:alert(1) ftp://x")).toEqual([{ text: "javascript:alert(1) ftp://x" }]);
  expect(parts("")).toEqual([]);
});
