/** System instructions and the ways out of `run`. */
import { expect, test } from 'vitest';
import { BareMachine, bytes, CODE, DATA } from '../../test/support/bare-machine.ts';
import { fromAddress, PAGE_SIZE } from '../wdm/address.ts';
import { GPR } from './index.ts';

function load(hex: string): BareMachine {
  const m = new BareMachine(4);
  m.map(DATA, PAGE_SIZE);
  m.load(bytes(hex));
  return m;
}

test('lowering CR8 opens a window, raising it does not', () => {
  const m = load('440f22c1 440f20c0 c3'); // mov cr8, rcx; mov rax, cr8; ret
  expect(m.call(CODE, 2n)).toBe(2n);
  expect(m.processor.registers.irql).toBe(2);
  expect(m.start(CODE, 0n)).toEqual({ kind: 'window' });
  expect(m.processor.registers.rip).toBe(CODE + 4);
  expect(m.processor.registers.irql).toBe(0);
  expect(m.processor.run().kind).toBe('trap');
  expect(m.processor.registers.gpr(GPR.RAX)).toBe(0n);
  expect(m.processor.retired).toBe(6);
});

test('sti opens a window once', () => {
  const m = load('fb90c3');
  expect(m.start(CODE)).toEqual({ kind: 'window' });
  expect(m.processor.registers.rflags & 0x200).toBe(0x200);
  expect(m.start(CODE).kind).toBe('trap');
});

test('hlt stops after itself', () => {
  const m = load('f4 b801000000 c3');
  expect(m.start(CODE)).toEqual({ kind: 'halt' });
  expect(m.processor.run().kind).toBe('trap');
  expect(m.processor.registers.gpr(GPR.RAX)).toBe(1n);
});

test('an endless loop meets its deadline, and a short one its end', () => {
  const m = load('ebfe');
  m.processor.deadline = 1_000_000;
  expect(m.start(CODE)).toEqual({ kind: 'deadline' });
  expect(m.processor.retired).toBe(1_000_000);
  expect(m.processor.registers.rip).toBe(CODE);
});

test('flags by popf and pushf', () => {
  const m = load('51 9d 9c 58 c3'); // push rcx; popfq; pushfq; pop rax; ret
  expect(m.call(CODE, 0x8d5n)).toBe(0x8d7n);
  expect(m.call(CODE, 0x400n)).toBe(0x402n);
});

test('cpuid says what is there: SSE4.2, no AVX, no XSAVE', () => {
  const m = load('89c8 31c9 0fa2 89c8 48c1e320 4809d8 c3'); // mov eax, ecx; xor ecx, ecx; cpuid; eax = ecx, rbx above; ret
  const features = m.call(CODE, 1n) & 0xffff_ffffn;
  expect(features & (1n << 20n)).not.toBe(0n);
  expect(features & ((1n << 28n) | (1n << 27n) | (1n << 26n) | (1n << 31n))).toBe(0n);
  expect((m.call(CODE, 7n) >> 32n) & (1n << 5n)).toBe(0n);
  expect(m.call(CODE, 0x1234_5678n)).toBe(0n);
});

test('MSRs: the bases of fs and gs are registers, a non-canonical one is #GP', () => {
  const m = load('4889d0 48c1ea20 0f30 0f32 c3'); // mov rax, rdx; shr rdx, 32; wrmsr; rdmsr; ret
  expect(m.call(CODE, 0xc000_0101n, fromAddress(DATA))).toBe(fromAddress(DATA) & 0xffff_ffffn);
  expect(m.processor.registers.gsBase).toBe(DATA);
  expect(m.start(CODE, 0xc000_0101n, 1n << 60n)).toMatchObject({ kind: 'fault', vector: 13 });
  expect(m.processor.registers.gsBase).toBe(DATA);
});

test('another address space by mov cr3 is not the guest’s to choose', () => {
  const m = load('0f20d8 0f22d8 0f22d9 c3'); // mov rax, cr3; mov cr3, rax; mov cr3, rcx; ret
  expect(() => m.start(CODE, 0x123000n)).toThrow(/mov cr3,rcx/);
  expect(m.processor.registers.rip).toBe(CODE + 6);
});

