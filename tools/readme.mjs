#!/usr/bin/env node
/** Puts the examples and an excerpt of the report into README as they are now: `node tools/readme.mjs`, after a build. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

/** Which lines of the report README shows; what lies between two of them becomes "…". */
const SHOWN = [
  /^samples/,
  /^Devices|^ device |^ \\Device/,
  /^I\/O control codes|^ code |^ 0x\S+ .*0x(801|842|9A3|B04) /,
  /^Requests| bytes +way /,
  /^Clean/,
];

/** Groups of requests that it shows, each by its headline, and the one row that stands for the group. */
const GROUPS = [
  [/^ {2}READ \(/, / out 4096 /],
  [/^ {2}0x8E002004 .*Buffered$/, / in 4096 out 64 /],
  [/^ {2}0x8E00668E .*Buffered$/, / in 64 out 64 /],
];

function excerpt() {
  const report = execFileSync(process.execPath, ['dist/src/cli/main.js', 'check', 'samples/transfer/transfer.sys'], {
    encoding: 'utf8',
  });
  const lines = [];
  let row;
  for (const line of report.trimEnd().split('\n')) {
    const group = GROUPS.find(([headline]) => headline.test(line));
    if (/^ {2}[^ #]/.test(line)) row = group?.[1];
    // A row's way may go on below it.
    const goesOn = /^ {20,}\S/.test(line) && row?.test(lines.at(-1) ?? '');
    if (group || goesOn || row?.test(line) || SHOWN.some(pattern => pattern.test(line))) lines.push(line);
    else if (line.trim() === '') lines.push('');
    else if (lines.at(-1) !== '  …') lines.push('  …');
  }
  return lines.join('\n').replaceAll(/(\n\s*…)?\n\n(\s*…\n\n)?/g, '\n\n');
}

const readme = readFileSync('README.md', 'utf8')
  .replaceAll(
    /(<!-- file: (\S+) -->\n+```ts\n)[\s\S]*?```/g,
    (_all, head, file) => `${head}${readFileSync(file, 'utf8')}\`\`\``,
  )
  .replace(/(<!-- excerpt -->\n+```text\n)[\s\S]*?```/, (_all, head) => `${head}${excerpt()}\n\`\`\``);
writeFileSync('README.md', readme);
