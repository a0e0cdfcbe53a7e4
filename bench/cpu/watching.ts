/** Watched pages: what they cost code that does not touch them, and code that does. */
import { fromAddress, PAGE_SIZE } from '../../src/wdm/address.ts';
import { bytes, CODE, DATA } from '../../test/support/bare-machine.ts';
import type { Figure } from '../index.ts';
import { kernel, MEGABYTE, machine } from './kernels.ts';
import { inTurns, pairwise, spread } from './statistics.ts';

const ROUNDS = 9;
const WATCHED = DATA + MEGABYTE;
const alone = { versus: null, ratio: null };

export function watching(): Figure[] {
  return [elsewhere(), ...access(), copy()];
}

/** c_copy8 reads one megabyte and writes another; sixteen pages of a third are watched. */
function elsewhere(): Figure {
  const m = machine();
  m.load(kernel('c_copy8'));
  const run = () => void m.call(CODE, fromAddress(DATA + 2 * MEGABYTE), fromAddress(DATA), 1n << 17n, 60n);
  run();
  const { a: watched, b: free } = inTurns(
    ROUNDS,
    () => {
      const watch = m.processor.watch(WATCHED, 16 * PAGE_SIZE, { access: () => {} });
      run();
      watch.remove();
    },
    run,
  );
  const percent = watched.map((time, n) => (time / free[n]! - 1) * 100);
  return { name: 'c_copy8, other pages watched', ...spread(percent), unit: '% more time', ...alone };
}

/** A loop of one load, of a watched page and of another. */
function access(): Figure[] {
  const m = machine();
  m.load(bytes('488b02 ffc9 75f9 c3')); // l: mov rax, [rdx]; dec ecx; jnz l; ret
  const count = 500_000;
  let seen = 0;
  m.processor.watch(WATCHED, 1, { access: () => void seen++ });
  const { a: told, b: free } = inTurns(
    ROUNDS,
    () => void m.call(CODE, BigInt(count), fromAddress(WATCHED)),
    () => void m.call(CODE, BigInt(count), fromAddress(DATA)),
  );
  if (seen !== count * (ROUNDS + 1)) throw new Error(`${seen} accesses were seen`);
  const each = (times: readonly number[]) => spread(times.map(time => (time / count) * 1e9));
  return [
    { name: 'watched access', ...each(told), unit: 'ns', versus: 'unwatched', ratio: pairwise(told, free) },
    { name: 'unwatched access', ...each(free), unit: 'ns', ...alone },
  ];
}

/** rep movsb of 64 KiB to watched pages. */
function copy(): Figure {
  const m = machine();
  m.load(bytes('4889cf 4889d6 4c89c1 f3a4 c3')); // mov rdi, rcx; mov rsi, rdx; mov rcx, r8; rep movsb; ret
  const size = 64 * 1024;
  let calls = 0;
  m.processor.watch(WATCHED, size, { access: () => void calls++ });
  m.call(CODE, fromAddress(WATCHED), fromAddress(DATA), BigInt(size));
  return { name: 'watched copy of 64 KiB', value: calls, unit: 'calls of the observer', ...alone };
}
