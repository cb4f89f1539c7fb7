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
    /** Have nothing more said in a room, which can still be read; or have it go on. */
    closeRoom: FunctionReference<
      "mutation",
      "public",
      { room: Id<"rooms">; closed?: boolean },
      null
    >;
    /** Change the words of a message. */
    edit: FunctionReference<
      "mutation",
      "public",
      { id: Id<"messages">; body: string },
      null
    >;
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
        page: Array<{
          id: Id<"messages">;
          seq: number;
          author: { id: Id<"users">; name: string; image: string | null };
          key: string;
          body: string;
          attachments: Array<{ name: string; contentType: string; size: number; url: string | null }>;
          at: number;
          editedAt: number | null;
          removed: boolean;
        }>;
        /** Nothing comes after this page. */
        isDone: boolean;
        /** Where the next page begins; a cursor also when this is the last. */
        continueCursor: string;
        /** A place near the middle, for a page that grew too large. */
        splitCursor: string | null;
        pageStatus: "SplitRecommended" | "SplitRequired" | null;
      }
    >;
    /** Belong to a room no longer. */
    leave: FunctionReference<
      "mutation",
      "public",
      { room: Id<"rooms"> },
      null
    >;
    /** Everything up to this number was read. A mark only moves on, and not beyond what was said. */
    markRead: FunctionReference<
      "mutation",
      "public",
      { room: Id<"rooms">; seq: number },
      null
    >;
    /** Who belongs to a room, whoever came first at the top. */
    members: FunctionReference<
      "query",
      "public",
      { room: Id<"rooms"> },
      Array<{
        person: { id: Id<"users">; name: string; image: string | null };
        openedIt: boolean;
        since: number;
      }>
    >;
    /** The room of this name, made if there is none. Whoever opens it belongs to it. */
    openRoom: FunctionReference<
      "mutation",
      "public",
      { slug: string; title: string },
      Id<"rooms">
    >;
    /** Take back a message with its files. Its number stays, so that nobody wonders what is missing. */
    remove: FunctionReference<
      "mutation",
      "public",
      { id: Id<"messages"> },
      null
    >;
    /** Put somebody out. What they said stays; pages that they have open are refused at once. */
    removeMember: FunctionReference<
      "mutation",
      "public",
      { room: Id<"rooms">; user: Id<"users"> },
      null
    >;
    /** Give a room another title. */
    rename: FunctionReference<
      "mutation",
      "public",
      { room: Id<"rooms">; title: string },
      null
    >;
    /** The rooms of whoever asks, with what is unread; where something was said last comes first. */
    rooms: FunctionReference<
      "query",
      "public",
      Record<string, never>,
      Array<{
        id: Id<"rooms">;
        slug: string;
        title: string;
        closed: boolean;
        /** The number of the newest message; 0: nothing was said yet. */
        lastSeq: number;
        readSeq: number;
        unread: number;
        /** When something was said last, or the room was opened. */
        lastAt: number;
        /** How the newest message begins. */
        lastSaid: string;
      }>
    >;
    /** Say something; the number of the message. What was sent with this key already is not said again. */
    send: FunctionReference<
      "mutation",
      "public",
      {
        room: Id<"rooms">;
        body: string;
        key: string;
        attachments?: Array<{ file: Id<"_storage">; name: string }> | null;
      },
      number
    >;
    /** Where a member may post a file to send, within an hour. */
    uploadUrl: FunctionReference<
      "mutation",
      "public",
      { room: Id<"rooms"> },
      string
    >;
  };
  comments: {
    /** Write in the margin. What was written with this key already is not written again. */
    add: FunctionReference<
      "mutation",
      "public",
      {
        article: string;
        anchor: {
          /** Its name, which stays as long as it begins as it did. */
          paragraph: string;
          /** Empty: the whole paragraph. */
          quote?: string;
          prefix?: string;
          /** What stands around the quote, to tell two of the same words apart. */
          suffix?: string;
          /** Where in the paragraph the quote begins, in UTF-16 units, as browsers count. */
          start?: number;
          /** Which paragraph of the article it was, counted from 0. */
          position?: number;
        };
        body: string;
        key: string;
        draft?: boolean;
      },
      Id<"comments">
    >;
    /** Answer a comment, or an answer to it: either joins the thread. */
    answer: FunctionReference<
      "mutation",
      "public",
      { to: Id<"comments">; body: string; key: string; draft?: boolean },
      Id<"comments">
    >;
    /** Publish what was held. */
    approve: FunctionReference<
      "mutation",
      "public",
      { id: Id<"comments"> },
      null
    >;
    /** Change the words of a comment. */
    edit: FunctionReference<
      "mutation",
      "public",
      { id: Id<"comments">; body: string },
      null
    >;
    /** What everybody sees beside an article, the oldest first. Of a thread whose beginning is hidden, nothing. */
    forArticle: FunctionReference<
      "query",
      "public",
      { article: string },
      Array<{
        id: Id<"comments">;
        article: string;
        anchor: {
          /** Its name, which stays as long as it begins as it did. */
          paragraph: string;
          /** Empty: the whole paragraph. */
          quote: string;
          prefix: string;
          /** What stands around the quote, to tell two of the same words apart. */
          suffix: string;
          /** Where in the paragraph the quote begins, in UTF-16 units, as browsers count. */
          start: number;
          /** Which paragraph of the article it was, counted from 0. */
          position: number;
        };
        root: Id<"comments"> | null;
        /** Null of what was deleted. */
        author: { id: Id<"users">; name: string; image: string | null } | null;
        key: string;
        body: string;
        state: "draft" | "held" | "published" | "hidden" | "deleted";
        resolved: boolean;
        at: number;
        editedAt: number | null;
      }>
    >;
    /** What waits for the owner, the oldest first. */
    held: FunctionReference<
      "query",
      "public",
      Record<string, never>,
      Array<{
        id: Id<"comments">;
        article: string;
        anchor: {
          /** Its name, which stays as long as it begins as it did. */
          paragraph: string;
          /** Empty: the whole paragraph. */
          quote: string;
          prefix: string;
          /** What stands around the quote, to tell two of the same words apart. */
          suffix: string;
          /** Where in the paragraph the quote begins, in UTF-16 units, as browsers count. */
          start: number;
          /** Which paragraph of the article it was, counted from 0. */
          position: number;
        };
        root: Id<"comments"> | null;
        /** Null of what was deleted. */
        author: { id: Id<"users">; name: string; image: string | null } | null;
        key: string;
        body: string;
        state: "draft" | "held" | "published" | "hidden" | "deleted";
        resolved: boolean;
        at: number;
        editedAt: number | null;
      }>
    >;
    /** Show a comment to nobody but its author and the owner. */
    hide: FunctionReference<
      "mutation",
      "public",
      { id: Id<"comments"> },
      null
    >;
    /** What whoever asks has written there and not everybody sees: drafts, held and hidden, the oldest first. */
    mine: FunctionReference<
      "query",
      "public",
      { article: string },
      Array<{
        id: Id<"comments">;
        article: string;
        anchor: {
          /** Its name, which stays as long as it begins as it did. */
          paragraph: string;
          /** Empty: the whole paragraph. */
          quote: string;
          prefix: string;
          /** What stands around the quote, to tell two of the same words apart. */
          suffix: string;
          /** Where in the paragraph the quote begins, in UTF-16 units, as browsers count. */
          start: number;
          /** Which paragraph of the article it was, counted from 0. */
          position: number;
        };
        root: Id<"comments"> | null;
        /** Null of what was deleted. */
        author: { id: Id<"users">; name: string; image: string | null } | null;
        key: string;
        body: string;
        state: "draft" | "held" | "published" | "hidden" | "deleted";
        resolved: boolean;
        at: number;
        editedAt: number | null;
      }>
    >;
    /** Comments on all articles, the newest first, a page at a time. */
    recent: FunctionReference<
      "query",
      "public",
      {
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
        state?: "published" | "hidden";
      },
      {
        page: Array<{
          id: Id<"comments">;
          article: string;
          anchor: {
            /** Its name, which stays as long as it begins as it did. */
            paragraph: string;
            /** Empty: the whole paragraph. */
            quote: string;
            prefix: string;
            /** What stands around the quote, to tell two of the same words apart. */
            suffix: string;
            /** Where in the paragraph the quote begins, in UTF-16 units, as browsers count. */
            start: number;
            /** Which paragraph of the article it was, counted from 0. */
            position: number;
          };
          root: Id<"comments"> | null;
          /** Null of what was deleted. */
          author: { id: Id<"users">; name: string; image: string | null } | null;
          key: string;
          body: string;
          state: "draft" | "held" | "published" | "hidden" | "deleted";
          resolved: boolean;
          at: number;
          editedAt: number | null;
        }>;
        /** Nothing comes after this page. */
        isDone: boolean;
        /** Where the next page begins; a cursor also when this is the last. */
        continueCursor: string;
        /** A place near the middle, for a page that grew too large. */
        splitCursor: string | null;
        pageStatus: "SplitRecommended" | "SplitRequired" | null;
      }
    >;
    /** Delete a comment. Where others have answered it, its place stays. */
    remove: FunctionReference<
      "mutation",
      "public",
      { id: Id<"comments"> },
      null
    >;
    /** Mark a thread as settled, or as open again: by who began it, or the owner. */
    resolve: FunctionReference<
      "mutation",
      "public",
      { id: Id<"comments">; resolved?: boolean },
      null
    >;
    /** Submit all drafts of whoever asks at an article, or, if one cannot be, none; how many. */
    submitDrafts: FunctionReference<
      "mutation",
      "public",
      { article: string },
      number
    >;
    /** How many comments each article has. */
    totals: FunctionReference<
      "query",
      "public",
      Record<string, never>,
      Array<{ article: string; published: number }>
    >;
    /** Publish what was hidden. */
    unhide: FunctionReference<
      "mutation",
      "public",
      { id: Id<"comments"> },
      null
    >;
  };
  gateway: {
    /** How much waits in each queue, by name. */
    queues: FunctionReference<
      "query",
      "public",
      Record<string, never>,
      Array<{
        name: string;
        depth: number;
        /** When what has waited longest was put in, if that says so. */
        oldestAt: number | null;
        problem: string | null;
      }>
    >;
    /** Sessions that are registered, by name. One that is not prolonged goes by itself, at that moment. */
    registrations: FunctionReference<
      "query",
      "public",
      Record<string, never>,
      Array<{
        name: string;
        title: string;
        host: string;
        state: string;
        startedAt: number | null;
        /** When its key ends, unless it is prolonged. */
        until: number | null;
        problem: string | null;
      }>
    >;
  };
  health: {
    /** All components that ever reported, by name. */
    components: FunctionReference<
      "query",
      "public",
      Record<string, never>,
      Array<{
        name: string;
        state: "up" | "degraded" | "down" | "silent";
        detail: string;
        reportedAt: number;
      }>
    >;
    /** Take a component off the list that is gone for good. If it is not, its next report brings it back. */
    forget: FunctionReference<
      "mutation",
      "public",
      { component: string },
      null
    >;
    /** All sources, whether configured or not. */
    sources: FunctionReference<
      "query",
      "public",
      Record<string, never>,
      Array<{
        name: "slog" | "inngest" | "redis";
        state: "not configured" | "waiting" | "up" | "down" | "silent";
        /** The variable that configures it. */
        setting: string;
        problem: string | null;
        downSince: number | null;
        /** When it answered last, to a minute. */
        goodAt: number | null;
      }>
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
  invitations: {
    /** Become a member; who is one already uses nothing up. */
    accept: FunctionReference<
      "mutation",
      "public",
      { token: string },
      Id<"rooms">
    >;
    /** Invite whoever gets to know the token. */
    create: FunctionReference<
      "mutation",
      "public",
      {
        room: Id<"rooms">;
        token: string;
        validFor?: "1h" | "1d" | "7d" | "30d";
        uses?: number;
        note?: string;
      },
      Id<"invitations">
    >;
    /** What an invitation is good for; an open page is told when it is over. */
    look: FunctionReference<
      "query",
      "public",
      { token: string },
      {
        state: "good" | "expired" | "used_up" | "revoked" | "room_closed" | "unknown";
        roomTitle: string | null;
        invitedBy: string | null;
        goodUntil: number | null;
      }
    >;
    /** The invitations to a room, the newest first; what is over is listed for some weeks. */
    ofRoom: FunctionReference<
      "query",
      "public",
      { room: Id<"rooms"> },
      Array<{
        id: Id<"invitations">;
        note: string;
        state: "good" | "expired" | "used_up" | "revoked" | "room_closed" | "unknown";
        goodUntil: number;
        usesLeft: number;
      }>
    >;
    /** Take an invitation back. Who came in with it stays. */
    revoke: FunctionReference<
      "mutation",
      "public",
      { id: Id<"invitations"> },
      null
    >;
  };
  loops: {
    /** All loops that Redis has, by name. One whose key has an end goes at that moment. */
    current: FunctionReference<
      "query",
      "public",
      Record<string, never>,
      Array<{
        name: string;
        title: string;
        state: "running" | "waiting" | "done" | "failed" | "unknown";
        iteration: number | null;
        detail: string;
        startedAt: number | null;
        updatedAt: number | null;
        until: number | null;
        problem: string | null;
      }>
    >;
  };
  network: {
    /** The map of strangers and readers. */
    publicMap: FunctionReference<
      "query",
      "public",
      Record<string, never>,
      {
        machines: Array<{
          id: string;
          name: string;
          kind: "node" | "pod" | "daemon";
          state: "ready" | "waiting" | "failed" | "silent";
          runsOn: string | null;
          /** Its collector has not seen it for a while: it may be otherwise by now. */
          old: boolean;
          /** For the owner. */
          detail: string;
        }>;
        sources: Array<{
          name: string;
          old: boolean;
          /** When it is old: as of when it is. Told of a fresh one, it would change the map at every look. */
          seenAt: number | null;
          /** For the owner. */
          error: string | null;
        }>;
      }
    >;
    /** The owner's: real names, details, and why a collector fails. */
    realMap: FunctionReference<
      "query",
      "public",
      Record<string, never>,
      {
        machines: Array<{
          id: string;
          name: string;
          kind: "node" | "pod" | "daemon";
          state: "ready" | "waiting" | "failed" | "silent";
          runsOn: string | null;
          /** Its collector has not seen it for a while: it may be otherwise by now. */
          old: boolean;
          /** For the owner. */
          detail: string;
        }>;
        sources: Array<{
          name: string;
          old: boolean;
          /** When it is old: as of when it is. Told of a fresh one, it would change the map at every look. */
          seenAt: number | null;
          /** For the owner. */
          error: string | null;
        }>;
      }
    >;
  };
  pipeline: {
    /** The newest events first, without those by which Inngest reports that a function has ended. */
    activity: FunctionReference<
      "query",
      "public",
      {
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
        page: Array<{
          id: string;
          name: string;
          receivedAt: number;
          runs: Array<{
            id: string;
            function: string;
            state: "running" | "completed" | "failed" | "cancelled";
            startedAt: number;
            endedAt: number | null;
            problem: string;
          }>;
        }>;
        /** Nothing comes after this page. */
        isDone: boolean;
        /** Where the next page begins; a cursor also when this is the last. */
        continueCursor: string;
        /** A place near the middle, for a page that grew too large. */
        splitCursor: string | null;
        pageStatus: "SplitRecommended" | "SplitRequired" | null;
      }
    >;
    /** Functions that have run within a week, by name. */
    functions: FunctionReference<
      "query",
      "public",
      Record<string, never>,
      Array<{
        id: string;
        name: string;
        state: "running" | "completed" | "failed" | "cancelled";
        startedAt: number;
        problem: string;
        runsLately: number;
      }>
    >;
  };
  presence: {
    /** This page of mine was left. One that cannot say so any more is gone a little later. */
    gone: FunctionReference<
      "mutation",
      "public",
      { room: Id<"rooms">; page: string },
      null
    >;
    /** This page of mine has this room open; after how many milliseconds to say so again. */
    here: FunctionReference<
      "mutation",
      "public",
      { room: Id<"rooms">; page: string },
      number
    >;
    /** I am typing. */
    keyPressed: FunctionReference<
      "mutation",
      "public",
      { room: Id<"rooms"> },
      null
    >;
    /** Who is typing, by name; whoever asks is among them if they are. */
    typing: FunctionReference<
      "query",
      "public",
      { room: Id<"rooms"> },
      Array<{ id: Id<"users">; name: string; image: string | null }>
    >;
    /** Who has this room open, by name. */
    who: FunctionReference<
      "query",
      "public",
      { room: Id<"rooms"> },
      Array<{ id: Id<"users">; name: string; image: string | null }>
    >;
  };
  slog: {
    /** The newest lines first, of one component or of one level if asked for. */
    tail: FunctionReference<
      "query",
      "public",
      {
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
        component?: string | null;
        level?: "debug" | "info" | "warn" | "error" | null;
      },
      {
        page: Array<{
          id: string;
          at: number;
          level: "debug" | "info" | "warn" | "error";
          component: string;
          text: string;
          details: string;
        }>;
        /** Nothing comes after this page. */
        isDone: boolean;
        /** Where the next page begins; a cursor also when this is the last. */
        continueCursor: string;
        /** A place near the middle, for a page that grew too large. */
        splitCursor: string | null;
        pageStatus: "SplitRecommended" | "SplitRequired" | null;
      }
    >;
  };
  stats: {
    /**
     * The last 60 minutes, 24 hours or 30 days of a counter, by minute, hour or day.
     *
     * Steps in which nothing was counted are there, as zeros. When one ends, it appears by itself.
     */
    history: FunctionReference<
      "query",
      "public",
      {
        name: "functions" | "tokens" | "transcription";
        span: "hour" | "day" | "month";
      },
      {
        name: "functions" | "tokens" | "transcription";
        label: string;
        unit: string;
        stepMs: number;
        steps: Array<{ at: number; value: number }>;
      }
    >;
    /** What every counter has counted, half a second ago at most. */
    totals: FunctionReference<
      "query",
      "public",
      Record<string, never>,
      Array<{
        name: "functions" | "tokens" | "transcription";
        label: string;
        unit: string;
        value: number;
      }>
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
  bridge: {
    /** Somebody listens, and Redis answers, or why not; False if somebody else may write. */
    alive: FunctionReference<
      "mutation",
      "internal",
      { number: number; problem?: string | null },
      boolean
    >;
    /** Have the next one listen, with the code that serves then. */
    handOver: FunctionReference<
      "mutation",
      "internal",
      { number: number },
      null
    >;
    /** Keep what is otherwise in Redis, all of it at once; False if somebody else may write. */
    keep: FunctionReference<
      "mutation",
      "internal",
      {
        number: number;
        change: {
          whole: boolean;
          queues: Array<{
            name: string;
            depth?: number;
            /** When what has waited longest was put in, if that says so. */
            oldestAt?: number | null;
            problem?: string | null;
          }>;
          registrations: Array<{
            name: string;
            title?: string;
            host?: string;
            state?: string;
            startedAt?: number | null;
            /** When its key ends, unless it is prolonged. */
            until?: number | null;
            problem?: string | null;
          }>;
          loops: Array<{
            name: string;
            title?: string;
            state?: "running" | "waiting" | "done" | "failed" | "unknown";
            iteration?: number | null;
            detail?: string;
            startedAt?: number | null;
            updatedAt?: number | null;
            until?: number | null;
            problem?: string | null;
          }>;
          /** `kind:name` of each. */
          gone: Array<string>;
        };
      },
      boolean
    >;
    /** Keep what Redis has, and what changes there, for minutes; then have the next one go on. */
    listen: FunctionReference<
      "action",
      "internal",
      Record<string, never>,
      null
    >;
    /** Keep what Redis has now, and end. A listener that is there ends, too; the cron has one listen again. */
    look: FunctionReference<
      "action",
      "internal",
      Record<string, never>,
      null
    >;
    /** Become the one who may write: the number to name. Whoever was it before is not any more. */
    take: FunctionReference<
      "mutation",
      "internal",
      Record<string, never>,
      number
    >;
    /** Have somebody listen, unless somebody does. */
    tend: FunctionReference<
      "mutation",
      "internal",
      Record<string, never>,
      null
    >;
  };
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
  chat: {
    /**
     * Delete files that were uploaded and never sent; how many.
     *
     * Each run looks at what was stored since the run before it, so its cost does not grow with what is kept.
     * This app stores files for messages only.
     */
    sweepUnsent: FunctionReference<
      "mutation",
      "internal",
      Record<string, never>,
      number
    >;
  };
  health: {
    /** How a component is, which counts for so many seconds. */
    report: FunctionReference<
      "mutation",
      "internal",
      {
        component: string;
        state: "up" | "degraded" | "down";
        detail?: string;
        freshForS?: number;
      },
      null
    >;
  };
  inngest: {
    /** Keep a page of events, and the place behind it; how many are new. Nothing changes if somebody else went on. */
    keepEvents: FunctionReference<
      "mutation",
      "internal",
      {
        url: string;
        events: Array<{
          /** Inngest's own, not the one that its sender may give it. */
          eventId: string;
          name: string;
          receivedAt: number;
          /** The run that it reports, if Inngest sent it itself when a function had ended. */
          aboutRun?: string | null;
          functionName?: string | null;
        }>;
        before: { after: number; cursor: string | null; newest: number };
        behind: { after: number; cursor: string | null; newest: number };
      },
      number
    >;
    /** Keep how runs are now, and when to ask again. */
    keepRuns: FunctionReference<
      "mutation",
      "internal",
      {
        answers: Array<{
          eventId: string;
          runs: Array<{
            runId: string;
            functionId: string;
            state: "running" | "completed" | "failed" | "cancelled";
            startedAt: number;
            endedAt?: number | null;
            problem?: string;
          }>;
        }>;
      },
      null
    >;
    /** How far events were fetched; None: Inngest does not want to be asked now. */
    place: FunctionReference<
      "query",
      "internal",
      { url: string },
      { after: number; cursor: string | null; newest: number } | null
    >;
    /** Fetch events and runs again and again, for so long; how many events were new. With 0, once. */
    poll: FunctionReference<
      "action",
      "internal",
      { forS?: number },
      number
    >;
    /** Events whose runs are to be asked for now. */
    questions: FunctionReference<
      "query",
      "internal",
      Record<string, never>,
      Array<string>
    >;
    /** Keep a report; False if it is there already. */
    receive: FunctionReference<
      "mutation",
      "internal",
      { deliveryId: string; event: string; body: string },
      boolean
    >;
    /** Inngest has answered, or why not, and for how long it wants to be left alone. */
    tried: FunctionReference<
      "mutation",
      "internal",
      { url: string; problem?: string | null; waitS?: number },
      null
    >;
  };
  kubernetes: {
    /** Replace the set of machines by what the API lists, or say why not. */
    collect: FunctionReference<
      "action",
      "internal",
      Record<string, never>,
      null
    >;
  };
  network: {
    /** This collector sees nothing just now. What it saw last stays. */
    failed: FunctionReference<
      "mutation",
      "internal",
      { collector: string; error: string },
      null
    >;
    /** These daemons are alive. */
    heartbeat: FunctionReference<
      "mutation",
      "internal",
      { keys: Array<string> },
      null
    >;
    /** These are all machines that this collector sees; how many documents had to be written or deleted. */
    replace: FunctionReference<
      "mutation",
      "internal",
      {
        collector: string;
        items: Array<{
          key: string;
          kind: "node" | "pod" | "daemon";
          name: string;
          state?: "ready" | "waiting" | "failed";
          detail?: string;
          runsOn?: string | null;
        }>;
      },
      number
    >;
  };
  slog: {
    /** Keep what is written into the log file, for so long; how many lines. With 0, what is there now. */
    follow: FunctionReference<
      "action",
      "internal",
      { forS?: number },
      number
    >;
    /** Keep lines that were read between two places; False if the file was read on by somebody else. */
    keep: FunctionReference<
      "mutation",
      "internal",
      {
        path: string;
        lines: Array<{
          at: number;
          level: "debug" | "info" | "warn" | "error";
          component: string;
          text: string;
          /** The rest of the line, as JSON. */
          details?: string;
        }>;
        behind: { inode: string; offset: number; sign: string; insideLine: boolean };
        before?: { inode: string; offset: number; sign: string; insideLine: boolean } | null;
      },
      boolean
    >;
    /** How far a file was read. */
    place: FunctionReference<
      "query",
      "internal",
      { path: string },
      { inode: string; offset: number; sign: string; insideLine: boolean } | null
    >;
    /** The file could be read, or why not. */
    tried: FunctionReference<
      "mutation",
      "internal",
      { problem?: string | null },
      null
    >;
  };
  stats: {
    /** Count these; False if increments with this key were counted within a day. */
    add: FunctionReference<
      "mutation",
      "internal",
      {
        increments: Array<{ counter: "functions" | "tokens" | "transcription"; ticks: number }>;
        key?: string | null;
      },
      boolean
    >;
    /** Move what has gathered to where pages see it; how many ticks. */
    publish: FunctionReference<
      "mutation",
      "internal",
      Record<string, never>,
      number
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
