"use client";

import { useState } from "react";

export interface Going {
  busy: boolean;
  /** What it failed with, until it is tried again. */
  error: unknown;
}

/** Something that takes a moment and may fail: whether it is under way, and what came of it. */
export function useGoing<A extends unknown[]>(work: (...args: A) => Promise<void>): [Going, (...args: A) => Promise<void>] {
  const [state, setState] = useState<Going>({ busy: false, error: undefined });
  const go = async (...args: A) => {
    setState({ busy: true, error: undefined });
    try {
      await work(...args);
      setState({ busy: false, error: undefined });
    } catch (error) {
      setState({ busy: false, error });
    }
  };
  return [state, go];
}
