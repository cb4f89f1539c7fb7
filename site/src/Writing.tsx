import { type FormEvent, type KeyboardEvent, useState } from "react";
import { Refusal } from "./Refusal";

type Props = {
  label: string;
  button: string;
  maxLength: number;
  /** Why one cannot write just now; empty when one can. */
  missing: string;
  send: (body: string) => Promise<unknown>;
};

/** A box to write in. Its text comes back when it was refused. */
export function Writing({ label, button, maxLength, missing, send }: Props) {
  const [body, setBody] = useState("");
  const [error, setError] = useState<unknown>(null);
  const words = body.trim();

  async function submit() {
    if (missing || !words) return;
    setBody("");
    setError(null);
    try {
      await send(words);
    } catch (refused) {
      console.error(refused);
      setError(refused);
      setBody((written) => written || words);
    }
  }

  function onSubmit(event: FormEvent) {
    event.preventDefault();
    void submit();
  }

  function onKeyDown(event: KeyboardEvent) {
    // While an input method composes a word, Enter chooses its form.
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    void submit();
  }

  return (
    <form className="writing" onSubmit={onSubmit}>
      <textarea
        aria-label={label}
        placeholder={missing || label}
        value={body}
        onChange={(event) => setBody(event.target.value)}
        onKeyDown={onKeyDown}
        maxLength={maxLength}
        rows={2}
      />
      <button type="submit" disabled={Boolean(missing) || !words}>
        {button}
      </button>
      <Refusal error={error} />
    </form>
  );
}
