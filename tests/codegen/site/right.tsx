// A site that uses the generated types as they are meant. It compiles, and says what each type is, exactly.

import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { fetchMutation, fetchQuery, preloadQuery } from "convex/nextjs";
import {
  type Preloaded,
  useAction,
  useMutation,
  usePaginatedQuery,
  usePreloadedQuery,
  useQuery,
} from "convex/react";
import {
  type FunctionArgs,
  type FunctionReturnType,
  type GenericDataModel,
  type PaginationResult,
  getFunctionName,
} from "convex/server";
import type { GenericId } from "convex/values";
import { api, internal } from "./convex/_generated/api.js";
import type { DataModel, Doc, Id, TableNames } from "./convex/_generated/dataModel.js";

type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Assert<T extends true> = T;

interface Every {
  any: any;
  array: number[][];
  bigint: bigint;
  boolean: boolean;
  bytes: ArrayBuffer;
  "content-type": string;
  either: number | string;
  empty: Record<string, never>;
  file: GenericId<"_storage">;
  float: number;
  id: Id<"users"> | Id<"comments">;
  int: number;
  literals: "a\"b'\n" | 1 | -2 | true;
  null: null;
  nullable: bigint | null;
  object: { deep: { deeper: ({ x: number } | null)[] } };
  record: Record<string, number[]>;
  recordById: Record<Id<"users">, boolean>;
  recordByLiteral: { up?: number; down?: number };
  string: string;
}
type Flat<T> = { [K in keyof T]: T[K] };
type Written = FunctionArgs<typeof api.zoo.every>;
type Read = FunctionReturnType<typeof api.zoo.every>;

export type Types = [
  Assert<Same<Flat<Written>, Flat<Every & { defaulted?: string; maybe?: string }>>>,
  Assert<Same<Flat<Read>, Flat<Every & { defaulted: string; maybe?: string }>>>,
  Assert<Same<Written["recordByLiteral"], Partial<Record<"up" | "down", number>>>>,
  Assert<Same<FunctionArgs<typeof api.comments.forArticle>, { article: string; limit?: number }>>,
  Assert<Same<FunctionReturnType<typeof api.comments.forArticle>, Doc<"comments">[]>>,
  Assert<Same<FunctionReturnType<typeof api.comments.find>, Doc<"comments"> | null>>,
  Assert<Same<FunctionReturnType<typeof api.comments.add>, Id<"comments">>>,
  Assert<Same<FunctionReturnType<typeof api.loose.untyped>, any>>,
  Assert<Same<FunctionArgs<typeof api.loose.anything>, Record<string, any>>>,
  Assert<Same<Id<"comments">, GenericId<"comments">>>,
  Assert<Same<TableNames, "comments" | "kinds" | "users">>,
  Assert<Same<Doc<"users">, { _id: Id<"users">; _creationTime: number; name: string; githubId: number }>>,
  Assert<Same<DataModel["comments"]["indexes"]["byArticle"], ["article", "anchor.paragraph", "_creationTime"]>>,
  Assert<DataModel extends GenericDataModel ? true : false>,
  Assert<FunctionReturnType<typeof api.chat.history> extends PaginationResult<Doc<"comments">> ? true : false>,
];

export function Comments({ article, me }: { article: string; me: Id<"users"> }) {
  const comments = useQuery(api.comments.forArticle, { article });
  const fewer = useQuery(api.comments.forArticle, article ? { article, limit: 5 } : "skip");
  const names = useQuery(api.chat.default);
  const total = useQuery(api.ops.stats, {});
  const days = useQuery(api.ops.stats.byDay, { days: 7 });
  const nothing = useQuery(api["not an"]["identifier-path"]);
  const add = useMutation(api.comments.add).withOptimisticUpdate((store, { body }) => {
    const known = store.getQuery(api.comments.forArticle, { article });
    const first = known?.[0];
    if (first) store.setQuery(api.comments.forArticle, { article }, [{ ...first, body }]);
  });
  const sweep = useAction(api.ops.deep.er.sweep);
  const { results, loadMore, status } = usePaginatedQuery(
    api.chat.history,
    { room: "lobby" },
    { initialNumItems: 10 },
  );
  const latest = usePaginatedQuery(api.chat.latest, {}, { initialNumItems: 10 });
  const words: string[] = latest.results;
  const submit = async () => {
    const id: Id<"comments"> = await add({ article, anchor: { paragraph: "1", quote: "so" }, body: "Well." });
    await sweep({ dryRun: id === comments?.[0]?._id });
    if (status === "CanLoadMore") loadMore(10);
  };
  return (
    <ul onClick={submit} title={`${total?.toFixed()} ${days?.["2024-01-01"]} ${words} ${names} ${nothing} ${fewer}`}>
      {results.map((comment) => (
        <li key={comment._id} hidden={comment.resolved} title={comment.editedAt?.toFixed() ?? comment.anchor.quote}>
          {comment.author === me ? "me" : comment.body}
        </li>
      ))}
    </ul>
  );
}

export function Preloads({ comments }: { comments: Preloaded<typeof api.comments.forArticle> }) {
  return <p>{usePreloadedQuery(comments).map((comment: Doc<"comments">) => comment.body)}</p>;
}

export async function onServer(http: ConvexHttpClient, socket: ConvexClient, every: Every, user: Id<"users">) {
  const comments: Doc<"comments">[] = await http.query(api.comments.forArticle, { article: "a" });
  const echoed = await http.mutation(api.zoo.every, every);
  const upper: string = echoed.defaulted.toUpperCase();
  const big: bigint = echoed.bigint + 1n;
  const length: number = echoed.bytes.byteLength;
  const flag: boolean | undefined = echoed.recordById[user];
  await http.mutation(api.zoo.every, { ...every, defaulted: "x", maybe: "y", recordByLiteral: { up: 1 } });
  await http.action(api.ops.deep.er.sweep, { dryRun: true });
  await http.mutation(api.loose.anything, { whatever: [1, "two"] });
  await http.mutation(api.loose.more, { known: "x", whatever: [1, "two"] });
  socket.onUpdate(api.comments.find, { id: "x" }, (found) => found?.body.trim());
  const preloaded = await preloadQuery(api.comments.forArticle, { article: "a" });
  await fetchMutation(api.comments.resolve, { id: comments[0]!._id });
  return { preloaded, upper, big, length, flag, names: await fetchQuery(api.chat.default) };
}

export const nameOfInternal: string = getFunctionName(internal.comments.forgetResolved);
