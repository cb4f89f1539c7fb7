/**
 * A page for each thing that React's hooks promise: `?scene=Feed&url=...&room=...`.
 *
 * Scenes put what they do into `window.acts`, for the test to call, and what they have shown
 * into `window.shown`: an entry for each commit to the document, and so for each frame that a
 * person could see.
 */

import { ConvexHttpClient } from "convex/browser";
import { ConvexProvider, ConvexReactClient } from "convex/react";
import { makeFunctionReference } from "convex/server";
import { ConvexError, convexToJson } from "convex/values";
import { createRoot } from "react-dom/client";
import * as scenes from "./scenes";

const asked = new URLSearchParams(location.search);
const Scene = scenes[asked.get("scene")];
const client = new ConvexReactClient(asked.get("url"));
const over_http = new ConvexHttpClient(asked.get("url"));

window.shown = [];
window.acts = {};

/** How an act ended: `{value}`, or `{error}` with its data, if it has some. */
window.act = async (name, ...args) => {
  try {
    return { value: await window.acts[name](...args) };
  } catch (error) {
    const data = error instanceof ConvexError ? { data: convexToJson(error.data) } : {};
    return { error: { name: error.name, message: error.message, ...data } };
  }
};

window.acts.http = (kind, path, args) => over_http[kind](makeFunctionReference(path), args);
window.connected = () => client.connectionState().isWebSocketConnected;

createRoot(document.getElementById("root")).render(
  <ConvexProvider client={client}>
    <Scene room={asked.get("room")} />
  </ConvexProvider>,
);
