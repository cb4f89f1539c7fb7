/** Files that may come with a message, told before they are uploaded what the server would tell afterwards. */

export const FILES_MAX = 8;
export const FILE_BYTES_MAX = 10 * 1024 * 1024;

const KINDS = ["image/", "audio/", "video/", "text/plain", "application/pdf", "application/zip"];

/** For the file chooser. */
export const ACCEPTED = "image/*,audio/*,video/*,text/plain,application/pdf,application/zip";

/** Why a file cannot be sent, as a sentence; null: it can. */
export function problemOf(file: { name: string; size: number; type: string }): string | null {
  if (file.size > FILE_BYTES_MAX) return `${file.name} is larger than ${size(FILE_BYTES_MAX)}.`;
  if (file.size === 0) return `${file.name} is empty.`;
  if (file.type.startsWith("image/svg") || !KINDS.some((kind) => file.type.startsWith(kind))) {
    return `${file.name} is no picture, sound, film, text, PDF or ZIP.`;
  }
  return null;
}

export function isPicture(contentType: string): boolean {
  return contentType.startsWith("image/") && !contentType.startsWith("image/svg");
}

/** `size(1_500_000)` is "1.4 MB". */
export function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const [amount, unit] = bytes < 1024 * 1024 ? [bytes / 1024, "KB"] : [bytes / (1024 * 1024), "MB"];
  return `${amount < 10 ? amount.toFixed(1).replace(/\.0$/, "") : Math.round(amount)} ${unit}`;
}
