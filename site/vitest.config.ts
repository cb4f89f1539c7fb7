import { defineConfig } from "vitest/config";

/** What is computed, without a browser: `lib/**`. What is shown is shown by tests/site. */
export default defineConfig({
  resolve: { alias: { "@": import.meta.dirname } },
  test: { include: ["lib/**/*.test.ts"], environment: "node" },
});
