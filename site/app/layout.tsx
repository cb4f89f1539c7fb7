import type { Metadata, Viewport } from "next";
import type { ReactNode } from "react";
import "@fontsource-variable/newsreader";
import "@fontsource-variable/newsreader/wght-italic.css";
import "@fontsource/ibm-plex-mono/latin-400.css";
import "./tokens.css";
import "./global.css";
import { Backend } from "@/components/frame/Backend";
import { Footer } from "@/components/frame/Footer";
import { Header } from "@/components/frame/Header";
import { NoScripts } from "@/components/frame/NoScripts";
import { Offline } from "@/components/frame/Offline";
import { SignInTrouble } from "@/components/frame/SignInTrouble";
import { THEME_FIRST } from "@/components/frame/theme";

export const metadata: Metadata = {
  title: { default: "joelclaw", template: "%s · joelclaw" },
  description: "Articles about a small system, and the system itself, live.",
  icons: "/icon.svg",
};

export const viewport: Viewport = {
  width: "device-width",
  initialScale: 1,
  themeColor: [
    { media: "(prefers-color-scheme: light)", color: "#fffdf8" },
    { media: "(prefers-color-scheme: dark)", color: "#161513" },
  ],
};

/** What every page has: where the backend is, who is here, and the way around. */
export default function Layout({ children }: { children: ReactNode }) {
  return (
    // The theme is set before anything is painted, so what the server wrote may differ.
    <html lang="en" suppressHydrationWarning>
      <head>
        <script dangerouslySetInnerHTML={{ __html: THEME_FIRST }} />
        {/* Before the app itself, which looks there at once. */}
        <script src="/deployment.js" />
      </head>
      <body>
        <a className="skip" href="#main">
          Skip to the text
        </a>
        <Backend>
          <Header />
          <NoScripts />
          <Offline />
          <SignInTrouble />
          {children}
          <Footer />
        </Backend>
      </body>
    </html>
  );
}
