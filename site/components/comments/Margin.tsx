"use client";

import { useMutation } from "convex/react";
import { type ReactNode, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { createPortal } from "react-dom";
import { Button } from "@/components/frame/Button";
import { Problem } from "@/components/frame/Problem";
import { SignIn } from "@/components/frame/SignIn";
import { useGoing } from "@/components/frame/useGoing";
import { type Me, useMe } from "@/components/frame/useMe";
import { api } from "@/convex/_generated/api";
import { newKey } from "@/lib/chat/tokens";
import { type Anchor, anchorAt, locate, type Place } from "@/lib/comments/anchoring";
import { stack } from "@/lib/comments/layout";
import styles from "./Comments.module.css";
import { Composer } from "./Composer";
import { paragraphsOf, rangeOf, selectedPlace, type Shown } from "./paragraphs";
import { hintFor, Thread } from "./Thread";
import { nameOf, useAdd, useThreads } from "./useNotes";

const WIDE = "(min-width: 62.5rem)";
const GAP = 16;

interface Item {
  key: string;
  place: Place;
  content: ReactNode;
}

/** What is said beside an article's paragraphs: each has `data-anchor`. */
export function Margin({ article }: { article: string }) {
  const me = useMe();
  const { threads, error } = useThreads(article, me);
  const paragraphs = useParagraphs(article);
  const wide = useWide();
  const offered = useOffer(paragraphs);
  const [writing, setWriting] = useState<{ key: string; place: Place } | null>(null);
  const [active, setActive] = useState<string | null>(null);

  const places = useMemo(
    () => new Map(threads.map(({ root }) => [nameOf(root), locate(root.anchor, paragraphs)])),
    [threads.map(({ root }) => nameOf(root)).join(" "), paragraphs],
  );
  const begin = (place: Place) => {
    setWriting({ key: newKey(), place });
    getSelection()?.removeAllRanges();
  };
  useShortcut(offered, begin);
  useHighlights(paragraphs, places, active, writing?.place ?? null);
  useClicks(paragraphs, places, setActive);

  const items: Item[] = threads.flatMap((thread) => {
    const place = places.get(nameOf(thread.root));
    return place ? [{ key: nameOf(thread.root), place, content: <Thread thread={thread} me={me} /> }] : [];
  });
  const detached = paragraphs.length === 0 ? [] : threads.filter(({ root }) => !places.get(nameOf(root)));
  if (writing) {
    const content = (
      <Write article={article} me={me} anchor={anchorAt(paragraphs, writing.place)} written={writing.key} done={() => setWriting(null)} />
    );
    items.push({ key: `write ${writing.key}`, place: writing.place, content });
  }
  items.sort((a, b) => a.place.paragraph - b.place.paragraph || a.place.start - b.place.start);
  const offer = offered && !writing && (
    <Button className={styles.offer} onPointerDown={(event) => event.preventDefault()} onClick={() => begin(offered)}>
      Comment
    </Button>
  );
  return (
    <>
      <section aria-label="Comments" className={styles.margin}>
        {wide ? (
          <Beside items={items} paragraphs={paragraphs} active={active} activate={setActive} />
        ) : (
          <Below items={items} paragraphs={paragraphs} active={active} activate={setActive} />
        )}
        {offer && <div className={styles.offered}>{offer}</div>}
        {error && <Problem error={error} />}
        {detached.length > 0 && (
          <div className={styles.detached}>
            <h2>About words that are not here any more</h2>
            {detached.map((thread) => (
              <Thread key={nameOf(thread.root)} thread={thread} me={me} detached />
            ))}
          </div>
        )}
      </section>
      {me && <Drafts article={article} count={countDrafts(threads)} />}
    </>
  );
}

function countDrafts(threads: ReturnType<typeof useThreads>["threads"]): number {
  return threads.flatMap(({ root, answers }) => [root, ...answers]).filter(({ state }) => state === "draft").length;
}

interface WriteProps {
  article: string;
  me: Me | null | undefined;
  anchor: Anchor;
  written: string;
  done: () => void;
}

function Write({ me, done, ...rest }: WriteProps) {
  if (me) return <WriteAs me={me} done={done} {...rest} />;
  return (
    <div className={styles.actions}>
      <SignIn quiet>Sign in to comment</SignIn>
      <Button quiet onClick={done}>
        Cancel
      </Button>
    </div>
  );
}

function WriteAs({ article, me, anchor, written, done }: WriteProps & { me: Me }) {
  const add = useAdd(me);
  // Where it was begun, whatever happens to the page meanwhile.
  const [about] = useState(anchor);
  const send = (draft: boolean) => (body: string) => add({ article, anchor: about, body, key: written, draft });
  return (
    <Composer label="Your comment" hint={hintFor(me)} verb="Comment" send={send(false)} keep={send(true)} done={done} />
  );
}

function Drafts({ article, count }: { article: string; count: number }) {
  const submit = useMutation(api.comments.submitDrafts);
  const [going, go] = useGoing(async () => {
    await submit({ article });
  });
  return (
    <div className={styles.drafts} aria-live="polite">
      {count > 0 && (
        <Button disabled={going.busy} onClick={() => void go()}>
          Submit {count} {count === 1 ? "draft" : "drafts"}
        </Button>
      )}
      {going.error !== undefined && <Problem error={going.error} />}
    </div>
  );
}

interface ItemsProps {
  items: Item[];
  paragraphs: readonly Shown[];
  active: string | null;
  activate: (key: string | null) => void;
}

function Slot({ item, active, activate, top }: { item: Item; top?: number } & Pick<ItemsProps, "active" | "activate">) {
  return (
    <div
      className={styles.slot}
      data-slot={item.key}
      data-active={active === item.key || undefined}
      style={top === undefined ? undefined : { top }}
      onPointerEnter={() => activate(item.key)}
      onPointerLeave={() => activate(null)}
      onFocus={() => activate(item.key)}
      onBlur={() => activate(null)}
    >
      {item.content}
    </div>
  );
}

/** In the margin, each beside its line, around what stands there already. */
function Beside({ items, paragraphs, ...rest }: ItemsProps) {
  const column = useRef<HTMLDivElement>(null);
  const [tops, setTops] = useState<Record<string, number>>({});
  const arrange = useCallback(() => {
    if (column.current === null) return;
    const zero = column.current.getBoundingClientRect().top;
    const slots = [...column.current.querySelectorAll<HTMLElement>("[data-slot]")];
    const wanted = slots.map((slot, i) => {
      const line = rangeOf(paragraphs, items[i]!.place).getClientRects()[0];
      return { at: (line?.top ?? zero) - zero, height: slot.offsetHeight };
    });
    const taken = [...document.querySelectorAll("[data-article] [data-sidenote]")].map((it) => {
      const { top, bottom } = it.getBoundingClientRect();
      return { top: top - zero, bottom: bottom - zero };
    });
    const found = Object.fromEntries(stack(wanted, taken, GAP).map((top, i) => [items[i]!.key, top]));
    setTops((known) => (JSON.stringify(known) === JSON.stringify(found) ? known : found));
  }, [items, paragraphs]);
  useLayoutEffect(arrange);
  useEffect(() => {
    // Fonts come, windows change, somebody writes a longer text.
    const observer = new ResizeObserver(arrange);
    observer.observe(document.body);
    column.current?.querySelectorAll("[data-slot]").forEach((slot) => observer.observe(slot));
    return () => observer.disconnect();
  }, [arrange]);
  return (
    <div ref={column} className={styles.column}>
      {items.map((item) => (
        <Slot key={item.key} item={item} top={tops[item.key] ?? 0} {...rest} />
      ))}
    </div>
  );
}

/** Below their paragraphs, where there is no margin. */
function Below({ items, paragraphs, ...rest }: ItemsProps) {
  const [hosts, setHosts] = useState<readonly HTMLElement[]>([]);
  useEffect(() => {
    const made = paragraphs.map(({ element }) => {
      const host = document.createElement("div");
      host.dataset["comments"] = "";
      if (element.tagName === "LI") element.append(host);
      else element.after(host);
      return host;
    });
    setHosts(made);
    return () => made.forEach((host) => host.remove());
  }, [paragraphs]);
  return items.map((item) => {
    const host = hosts[item.place.paragraph];
    return host ? createPortal(<Slot item={item} {...rest} />, host, item.key) : null;
  });
}

/** The paragraphs, once the page is there; the first can be reached with the Tab key, the others with arrows from it. */
function useParagraphs(article: string): readonly Shown[] {
  const [paragraphs, setParagraphs] = useState<readonly Shown[]>([]);
  useEffect(() => {
    const found = paragraphsOf(article);
    found.forEach(({ element }, i) => {
      element.tabIndex = i === 0 ? 0 : -1;
    });
    setParagraphs(found);
  }, [article]);
  return paragraphs;
}

function useWide(): boolean {
  const [wide, setWide] = useState(true);
  useEffect(() => {
    const media = matchMedia(WIDE);
    const look = () => setWide(media.matches);
    look();
    media.addEventListener("change", look);
    return () => media.removeEventListener("change", look);
  }, []);
  return wide;
}

/** What could be commented on just now: the words that are selected, or the paragraph that has the focus. */
function useOffer(paragraphs: readonly Shown[]): Place | null {
  const [offer, setOffer] = useState<Place | null>(null);
  useEffect(() => {
    const look = () => {
      const selected = selectedPlace(paragraphs);
      const focused = paragraphs.findIndex(({ element }) => element === document.activeElement && element.matches(":focus-visible"));
      setOffer(selected ?? (focused < 0 ? null : { paragraph: focused, start: 0, end: paragraphs[focused]!.text.length }));
    };
    // A button that takes the focus from a paragraph is the one that was offered.
    const focused = (event: FocusEvent) => {
      if (!(event.target as Element).closest(`.${styles.offered}`)) look();
    };
    document.addEventListener("selectionchange", look);
    document.addEventListener("focusin", focused);
    return () => {
      document.removeEventListener("selectionchange", look);
      document.removeEventListener("focusin", focused);
    };
  }, [paragraphs]);
  return offer;
}

/** "c" comments; arrows go from paragraph to paragraph. */
function useShortcut(offer: Place | null, begin: (place: Place) => void): void {
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (target.closest("input, textarea, select, dialog, [contenteditable]") || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "c" && offer) {
        event.preventDefault();
        begin(offer);
      } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && !event.shiftKey && target.matches("[data-anchor]")) {
        const all = [...document.querySelectorAll<HTMLElement>("[data-article] [data-anchor]")];
        const next = all[all.indexOf(target) + (event.key === "ArrowDown" ? 1 : -1)];
        if (next === undefined) return;
        event.preventDefault();
        next.focus();
      }
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  });
}

