import { type InputHTMLAttributes, type ReactNode, type TextareaHTMLAttributes, useId } from "react";
import styles from "./Field.module.css";

interface Common {
  label: string;
  /** Read, not seen: where the place says what the field is. */
  labelHidden?: boolean;
  hint?: ReactNode;
  error?: string | undefined;
}

type Line = Common & { lines?: undefined } & InputHTMLAttributes<HTMLInputElement>;
type Text = Common & { lines: number } & TextareaHTMLAttributes<HTMLTextAreaElement>;

/** A labelled field of one line, or of `lines`; what is wrong with it stands below and is read with it. */
export function Field(props: Line | Text) {
  const id = useId();
  const { label, labelHidden = false, hint, error, lines, ...rest } = props;
  const about = [hint ? `${id}-hint` : "", error ? `${id}-error` : ""].filter(Boolean).join(" ") || undefined;
  const common = { id, className: styles.input, "aria-describedby": about, "aria-invalid": error ? true : undefined };
  return (
    <div className={styles.field}>
      <label htmlFor={id} className={labelHidden ? "visually-hidden" : styles.label}>
        {label}
      </label>
      {lines === undefined ? (
        <input {...(rest as InputHTMLAttributes<HTMLInputElement>)} {...common} />
      ) : (
        <textarea rows={lines} {...(rest as TextareaHTMLAttributes<HTMLTextAreaElement>)} {...common} />
      )}
      {hint && (
        <p id={`${id}-hint`} className={styles.hint}>
          {hint}
        </p>
      )}
      {error && (
        <p id={`${id}-error`} className={styles.error} role="alert">
          {error}
        </p>
      )}
    </div>
  );
}
