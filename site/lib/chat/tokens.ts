/** Tokens and keys: random, and of letters that need no escape in a link. */

/** 192 bits: what an invitation's link carries. */
export function newToken(): string {
  return words(24);
}

/** 96 bits: what tells a message apart from all others of its author. */
export function newKey(): string {
  return words(12);
}

/** The token in a link that somebody followed or copied; null: there is none. */
export function tokenIn(fragment: string): string | null {
  const found = fragment.replace(/^#/, "").trim();
  return found === "" ? null : found;
}

function words(bytes: number): string {
  const random = crypto.getRandomValues(new Uint8Array(bytes));
  return btoa(String.fromCharCode(...random)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
