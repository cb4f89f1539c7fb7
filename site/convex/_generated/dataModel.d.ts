/* eslint-disable */
/**
 * Generated from the Python files of this deployment; edits will be lost.
 *
 * `joelclaw dev` keeps this file current, `joelclaw codegen` renews it once.
 */

import type { DocumentByName, TableNamesInDataModel } from "convex/server";
import type { GenericId } from "convex/values";

/** The tables: their documents as read, the paths to their fields, their indexes. */
export type DataModel = {
  /** A voice call that is on, as long as its heartbeat is fresh. */
  call_sessions: {
    document: {
      _id: Id<"call_sessions">;
      _creationTime: number;
      key: string;
      title: string;
      state: "ringing" | "talking" | "on_hold";
      startedAt: number;
      heartbeatAt: number;
    };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "key"
      | "title"
      | "state"
      | "startedAt"
      | "heartbeatAt";
    indexes: {
      by_id: ["_id"];
      by_creation_time: ["_creationTime"];
      byHeartbeat: ["heartbeatAt", "_creationTime"];
      byKey: ["key", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  /** Who looks at machines: when it saw them last, and why it does not see them now. */
  collectors: {
    document: {
      _id: Id<"collectors">;
      _creationTime: number;
      name: string;
      seenAt: number | null;
      error: string | null;
    };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "name"
      | "seenAt"
      | "error";
    indexes: {
      by_id: ["_id"];
      by_creation_time: ["_creationTime"];
      byName: ["name", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  /** How many comments of an article are published: counted as they come and go, so that nobody has to look. */
  comment_counts: {
    document: {
      _id: Id<"comment_counts">;
      _creationTime: number;
      article: string;
      published: number;
    };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "article"
      | "published";
    indexes: {
      by_id: ["_id"];
      by_creation_time: ["_creationTime"];
      byArticle: ["article", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  /**
   * A note in the margin of an article, or an answer to one.
   *
   * `draft` is its author's alone, `held` waits for the owner, `hidden` was moderated away. `deleted` has lost its
   * words, and stays for the answers to it.
   */
  comments: {
    document: {
      _id: Id<"comments">;
      _creationTime: number;
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
      author: Id<"users">;
      /** Chosen by whoever writes: the same again is the same comment. */
      key: string;
      body: string;
      /** What an answer belongs to. An answer to an answer belongs to the same. */
      root: Id<"comments"> | null;
      state: "draft" | "held" | "published" | "hidden" | "deleted";
      /** When it was written, or, of a draft, submitted. */
      saidAt: number;
      editedAt: number | null;
      resolved: boolean;
    };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "article"
      | "anchor"
      | "anchor.paragraph"
      | "anchor.quote"
      | "anchor.prefix"
      | "anchor.suffix"
      | "anchor.start"
      | "anchor.position"
      | "author"
      | "key"
      | "body"
      | "root"
      | "state"
      | "saidAt"
      | "editedAt"
      | "resolved";
    indexes: {
      by_id: ["_id"];
      by_creation_time: ["_creationTime"];
      byArticle: ["article", "state", "_creationTime"];
      byAuthor: ["author", "article", "state", "_creationTime"];
      byKey: ["author", "key", "_creationTime"];
      byRoot: ["root", "_creationTime"];
      byState: ["state", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  /** A part of the system that reports how it is. What it reported counts for `fresh_for_s` seconds. */
  components: {
    document: {
      _id: Id<"components">;
      _creationTime: number;
      name: string;
      state: "up" | "degraded" | "down";
      detail: string;
      reportedAt: number;
      freshForS: number;
    };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "name"
      | "state"
      | "detail"
      | "reportedAt"
      | "freshForS";
    indexes: {
      by_id: ["_id"];
      by_creation_time: ["_creationTime"];
      byName: ["name", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  /** The same of an hour; it is kept longer. */
  counted_hours: {
    document: {
      _id: Id<"counted_hours">;
      _creationTime: number;
      name: "functions" | "tokens" | "transcription";
      beganAt: number;
      ticks: number;
      forgetAt: number;
    };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "name"
      | "beganAt"
      | "ticks"
      | "forgetAt";
    indexes: {
      by_id: ["_id"];
      by_creation_time: ["_creationTime"];
      byTime: ["name", "beganAt", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  /** Increments with this key were counted. */
  counted_keys: {
    document: {
      _id: Id<"counted_keys">;
      _creationTime: number;
      key: string;
      forgetAt: number;
    };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "key"
      | "forgetAt";
    indexes: {
      by_id: ["_id"];
      by_creation_time: ["_creationTime"];
      byKey: ["key", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  /** What was counted in the minute that began then. */
  counted_minutes: {
    document: {
      _id: Id<"counted_minutes">;
      _creationTime: number;
      name: "functions" | "tokens" | "transcription";
      beganAt: number;
      ticks: number;
      forgetAt: number;
    };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "name"
      | "beganAt"
      | "ticks"
      | "forgetAt";
    indexes: {
      by_id: ["_id"];
      by_creation_time: ["_creationTime"];
      byTime: ["name", "beganAt", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  /** All that a counter has counted, and that pages were told of. */
  counters: {
    document: {
      _id: Id<"counters">;
      _creationTime: number;
      name: "functions" | "tokens" | "transcription";
      ticks: number;
    };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "name"
      | "ticks";
    indexes: {
      by_id: ["_id"];
      by_creation_time: ["_creationTime"];
      byName: ["name", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  /** A webhook's delivery. Its id is kept for longer than one can be repeated, so that each counts once. */
  deliveries: {
    document: {
      _id: Id<"deliveries">;
      _creationTime: number;
      deliveryId: string;
      event: string;
      body: string;
      forgetAt: number;
    };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "deliveryId"
      | "event"
      | "body"
      | "forgetAt";
    indexes: {
      by_id: ["_id"];
      by_creation_time: ["_creationTime"];
      byDeliveryId: ["deliveryId", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  /** Files stored until then were looked at: what belonged to no message is gone. There is one of these. */
  file_sweeps: {
    document: { _id: Id<"file_sweeps">; _creationTime: number; until: number };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "until";
    indexes: { by_id: ["_id"]; by_creation_time: ["_creationTime"] };
    searchIndexes: {};
    vectorIndexes: {};
  };
  /** When a daemon was heard of. Not kept with the machine: that is written only when it changes. */
  heartbeats: {
    document: {
      _id: Id<"heartbeats">;
      _creationTime: number;
      key: string;
      at: number;
      forgetAt: number;
    };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "key"
      | "at"
      | "forgetAt";
    indexes: {
      by_id: ["_id"];
      by_creation_time: ["_creationTime"];
      byKey: ["key", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  /** Whoever has the token may become a member. Of the token itself only a digest is kept. */
  invitations: {
    document: {
      _id: Id<"invitations">;
      _creationTime: number;
      room: Id<"rooms">;
      tokenDigest: string;
      note: string;
      by: Id<"users">;
      goodUntil: number;
      usesLeft: number;
      revoked: boolean;
      /** Later than `good_until`, so that who comes too late is told so. */
      forgetAt: number;
    };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "room"
      | "tokenDigest"
      | "note"
      | "by"
      | "goodUntil"
      | "usesLeft"
      | "revoked"
      | "forgetAt";
    indexes: {
      by_id: ["_id"];
      by_creation_time: ["_creationTime"];
      byRoom: ["room", "_creationTime"];
      byToken: ["tokenDigest", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  /** A line of the log, in the order in which the file has them. */
  log_lines: {
    document: {
      _id: Id<"log_lines">;
      _creationTime: number;
      line: {
        at: number;
        level: "debug" | "info" | "warn" | "error";
        component: string;
        text: string;
        /** The rest of the line, as JSON. */
        details: string;
      };
      forgetAt: number;
    };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "line"
      | "line.at"
      | "line.level"
      | "line.component"
      | "line.text"
      | "line.details"
      | "forgetAt";
    indexes: {
      by_id: ["_id"];
      by_creation_time: ["_creationTime"];
      byComponent: ["line.component", "_creationTime"];
      byComponentAndLevel: ["line.component", "line.level", "_creationTime"];
      byLevel: ["line.level", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  /** How far the log was read; changed in the transaction that keeps the lines. There is one for each path. */
  log_places: {
    document: {
      _id: Id<"log_places">;
      _creationTime: number;
      path: string;
      inode: string;
      offset: number;
      sign: string;
      insideLine: boolean;
    };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "path"
      | "inode"
      | "offset"
      | "sign"
      | "insideLine";
    indexes: {
      by_id: ["_id"];
      by_creation_time: ["_creationTime"];
      byPath: ["path", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  /** An agent's loop, as Redis had it last. */
  loops: {
    document: {
      _id: Id<"loops">;
      _creationTime: number;
      seen: {
        name: string;
        title: string;
        state: "running" | "waiting" | "done" | "failed" | "unknown";
        iteration: number | null;
        detail: string;
        startedAt: number | null;
        updatedAt: number | null;
        until: number | null;
        problem: string | null;
      };
    };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "seen"
      | "seen.name"
      | "seen.title"
      | "seen.state"
      | "seen.iteration"
      | "seen.detail"
      | "seen.startedAt"
      | "seen.updatedAt"
      | "seen.until"
      | "seen.problem";
    indexes: {
      by_id: ["_id"];
      by_creation_time: ["_creationTime"];
      byName: ["seen.name", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  /** A node, pod or daemon, as its collector saw it last. What a collector sees is replaced as a whole. */
  machines: {
    document: {
      _id: Id<"machines">;
      _creationTime: number;
      collector: string;
      key: string;
      kind: "node" | "pod" | "daemon";
      /** As its owner knows it. Strangers are shown `public_name`. */
      name: string;
      publicName: string;
      state: "ready" | "waiting" | "failed";
      detail: string;
      runsOn: string | null;
    };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "collector"
      | "key"
      | "kind"
      | "name"
      | "publicName"
      | "state"
      | "detail"
      | "runsOn";
    indexes: {
      by_id: ["_id"];
      by_creation_time: ["_creationTime"];
      byCollector: ["collector", "key", "_creationTime"];
      byPublicName: ["publicName", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  /** Somebody belongs to a room, or did: `removed_at` is when they were put out. */
  members: {
    document: {
      _id: Id<"members">;
      _creationTime: number;
      room: Id<"rooms">;
      user: Id<"users">;
      removedAt: number | null;
    };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "room"
      | "user"
      | "removedAt";
    indexes: {
      by_id: ["_id"];
      by_creation_time: ["_creationTime"];
      byRoom: ["room", "user", "_creationTime"];
      byUser: ["user", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  /**
   * Something said in a room.
   *
   * `seq` counts from 1 without a gap. One that is removed keeps its number and loses everything else.
   */
  messages: {
    document: {
      _id: Id<"messages">;
      _creationTime: number;
      room: Id<"rooms">;
      seq: number;
      author: Id<"users">;
      /** Chosen by whoever sends: the same again is the same message. */
      key: string;
      body: string;
      attachments: Array<{ file: Id<"_storage">; name: string; contentType: string; size: number }>;
      editedAt: number | null;
      removed: boolean;
    };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "room"
      | "seq"
      | "author"
      | "key"
      | "body"
      | "attachments"
      | "editedAt"
      | "removed";
    indexes: {
      by_id: ["_id"];
      by_creation_time: ["_creationTime"];
      byKey: ["room", "author", "key", "_creationTime"];
      byRoom: ["room", "seq", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  /** What invented names are made with, so that nobody can try real ones. There is one of these. */
  name_secrets: {
    document: { _id: Id<"name_secrets">; _creationTime: number; secret: string };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "secret";
    indexes: { by_id: ["_id"]; by_creation_time: ["_creationTime"] };
    searchIndexes: {};
    vectorIndexes: {};
  };
  /** An event that Inngest received. */
  pipeline_events: {
    document: {
      _id: Id<"pipeline_events">;
      _creationTime: number;
      event: {
        /** Inngest's own, not the one that its sender may give it. */
        eventId: string;
        name: string;
        receivedAt: number;
        /** The run that it reports, if Inngest sent it itself when a function had ended. */
        aboutRun: string | null;
        functionName: string | null;
      };
      /** Sent by Inngest itself when a function had ended. */
      isReport: boolean;
      forgetAt: number;
    };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "event"
      | "event.eventId"
      | "event.name"
      | "event.receivedAt"
      | "event.aboutRun"
      | "event.functionName"
      | "isReport"
      | "forgetAt";
    indexes: {
      by_id: ["_id"];
      by_creation_time: ["_creationTime"];
      byAboutRun: ["event.aboutRun", "_creationTime"];
      byEventId: ["event.eventId", "_creationTime"];
      byReceivedAt: ["isReport", "event.receivedAt", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  /** A function that has run lately. Its name is known when Inngest has reported the end of a run. */
  pipeline_functions: {
    document: {
      _id: Id<"pipeline_functions">;
      _creationTime: number;
      functionId: string;
      name: string | null;
      forgetAt: number;
    };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "functionId"
      | "name"
      | "forgetAt";
    indexes: {
      by_id: ["_id"];
      by_creation_time: ["_creationTime"];
      byFunctionId: ["functionId", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  /** How far events were fetched: all until `after`, and on the way back to it all from `cursor` on. */
  pipeline_places: {
    document: {
      _id: Id<"pipeline_places">;
      _creationTime: number;
      url: string;
      after: number;
      cursor: string | null;
      /** The newest on this way; where it ends, `after` moves here. */
      newest: number;
      /** Inngest has asked to be left alone until then. */
      quietUntil: number;
    };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "url"
      | "after"
      | "cursor"
      | "newest"
      | "quietUntil";
    indexes: {
      by_id: ["_id"];
      by_creation_time: ["_creationTime"];
      byUrl: ["url", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  /** When to ask next what runs an event has. Not kept with the event: pages are not to be woken by it. */
  pipeline_questions: {
    document: {
      _id: Id<"pipeline_questions">;
      _creationTime: number;
      eventId: string;
      receivedAt: number;
      askAt: number;
      forgetAt: number;
    };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "eventId"
      | "receivedAt"
      | "askAt"
      | "forgetAt";
    indexes: {
      by_id: ["_id"];
      by_creation_time: ["_creationTime"];
      byAskAt: ["askAt", "_creationTime"];
      byEventId: ["eventId", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  /** A run of a function, as it was when Inngest was asked last. */
  pipeline_runs: {
    document: {
      _id: Id<"pipeline_runs">;
      _creationTime: number;
      eventId: string;
      run: {
        runId: string;
        functionId: string;
        state: "running" | "completed" | "failed" | "cancelled";
        startedAt: number;
        endedAt: number | null;
        problem: string;
      };
      forgetAt: number;
    };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "eventId"
      | "run"
      | "run.runId"
      | "run.functionId"
      | "run.state"
      | "run.startedAt"
      | "run.endedAt"
      | "run.problem"
      | "forgetAt";
    indexes: {
      by_id: ["_id"];
      by_creation_time: ["_creationTime"];
      byEventId: ["eventId", "_creationTime"];
      byFunction: ["run.functionId", "run.startedAt", "_creationTime"];
      byRunId: ["run.runId", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  /** A page of somebody's has a room open. */
  presence: {
    document: {
      _id: Id<"presence">;
      _creationTime: number;
      room: Id<"rooms">;
      user: Id<"users">;
      page: string;
      until: number;
    };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "room"
      | "user"
      | "page"
      | "until";
    indexes: {
      by_id: ["_id"];
      by_creation_time: ["_creationTime"];
      byRoom: ["room", "user", "page", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  /** A queue, as Redis had it last. */
  queues: {
    document: {
      _id: Id<"queues">;
      _creationTime: number;
      seen: {
        name: string;
        depth: number;
        /** When what has waited longest was put in, if that says so. */
        oldestAt: number | null;
        problem: string | null;
      };
    };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "seen"
      | "seen.name"
      | "seen.depth"
      | "seen.oldestAt"
      | "seen.problem";
    indexes: {
      by_id: ["_id"];
      by_creation_time: ["_creationTime"];
      byName: ["seen.name", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  /** How far a member has read. Not kept with the member, who is looked up by everything that is asked in a room. */
  read_marks: {
    document: {
      _id: Id<"read_marks">;
      _creationTime: number;
      room: Id<"rooms">;
      user: Id<"users">;
      seq: number;
    };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "room"
      | "user"
      | "seq";
    indexes: {
      by_id: ["_id"];
      by_creation_time: ["_creationTime"];
      byRoom: ["room", "user", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  /** Who may write what Redis has: the run of the listener that took this number. There is one of these. */
  redis_leases: {
    document: {
      _id: Id<"redis_leases">;
      _creationTime: number;
      number: number;
      aliveAt: number;
    };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "number"
      | "aliveAt";
    indexes: { by_id: ["_id"]; by_creation_time: ["_creationTime"] };
    searchIndexes: {};
    vectorIndexes: {};
  };
  /** A registered session, as Redis had it last. */
  registrations: {
    document: {
      _id: Id<"registrations">;
      _creationTime: number;
      seen: {
        name: string;
        title: string;
        host: string;
        state: string;
        startedAt: number | null;
        /** When its key ends, unless it is prolonged. */
        until: number | null;
        problem: string | null;
      };
    };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "seen"
      | "seen.name"
      | "seen.title"
      | "seen.host"
      | "seen.state"
      | "seen.startedAt"
      | "seen.until"
      | "seen.problem";
    indexes: {
      by_id: ["_id"];
      by_creation_time: ["_creationTime"];
      byName: ["seen.name", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  /**
   * A place to talk, for those who belong to it.
   *
   * What changes with every message is not here: whoever reads a room's title should not be woken by what is said in it.
   */
  rooms: {
    document: {
      _id: Id<"rooms">;
      _creationTime: number;
      slug: string;
      title: string;
      openedBy: Id<"users">;
      closedAt: number | null;
    };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "slug"
      | "title"
      | "openedBy"
      | "closedAt";
    indexes: {
      by_id: ["_id"];
      by_creation_time: ["_creationTime"];
      bySlug: ["slug", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  /** A file belongs to a message: to one, so that removing that may delete it. */
  sent_files: {
    document: {
      _id: Id<"sent_files">;
      _creationTime: number;
      file: Id<"_storage">;
      message: Id<"messages">;
    };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "file"
      | "message";
    indexes: {
      by_id: ["_id"];
      by_creation_time: ["_creationTime"];
      byFile: ["file", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  /** A place outside from which we fetch, and how the last tries went. */
  sources: {
    document: {
      _id: Id<"sources">;
      _creationTime: number;
      name: "slog" | "inngest" | "redis";
      /** When a try went well last; to a minute, so that going well costs few writes. */
      goodAt: number | null;
      problem: string | null;
      downSince: number | null;
    };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "name"
      | "goodAt"
      | "problem"
      | "downSince";
    indexes: {
      by_id: ["_id"];
      by_creation_time: ["_creationTime"];
      byName: ["name", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  /** Somebody is writing a message. Not kept with presence: it changes far more often. */
  typing: {
    document: {
      _id: Id<"typing">;
      _creationTime: number;
      room: Id<"rooms">;
      user: Id<"users">;
      until: number;
    };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "room"
      | "user"
      | "until";
    indexes: {
      by_id: ["_id"];
      by_creation_time: ["_creationTime"];
      byRoom: ["room", "user", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  /**
   * What was counted in a minute, and pages were not told of yet.
   *
   * Pages read the other three tables only, so an increment does not wake them.
   */
  uncounted: {
    document: {
      _id: Id<"uncounted">;
      _creationTime: number;
      name: "functions" | "tokens" | "transcription";
      minute: number;
      ticks: number;
    };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "name"
      | "minute"
      | "ticks";
    indexes: {
      by_id: ["_id"];
      by_creation_time: ["_creationTime"];
      byMinute: ["name", "minute", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  /** Somebody who signed in: with GitHub, or as a guest, under a name of their own choice. */
  users: {
    document: {
      _id: Id<"users">;
      _creationTime: number;
      name: string;
      image: string | null;
      /** What GitHub calls them. It may change there, and pass to somebody else; `github_id` does not. */
      login: string | null;
      /** Absent of guests: the index would take `None` for an id that only one of them may have. */
      githubId?: number;
      isAnonymous: boolean;
    };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "name"
      | "image"
      | "login"
      | "githubId"
      | "isAnonymous";
    indexes: {
      by_id: ["_id"];
      by_creation_time: ["_creationTime"];
      byGithub: ["githubId", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
};

/** The name of a table. */
export type TableNames = TableNamesInDataModel<DataModel>;

/** A document of a table, with its `_id` and `_creationTime`. */
export type Doc<TableName extends TableNames> = DocumentByName<DataModel, TableName>;

/**
 * The id of a document. At run time a string, in types bound to its table; names with a
 * leading underscore are the platform's own tables.
 */
export type Id<TableName extends TableNames | `_${string}`> = GenericId<TableName>;
