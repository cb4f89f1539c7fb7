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
  /** A note in the margin of an article, or an answer to one. */
  comments: {
    document: {
      _id: Id<"comments">;
      _creationTime: number;
      article: string;
      anchor: { paragraph: string; quote: string };
      author: Id<"users"> | null;
      authorName: string;
      body: string;
      replyTo: Id<"comments"> | null;
      resolved: boolean;
    };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "article"
      | "anchor"
      | "anchor.paragraph"
      | "anchor.quote"
      | "author"
      | "authorName"
      | "body"
      | "replyTo"
      | "resolved";
    indexes: {
      by_id: ["_id"];
      by_creation_time: ["_creationTime"];
      byArticle: ["article", "anchor.paragraph", "_creationTime"];
      byThread: ["replyTo", "_creationTime"];
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
  /** Something said in a room. */
  messages: {
    document: {
      _id: Id<"messages">;
      _creationTime: number;
      room: Id<"rooms">;
      author: Id<"users"> | null;
      authorName: string;
      body: string;
    };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "room"
      | "author"
      | "authorName"
      | "body";
    indexes: {
      by_id: ["_id"];
      by_creation_time: ["_creationTime"];
      byRoom: ["room", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  /** A place to talk. `messages` is kept with it, so that nobody has to count. */
  rooms: {
    document: {
      _id: Id<"rooms">;
      _creationTime: number;
      slug: string;
      title: string;
      messages: number;
    };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "slug"
      | "title"
      | "messages";
    indexes: {
      by_id: ["_id"];
      by_creation_time: ["_creationTime"];
      bySlug: ["slug", "_creationTime"];
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
