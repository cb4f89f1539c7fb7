"use client";

import { useMutation } from "convex/react";
import { type ClipboardEvent, type KeyboardEvent, useEffect, useId, useRef, useState } from "react";
import { api } from "@/convex/_generated/api";
import { Button } from "@/components/frame/Button";
import { Problem } from "@/components/frame/Problem";
import { useGoing } from "@/components/frame/useGoing";
import { ACCEPTED, size } from "@/lib/chat/files";
import type { Outbox } from "@/lib/chat/outbox";
import { newKey } from "@/lib/chat/tokens";
import { tooLong } from "@/lib/length";
import styles from "./Composer.module.css";
import type { RoomSeen, Said } from "./types";
import { useTyping } from "./usePresence";
import type { Uploads } from "./useUploads";

const BODY_CHARACTERS = 8_000;

interface Props {
  room: RoomSeen;
  outbox: Outbox;
  uploads: Uploads;
  /** For the key that edits what one said last. */
  editLast: () => void;
}

/** Where something is written. What is written stays when the room, or the page, is left and opened again. */
export function Composer({ room, outbox, uploads, editLast }: Props) {
  const [text, setText] = useDraft(room.id);
  const field = useRef<HTMLTextAreaElement>(null);
  const pressed = useTyping(room.id);
  const onItsWay = uploads.uploads.some((upload) => upload.file === null);
  const excess = tooLong(text, BODY_CHARACTERS);
  const ready = (text.trim() !== "" || uploads.uploads.length > 0) && !onItsWay && excess === undefined;

  useEffect(() => field.current?.focus({ preventScroll: true }), []);

  const send = () => {
    if (!ready) return;
    outbox.send({ key: newKey(), room: room.id, body: text, attachments: uploads.take(), at: Date.now() });
    setText("");
    field.current?.focus();
  };
  const keyed = (event: KeyboardEvent) => {
    if (isSend(event)) {
      event.preventDefault();
      send();
    } else if (event.key === "ArrowUp" && text === "") {
      event.preventDefault();
      editLast();
    }
  };
  const pasted = (event: ClipboardEvent) => {
    if (event.clipboardData.files.length === 0) return;
    event.preventDefault();
    uploads.add(event.clipboardData.files);
  };
  return (
    <form
      className={styles.composer}
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <UploadList of={uploads} />
      <div className={styles.line}>
        <Text
          label={`Message to ${room.title}`}
          placeholder="Write a message"
          ref={field}
          value={text}
          excess={excess}
          onKeyDown={keyed}
          onPaste={pasted}
          onChange={(value) => {
            setText(value);
            if (value !== "") pressed();
          }}
        />
        <Attach add={uploads.add} />
        <Button type="submit" disabled={!ready}>
          Send
        </Button>
      </div>
    </form>
  );
}

/** Instead of writing something new, what was said is changed. */
export function Editor({ message, done }: { message: Said; done: () => void }) {
  const edit = useMutation(api.chat.edit);
  const [text, setText] = useState(message.body);
  const field = useRef<HTMLTextAreaElement>(null);
  const excess = tooLong(text, BODY_CHARACTERS);
  const [going, go] = useGoing(async () => {
    if (text.trim() !== message.body) await edit({ id: message.id, body: text });
    done();
  });
  useEffect(() => {
    field.current?.focus();
    field.current?.setSelectionRange(text.length, text.length);
    // Once: the place of the cursor is the writer's from then on.
  }, []);
  const keyed = (event: KeyboardEvent) => {
    if (event.key === "Escape") done();
    if (!isSend(event)) return;
    event.preventDefault();
    if (excess === undefined) void go();
  };
  return (
    <form
      className={styles.composer}
      onSubmit={(event) => {
        event.preventDefault();
        void go();
      }}
    >
      <p className={styles.about}>Change what you said. Escape leaves it as it is.</p>
      <div className={styles.line}>
        <Text
          label="Change your message"
          ref={field}
          value={text}
          excess={excess}
          onKeyDown={keyed}
          onChange={setText}
        />
        <Button onClick={done}>Cancel</Button>
        <Button type="submit" disabled={going.busy || excess !== undefined}>
          Save
        </Button>
      </div>
      {going.error !== undefined && <Problem error={going.error} />}
    </form>
  );
}

interface TextProps {
  label: string;
  placeholder?: string;
  ref: React.RefObject<HTMLTextAreaElement | null>;
  value: string;
  /** By how much it is too long, in words. It is not cut: whoever pasted it decides what goes. */
  excess: string | undefined;
  onChange: (value: string) => void;
  onKeyDown: (event: KeyboardEvent) => void;
  onPaste?: (event: ClipboardEvent) => void;
}

function Text({ label, value, excess, onChange, ...rest }: TextProps) {
  const id = useId();
  return (
    <div className={styles.field}>
      <textarea
        {...rest}
        className={styles.text}
        aria-label={label}
        aria-invalid={excess !== undefined}
        aria-describedby={id}
        title="Enter sends, Shift and Enter begin a new line"
        rows={1}
        enterKeyHint="send"
        value={value}
        onChange={(event) => onChange(event.target.value)}
      />
      <p id={id} className={styles.problem} role="status">
        {excess}
      </p>
    </div>
  );
}

function Attach({ add }: { add: (files: Iterable<File>) => void }) {
  const id = useId();
  return (
    <div className={styles.attach}>
      <input
        id={id}
        type="file"
        multiple
        accept={ACCEPTED}
        className="visually-hidden"
        onChange={(event) => {
          add(event.target.files ?? []);
          // The same file may be chosen again.
          event.target.value = "";
        }}
      />
      <label htmlFor={id}>Attach</label>
    </div>
  );
}

function UploadList({ of }: { of: Uploads }) {
  return (
    <>
      {of.uploads.length > 0 && (
        <ul className={styles.uploads} aria-label="Files to send">
          {of.uploads.map((upload) => (
            <li key={upload.key}>
              {upload.preview !== null && <img src={upload.preview} alt="" />}
              <span>
                {upload.source.name}, {size(upload.source.size)}
              </span>
              {upload.failed !== null ? (
                <>
                  <span className={styles.problem} role="alert">{upload.failed}</span>
                  <Button quiet onClick={() => of.retry(upload.key)}>
                    Try again
                  </Button>
                </>
              ) : (
                upload.file === null && <progress aria-label={`Sending ${upload.source.name}`} value={upload.progress} max={1} />
              )}
              <Button quiet aria-label={`Take back ${upload.source.name}`} onClick={() => of.drop(upload.key)}>
                Take back
              </Button>
            </li>
          ))}
        </ul>
      )}
      {of.refused !== null && (
        <p className={styles.problem} role="alert">
          {of.refused}
        </p>
      )}
    </>
  );
}

/** Enter; but not the one that ends a word in Japanese, nor one that begins a line. */
function isSend(event: KeyboardEvent): boolean {
  return event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing;
}

/** A text that outlives the page, for as long as its tab is open. */
function useDraft(room: string): [string, (text: string) => void] {
  const shelf = `chat draft ${room}`;
  const [text, setText] = useState(() => {
    try {
      return sessionStorage.getItem(shelf) ?? "";
    } catch {
      return "";
    }
  });
  const change = (changed: string) => {
    setText(changed);
    try {
      if (changed === "") sessionStorage.removeItem(shelf);
      else sessionStorage.setItem(shelf, changed);
    } catch {
      // Closed to us: it lasts as long as the page does.
    }
  };
  return [text, change];
}
