/**
 * Translation, which is lazy: of a megabyte of code one function in sixteen is called.
 *
 * The code is the kernels over and over, each at a multiple of 16 as compilers place functions: 80 bytes of code each,
 * smaller than a driver's functions are, so that the cost of a region itself counts more than it would there. What a
 * function's first call takes longer than its second is its translation (decoding, emitting, and V8's first compiler).
 */
import type { Address } from '../../src/wdm/address.ts';
import { fromAddress } from '../../src/wdm/address.ts';
import { CODE, DATA } from '../../test/support/bare-machine.ts';
import type { Figure } from '../index.ts';
import { kernel, MEGABYTE, machine } from './kernels.ts';
import { seconds } from './statistics.ts';

/** One of so many functions is called. */
const CALLED = 16;

/** With arguments by which each returns soon. */
const FUNCTIONS = [
  { name: 'a_alu', args: [1n, 1n] },
  { name: 'b_crc', args: [fromAddress(DATA), 1n, 1n] },
  { name: 'b2_crctab', args: [fromAddress(DATA), 1n, 1n, fromAddress(DATA + 3 * MEGABYTE)] },
  { name: 'c_copy8', args: [fromAddress(DATA + 2 * MEGABYTE), fromAddress(DATA), 1n, 1n] },
  { name: 'd_fib', args: [1n] },
  { name: 'e_sse', args: [fromAddress(DATA), fromAddress(DATA), fromAddress(DATA), (1n << 32n) | 4n] },
];

export function translation(): Figure[] {
  const m = machine();
  const image = new Uint8Array(MEGABYTE).fill(0xcc);
  const placed: { readonly address: Address; readonly args: readonly bigint[] }[] = [];
  const functions = FUNCTIONS.map(({ name, args }) => ({ code: kernel(name), args }));
  for (let at = 0, n = 0; ; n++) {
    const { code, args } = functions[n % functions.length]!;
    if (at + code.length > image.length) break;
    image.set(code, at);
    if (n % CALLED === Math.trunc(n / CALLED) % CALLED) placed.push({ address: CODE + at, args });
    at = (at + code.length + 15) & ~15;
  }
  m.load(image);
  const callAll = () => {
    for (const { address, args } of placed) m.call(address, ...args);
  };
  const first = seconds(callAll);
  const time = first - seconds(callAll);
  const alone = { versus: null, ratio: null };
  return [
    { name: `translating ${placed.length} functions of 1 MiB`, value: time * 1000, unit: 'ms', ...alone },
    { name: 'translating one of them', value: (time / placed.length) * 1e6, unit: 'us', ...alone },
  ];
}
