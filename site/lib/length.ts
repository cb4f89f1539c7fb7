/** How long a text may be, as the server counts: by characters, not UTF-16 units, and without what stands around it. */

/** What to say about a text that is too long; undefined: it is not. */
export function tooLong(text: string, max: number): string | undefined {
  const words = text.trim();
  // Units are never fewer than characters, so a text of common length is not taken apart at every key.
  const over = words.length <= max ? 0 : [...words].length - max;
  if (over <= 0) return undefined;
  return `${over.toLocaleString("en")} ${over === 1 ? "character" : "characters"} too long. At most ${max.toLocaleString("en")} are sent at once.`;
}
