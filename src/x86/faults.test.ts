/** Faults are precise: registers, flags, RIP, the count, and memory are what they were before the instruction. */
import { describe, expect, test } from 'vitest';
import { BareMachine, bytes, CODE, DATA, STACK_TOP } from '../../test/support/bare-machine.ts';
import { fromAddress, NON_CANONICAL, PAGE_SIZE } from '../wdm/address.ts';
import { Unsupported } from '../wdm/failures.ts';
import { GPR } from './index.ts';

function load(hex: string): BareMachine {
  const m = new BareMachine(4);
  m.map(DATA, PAGE_SIZE);
  m.load(bytes(hex));
  return m;
}

const UNMAPPED = DATA + PAGE_SIZE;

describe('page faults', () => {
  test('on a load', () => {
    const m = load('4883c105 488b02 c3'); // add rcx, 5; mov rax, [rdx]; ret
    const exit = m.start(CODE, 10n, fromAddress(UNMAPPED + 8));
    expect(exit).toEqual({ kind: 'fault', vector: 14, errorCode: 0, address: UNMAPPED + 8 });
    expect(m.processor.registers.rip).toBe(CODE + 4);
    expect(m.processor.registers.gpr(GPR.RCX)).toBe(15n);
    expect(m.processor.retired).toBe(1);
    // Mapped in, the instruction runs again.
    m.map(UNMAPPED, PAGE_SIZE);
    m.processor.memory.writeU64(UNMAPPED + 8, 77n);
    expect(m.processor.run().kind).toBe('trap');
    expect(m.processor.registers.gpr(GPR.RAX)).toBe(77n);
    expect(m.processor.registers.gpr(GPR.RCX)).toBe(15n);
    expect(m.processor.retired).toBe(3);
  });

  test('on a store to nothing, and to a read-only page', () => {
    const m = load('488911 48c7c001000000 c3'); // mov [rcx], rdx; mov rax, 1; ret
    expect(m.start(CODE, fromAddress(UNMAPPED), 3n)).toMatchObject({ vector: 14, errorCode: 2, address: UNMAPPED });
    m.map(UNMAPPED, PAGE_SIZE, { write: false });
    expect(m.start(CODE, fromAddress(UNMAPPED), 3n)).toMatchObject({ vector: 14, errorCode: 3, address: UNMAPPED });
    expect(m.processor.memory.readU64(UNMAPPED)).toBe(0n);
  });

  test('on the second page of a store that crosses pages: no byte is written', () => {
    const m = load('488911 48c7c001000000 c3');
    expect(m.start(CODE, fromAddress(UNMAPPED - 3), 0x1122334455667788n)).toMatchObject({
      vector: 14,
      errorCode: 2,
      address: UNMAPPED,
    });
    expect(m.processor.memory.readU8(UNMAPPED - 3)).toBe(0);
    m.map(UNMAPPED, PAGE_SIZE);
    expect(m.processor.run().kind).toBe('trap');
    expect(m.processor.memory.readU64(UNMAPPED - 3)).toBe(0x1122334455667788n);
  });

  test('read-modify-write across pages', () => {
    const m = load('830101 c3'); // add dword ptr [rcx], 1; ret
    m.map(UNMAPPED, PAGE_SIZE);
    m.processor.memory.writeU32(UNMAPPED - 2, 0xffff);
    m.call(CODE, fromAddress(UNMAPPED - 2));
    expect(m.processor.memory.readU32(UNMAPPED - 2)).toBe(0x10000);
  });

  test('flags survive a fault', () => {
    // add rcx, 0x7fffffff; stc; inc rcx; setc al; mov rdx, [r8]; ret
    const m = load('4881c1ffffff7f f9 48ffc1 0f92c0 498b10 c3');
    m.start(CODE, 0x7fff_ffff_8000_0000n, 0n, fromAddress(UNMAPPED));
    expect(m.processor.registers.gpr(GPR.RCX)).toBe(0x8000_0000_0000_0000n);
    expect(m.processor.registers.gpr(GPR.RAX) & 0xffn).toBe(1n);
    // CF from stc, and PF, AF, SF, OF from inc.
    expect(m.processor.registers.rflags).toBe(0x2 | 0x1 | 0x4 | 0x10 | 0x80 | 0x800);
  });

  test('of a fetch: absent, not executable, user page', () => {
    const m = load('ffe1'); // jmp rcx
    expect(m.start(CODE, fromAddress(UNMAPPED))).toMatchObject({ vector: 14, errorCode: 0x10, address: UNMAPPED });
    expect(m.processor.registers.rip).toBe(UNMAPPED);
    m.map(UNMAPPED, PAGE_SIZE, { execute: false });
    expect(m.start(CODE, fromAddress(UNMAPPED))).toMatchObject({ vector: 14, errorCode: 0x11, address: UNMAPPED });
    m.map(0x10000, PAGE_SIZE, { user: true });
    m.processor.memory.writeU8(0x10000, 0xc3);
    expect(m.start(CODE, 0x10000n)).toMatchObject({ vector: 14, errorCode: 0x11, address: 0x10000 });
  });

  test('of a fetch in the middle of an instruction', () => {
    const m = load('ffe1');
    m.processor.memory.writeBytes(UNMAPPED - 2, bytes('48b8')); // mov rax, imm64 …
    expect(m.start(CODE, fromAddress(UNMAPPED - 2))).toMatchObject({ vector: 14, errorCode: 0x10, address: UNMAPPED });
  });

  test('null and non-canonical addresses', () => {
    const m = load('488b01 c3'); // mov rax, [rcx]; ret
    expect(m.start(CODE, 0n)).toMatchObject({ vector: 14, errorCode: 0, address: 0 });
    for (const bad of [0x8000_0000_0000n, 0x1234_0000_0000_0000n, 0x8000_0000_0000_0000n, 1n << 62n]) {
      expect(m.start(CODE, bad)).toMatchObject({ vector: 13, address: NON_CANONICAL });
    }
    expect(m.processor.registers.rip).toBe(CODE);
  });

  test('of a stack that has run out', () => {
    const m = load('e8fbffffff'); // call itself
    const exit = m.start(CODE);
    expect(exit).toMatchObject({ vector: 14, errorCode: 2, address: STACK_TOP - 0x1_0000 - 8 });
    expect(m.processor.registers.rsp).toBe(STACK_TOP - 0x1_0000);
    expect(m.processor.registers.rip).toBe(CODE);
  });
});