/** Marks the words that are commented on. Where a browser cannot, they are not marked, and the notes stand beside them. */
function useHighlights(
  paragraphs: readonly Shown[],
  places: ReadonlyMap<string, Place | null>,
  active: string | null,
  writing: Place | null,
): void {
  useEffect(() => {
    if (!("highlights" in CSS)) return;
    const ranges = (wanted: (Place | null | undefined)[]) =>
      wanted.flatMap((place) => (place && paragraphs[place.paragraph] ? [rangeOf(paragraphs, place)] : []));
    CSS.highlights.set("comment", new Highlight(...ranges([...places.values()])));
    CSS.highlights.set("comment-active", new Highlight(...ranges([active === null ? null : places.get(active), writing])));
    return () => {
      CSS.highlights.delete("comment");
      CSS.highlights.delete("comment-active");
    };
  }, [paragraphs, places, active, writing]);
}

/** Who clicks on words is shown the note about them. */
function useClicks(
  paragraphs: readonly Shown[],
  places: ReadonlyMap<string, Place | null>,
  activate: (key: string | null) => void,
): void {
  useEffect(() => {
    const clicked = ({ target, clientX: x, clientY: y }: MouseEvent) => {
      if (!(target as Element).closest("[data-anchor]")) return;
      const hit = [...places].find(
        ([, place]) =>
          place !== null &&
          [...rangeOf(paragraphs, place).getClientRects()].some((it) => x >= it.left && x <= it.right && y >= it.top && y <= it.bottom),
      );
      activate(hit?.[0] ?? null);
    };
    document.addEventListener("click", clicked);
    return () => document.removeEventListener("click", clicked);
  }, [paragraphs, places, activate]);
}
