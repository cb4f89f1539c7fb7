import { expect, test } from "vitest";
import { Outbox, type Pending, type Unsent } from "./outbox";

function shelf(text: string | null = null) {
  const kept = { text };
  return { kept, read: () => kept.text, write: (written: string) => void (kept.text = written) };
}

/** Answers when it is told to, and notes what it was asked to deliver. */
function courier() {
  const asked: { message: Pending; arrive: () => void; refuse: (why: string) => void }[] = [];
  return {
    asked,
    why: (error: unknown) => String(error),
    deliver: (message: Pending) =>
      new Promise<void>((resolve, reject) => asked.push({ message, arrive: resolve, refuse: reject })),
  };
}

const unsent = (key: string): Unsent => ({ key, room: "r", body: `say ${key}`, attachments: [], at: 1 });
const settled = () => new Promise((resolve) => setTimeout(resolve));

test("a message is there until it has arrived", async () => {
  const post = courier();
  const outbox = new Outbox(post, shelf());
  let told = 0;
  outbox.subscribe(() => (told += 1));
  outbox.send(unsent("a"));
  outbox.send(unsent("b"));
  expect(outbox.pending().map(({ key, failed }) => [key, failed])).toEqual([["a", null], ["b", null]]);
  post.asked[0]!.arrive();
  await settled();
  expect(outbox.pending().map(({ key }) => key)).toEqual(["b"]);
  expect(told).toBe(3);
});

test("what was refused says why, and is tried again with the same key or given up", async () => {
  const post = courier();
  const outbox = new Outbox(post, shelf());
  outbox.send(unsent("a"));
  outbox.send(unsent("b"));
  outbox.discard("a");
  expect(outbox.pending()).toHaveLength(2);
  post.asked[0]!.refuse("too often");
  post.asked[1]!.refuse("too often");
  await settled();
  expect(outbox.pending().map(({ failed }) => failed)).toEqual(["too often", "too often"]);
  outbox.retry("a");
  outbox.retry("a");
  outbox.discard("b");
  expect(post.asked.map(({ message }) => message.key)).toEqual(["a", "b", "a"]);
  post.asked[2]!.arrive();
  await settled();
  expect(outbox.pending()).toEqual([]);
});

test("after a reload what was on its way is sent again, what was refused waits", async () => {
  const place = shelf();
  const before = courier();
  const outbox = new Outbox(before, place);
  outbox.send(unsent("a"));
  outbox.send(unsent("b"));
  before.asked[0]!.refuse("no");
  await settled();
  const after = courier();
  const again = new Outbox(after, shelf(place.kept.text));
  expect(again.pending().map(({ key, failed }) => [key, failed])).toEqual([["a", "no"], ["b", null]]);
  expect(after.asked.map(({ message }) => message.key)).toEqual(["b"]);
});

test("what cannot be read is no message, and what cannot be kept is sent all the same", async () => {
  for (const text of ["", "{", "{}", '[1,{"key":"a"}]', null]) {
    expect(new Outbox(courier(), shelf(text)).pending()).toEqual([]);
  }
  const post = courier();
  const closed = () => {
    throw new Error("closed");
  };
  const outbox = new Outbox(post, { read: closed, write: closed });
  outbox.send(unsent("a"));
  expect(post.asked).toHaveLength(1);
  expect(outbox.pending()).toHaveLength(1);
});
