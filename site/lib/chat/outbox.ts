/**
 * What was written and has not arrived yet.
 *
 * Each message has a key of its own, which the server knows again: so it may be sent as often as it takes, also by
 * the page that comes after a reload, and is said once. What is here outlives a reload of its tab, and shows as
 * sending or failed until the server has it.
 */

export interface SentFile {
  file: string;
  name: string;
}

export interface Pending {
  key: string;
  room: string;
  body: string;
  attachments: readonly SentFile[];
  at: number;
  /** Why it was refused, as a sentence; null: it is on its way. */
  failed: string | null;
}

export type Unsent = Omit<Pending, "failed">;

export interface Courier {
  /** Settles when the server has answered; while there is no connection it waits. */
  deliver(message: Pending): Promise<unknown>;
  why(error: unknown): string;
}

export class Outbox {
  private messages: readonly Pending[];
  private readonly listeners = new Set<() => void>();

  /** `place` is where it is kept; it may be closed to us, which costs the messages that a reload interrupts. */
  constructor(
    private readonly courier: Courier,
    private readonly place: { read(): string | null; write(text: string): void },
  ) {
    this.messages = read(place);
    for (const message of this.messages) if (message.failed === null) void this.deliver(message);
  }

  /** In the order in which they were written. The same list until something changes. */
  readonly pending = (): readonly Pending[] => this.messages;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  send(message: Unsent): void {
    const pending = { ...message, failed: null };
    this.change([...this.messages, pending]);
    void this.deliver(pending);
  }

  retry(key: string): void {
    const found = this.messages.find((message) => message.key === key);
    if (found === undefined || found.failed === null) return;
    const pending = { ...found, failed: null };
    this.replace(key, pending);
    void this.deliver(pending);
  }

  /** Give up one that was refused. One that is on its way may have arrived already. */
  discard(key: string): void {
    this.change(this.messages.filter((message) => message.key !== key || message.failed === null));
  }

  private async deliver(message: Pending): Promise<void> {
    try {
      await this.courier.deliver(message);
    } catch (error) {
      this.replace(message.key, { ...message, failed: this.courier.why(error) });
      return;
    }
    this.change(this.messages.filter(({ key }) => key !== message.key));
  }

  private replace(key: string, by: Pending): void {
    this.change(this.messages.map((message) => (message.key === key ? by : message)));
  }

  private change(messages: readonly Pending[]): void {
    this.messages = messages;
    try {
      this.place.write(JSON.stringify(messages));
    } catch {
      // Full, or closed to us.
    }
    for (const listener of this.listeners) listener();
  }
}

function read(place: { read(): string | null }): readonly Pending[] {
  try {
    const kept: unknown = JSON.parse(place.read() ?? "[]");
    return Array.isArray(kept) ? kept.filter(isPending) : [];
  } catch {
    return [];
  }
}

/** It was written by this code, but perhaps by an older version of it. */
function isPending(kept: unknown): kept is Pending {
  if (typeof kept !== "object" || kept === null) return false;
  const { key, room, body, attachments, at, failed } = kept as Record<string, unknown>;
  return (
    [key, room, body].every((text) => typeof text === "string") &&
    Array.isArray(attachments) &&
    typeof at === "number" &&
    (failed === null || typeof failed === "string")
  );
}
