import type { NextConfig } from "next";

/** The site is files: any server serves them, and articles are read while the backend is down. */
const config: NextConfig = {
  output: "export",
  trailingSlash: true,
  reactStrictMode: true,
  poweredByHeader: false,
  devIndicators: false,
  // tsc checks the types: scripts/test runs it, and so does whoever asks for `npm run check`.
  typescript: { ignoreBuildErrors: true },
  turbopack: { root: import.meta.dirname },
};

export default config;
