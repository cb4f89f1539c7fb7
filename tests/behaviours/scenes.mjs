// Scenes with the shipped client: `node scenes.mjs <scene> <url> <room>` plays one and prints, as JSON, what it saw.

import { ConvexClient } from "convex/browser";
import { ConvexReactClient } from "convex/react";
import { anyApi } from "convex/server";
import { ConvexError } from "convex/values";
import WebSocket from "ws";

// The part of `useQuery` that is not React's; the package does not export it.
import { QueriesObserver } from "../node_modules/convex/dist/esm/react/queries_observer.js";

const [scene, url, room] = process.argv.slice(2);
const { notes } = anyApi;
const options = { unsavedChangesWarning: false };

/** Resolves when a listener is given a value that `isWanted` accepts. */
function until(subscribe, isWanted) {
  return new Promise((resolve) => subscribe((value) => isWanted(value) && resolve(value)));
}

/** Subscribes to the texts of the room, and keeps each list that the listener is given. */
async function watched(client) {
  const seen = [];
  await until(
    (listen) => client.onUpdate(notes.texts, { room }, (texts) => listen(seen.push(texts))),
    () => true,
  );
  return seen;
}

function told(error) {
  const { name, message, data } = error;
  const code = data && `${typeof data.code} ${data.code}`;
  return { name, message, isConvexError: error instanceof ConvexError, hasData: "data" in error, code };
}

const scenes = {
  async resolves_after_listeners(client) {
    const seen = await watched(client);
    await client.mutation(notes.add, { room, text: "one" });
    seen.push("resolved");
    return seen;
  },

  async optimistic(client) {
    const seen = await watched(client);
    const optimisticUpdate = (store, { text }) => {
      const texts = store.getQuery(notes.texts, { room });
      store.setQuery(notes.texts, { room }, [...texts, `${text}?`]);
    };
    await client.mutation(notes.add, { room, text: "one" }, { optimisticUpdate });
    await client.mutation(notes.refuse, { room, text: "two" }, { optimisticUpdate }).catch(() => {});
    return seen;
  },

  async errors(client) {
    const refused = await client.mutation(notes.refuse, { room, text: "no" }).catch(told);
    const broken = await new Promise((resolve) =>
      client.onUpdate(notes.broken, {}, () => {}, (error) => resolve(told(error))),
    );
    return { refused, broken };
  },

  async shared(client) {
    const other = new ConvexClient(url, options);
    const both = (count) =>
      Promise.all(
        [client, other].map((one) =>
          until(
            (listen) => one.onUpdate(notes.dice, { room }, listen),
            (dice) => dice[0] === count,
          ),
        ),
      );
    const before = await both(0);
    const after = both(1);
    await client.mutation(notes.add, { room, text: "one" });
    const result = { before, after: await after };
    await other.close();
    return result;
  },

  async skip() {
    const sent = [];
    class Recording extends WebSocket {
      send(text) {
        const { type, modifications } = JSON.parse(text);
        if (type === "ModifyQuerySet") sent.push(...modifications.map((modification) => modification.type));
        super.send(text);
      }
    }
    const react = new ConvexReactClient(url, { ...options, webSocketConstructor: Recording });
    const observer = new QueriesObserver((query, args, options) => react.watchQuery(query, args, options));
    const queries = { query: { query: notes.texts, args: { room } } };
    observer.setQueries({});
    await react.mutation(notes.add, { room, text: "one" });
    const skipped = [...sent];
    observer.setQueries(queries);
    const subscribed = await until(
      (listen) => observer.subscribe(() => listen(observer.getLocalResults(queries).query)),
      (texts) => texts !== undefined,
    );
    observer.setQueries({});
    await react.mutation(notes.add, { room, text: "two" });
    await react.close();
    return { skipped, subscribed, sent };
  },
};

const client = new ConvexClient(url, options);
const result = await scenes[scene](client);
await client.close();
console.log(JSON.stringify(result));
