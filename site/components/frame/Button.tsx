import type { ButtonHTMLAttributes } from "react";
import styles from "./Button.module.css";

interface Props extends ButtonHTMLAttributes<HTMLButtonElement> {
  /** Beside text, where a frame would be too loud. */
  quiet?: boolean;
}

export function Button({ quiet = false, type = "button", className = "", ...rest }: Props) {
  return <button type={type} className={`${quiet ? styles.quiet : styles.button} ${className}`} {...rest} />;
}
