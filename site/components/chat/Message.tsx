"use client";

import { useMutation } from "convex/react";
import { Fragment, useState } from "react";
import { api } from "@/convex/_generated/api";
import { Button } from "@/components/frame/Button";
import { Problem } from "@/components/frame/Problem";
import { useGoing } from "@/components/frame/useGoing";
import { isPicture, size } from "@/lib/chat/files";
import type { Pending } from "@/lib/chat/outbox";
import { parts } from "@/lib/chat/rows";
import styles from "./Message.module.css";
import type { Attachment, Said } from "./types";

interface Props {
  message: Said;
  named: boolean;
  mine: boolean;
  mayRemove: boolean;
  edit: () => void;
}

/** Something that was said, with what one may do about it. */
export function Message({ message, named, mine, mayRemove, edit }: Props) {
  return (
    <article className={styles.message} aria-label={`${message.author.name}, ${time(message.at)}`} data-seq={message.seq}>
      {named && <Head name={message.author.name} at={message.at} />}
      {message.removed ? (
        <p className={styles.removed}>A message that was removed.</p>
      ) : (
        <>
          <Body text={message.body} edited={message.editedAt !== null} />
          <Attachments of={message.attachments} />
          {(mine || mayRemove) && <Actions message={message} mine={mine} edit={edit} />}
        </>
      )}
    </article>
  );
}

/** Something that is on its way, or did not get through. */
export function PendingMessage({
  message,
  name,
  named,
  connected,
  retry,
  discard,
}: {
  message: Pending;
  name: string;
  named: boolean;
  connected: boolean;
  retry: () => void;
  discard: () => void;
}) {
  return (
    <article className={styles.pending} aria-label={`${name}, not sent yet`} data-pending={message.failed === null ? "sending" : "failed"}>
      {named && <Head name={name} at={message.at} />}
      <Body text={message.body} edited={false} />
      {message.attachments.length > 0 && (
        <p className={styles.files}>{message.attachments.map((attachment) => attachment.name).join(", ")}</p>
      )}
      {message.failed === null ? (
        <p className={styles.state}>{connected ? "Sending…" : "Sent when the connection is back"}</p>
      ) : (
        <p className={styles.failed} role="alert">
          Not sent. {message.failed}{" "}
          <Button quiet onClick={retry}>
            Try again
          </Button>{" "}
          <Button quiet onClick={discard}>
            Discard
          </Button>
        </p>
      )}
    </article>
  );
}

function Head({ name, at }: { name: string; at: number }) {
  return (
    <p className={styles.head}>
      <span className={styles.name}>{name}</span> <time dateTime={new Date(at).toISOString()}>{time(at)}</time>
    </p>
  );
}

function Body({ text, edited }: { text: string; edited: boolean }) {
  if (text === "") return null;
  return (
    <p className={styles.body}>
      {parts(text).map((part, place) => (
        <Fragment key={place}>
          {part.url === undefined ? (
            part.text
          ) : (
            <a href={part.url} target="_blank" rel="noreferrer nofollow">
              {part.text}
            </a>
          )}
        </Fragment>
      ))}
      {edited && <span className={styles.edited}> (edited)</span>}
    </p>
  );
}

function Attachments({ of }: { of: readonly Attachment[] }) {
  if (of.length === 0) return null;
  return (
    <ul className={styles.attachments}>
      {of.map((attachment) => (
        <li key={attachment.url ?? attachment.name}>
          {attachment.url === null ? (
            `${attachment.name} is gone`
          ) : (
            <a href={attachment.url} target="_blank" rel="noreferrer">
              {isPicture(attachment.contentType) ? (
                <img src={attachment.url} alt={attachment.name} loading="lazy" />
              ) : (
                `${attachment.name}, ${size(attachment.size)}`
              )}
            </a>
          )}
        </li>
      ))}
    </ul>
  );
}

function Actions({ message, mine, edit }: { message: Said; mine: boolean; edit: () => void }) {
  const remove = useMutation(api.chat.remove);
  const [sure, setSure] = useState(false);
  const [going, go] = useGoing(async () => {
    await remove({ id: message.id });
  });
  return (
    <div className={styles.actions}>
      {mine && !sure && (
        <Button quiet onClick={edit}>
          Edit
        </Button>
      )}
      {sure ? (
        <>
          <Button quiet disabled={going.busy} onClick={() => void go()}>
            Remove for good
          </Button>
          <Button quiet onClick={() => setSure(false)}>
            Keep
          </Button>
        </>
      ) : (
        <Button quiet onClick={() => setSure(true)}>
          Remove
        </Button>
      )}
      {going.error !== undefined && <Problem error={going.error} />}
    </div>
  );
}

function time(at: number): string {
  return new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}
