/** Whole kernels as gcc compiled them: results, and the exact number of instructions. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { BareMachine, bytes, CODE, DATA } from '../../test/support/bare-machine.ts';
import { fromAddress } from '../wdm/address.ts';

function kernel(name: string): Uint8Array {
  return bytes(readFileSync(new URL(`../../test/kernels/${name}.hex`, import.meta.url), 'utf8'));
}

const MEGABYTE = 1 << 20;
const SOURCE = DATA;
const OTHER = DATA + MEGABYTE;
const TABLE = DATA + 2 * MEGABYTE;

function machine(name: string): BareMachine {
  const m = new BareMachine(16);
  m.map(DATA, 2 * MEGABYTE + 0x1000);
  const pattern = Uint8Array.from({ length: MEGABYTE }, (_, i) => Math.imul(i, 2654435761) >>> 24);
  m.processor.memory.writeBytes(SOURCE, pattern);
  const table = Uint32Array.from({ length: 256 }, (_, i) => {
    let crc = i;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    return crc;
  });
  m.processor.memory.writeBytes(TABLE, new Uint8Array(table.buffer));
  m.load(kernel(name));
  return m;
}

const fibonacci = (n: number): number => (n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2));

interface Case {
  readonly name: string;
  readonly args: readonly bigint[];
  readonly result: bigint;
  readonly instructions: number;
}

const CASES: readonly Case[] = [
  { name: 'a_alu', args: [1000n, 88172645463325252n], result: 0x12eaead265975125n, instructions: 11003 },
  { name: 'b_crc', args: [fromAddress(SOURCE), 1000n, 1n], result: 0x77b6fa33n, instructions: 71013 },
  {
    name: 'b2_crctab',
    args: [fromAddress(SOURCE), 1n << 20n, 1n, fromAddress(TABLE)],
    result: 0x158987c5n,
    instructions: 8 * MEGABYTE + 12,
  },
  {
    name: 'c_copy8',
    args: [fromAddress(OTHER), fromAddress(SOURCE), 1n << 17n, 2n],
    result: 1n << 18n,
    instructions: 5 * (1 << 18) + 15,
  },
  { name: 'd_fib', args: [20n], result: 6765n, instructions: 11 * fibonacci(21) + 17 * (fibonacci(21) - 1) },
  { name: 'f_ret', args: [41n], result: 42n, instructions: 2 },
];

describe.each(CASES)('$name', ({ name, args, result, instructions }) => {
  test('has the expected result and count', () => {
    const m = machine(name);
    expect(m.call(CODE, ...args)).toBe(result);
    expect(m.processor.retired).toBe(instructions);
  });

  test('is the same observed', () => {
    const m = machine(name);
    let seen = 0;
    m.processor.observer = { before: () => void seen++ };
    const short = name === 'b2_crctab' ? [fromAddress(SOURCE), 1000n, 1n, fromAddress(TABLE)] : args;
    const value = m.call(CODE, ...short);
    expect(value).toBe(name === 'b2_crctab' ? 0x77b6fa33n : result);
    expect(m.processor.retired).toBe(seen);
  });
});

test('c_copy8 copies', () => {
  const m = machine('c_copy8');
  m.call(CODE, fromAddress(OTHER), fromAddress(SOURCE), 1n << 17n, 1n);
  const [copy, source] = [
    m.processor.memory.readBytes(OTHER, MEGABYTE),
    m.processor.memory.readBytes(SOURCE, MEGABYTE),
  ];
  expect(copy.findIndex((byte, n) => byte !== source[n])).toBe(-1);
});

test('e_sse adds vectors', () => {
  const m = machine('e_sse');
  const [a, b, to] = [OTHER, OTHER + 0x1_0000, OTHER + 0x2_0000];
  const floats = (f: (n: number) => number) =>
    new Uint8Array(Float32Array.from({ length: 4096 }, (_, n) => f(n)).buffer);
  m.processor.memory.writeBytes(
    a,
    floats(n => n * 0.5),
  );
  m.processor.memory.writeBytes(
    b,
    floats(n => 1000 - n),
  );
  expect(m.call(CODE, fromAddress(to), fromAddress(a), fromAddress(b), (3n << 32n) | 1024n)).toBe(3072n);
  expect(m.processor.memory.readBytes(to, 0x4000)).toEqual(floats(n => n * 0.5 + 1000 - n));
});

test('a deadline stops a kernel at an architectural point, and it goes on from there to the same end', () => {
  for (const observed of [false, true]) {
    const m = machine('b_crc');
    if (observed) m.processor.observer = { before: () => {} };
    const stops: [number, number][] = [];
    m.processor.deadline = 10_000;
    let exit = m.start(CODE, fromAddress(SOURCE), 1000n, 1n);
    while (exit.kind === 'deadline') {
      stops.push([m.processor.retired, m.processor.registers.rip]);
      m.processor.deadline = m.processor.retired + 10_000;
      exit = m.processor.run();
    }
    expect(exit.kind).toBe('trap');
    expect(m.processor.registers.gpr(0)).toBe(0x77b6fa33n);
    expect(m.processor.retired).toBe(71013);
    expect(stops).toHaveLength(7);
    // The inner loop is unrolled: backward branches are 71 instructions apart.
    for (const [retired] of stops) expect(retired % 10_000).toBeLessThan(71 * 7);
  }
});

test('recursion is left at any call and return, and taken up again', () => {
  const m = machine('d_fib');
  m.processor.deadline = 1;
  let exit = m.start(CODE, 15n);
  let stops = 0;
  while (exit.kind === 'deadline') {
    stops++;
    m.processor.deadline = m.processor.retired + (stops % 40);
    exit = m.processor.run();
  }
  expect(exit.kind).toBe('trap');
  expect(m.processor.registers.gpr(0)).toBe(610n);
  expect(m.processor.retired).toBe(11 * fibonacci(16) + 17 * (fibonacci(16) - 1));
  expect(stops).toBeGreaterThan(500);
});

test('a recursive function returns where its return address says', () => {
  const m = machine('f_ret');
  // test ecx, ecx; je out; dec ecx; call self; ret; out: mov [rsp], rdx; ret
  m.load(bytes('85c9 7408 ffc9 e8f5ffffff c3 48891424 c3'));
  const elsewhere = m.load(bytes('b863000000 c3'), CODE + 0x1000); // mov eax, 99; ret
  expect(m.call(CODE, 5n, fromAddress(elsewhere))).toBe(99n);
});
