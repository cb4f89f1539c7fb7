"use client";

import { useConvexConnectionState, useMutation, usePaginatedQuery } from "convex/react";
import { useEffect, useMemo, useRef, useState } from "react";
import { api } from "@/convex/_generated/api";
import { Button } from "@/components/frame/Button";
import { Loading } from "@/components/frame/Loading";
import type { Me } from "@/components/frame/useMe";
import type { Outbox, Pending } from "@/lib/chat/outbox";
import { dayName, rows } from "@/lib/chat/rows";
import styles from "./History.module.css";
import { Message, PendingMessage } from "./Message";
import type { RoomSeen, Said } from "./types";
import { useSteadyScroll } from "./useSteadyScroll";

const AT_FIRST = 40;
const MORE = 60;

interface Props {
  room: RoomSeen;
  me: Me;
  outbox: Outbox;
  /** Of this room. */
  pending: readonly Pending[];
  edit: (message: Said) => void;
  /** Told what was said, the oldest first. */
  onSaid: (messages: readonly Said[]) => void;
}

/** What was said, from the oldest that is loaded down to what is on its way. */
export function History({ room, me, outbox, pending, edit, onSaid }: Props) {
  const { results, status, loadMore } = usePaginatedQuery(api.chat.history, { room: room.id }, { initialNumItems: AT_FIRST });
  const { isWebSocketConnected } = useConvexConnectionState();
  const { box, setBox, atEnd, toEnd } = useSteadyScroll();
  const messages = useMemo(() => [...results].reverse(), [results]);
  const newAfter = useNewAfter(room, pending.length);
  const unseen = useUnseen(messages, atEnd, me.id);
  const arrived = useMemo(() => new Set(messages.filter(({ author }) => author.id === me.id).map(({ key }) => key)), [messages, me.id]);
  const onItsWay = pending.filter(({ key }) => !arrived.has(key));
  const last = messages.at(-1);

  useEffect(() => onSaid(messages), [messages, onSaid]);
  useReading(room, last?.seq ?? 0, atEnd);
  useEffect(() => {
    // Whoever sends something wants to see it.
    if (pending.length > 0) toEnd();
  }, [pending.length, toEnd]);

  if (status === "LoadingFirstPage") return <div className={styles.scroller}><Loading /></div>;
  return (
    <div className={styles.history}>
      <div ref={setBox} className={styles.scroller} role="log" aria-label={`Messages in ${room.title}`} aria-live="off" tabIndex={0}>
        <div className={styles.rows}>
          <Earlier status={status} within={box} more={() => loadMore(MORE)} />
          {messages.length === 0 && onItsWay.length === 0 && <p className={styles.nothing}>Nothing was said here yet.</p>}
          {rows(messages, newAfter, me.id).map((row) => {
            if (row.kind === "day") return <p key={row.key} data-row={row.key} className={styles.day}>{dayName(row.at, Date.now())}</p>;
            if (row.kind === "new") return <p key={row.key} data-row={row.key} className={styles.new}>New</p>;
            const { message } = row;
            const mine = message.author.id === me.id;
            return (
              <div key={row.key} data-row={row.key}>
                <Message
                  message={message}
                  named={row.named}
                  mine={mine && !room.closed}
                  mayRemove={mine || me.standing === "owner"}
                  edit={() => edit(message)}
                />
              </div>
            );
          })}
          {onItsWay.map((message, place) => (
            <div key={message.key} data-row={message.key}>
              <PendingMessage
                message={message}
                name={me.name}
                named={place === 0 && last?.author.id !== me.id}
                connected={isWebSocketConnected}
                retry={() => outbox.retry(message.key)}
                discard={() => outbox.discard(message.key)}
              />
            </div>
          ))}
        </div>
      </div>
      {unseen > 0 && (
        <Button className={styles.unseen} onClick={toEnd}>
          {unseen === 1 ? "1 new message" : `${unseen} new messages`}
        </Button>
      )}
      <Announcer messages={messages} me={me.id} />
    </div>
  );
}

/** Loads what is older when its place comes into view; by keyboard it is a button. */
function Earlier({ status, within, more }: { status: string; within: HTMLElement | null; more: () => void }) {
  const place = useRef<HTMLDivElement>(null);
  const load = useRef(more);
  load.current = more;
  useEffect(() => {
    if (status !== "CanLoadMore" || within === null || place.current === null) return;
    const seen = new IntersectionObserver(([entry]) => entry?.isIntersecting && load.current(), {
      root: within,
      rootMargin: "200px",
    });
    seen.observe(place.current);
    return () => seen.disconnect();
  }, [status, within]);
  return (
    <div ref={place} className={styles.earlier}>
      {status === "CanLoadMore" && (
        <Button quiet onClick={more}>
          Earlier messages
        </Button>
      )}
      {status === "LoadingMore" && <Loading what="Earlier messages" />}
    </div>
  );
}

/** Where "new" begins: behind what had been read when the room was opened, or was last looked away from. */
function useNewAfter(room: RoomSeen, sent: number): number {
  const [after, setAfter] = useState(room.readSeq);
  const newest = useRef(room.lastSeq);
  newest.current = room.lastSeq;
  useEffect(() => {
    const changed = () => document.hidden && setAfter(newest.current);
    document.addEventListener("visibilitychange", changed);
    return () => document.removeEventListener("visibilitychange", changed);
  }, []);
  useEffect(() => {
    // Who answers has seen what there was.
    if (sent > 0) setAfter(newest.current);
  }, [sent]);
  return after;
}

/** How many messages of others came below what is in view. */
function useUnseen(messages: readonly Said[], atEnd: boolean, me: string): number {
  const [seen, setSeen] = useState<number | null>(null);
  const last = messages.at(-1)?.seq ?? 0;
  useEffect(() => {
    if (atEnd || seen === null) setSeen(last);
  }, [atEnd, last, seen]);
  if (atEnd || seen === null) return 0;
  return messages.filter((message) => message.seq > seen && message.author.id !== me).length;
}

/** Tells the server how far was read: down to the end, when that is in view and somebody looks. */
function useReading(room: RoomSeen, last: number, atEnd: boolean): void {
  const markRead = useMutation(api.chat.markRead);
  const told = useRef(0);
  const [looking, setLooking] = useState(() => !document.hidden);
  useEffect(() => {
    const changed = () => setLooking(!document.hidden);
    document.addEventListener("visibilitychange", changed);
    return () => document.removeEventListener("visibilitychange", changed);
  }, []);
  const { id, readSeq } = room;
  useEffect(() => {
    if (!looking || !atEnd || last <= readSeq || last <= told.current) return;
    told.current = last;
    // Refused to who was just put out; told again with the next message if it was anything else.
    markRead({ room: id, seq: last }).catch(() => null);
  }, [looking, atEnd, last, readSeq, id, markRead]);
}

/** Reads out what others say from now on, and nothing that is merely loaded. */
function Announcer({ messages, me }: { messages: readonly Said[]; me: string }) {
  const heard = useRef(messages.at(-1)?.seq ?? 0);
  const [text, setText] = useState("");
  useEffect(() => {
    const news = messages.filter((message) => message.seq > heard.current && message.author.id !== me);
    heard.current = Math.max(heard.current, messages.at(-1)?.seq ?? 0);
    const last = news.at(-1);
    if (last === undefined) return;
    const files = last.attachments.length > 0 ? `, with ${last.attachments.length} files` : "";
    setText(news.length > 1 ? `${news.length} new messages` : `${last.author.name}: ${last.body}${files}`);
  }, [messages, me]);
  return (
    <p className="visually-hidden" aria-live="polite">
      {text}
    </p>
  );
}
