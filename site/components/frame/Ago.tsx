"use client";

import { useEffect, useState } from "react";
import { ago, nextChange } from "@/lib/ago";

/** How long ago an instant was, kept current; the whole of it on hover. */
export function Ago({ at }: { at: number }) {
  const [now, setNow] = useState<number | null>(null);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>;
    const tick = () => {
      setNow(Date.now());
      timer = setTimeout(tick, nextChange(Date.now() - at));
    };
    tick();
    return () => clearTimeout(timer);
  }, [at]);
  const iso = new Date(at).toISOString();
  return (
    <time dateTime={iso} title={now === null ? iso : new Date(at).toLocaleString()}>
      {now === null ? iso.slice(0, 10) : ago(now - at)}
    </time>
  );
}
