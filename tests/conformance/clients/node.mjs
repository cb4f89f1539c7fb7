/** The npm package's clients in Node: `node node.mjs URL [OPTIONS]`, the options of `ConvexClient` as JSON. */

import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import { convexToJson, jsonToConvex } from "convex/values";
import { talk, tell, tellError } from "./talk.mjs";

const [url, options = "{}"] = process.argv.slice(2);
const client = new ConvexClient(url, JSON.parse(options));
const over_http = new ConvexHttpClient(url, { logger: false });

const call = (method) => async ({ path, args }) =>
  encoded(await client[method](makeFunctionReference(path), jsonToConvex(args)));

const encoded = (value) => (value === undefined ? null : convexToJson(value));

function subscribe({ name, path, args }) {
  client.onUpdate(
    makeFunctionReference(path),
    jsonToConvex(args),
    (value) => tell(name, encoded(value)),
    (error) => tellError(name, error),
  );
}

await talk(
  {
    query: call("query"),
    mutation: call("mutation"),
    action: call("action"),
    subscribe,

    /** Subscribe with the journal of an earlier life. */
    subscribe_again({ journal, ...subscription }) {
      client.client.subscribe(subscription.path, jsonToConvex(subscription.args), { journal });
      subscribe(subscription);
    },

    /** What a query has to be told to repeat itself; opaque. */
    journal: ({ path, args }) => client.client.queryJournal(path, jsonToConvex(args)) ?? null,

    /** One query many times over, with each of these arguments. Results are only counted, once all have come. */
    subscribe_all({ name, path, all_args }) {
      let results = 0;
      for (const args of all_args) {
        client.onUpdate(makeFunctionReference(path), args, () => {
          results += 1;
          if (results >= all_args.length) tell(name, results);
        });
      }
    },

    /** Two calls in one tick, with nothing between them. */
    async mutations({ calls }) {
      const running = calls.map(({ path, args }) => client.mutation(makeFunctionReference(path), args));
      return (await Promise.all(running)).map(encoded);
    },

    /** Sign in with the first of these tokens, and with the next at each refresh. */
    sign_in({ tokens }) {
      let next = 0;
      client.setAuth(
        async () => tokens[Math.min(next++, tokens.length - 1)] ?? null,
        (signed_in) => tell("signed in", signed_in),
      );
    },

    sign_out: () => client.client.clearAuth(),

    http: async ({ kind, path, args, skip_queue, token }) => {
      if (token !== undefined) over_http.setAuth(token);
      const options = kind === "mutation" && skip_queue ? [{ skipQueue: true }] : [];
      return encoded(await over_http[kind](makeFunctionReference(path), jsonToConvex(args), ...options));
    },

    /** Post a file to a URL that a mutation gave, as the documentation tells. */
    async upload({ url, text, type }) {
      const response = await fetch(url, { method: "POST", headers: { "Content-Type": type }, body: new Blob([text]) });
      return await response.json();
    },

    async fetch({ url }) {
      const response = await fetch(url);
      return { status: response.status, type: response.headers.get("Content-Type"), text: await response.text() };
    },

    /** The largest timestamp that the client has seen, as two halves, the higher one first. */
    observed_ts() {
      const { high, low } = client.client.getMaxObservedTimestamp();
      return [high >>> 0, low >>> 0];
    },

    state() {
      const { isWebSocketConnected, connectionCount, connectionRetries } = client.connectionState();
      return { isWebSocketConnected, connectionCount, connectionRetries };
    },
  },
  () => client.close(),
);
