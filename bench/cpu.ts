/**
 * The processor: millions of guest instructions a second over small kernels (test/kernels; gcc -O2), beside the same
 * bytes run natively where gcc is there; what a way out to TypeScript and back costs; string instructions beside the
 * host's own copy and fill.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromAddress } from '../src/wdm/address.ts';
import { BareMachine, bytes, CODE, DATA, TRAP } from '../test/support/bare-machine.ts';
import type { Figure } from './index.ts';

const MEGABYTE = 1 << 20;
const RUNS = 5;

/** An argument: a number, or an offset in the data. */
type Argument = bigint | { readonly offset: number };

const at = (offset: number): Argument => ({ offset });

const KERNELS: readonly { readonly name: string; readonly args: readonly Argument[] }[] = [
  { name: 'a_alu', args: [100_000_000n, 88172645463325252n] },
  { name: 'b_crc', args: [at(0), 1n << 20n, 8n] },
  { name: 'b2_crctab', args: [at(0), 1n << 20n, 40n, at(3 * MEGABYTE)] },
  { name: 'c_copy8', args: [at(2 * MEGABYTE), at(0), 1n << 17n, 200n] },
  { name: 'd_fib', args: [32n] },
  { name: 'e_sse', args: [at(2 * MEGABYTE), at(MEGABYTE), at(MEGABYTE + 0x8_0000), (100n << 32n) | (1n << 15n)] },
];

function kernel(name: string): Uint8Array {
  return bytes(readFileSync(`test/kernels/${name}.hex`, 'utf8'));
}

function machine(): BareMachine {
  const m = new BareMachine(32);
  m.map(DATA, 4 * MEGABYTE);
  const { memory } = m.processor;
  memory.writeBytes(
    DATA,
    Uint8Array.from({ length: MEGABYTE }, (_, i) => Math.imul(i, 2654435761) >>> 24),
  );
  const floats = Float32Array.from({ length: MEGABYTE / 4 }, (_, i) => (i % 1000) * 0.5);
  memory.writeBytes(DATA + MEGABYTE, new Uint8Array(floats.buffer));
  const table = Uint32Array.from({ length: 256 }, (_, i) => {
    let crc = i;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    return crc;
  });
  memory.writeBytes(DATA + 3 * MEGABYTE, new Uint8Array(table.buffer));
  return m;
}

function best(run: () => void): number {
  let time = Number.POSITIVE_INFINITY;
  for (let i = 0; i < RUNS; i++) {
    const start = performance.now();
    run();
    time = Math.min(time, performance.now() - start);
  }
  return time / 1000;
}

/** Seconds for a kernel on the real processor; undefined without a compiler. */
function nativeSeconds(directory: string, name: string, args: readonly Argument[]): number | undefined {
  try {
    const program = join(directory, 'native');
    execFileSync('gcc', ['-O1', '-o', program, 'bench/native-kernels.c'], { stdio: 'pipe' });
    const code = join(directory, `${name}.bin`);
    writeFileSync(code, kernel(name));
    const words = Array.from({ length: 4 }, (_, i) => args[i] ?? 0n).map(a =>
      typeof a === 'bigint' ? `${a}` : `@${a.offset}`,
    );
    return Number(execFileSync(program, [code, `${RUNS}`, ...words], { encoding: 'utf8' }));
  } catch {
    return undefined;
  }
}

function kernels(): Figure[] {
  const directory = mkdtempSync(join(tmpdir(), 'cpu-'));
  try {
    return KERNELS.map(({ name, args }) => {
      const m = machine();
      m.load(kernel(name));
      const values = args.map(a => (typeof a === 'bigint' ? a : fromAddress(DATA + a.offset)));
      let instructions = 0;
      const seconds = best(() => {
        const before = m.processor.retired;
        m.call(CODE, ...values);
        instructions = m.processor.retired - before;
      });
      const native = nativeSeconds(directory, name, args);
      return {
        name,
        value: instructions / seconds / 1e6,
        unit: 'million instructions/s',
        versus: native === undefined ? null : 'native',
        ratio: native === undefined ? null : native / seconds,
      };
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** From `run` to a trap address and back in: what a call of a kernel export costs the processor. */
function roundTrip(): Figure {
  const m = machine();
  m.load(kernel('f_ret'));
  const { processor } = m;
  const { registers, memory } = processor;
  const stack = registers.rsp;
  const calls = 300_000;
  const seconds = best(() => {
    for (let i = 0; i < calls; i++) {
      registers.rsp = stack;
      memory.writePointer(stack, TRAP);
      registers.rip = CODE;
      processor.run();
    }
  });
  return { name: 'call and trap', value: (seconds / calls) * 1e9, unit: 'ns', versus: null, ratio: null };
}

/** `rep movsb` and `rep stosb` beside copyWithin and fill of the same bytes. */
function strings(): Figure[] {
  // mov rdi, rcx; mov rsi, rdx; mov rcx, r8; mov al, 5; rep movsb (or stosb); ret
  const forms = [
    {
      name: 'rep movsb',
      code: '4889cf 4889d6 4c89c1 b005 f3a4 c3',
      host: (u8: Uint8Array, n: number) => u8.copyWithin(2 * MEGABYTE, 0, n),
    },
    {
      name: 'rep stosb',
      code: '4889cf 4889d6 4c89c1 b005 f3aa c3',
      host: (u8: Uint8Array, n: number) => u8.fill(5, 0, n),
    },
  ];
  const host = new Uint8Array(4 * MEGABYTE);
  return forms.flatMap(({ name, code, host: direct }) =>
    [4096, MEGABYTE].map(size => {
      const m = machine();
      m.load(bytes(code));
      const times = Math.ceil((64 * MEGABYTE) / size);
      const args = [fromAddress(DATA + 2 * MEGABYTE), fromAddress(DATA), BigInt(size)];
      const ours = best(() => {
        for (let i = 0; i < times; i++) m.call(CODE, ...args);
      });
      const theirs = best(() => {
        for (let i = 0; i < times; i++) direct(host, size);
      });
      return {
        name: `${name}, ${size / 1024} KiB`,
        value: (size * times) / ours / 2 ** 30,
        unit: 'GiB/s',
        versus: 'the host',
        ratio: theirs / ours,
      };
    }),
  );
}

/** An access that an observer sees, and code that runs while another page is watched. */
function watched(): Figure[] {
  const m = machine();
  m.load(bytes('488b02 ffc9 75f9 c3')); // l: mov rax, [rdx]; dec ecx; jnz l; ret
  const count = 1_000_000;
  let seen = 0;
  m.processor.watch(DATA + MEGABYTE, 1, { access: () => void seen++ });
  const free = best(() => m.call(CODE, BigInt(count), fromAddress(DATA)));
  const told = best(() => m.call(CODE, BigInt(count), fromAddress(DATA + MEGABYTE)));
  if (seen !== count * RUNS) throw new Error(`${seen} accesses were seen`);
  return [
    { name: 'watched access', value: (told / count) * 1e9, unit: 'ns', versus: null, ratio: null },
    { name: 'unwatched access', value: (free / count) * 1e9, unit: 'ns', versus: null, ratio: null },
  ];
}

export default function cpu(): Figure[] {
  return [...kernels(), roundTrip(), ...strings(), ...watched()];
}
