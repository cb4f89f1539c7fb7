"use client";

import { useMutation } from "convex/react";
import { useCallback, useEffect, useRef, useState } from "react";
import { api } from "@/convex/_generated/api";
import type { Id } from "@/convex/_generated/dataModel";
import { FILES_MAX, isPicture, problemOf } from "@/lib/chat/files";
import type { SentFile } from "@/lib/chat/outbox";
import { newKey } from "@/lib/chat/tokens";
import { sentence } from "@/lib/sentence";

export interface Uploaded {
  key: string;
  source: File;
  /** Shows a picture before it is anywhere else. */
  preview: string | null;
  /** From 0 to 1. */
  progress: number;
  /** What the server calls it, once it is there. */
  file: string | null;
  failed: string | null;
}

export interface Uploads {
  uploads: readonly Uploaded[];
  /** Why what was added last could not be. */
  refused: string | null;
  add(files: Iterable<File>): void;
  retry(key: string): void;
  drop(key: string): void;
  /** Those that are there, for a message; the list is empty then. */
  take(): SentFile[];
}

/** Files on their way to be part of a message. What is dropped, or never sent, the server sweeps away. */
export function useUploads(room: Id<"rooms">): Uploads {
  const uploadUrl = useMutation(api.chat.uploadUrl);
  const [uploads, setUploads] = useState<readonly Uploaded[]>([]);
  const [refused, setRefused] = useState<string | null>(null);
  const under = useRef(new Map<string, AbortController>());
  const latest = useRef(uploads);
  latest.current = uploads;

  const change = useCallback((key: string, by: Partial<Uploaded>) => {
    setUploads((all) => all.map((it) => (it.key === key ? { ...it, ...by } : it)));
  }, []);

  const upload = useCallback(
    async (key: string, source: File) => {
      const abort = new AbortController();
      under.current.set(key, abort);
      try {
        const url = await uploadUrl({ room });
        const file = await post(url, source, abort.signal, (progress) => change(key, { progress }));
        change(key, { file, progress: 1 });
      } catch (error) {
        if (!abort.signal.aborted) change(key, { failed: sentence(error) });
      }
      under.current.delete(key);
    },
    [uploadUrl, room, change],
  );

  const add = useCallback(
    (files: Iterable<File>) => {
      const given = [...files];
      const good = given.filter((file) => problemOf(file) === null).slice(0, FILES_MAX - latest.current.length);
      const bad = given.map(problemOf).find((problem) => problem !== null);
      setRefused(bad ?? (good.length < given.length ? `A message has at most ${FILES_MAX} files.` : null));
      const added = good.map((source) => ({
        key: newKey(),
        source,
        preview: isPicture(source.type) ? URL.createObjectURL(source) : null,
        progress: 0,
        file: null,
        failed: null,
      }));
      setUploads((all) => [...all, ...added]);
      for (const { key, source } of added) void upload(key, source);
    },
    [upload],
  );

  const forget = useCallback((gone: readonly Uploaded[]) => {
    for (const { key, preview } of gone) {
      under.current.get(key)?.abort();
      if (preview !== null) URL.revokeObjectURL(preview);
    }
    const keys = new Set(gone.map(({ key }) => key));
    setUploads((all) => all.filter(({ key }) => !keys.has(key)));
    setRefused(null);
  }, []);

  // Who leaves the room leaves them behind.
  useEffect(() => () => forget(latest.current), [forget]);

  return {
    uploads,
    refused,
    add,
    retry: (key) => {
      const found = uploads.find((it) => it.key === key);
      if (found === undefined) return;
      change(key, { failed: null, progress: 0 });
      void upload(key, found.source);
    },
    drop: (key) => forget(uploads.filter((it) => it.key === key)),
    take: () => {
      const ready = uploads.filter((it) => it.file !== null);
      forget(uploads);
      return ready.map((it) => ({ file: it.file!, name: it.source.name }));
    },
  };
}

/** Post a file, with progress, which `fetch` does not tell; what the server calls it. */
function post(url: string, source: File, signal: AbortSignal, progress: (part: number) => void): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", url);
    request.setRequestHeader("Content-Type", source.type);
    request.responseType = "json";
    request.upload.onprogress = ({ loaded, total }) => progress(total === 0 ? 0 : loaded / total);
    request.onload = () => {
      const id: unknown = (request.response as { storageId?: unknown } | null)?.storageId;
      if (request.status === 200 && typeof id === "string") resolve(id);
      else reject(new Error("The file was not taken. Try it again."));
    };
    request.onerror = () => reject(new Error("The connection was lost while the file was sent."));
    signal.addEventListener("abort", () => {
      request.abort();
      reject(new Error("The file was taken back."));
    });
    request.send(source);
  });
}