describe('rep', () => {
  test('stops where it faults and goes on from there', () => {
    // mov rdi, rcx; mov rsi, rdx; mov rcx, r8; rep movsb; mov rax, rdi; ret
    const m = load('4889cf 4889d6 4c89c1 f3a4 4889f8 c3');
    m.processor.memory.writeBytes(
      DATA,
      Uint8Array.from({ length: 4096 }, (_, i) => i * 7),
    );
    const to = UNMAPPED + PAGE_SIZE - 100;
    m.map(UNMAPPED, PAGE_SIZE);
    const exit = m.start(CODE, fromAddress(to), fromAddress(DATA), 4000n);
    expect(exit).toMatchObject({ vector: 14, errorCode: 2, address: to + 100 });
    const { registers } = m.processor;
    expect(registers.rip).toBe(CODE + 9);
    expect(registers.gpr(GPR.RCX)).toBe(3900n);
    expect(registers.address(GPR.RSI)).toBe(DATA + 100);
    expect(registers.address(GPR.RDI)).toBe(to + 100);
    expect(m.processor.retired).toBe(3);
    m.map(to + 100, PAGE_SIZE);
    expect(m.processor.run().kind).toBe('trap');
    expect(registers.address(GPR.RAX)).toBe(to + 4000);
    expect(m.processor.retired).toBe(6);
    expect(m.processor.memory.readBytes(to, 4000)).toEqual(m.processor.memory.readBytes(DATA, 4000));
  });

  test('overlapping forwards repeats the pattern', () => {
    const m = load('4889cf 4889d6 4c89c1 f3a4 4889f8 c3');
    m.processor.memory.writeBytes(DATA, bytes('010203'));
    m.call(CODE, fromAddress(DATA + 3), fromAddress(DATA), 1000n);
    expect(m.processor.memory.readBytes(DATA, 1003)).toEqual(Uint8Array.from({ length: 1003 }, (_, i) => (i % 3) + 1));
  });

  test('stosq fills', () => {
    const m = load('4889cf 4889d0 4c89c1 f348ab 4889f8 c3');
    expect(m.call(CODE, fromAddress(DATA + 8), 0x0102030405060708n, 100n)).toBe(fromAddress(DATA + 808));
    expect(m.processor.memory.readU64(DATA)).toBe(0n);
    for (let n = 1; n <= 100; n++) expect(m.processor.memory.readU64(DATA + n * 8)).toBe(0x0102030405060708n);
    expect(m.processor.memory.readU64(DATA + 808)).toBe(0n);
  });
});

describe('other exceptions', () => {
  test('#DE', () => {
    const m = load('31d2 48c7c007000000 48f7f1 c3'); // xor edx, edx; mov rax, 7; div rcx; ret
    expect(m.start(CODE, 0n)).toMatchObject({ kind: 'fault', vector: 0 });
    expect(m.processor.registers.rip).toBe(CODE + 9);
    expect(m.processor.registers.gpr(GPR.RAX)).toBe(7n);
    expect(m.call(CODE, 2n)).toBe(3n);
  });
  test('#UD', () => {
    const m = load('0f0b');
    expect(m.start(CODE)).toMatchObject({ kind: 'fault', vector: 6 });
    expect(m.processor.registers.rip).toBe(CODE);
    expect(m.processor.retired).toBe(0);
  });
  test('#UD for bytes that are no instruction', () => {
    expect(load('06').start(CODE)).toMatchObject({ kind: 'fault', vector: 6 });
  });
  test('int3 and int 29h leave RIP behind', () => {
    const m = load('cc cd29');
    expect(m.start(CODE)).toMatchObject({ kind: 'fault', vector: 3 });
    expect(m.processor.registers.rip).toBe(CODE + 1);
    expect(m.processor.run()).toMatchObject({ kind: 'fault', vector: 0x29 });
    expect(m.processor.registers.rip).toBe(CODE + 3);
    expect(m.processor.retired).toBe(2);
  });
  test('#GP for an MSR that is not there, and a misaligned movaps', () => {
    expect(load('b934120000 0f32 c3').start(CODE)).toMatchObject({ vector: 13, errorCode: 0 });
    expect(load('0f2801 c3').start(CODE, fromAddress(DATA + 8))).toMatchObject({ vector: 13, errorCode: 0 });
  });
  test('an instruction that is not there says so when it is executed, not before', () => {
    const m = load('84c9 7505 c5f458c2 c3 b801000000 c3'); // test cl, cl; jne; vaddps ymm0, ymm1, ymm2; ret; mov eax, 1; ret
    expect(m.call(CODE, 1n)).toBe(1n);
    const run = () => m.start(CODE, 0n);
    expect(run).toThrow(Unsupported);
    expect(run).toThrow(/vaddps ymm0,ymm1,ymm2 \[c5 f4 58 c2\]/);
    expect(m.processor.registers.rip).toBe(CODE + 4);
  });
});
