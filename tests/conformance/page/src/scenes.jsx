import { useAction, useConvex, useMutation, usePaginatedQuery, useQuery } from "convex/react";
import { anyApi as api } from "convex/server";
import { ConvexError, convexToJson } from "convex/values";
import { Component, useLayoutEffect, useState } from "react";

/** Note what is in the document now. */
function useShown(what) {
  useLayoutEffect(() => {
    window.shown.push(what);
  });
}

const OPTIMISTIC = "optimistic";

/** A list, and a form that does not wait for it. */
export function Feed({ room }) {
  const messages = useQuery(api.messages.listed, { room });
  window.acts.clear = useMutation(api.messages.clear);
  window.acts.fail = useMutation(api.failing.changed).withOptimisticUpdate(add);
  window.acts.relay = useAction(api.messages.relay);
  const send = useMutation(api.messages.send).withOptimisticUpdate(add);
  const watch = useConvex().watchQuery(api.messages.listed, { room });
  /** What the client has for the page, at the moment at which the promise resolves. */
  window.acts.send = async (body) => {
    await send({ room, body });
    return described(watch.localQueryResult());
  };
  useShown(described(messages));
  return messages?.map(({ _id, body }) => <p key={_id}>{body}</p>);
}

function described(messages) {
  return messages?.map(({ _id, body }) => ({ body, real: _id !== OPTIMISTIC })) ?? null;
}

function add(store, { room, body = OPTIMISTIC }) {
  const messages = store.getQuery(api.messages.listed, { room });
  const message = { _id: OPTIMISTIC, _creationTime: Date.now(), room, body };
  if (messages !== undefined) store.setQuery(api.messages.listed, { room }, [...messages, message]);
}

/** A form, and nothing that is subscribed to. */
export function Silent({ room }) {
  const send = useMutation(api.messages.send);
  window.acts.send = (body) => send({ room, body });
  return null;
}

/** Two views of the same data. */
export function Twice({ room }) {
  const messages = useQuery(api.messages.listed, { room });
  const tally = useQuery(api.messages.tally, { room });
  const characters = messages?.reduce((sum, { body }) => sum + body.length, 0);
  useShown(messages && tally ? { messages: messages.length, characters, tally } : null);
  return JSON.stringify(tally);
}

/** A list that is loaded a few rows at a time. */
export function Pages({ room }) {
  const { results, status, loadMore } = usePaginatedQuery(api.messages.page, { room }, { initialNumItems: 3 });
  window.acts.loadMore = loadMore;
  useShown({ status, bodies: results.map(({ body }) => body) });
  return results.map(({ _id, body }) => <p key={_id}>{body}</p>);
}

/** The same list whole and in pages: what the pages hold has to be the beginning of the whole, in every frame. */
function Entries({ room, direction }) {
  const whole = useQuery(api.entries.listed, { room, direction });
  const options = { initialNumItems: 4 };
  const { results, status, loadMore } = usePaginatedQuery(api.entries.page, { room, direction }, options);
  window.acts.loadMore = loadMore;
  useShown({ status, pages: results.map(inShort), whole: whole?.map(inShort) ?? null });
  return results.map(({ _id, rank, text }) => <p key={_id}>{`${rank} ${text}`}</p>);
}

function inShort({ _id, rank, text }) {
  return `${_id} ${rank} ${text}`;
}

export function EntriesUpwards({ room }) {
  return <Entries room={room} direction="asc" />;
}

export function EntriesDownwards({ room }) {
  return <Entries room={room} direction="desc" />;
}

/** A query that fails into the nearest boundary. */
export class Failing extends Component {
  state = { error: null };

  static getDerivedStateFromError(error) {
    const data = error instanceof ConvexError ? { data: convexToJson(error.data) } : {};
    return { error: { name: error.name, message: error.message, ...data } };
  }

  render() {
    return this.state.error === null ? <Asking data={this.props.room} /> : <Shown what={this.state.error} />;
  }
}

function Asking({ data }) {
  useQuery(api.failing.asked, data === null ? {} : { data: { code: data } });
  return null;
}

function Shown({ what }) {
  useShown(what);
  return null;
}

/** A picture that is drawn here, uploaded, and shown from where it is served. */
export function Picture() {
  const [file, setFile] = useState(null);
  const generateUploadUrl = useMutation(api.files.generateUploadUrl);
  const remove = useMutation(api.files.delete);
  const url = useQuery(api.files.url, file === null ? "skip" : { file });
  window.acts.upload = async (width, height) => {
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const picture = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
    const response = await fetch(await generateUploadUrl(), {
      method: "POST",
      headers: { "Content-Type": picture.type },
      body: picture,
    });
    setFile((await response.json()).storageId);
    return picture.size;
  };
  window.acts.fetch = async (url) => (await (await fetch(url)).blob()).size;
  window.acts.remove = () => remove({ file });
  const [size, setSize] = useState(null);
  useShown({ url: url ?? null, size });
  const onLoad = ({ target }) => setSize([target.naturalWidth, target.naturalHeight]);
  return url ? <img src={url} onLoad={onLoad} /> : null;
}
