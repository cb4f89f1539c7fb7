/** What a room shows, line by line: messages, the days between them, and where the new ones begin. */

export interface Spoken {
  seq: number;
  at: number;
  author: { id: string };
}

export type Row<M> =
  | { kind: "day"; key: string; at: number }
  | { kind: "new"; key: string }
  | { kind: "message"; key: string; message: M; /** The name stands before the first of several. */ named: boolean };

/** Somebody who goes on within this time need not be named again. */
const BREATH_MS = 5 * 60_000;

/**
 * Rows for messages, the oldest first.
 *
 * Those after `readSeq` are new, unless they are `me`'s own. Days are those of the reader.
 */
export function rows<M extends Spoken>(messages: readonly M[], readSeq: number, me: string): Row<M>[] {
  const found: Row<M>[] = [];
  let before: M | undefined;
  let marked = false;
  for (const message of messages) {
    const day = dayOf(message.at);
    const anotherDay = before === undefined || dayOf(before.at) !== day;
    if (anotherDay) found.push({ kind: "day", key: `day ${day}`, at: message.at });
    const isNew: boolean = !marked && message.seq > readSeq && message.author.id !== me;
    if (isNew) found.push({ kind: "new", key: "new" });
    marked ||= isNew;
    const goesOn = before?.author.id === message.author.id && message.at - before.at < BREATH_MS;
    found.push({ kind: "message", key: String(message.seq), message, named: anotherDay || isNew || !goesOn });
    before = message;
  }
  return found;
}

function dayOf(at: number): string {
  return new Date(at).toDateString();
}

/** "Today", "Yesterday", or a date. */
export function dayName(at: number, now: number, locale?: string): string {
  const day = dayOf(at);
  if (day === dayOf(now)) return "Today";
  const yesterday = new Date(now);
  yesterday.setDate(yesterday.getDate() - 1);
  if (day === yesterday.toDateString()) return "Yesterday";
  const year = new Date(at).getFullYear() === new Date(now).getFullYear() ? undefined : "numeric";
  return new Date(at).toLocaleDateString(locale, { weekday: "long", day: "numeric", month: "long", year });
}

/** "Ann is typing", with as many names as fit into a line. */
export function typingLine(names: readonly string[]): string {
  const [first, second, ...others] = names;
  if (first === undefined) return "";
  if (second === undefined) return `${first} is typing`;
  if (others.length === 0) return `${first} and ${second} are typing`;
  return `${first}, ${second} and ${others.length} more are typing`;
}

/** A room's name in addresses, made of its title: small letters, digits and dashes. */
export function slugOf(title: string): string {
  return title
    .normalize("NFKD")
    .replace(/\p{Mark}/gu, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, 40)
    .replace(/^-+|-+$/g, "");
}

export type Part = { text: string; url?: string };

/** A text in parts, of which some are addresses. What ends a sentence does not belong to one. */
export function parts(text: string): Part[] {
  const found: Part[] = [];
  let end = 0;
  for (const match of text.matchAll(/\bhttps?:\/\/[^\s<>"]+/g)) {
    const url = match[0].replace(/[.,;:!?'")\]]+$/, "");
    if (match.index > end) found.push({ text: text.slice(end, match.index) });
    found.push({ text: url, url });
    end = match.index + url.length;
  }
  if (end < text.length) found.push({ text: text.slice(end) });
  return found;
}
