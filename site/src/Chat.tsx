import { insertAtTop, useMutation, usePaginatedQuery, useQuery } from "convex/react";
import { useEffect } from "react";
import { api } from "../convex/_generated/api";
import type { Doc, Id } from "../convex/_generated/dataModel";
import { Time } from "./Time";
import { Writing } from "./Writing";

const LOBBY = { slug: "lobby", title: "The lobby" };
const PAGE = 12;
const SENDING = "sending-";

/** The lobby, which the first visitor opens. */
export function Chat({ name }: { name: string }) {
  const rooms = useQuery(api.chat.rooms);
  const openRoom = useMutation(api.chat.openRoom);
  const room = rooms?.find(({ slug }) => slug === LOBBY.slug);
  const missing = rooms !== undefined && room === undefined;

  useEffect(() => {
    if (missing) void openRoom(LOBBY);
  }, [missing, openRoom]);

  return (
    <section aria-label="Chat">
      <h2>
        {LOBBY.title} {room !== undefined && room.messages > 0 && <small>{room.messages} said so far</small>}
      </h2>
      {room !== undefined && <Talk room={room._id} name={name} />}
    </section>
  );
}

function Talk({ room, name }: { room: Id<"rooms">; name: string }) {
  const { results, status, loadMore } = usePaginatedQuery(api.chat.history, { room }, { initialNumItems: PAGE });
  const send = useSend();
  return (
    <>
      <Writing
        label="Say something"
        button="Send"
        maxLength={8000}
        missing={name.trim() ? "" : "Say who you are first"}
        send={(body) => send({ room, body, name })}
      />
      <ol className="messages" aria-live="polite">
        {results.map((message, place) => (
          <Said key={message._id} message={message} named={message.authorName !== results[place - 1]?.authorName} />
        ))}
      </ol>
      {status === "CanLoadMore" && (
        <button className="quiet" type="button" onClick={() => loadMore(PAGE)}>
          Earlier
        </button>
      )}
      {status === "LoadingMore" && <p className="empty">Looking for earlier ones</p>}
    </>
  );
}

/** Sends a message, and shows it at once, paler, until the real one is there. */
function useSend() {
  return useMutation(api.chat.send).withOptimisticUpdate((store, { room, body, name }) => {
    const now = Date.now();
    insertAtTop({
      paginatedQuery: api.chat.history,
      argsToMatch: { room },
      localQueryStore: store,
      item: {
        _id: `${SENDING}${now}` as Id<"messages">,
        _creationTime: now,
        room,
        body,
        author: null,
        authorName: name ?? "",
      },
    });
    const rooms = store.getQuery(api.chat.rooms);
    const counted = rooms?.map((one) => (one._id === room ? { ...one, messages: one.messages + 1 } : one));
    store.setQuery(api.chat.rooms, {}, counted);
  });
}

/** A message; who said it stands above the first in a row of theirs. */
function Said({ message, named }: { message: Doc<"messages">; named: boolean }) {
  return (
    <li data-sending={message._id.startsWith(SENDING)}>
      {named && (
        <span className="who">
          <strong>{message.authorName}</strong> <Time at={message._creationTime} />
        </span>
      )}
      <p>{message.body}</p>
    </li>
  );
}
