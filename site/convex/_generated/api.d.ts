/* eslint-disable */
/**
 * Generated from the Python files of this deployment; edits will be lost.
 *
 * `joelclaw dev` keeps this file current, `joelclaw codegen` renews it once.
 */

import type { FunctionReference } from "convex/server";
import type { Doc, Id } from "./dataModel.js";

/** What clients may call, as far as they are allowed to. */
export declare const api: {
  calls: {
    /** Calls whose heartbeat is fresh, the one heard of longest ago first. */
    live: FunctionReference<
      "query",
      "public",
      Record<string, never>,
      Array<Doc<"call_sessions">>
    >;
  };
  chat: {
    /** What was said in a room, the newest first, a page at a time. */
    history: FunctionReference<
      "query",
      "public",
      {
        room: Id<"rooms">;
        paginationOpts: {
          /** How many documents; ignored where an end is given. */
          numItems: number;
          /** Where the page begins; None is the start. */
          cursor: string | null;
          /** Where it ends. */
          endCursor?: string | null;
          maximumRowsRead?: number;
          maximumBytesRead?: number;
          /** Number of the client's hook. It only makes two hooks' arguments differ. */
          id?: number;
        };
      },
      {
        page: Array<Doc<"messages">>;
        /** Nothing comes after this page. */
        isDone: boolean;
        /** Where the next page begins; a cursor also when this is the last. */
        continueCursor: string;
        /** A place near the middle, for a page that grew too large. */
        splitCursor: string | null;
        pageStatus: "SplitRecommended" | "SplitRequired" | null;
      }
    >;
    /** The room of this name, made if there is none. */
    openRoom: FunctionReference<
      "mutation",
      "public",
      { slug: string; title: string },
      Id<"rooms">
    >;
    /** All rooms, the oldest first. */
    rooms: FunctionReference<
      "query",
      "public",
      Record<string, never>,
      Array<Doc<"rooms">>
    >;
    /** Say something in a room. Guests give a name. */
    send: FunctionReference<
      "mutation",
      "public",
      { room: Id<"rooms">; body: string; name?: string | null },
      Id<"messages">
    >;
  };
  comments: {
    /** Write in the margin, or answer there. Guests give a name. */
    add: FunctionReference<
      "mutation",
      "public",
      {
        article: string;
        anchor: { paragraph: string; quote: string };
        body: string;
        name?: string | null;
        replyTo?: Id<"comments"> | null;
      },
      Id<"comments">
    >;
    /** How many comments an article has, and how many of them wait for an answer. */
    counts: FunctionReference<
      "query",
      "public",
      { article: string },
      { comments: number; open: number }
    >;
    /** Change the words of a comment. */
    edit: FunctionReference<
      "mutation",
      "public",
      { id: Id<"comments">; body: string },
      null
    >;
    /** Comments on one article, by paragraph, the oldest of each first. */
    forArticle: FunctionReference<
      "query",
      "public",
      { article: string; limit?: number },
      Array<Doc<"comments">>
    >;
    /** Mark a comment as settled. */
    resolve: FunctionReference<
      "mutation",
      "public",
      { id: Id<"comments"> },
      null
    >;
  };
  inngest: {
    /** The newest reports first. */
    recent: FunctionReference<
      "query",
      "public",
      { limit?: number },
      Array<Doc<"deliveries">>
    >;
  };
  users: {
    /** Whoever asks; null for a stranger. */
    me: FunctionReference<
      "query",
      "public",
      Record<string, never>,
      {
        id: Id<"users">;
        name: string;
        image: string | null;
        standing: "owner" | "reader" | "guest";
      } | null
    >;
    /** Be called something else from now on. */
    rename: FunctionReference<
      "mutation",
      "public",
      { name: string },
      null
    >;
  };
};

/** What only other functions, the command line and the dashboard may call. */
export declare const internal: {
  calls: {
    /** Remove calls that nobody heard of for a day; how many went. */
    forgetOld: FunctionReference<
      "mutation",
      "internal",
      { limit?: number },
      number
    >;
    /** A call is over; it is no error if it was already. */
    hangUp: FunctionReference<
      "mutation",
      "internal",
      { key: string },
      null
    >;
    /** A call is still on. */
    heartbeat: FunctionReference<
      "mutation",
      "internal",
      { key: string; title: string; state?: "ringing" | "talking" | "on_hold" },
      null
    >;
  };
  comments: {
    /** Delete a comment with all answers to it; how many went. */
    remove: FunctionReference<
      "mutation",
      "internal",
      { id: Id<"comments"> },
      number
    >;
  };
  inngest: {
    /** Keep a report; False if it is there already. */
    receive: FunctionReference<
      "mutation",
      "internal",
      { deliveryId: string; event: string; body: string },
      boolean
    >;
  };
  users: {
    /**
     * The document of somebody who signs in for the first time.
     *
     * A guest who comes back from GitHub is the same user, with all that they have written.
     */
    arrived: FunctionReference<
      "mutation",
      "internal",
      {
        provider: string;
        accountId: string;
        name: string | null;
        image: string | null;
        claims: Record<string, any>;
        initiatingUser?: Id<"users"> | null;
      },
      Id<"users">
    >;
  };
};
