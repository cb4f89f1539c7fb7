"use client";

import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";

/** So close to the end counts as being there. */
const NEAR_PX = 32;

interface Steady {
  /** The list, once it is there; `setBox` is its `ref`. */
  box: HTMLElement | null;
  setBox: (box: HTMLElement | null) => void;
  atEnd: boolean;
  toEnd: () => void;
}

/**
 * A list that grows at both ends and stays where it is.
 *
 * At its end it stays at the end, whatever comes and however high it turns out. Elsewhere what is read does not
 * move: the first row in view keeps its place, by its `data-row`. Browsers do this by themselves for some changes
 * and not for others, so it is done here for all of them.
 */
export function useSteadyScroll(): Steady {
  // State and no ref: the list may come later than whoever asks for it, and has to be watched from then on.
  const [box, setBox] = useState<HTMLElement | null>(null);
  const [atEnd, setAtEnd] = useState(true);
  const place = useRef<{ atEnd: boolean; row: string | null; top: number }>({ atEnd: true, row: null, top: 0 });

  const look = useCallback(() => {
    if (box === null) return;
    const isAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_PX;
    const row = rowsOf(box).find((it) => it.offsetTop + it.offsetHeight > box.scrollTop);
    place.current = { atEnd: isAtEnd, row: row?.dataset.row ?? null, top: row ? row.offsetTop - box.scrollTop : 0 };
    setAtEnd(isAtEnd);
  }, [box]);

  const settle = useCallback(() => {
    if (box === null) return;
    if (place.current.atEnd) {
      box.scrollTop = box.scrollHeight;
      return;
    }
    const row = rowsOf(box).find((it) => it.dataset.row === place.current.row);
    if (row) box.scrollTop = row.offsetTop - place.current.top;
  }, [box]);

  // After every render: any of them may have brought rows.
  useLayoutEffect(settle);

  useEffect(() => {
    if (box === null) return;
    const resized = new ResizeObserver(settle);
    resized.observe(box);
    for (const child of box.children) resized.observe(child);
    box.addEventListener("scroll", look, { passive: true });
    return () => {
      resized.disconnect();
      box.removeEventListener("scroll", look);
    };
  }, [box, look, settle]);

  const toEnd = useCallback(() => {
    if (box !== null) box.scrollTop = box.scrollHeight;
  }, [box]);

  return { box, setBox, atEnd, toEnd };
}

function rowsOf(box: HTMLElement): HTMLElement[] {
  return [...box.querySelectorAll<HTMLElement>("[data-row]")];
}
