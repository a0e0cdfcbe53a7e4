/** String instructions, repeated by a loop of the guest, beside the host's own copy and fill of the same bytes. */
import { fromAddress } from '../../src/wdm/address.ts';
import { bytes, CODE, DATA } from '../../test/support/bare-machine.ts';
import type { Figure } from '../index.ts';
import { MEGABYTE, machine } from './kernels.ts';
import { inTurns, pairwise, spread } from './statistics.ts';

const ROUNDS = 7;
/** Bytes of one measurement. */
const WORK = 128 * MEGABYTE;
const COPY_TO = 2 * MEGABYTE;

const copy = (u8: Uint8Array, size: number) => u8.copyWithin(COPY_TO, 0, size);

// mov r10, rcx; mov al, 5; l: mov rdi, r10; mov rsi, rdx; mov rcx, r8; rep …; dec r9; jnz l; ret
const FORMS = [
  { name: 'rep movsb', code: '4989ca b005 4c89d7 4889d6 4c89c1 f3a4 49ffc9 75f0 c3', host: copy },
  {
    name: 'rep stosb',
    code: '4989ca b005 4c89d7 4889d6 4c89c1 f3aa 49ffc9 75f0 c3',
    host: (u8: Uint8Array, size: number) => u8.fill(5, COPY_TO, COPY_TO + size),
  },
  // The same after shr r8, 3.
  { name: 'rep movsq', code: '4989ca b005 49c1e803 4c89d7 4889d6 4c89c1 f348a5 49ffc9 75ef c3', host: copy },
];

export function strings(): Figure[] {
  const host = new Uint8Array(4 * MEGABYTE);
  return FORMS.flatMap(({ name, code, host: direct }) =>
    [4096, MEGABYTE].map((size): Figure => {
      const m = machine();
      m.load(bytes(code));
      const times = WORK / size;
      const args = [fromAddress(DATA + COPY_TO), fromAddress(DATA), BigInt(size), BigInt(times)];
      const { a: ours, b: theirs } = inTurns(
        ROUNDS,
        () => void m.call(CODE, ...args),
        () => {
          for (let n = 0; n < times; n++) direct(host, size);
        },
      );
      return {
        name: `${name}, ${size / 1024} KiB`,
        ...spread(ours.map(time => WORK / time / 2 ** 30)),
        unit: 'GiB/s',
        versus: 'the host',
        ratio: pairwise(theirs, ours),
      };
    }),
  );
}
