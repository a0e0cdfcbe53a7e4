import { defineConfig } from 'vitest/config';

/** The suite: every *.test.ts beside its subject, and test/ for what crosses rooms. */
export default defineConfig({
  test: {
    include: ['{src,drivers,test,bench}/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    // Nothing here waits for a clock: a test this slow is hanging.
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
