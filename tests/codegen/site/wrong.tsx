// A site that uses the generated types wrongly. Each marked line is an error for the compiler, and no other is.

import { ConvexHttpClient } from "convex/browser";
import { fetchQuery } from "convex/nextjs";
import { useAction, useMutation, usePaginatedQuery, useQuery } from "convex/react";
import type { FunctionArgs } from "convex/server";
import { api, internal } from "./convex/_generated/api.js";
import type { Doc, Id } from "./convex/_generated/dataModel.js";

declare const user: Id<"users">;
declare const comment: Doc<"comments">;
declare const every: FunctionArgs<typeof api.zoo.every>;

export function Functions() {
  useQuery(api.comments.forArticles, { article: "a" }); // expect error: no such function
  useQuery(api.coments); // expect error: no such module
  useQuery(api.comments, {}); // expect error: a module is no function
  useQuery(api.comments.add, {}); // expect error: a mutation is no query
  useMutation(api.comments.find); // expect error: a query is no mutation
  useAction(api.comments.add); // expect error: a mutation is no action
  useMutation(internal.comments.forgetResolved); // expect error: internal to a client
  useMutation(api.comments.forgetResolved); // expect error: internal, not in api
  useQuery(internal.comments.forArticle, { article: "a" }); // expect error: public, not in internal
  useQuery(api._system.cli.tables.default); // expect error: the platform's own
}

export function Arguments() {
  useQuery(api.comments.forArticle); // expect error: arguments missing
  useQuery(api.comments.forArticle, {}); // expect error: one missing
  useQuery(api.comments.forArticle, { article: 1 }); // expect error: wrong type
  useQuery(api.comments.forArticle, { article: "a", limit: "5" }); // expect error: wrong type of an optional one
  useQuery(api.comments.forArticle, { article: "a", limit: null }); // expect error: optional is not nullable
  useQuery(api.comments.forArticle, { article: "a", limits: 5 }); // expect error: unknown argument
  useQuery(api.chat.default, { room: "lobby" }); // expect error: takes none
  useMutation(api.comments.resolve)({ id: user }); // expect error: an id of another table
  useMutation(api.comments.resolve)({ id: "abc" }); // expect error: text is no id
  usePaginatedQuery(api.comments.forArticle, { article: "a" }, { initialNumItems: 1 }); // expect error: not paginated
  usePaginatedQuery(api.chat.history, {}, { initialNumItems: 1 }); // expect error: room missing
  fetchQuery(api.comments.forArticle, { articel: "a" }); // expect error: unknown argument
}

export async function Types(http: ConvexHttpClient) {
  await http.mutation(api.zoo.every, { ...every, bigint: 1 }); // expect error: a number is no bigint
  await http.mutation(api.zoo.every, { ...every, int: 1n }); // expect error: a bigint is no number
  await http.mutation(api.zoo.every, { ...every, bytes: "aGk=" }); // expect error: text is no bytes
  await http.mutation(api.zoo.every, { ...every, null: undefined }); // expect error: undefined is not null
  await http.mutation(api.zoo.every, { ...every, literals: 2 }); // expect error: another literal
  await http.mutation(api.zoo.every, { ...every, literals: false }); // expect error: another literal
  await http.mutation(api.zoo.every, { ...every, either: true }); // expect error: not in the union
  await http.mutation(api.zoo.every, { ...every, empty: { x: 1 } }); // expect error: an empty object has no fields
  await http.mutation(api.zoo.every, { ...every, array: [1] }); // expect error: an array of arrays
  await http.mutation(api.zoo.every, { ...every, record: { a: 1 } }); // expect error: a record of arrays
  await http.mutation(api.zoo.every, { ...every, recordByLiteral: { left: 1 } }); // expect error: no such key
  await http.mutation(api.zoo.every, { ...every, object: { deep: {} } }); // expect error: a nested field missing
  await http.mutation(api.zoo.every, { ...every, object: { deep: { deeper: [{ y: 1 }] } } }); // expect error: deep inside
  await http.mutation(api.zoo.every, { ...every, file: user }); // expect error: not of a system table
  await http.mutation(api.loose.more, { whatever: 1 }); // expect error: the known one missing

  const result = await http.mutation(api.zoo.every, every);
  result.maybe.trim(); // expect error: may be absent
  result.nullable.toString(); // expect error: may be null
  result.recordByLiteral.up.toFixed(); // expect error: a key may be absent
  result.unknown; // expect error: no such field
  (await http.query(api.comments.find, { id: "x" })).body; // expect error: may be null
  comment.editedAt.toFixed(); // expect error: may be absent
  comment.creationTime; // expect error: its wire name is _creationTime
}

export type NoTable = Doc<"coments">; // expect error: no such table
export type NoId = Id<"coments">; // expect error: no such table
export type NoDocument = Doc<"_storage">; // expect error: not of the app's data model
