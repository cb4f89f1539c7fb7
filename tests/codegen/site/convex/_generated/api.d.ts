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
  chat: {
    default: FunctionReference<
      "query",
      "public",
      Record<string, never>,
      Array<string>
    >;
    history: FunctionReference<
      "query",
      "public",
      {
        room: string;
        paginationOpts: {
          numItems: number;
          cursor: string | null;
          endCursor?: string | null;
          maximumRowsRead?: number;
          maximumBytesRead?: number;
          id?: number;
        };
      },
      {
        page: Array<Doc<"comments">>;
        isDone: boolean;
        continueCursor: string;
        splitCursor: string | null;
        pageStatus: "SplitRecommended" | "SplitRequired" | null;
      }
    >;
    latest: FunctionReference<
      "query",
      "public",
      {
        paginationOpts: {
          numItems: number;
          cursor: string | null;
          endCursor?: string | null;
          maximumRowsRead?: number;
          maximumBytesRead?: number;
          id?: number;
        };
      },
      {
        page: Array<string>;
        isDone: boolean;
        continueCursor: string;
        splitCursor: string | null;
        pageStatus: "SplitRecommended" | "SplitRequired" | null;
      }
    >;
  };
  comments: {
    /**
     * Comment on an article.
     *
     * Ends no comment of ours: *\/ export const broken = "/*";
     */
    add: FunctionReference<
      "mutation",
      "public",
      {
        article: string;
        anchor: {
          paragraph: string;
          /** The words that were marked. */
          quote: string;
        };
        body: string;
      },
      Id<"comments">
    >;
    find: FunctionReference<
      "query",
      "public",
      { id: string },
      Doc<"comments"> | null
    >;
    /** Comments on one article, oldest first. */
    forArticle: FunctionReference<
      "query",
      "public",
      { article: string; limit?: number },
      Array<Doc<"comments">>
    >;
    resolve: FunctionReference<
      "mutation",
      "public",
      {
        /** Of the caller's own. */
        id: Id<"comments">;
      },
      null
    >;
    restore: FunctionReference<
      "mutation",
      "public",
      {
        comment: {
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
          replyTo?: Id<"comments"> | null;
          resolved?: boolean;
          editedAt?: number;
          embedding?: Array<number>;
        };
      },
      null
    >;
  };
  loose: {
    anything: FunctionReference<
      "mutation",
      "public",
      { [name: string]: any },
      null
    >;
    more: FunctionReference<
      "mutation",
      "public",
      { known: string; [name: string]: any },
      null
    >;
    untyped: FunctionReference<
      "query",
      "public",
      { x: any },
      any
    >;
  };
  "not an": {
    "identifier-path": FunctionReference<
      "query",
      "public",
      Record<string, never>,
      null
    >;
  };
  ops: {
    deep: {
      er: {
        sweep: FunctionReference<
          "action",
          "public",
          { dryRun: boolean },
          null
        >;
      };
    };
    /** A function beside a module of its name. */
    stats: FunctionReference<
      "query",
      "public",
      Record<string, never>,
      number
    > & {
      byDay: FunctionReference<
        "query",
        "public",
        { days?: number },
        Record<string, number>
      >;
    };
  };
  zoo: {
    every: FunctionReference<
      "mutation",
      "public",
      {
        any: any;
        array: Array<Array<number>>;
        bigint: bigint;
        boolean: boolean;
        bytes: ArrayBuffer;
        "content-type": string;
        defaulted?: string;
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
      },
      {
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
      }
    >;
  };
};

/** What only other functions, the command line and the dashboard may call. */
export declare const internal: {
  comments: {
    forgetResolved: FunctionReference<
      "mutation",
      "internal",
      Record<string, never>,
      number
    >;
  };
  ops: {
    deep: {
      er: {
        secret: FunctionReference<
          "action",
          "internal",
          Record<string, never>,
          null
        >;
      };
    };
  };
};
