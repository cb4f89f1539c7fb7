"use client";

import { useEffect, useState } from "react";
import { Button } from "./Button";
import { chooseTheme, chosenTheme, THEMES, type Theme } from "./theme";

const WORDS: Record<Theme, string> = { system: "as the system", light: "light", dark: "dark" };

/** One button that goes around: as the system has it, light, dark. */
export function ThemeToggle() {
  const [theme, setTheme] = useState<Theme>("system");
  useEffect(() => setTheme(chosenTheme()), []);
  const next = () => {
    const chosen = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]!;
    chooseTheme(chosen);
    setTheme(chosen);
  };
  return (
    <Button quiet onClick={next}>
      Theme: {WORDS[theme]}
    </Button>
  );
}
