import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** The suite: every *.test.ts beside its subject, and test/ for what crosses rooms. */
export default defineConfig({
  // The package under its own name, as its users import it: from source, so that tests need no build.
  resolve: { alias: { irpwright: fileURLToPath(new URL('src/index.ts', import.meta.url)) } },
  test: {
    include: ['{src,drivers,test,bench,tools,samples,examples}/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    // Nothing here waits for a clock: a test this slow is hanging.
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
