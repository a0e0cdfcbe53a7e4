/** The list of forms is complete. */
import { expect, test } from 'vitest';
import { emitFor } from '../../src/x86/families.ts';
import { encode } from '../../tools/vectors/encode.ts';
import { allForms, exemption, provedForms } from '../../tools/vectors/forms.ts';
import { CODE, SLOT_ENTRY } from '../../tools/vectors/layout.ts';
import { Random } from '../../tools/vectors/random.ts';
import { decoder, read } from './replay.ts';

test('every form that is translated is proved, or has a reason why it cannot be', () => {
  const recorded = new Set(read('forms.json').forms.map(form => form.name));
  const proved = new Set(provedForms().map(form => form.name));
  const missing: string[] = [];
  for (const form of allForms('every')) {
    if (recorded.has(form.name) || exemption(form.name) !== undefined) continue;
    const random = new Random(form.name);
    for (let variant = 0; variant < 8; variant++) {
      const code = encode(form, random, 0, variant);
      const instruction = code && decoder.decode(code, CODE + SLOT_ENTRY);
      if (instruction && emitFor(instruction)) missing.push(form.name);
      if (instruction) break;
    }
  }
  expect(missing).toEqual([]);
  expect([...recorded].filter(form => !proved.has(form))).toEqual([]);
});
