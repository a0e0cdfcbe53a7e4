/**
 * The unwinder against the truth, at every instruction that the seh cases run: prologues, bodies, epilogues, tail
 * calls, funclets, frames of TypeScript routines. The truth is a shadow stack: where each call will return to, with
 * which RSP, and which nonvolatile registers its caller had.
 */
import * as iced from 'iced-x86';
import { expect, test } from 'vitest';
import { type Address, fromAddress } from '../../src/index.ts';
import { captureRegisters } from '../../src/ke/thread-frames.ts';
import { RtlLookupFunctionEntry, RtlVirtualUnwind, UNW_FLAG_NHANDLER, unwindLeaf } from '../../src/rtl/unwind.ts';
import { bootSeh, runCase } from './machine.ts';

const NONVOLATILE = [3, 5, 6, 7, 12, 13, 14, 15];

interface Call {
  readonly returnTo: Address;
  readonly rsp: Address;
  readonly registers: readonly bigint[];
}

function watchEveryInstruction(number: number) {
  const machine = bootSeh();
  const { processor, images, memory } = machine;
  const { registers } = processor;
  const calls: Call[] = [];
  const wrong = new Set<string>();
  let checked = 0;
  let last = { rsp: 0, next: 0 };

  const before = (rip: Address) => {
    const { rsp } = registers;
    // A call pushes its return address; a call from TypeScript pushes one that lies in the kernel.
    const top = memory.readPointer(rsp);
    const called = rip !== last.next && ((top === last.next && rsp < last.rsp) || images.find(top)?.pseudo === true);
    while (calls.length > 0 && calls.at(-1)!.rsp <= rsp + (called ? 8 : 0)) calls.pop();
    if (called) calls.push({ returnTo: top, rsp: rsp + 8, registers: NONVOLATILE.map(i => registers.gpr(i)) });
    const decoder = new iced.Decoder(64, memory.readBytes(rip, 15), iced.DecoderOptions.None);
    decoder.ip = fromAddress(rip);
    const instruction = decoder.decode();
    last = { rsp, next: rip + instruction.length };

    const call = calls.at(-1);
    if (!call) return;
    const context = captureRegisters(registers);
    context.rip = rip;
    const entry = RtlLookupFunctionEntry(memory, images, rip);
    if (entry) RtlVirtualUnwind(memory, UNW_FLAG_NHANDLER, rip, entry, context);
    else unwindLeaf(memory, context);
    const good =
      context.rip === call.returnTo &&
      context.rsp === call.rsp &&
      NONVOLATILE.every((i, n) => context.gpr[i] === call.registers[n]);
    checked++;
    if (!good) wrong.add(`${images.symbol(rip)} -> ${images.symbol(context.rip)}, not ${images.symbol(call.returnTo)}`);
  };
  processor.observer = { before };
  const log = runCase(machine, number);
  processor.observer = undefined;
  expect(runCase(machine, number), 'unobserved').toEqual(log);
  return { checked, wrong: [...wrong] };
}

test.each(Array.from({ length: 20 }, (_, number) => number))('case %i', number => {
  const { checked, wrong } = watchEveryInstruction(number);
  expect(wrong).toEqual([]);
  expect(checked).toBeGreaterThan(50);
});
