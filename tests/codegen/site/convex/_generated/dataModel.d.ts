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
  /**
   * What readers write
   *
   * beside an article.
   */
  comments: {
    document: {
      _id: Id<"comments">;
      _creationTime: number;
      /** The slug of the article. */
      article: string;
      anchor: {
        paragraph: string;
        /** The words that were marked. */
        quote: string;
      };
      author: Id<"users">;
      body: string;
      replyTo: Id<"comments"> | null;
      resolved: boolean;
      editedAt?: number;
      embedding?: Array<number>;
    };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "article"
      | "anchor"
      | "anchor.paragraph"
      | "anchor.quote"
      | "author"
      | "body"
      | "replyTo"
      | "resolved"
      | "editedAt"
      | "embedding";
    indexes: {
      by_id: ["_id"];
      by_creation_time: ["_creationTime"];
      byArticle: ["article", "anchor.paragraph", "_creationTime"];
      byAuthor: ["author", "_creationTime"];
    };
    searchIndexes: {
      searchBody: { searchField: "body"; filterFields: "article" | "anchor.paragraph" };
    };
    vectorIndexes: {
      byEmbedding: { vectorField: "embedding"; dimensions: 384; filterFields: never };
    };
  };
  kinds: {
    document: {
      _id: Id<"kinds">;
      _creationTime: number;
      any: any;
      array: Array<Array<number>>;
      bigint: bigint;
      boolean: boolean;
      bytes: ArrayBuffer;
      "content-type": string;
      defaulted: string;
      either: number | string;
      empty: Record<string, never>;
      file: Id<"_storage">;
      float: number;
      id: Id<"users"> | Id<"comments">;
      int: number;
      literals: "a\"b'\n" | 1 | -2 | true;
      maybe?: string;
      null: null;
      nullable: bigint | null;
      object: { deep: { deeper: Array<{ x: number } | null> } };
      record: Record<string, Array<number>>;
      recordById: Record<Id<"users">, boolean>;
      recordByLiteral: Partial<Record<"up" | "down", number>>;
      string: string;
    };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "any"
      | "array"
      | "bigint"
      | "boolean"
      | "bytes"
      | "content-type"
      | "defaulted"
      | "either"
      | "empty"
      | "file"
      | "float"
      | "id"
      | "int"
      | "literals"
      | "maybe"
      | "null"
      | "nullable"
      | "object"
      | "object.deep"
      | "object.deep.deeper"
      | "record"
      | "recordById"
      | "recordByLiteral"
      | "string";
    indexes: { by_id: ["_id"]; by_creation_time: ["_creationTime"] };
    searchIndexes: {};
    vectorIndexes: {};
  };
  users: {
    document: { _id: Id<"users">; _creationTime: number; name: string; githubId: number };
    fieldPaths:
      | "_id"
      | "_creationTime"
      | "name"
      | "githubId";
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
