/**
 * A page that people sign in to, with the shipped provider and hooks.
 *
 * A test can press its buttons, and call what `window.acts` has. What the page has shown is in
 * `window.shown`, an entry for each commit to the document; what went over the wire in `window.wire`.
 * `?native` makes it believe that it is in React Native: no address of its own, storage that is handed in.
 */

import "./wire";

import { ConvexAuthProvider, useAuthActions, useAuthToken, useConvexAuth } from "@convex-dev/auth/react";
import { ConvexReactClient, useConvexAuth as useConfirmedAuth, useMutation, useQuery } from "convex/react";
import { anyApi as api } from "convex/server";
import { ConvexError, convexToJson } from "convex/values";
import { useLayoutEffect } from "react";
import { createRoot } from "react-dom/client";
import "./style.css";

const client = new ConvexReactClient(window.deployment);
const isNative = new URLSearchParams(location.search).has("native");

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

window.connected = () => client.connectionState().isWebSocketConnected;

function Page() {
  const { isAuthenticated, isLoading } = useConvexAuth();
  const confirmed = useConfirmedAuth();
  const token = useAuthToken();
  const me = useQuery(api.people.me);
  window.acts.add = useMutation(api.notes.add);
  const { signIn, signOut } = useAuthActions();
  window.acts.signIn = async (...args) => {
    const { signingIn, redirect } = await signIn(...args);
    return { signingIn, ...(redirect && { redirect: String(redirect) }) };
  };
  window.acts.signOut = signOut;
  useLayoutEffect(() => {
    const isConfirmed = confirmed.isAuthenticated && !confirmed.isLoading;
    window.shown.push({ isLoading, isAuthenticated, isConfirmed, token, me: me ?? null });
  });
  if (isLoading) return <main aria-busy="true">One moment …</main>;
  return (
    <main>
      <h1>Notes</h1>
      {isAuthenticated ? <Notes me={me} signOut={signOut} /> : <SignIn signIn={signIn} />}
    </main>
  );
}

function Notes({ me, signOut }) {
  const notes = useQuery(api.notes.mine, me ? {} : "skip");
  return (
    <>
      <p className="who">
        {me ? `Signed in as ${me.name ?? me.email ?? "somebody"}` : "…"}
        <button onClick={() => void signOut()}>Sign out</button>
      </p>
      <ul>
        {notes?.map((text) => (
          <li key={text}>{text}</li>
        ))}
      </ul>
    </>
  );
}

function SignIn({ signIn }) {
  const withPassword = (event) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    form.set("flow", event.nativeEvent.submitter.value);
    void signIn("password", form);
  };
  return (
    <>
      <button onClick={() => void signIn("github")}>Continue with GitHub</button>
      <form onSubmit={withPassword}>
        <label>
          E-mail <input name="email" type="email" autoComplete="username" />
        </label>
        <label>
          Password <input name="password" type="password" autoComplete="current-password" />
        </label>
        <p className="choices">
          <button value="signIn">Sign in</button>
          <button value="signUp">Create an account</button>
        </p>
      </form>
      <button className="quiet" onClick={() => void signIn("anonymous")}>
        Look around first
      </button>
    </>
  );
}

/** Storage as an app on a phone has it: it takes a moment. */
function slowStorage() {
  const kept = new Map();
  return {
    getItem: async (key) => kept.get(key) ?? null,
    setItem: async (key, value) => void kept.set(key, value),
    removeItem: async (key) => void kept.delete(key),
  };
}

if (isNative) Object.defineProperty(navigator, "product", { value: "ReactNative" });

createRoot(document.getElementById("root")).render(
  <ConvexAuthProvider client={client} {...(isNative && { storage: slowStorage() })}>
    <Page />
  </ConvexAuthProvider>,
);
