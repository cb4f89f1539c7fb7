import { useState } from "react";

/** A text that this browser remembers; empty at first. */
export function useStored(key: string): [string, (value: string) => void] {
  const [value, setValue] = useState(() => localStorage.getItem(key) ?? "");
  return [
    value,
    (next) => {
      setValue(next);
      localStorage.setItem(key, next);
    },
  ];
}