test('rdtsc is the count of instructions', () => {
  const m = load('0f31 48c1e220 4809d0 c3');
  m.processor.retired = 1000;
  expect(m.call(CODE)).toBe(1000n);
  expect(m.call(CODE)).toBe(1004n);
});

test('ports, with and without a device', () => {
  const m = load('b801000000 e680 ed c3'); // mov eax, 1; out 80h, al; in eax, dx; ret
  expect(m.call(CODE, 0n, 0x60n)).toBe(0xffff_ffffn);
  const log: string[] = [];
  m.processor.ports = {
    read: (port, size) => {
      log.push(`in ${port} ${size}`);
      return 0x1234;
    },
    write: (port, size, value) => void log.push(`out ${port} ${size} ${value}`),
  };
  expect(m.call(CODE, 0n, 0x60n)).toBe(0x1234n);
  expect(log).toEqual(['out 128 1 1', 'in 96 4']);
});

test('gs: reads through its base', () => {
  const m = load('65488b042588010000 c3'); // mov rax, gs:[188h]; ret
  m.processor.registers.gsBase = DATA;
  m.processor.memory.writeU64(DATA + 0x188, 0xffff_8000_1234_5678n);
  expect(m.call(CODE)).toBe(0xffff_8000_1234_5678n);
});

test('address-size prefix and high byte registers', () => {
  const m = load('678b01 c3'); // mov eax, [ecx]; ret
  m.map(0x5000, PAGE_SIZE, { user: true });
  m.processor.memory.writeU32(0x5010, 55);
  expect(m.call(CODE, 0xdead_beef_0000_5010n)).toBe(55n);
  const n = load('488d449110 88cc 0fb6c4 c3'); // lea rax, [rcx+rdx*4+10h]; mov ah, cl; movzx eax, ah; ret
  expect(n.call(CODE, 0xabn, 1n)).toBe(0xabn);
});

test('bit strings reach beyond their operand', () => {
  const m = load('480fab11 0f92c0 c3'); // bts qword ptr [rcx], rdx; setc al; ret
  m.processor.registers.setGpr(GPR.RAX, 0n);
  expect(m.call(CODE, fromAddress(DATA + 64), BigInt.asUintN(64, -1n))).toBe(0n);
  expect(m.processor.memory.readU64(DATA + 56)).toBe(1n << 63n);
  expect(m.call(CODE, fromAddress(DATA), 511n) & 1n).toBe(1n);
});

test('a trap address is left with everything in the register file', () => {
  const m = load('4883ec28 ffd1 4883c428 4883c001 c3'); // sub rsp, 28h; call rcx; add rsp, 28h; add rax, 1; ret
  const trap = -0x1000_0000 + 0x40;
  expect(m.start(CODE, fromAddress(trap))).toEqual({ kind: 'trap', address: trap });
  const { registers, memory } = m.processor;
  expect(memory.readPointer(registers.rsp)).toBe(CODE + 6);
  registers.rip = memory.readPointer(registers.rsp);
  registers.rsp += 8;
  registers.setGpr(GPR.RAX, 41n);
  expect(m.processor.run().kind).toBe('trap');
  expect(registers.gpr(GPR.RAX)).toBe(42n);
});

test('registers are saved and restored', () => {
  const m = load('c3');
  const { registers } = m.processor;
  registers.setXmm(3, (1n << 127n) | 5n);
  registers.setGpr(5, 77n);
  registers.rflags = 0x8d5 | 0x202;
  const copy = registers.save();
  m.processor.retired = 1234;
  registers.reset();
  expect(registers.gpr(5)).toBe(0n);
  registers.restore(copy);
  expect(m.processor.retired).toBe(1234);
  expect([registers.gpr(5), registers.xmm(3), registers.rflags]).toEqual([77n, (1n << 127n) | 5n, 0x8d5 | 0x202]);
});
