const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

/** An instant as people say it: the hour of today, the day of anything else. */
export function Time({ at }: { at: number }) {
  const instant = new Date(at);
  const today = instant.toDateString() === new Date().toDateString();
  return (
    <time dateTime={instant.toISOString()} title={instant.toLocaleString()}>
      {(today ? CLOCK : DAY).format(instant)}
    </time>
  );
}
