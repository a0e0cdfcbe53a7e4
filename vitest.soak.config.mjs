import { defineConfig, mergeConfig } from 'vitest/config';
import suite from './vitest.config.mjs';

/** The long runs: what `npm test` does a tenth of. */
const soak = mergeConfig(suite, defineConfig({ test: { testTimeout: 3_600_000 } }));
soak.test.include = ['{src,test}/**/*.soak.ts'];
export default soak;
