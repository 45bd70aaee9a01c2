import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["tests/**/*.test.{ts,tsx}"],
    setupFiles: ["tests/support/values.ts"],
    testTimeout: 20_000,
    hookTimeout: 30_000,
    // Servers and timers of their own: side by side they would only wait for each other.
    fileParallelism: false,
    dangerouslyIgnoreUnhandledErrors: false,
  },
});
