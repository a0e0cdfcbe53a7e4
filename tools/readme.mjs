#!/usr/bin/env node
/** Puts the examples into README as they are now: `node tools/readme.mjs`. */
import { readFileSync, writeFileSync } from 'node:fs';

const readme = readFileSync('README.md', 'utf8');
const shown = readme.replaceAll(
  /(<!-- file: (\S+) -->\n```ts\n)[\s\S]*?```/g,
  (_all, head, file) => `${head}${readFileSync(file, 'utf8')}\`\`\``,
);
writeFileSync('README.md', shown);
