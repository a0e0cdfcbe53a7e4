/** __chkstk: a frame of more than a page touches all that it will cover, so that none steps over the guard page. */
import { describe, expect, it } from 'vitest';
import { call, isRoutine, type MaybeRoutine, type Routine } from '../../src/ke/routine.ts';
import { fromAddress } from '../../src/wdm/address.ts';
import * as wdm from '../../src/wdm/constants.ts';
import { inDriver } from './in-driver.ts';

function* settle<T>(value: MaybeRoutine<T>): Routine<T> {
  return isRoutine(value) ? yield* value : value;
}

/** What is in RAX after a call of __chkstk from machine code with this frame size in it. */
const probe = (frame: bigint) =>
  inDriver(function* (nt, machine) {
    const code = yield* settle(nt.ExAllocatePoolWithTag(wdm.NonPagedPoolExecute, 64, 0x6b746843));
    const immediate = (value: bigint) => new Uint8Array(new BigUint64Array([value]).buffer);
    const chkstk = immediate(fromAddress(machine.exports.find('__chkstk')!));
    // mov rax, frame; mov r11, __chkstk; call r11; ret
    const bytes = [0x48, 0xb8, ...immediate(frame), 0x49, 0xbb, ...chkstk, 0x41, 0xff, 0xd3, 0xc3];
    nt.memory.writeBytes(code, Uint8Array.from(bytes));
    return yield* call(code);
  }).result;

describe('__chkstk', () => {
  it('keeps RAX, for frames that the stack can take', () => {
    expect(probe(0x1000n)).toBe(0x1000n);
    expect(probe(0x4800n)).toBe(0x4800n);
  });

  it.each([0x6000n, 0x2_0000n, 0x7fff_ffff_ffffn, 0xffff_ffff_ffff_ffffn])(
    'a frame of 0x%s bytes meets the guard page, and does not step over it',
    frame => {
      expect(() => probe(frame)).toThrow(expect.objectContaining({ name: 'BugCheck', code: 0x50 }));
    },
  );
});
