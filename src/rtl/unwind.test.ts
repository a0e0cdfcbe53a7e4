import { describe, expect, test } from 'vitest';
import { PageTables } from '../hw/page-tables.ts';
import { Ram } from '../hw/ram.ts';
import { VirtualMemory } from '../hw/virtual-memory.ts';
import { ImageTable, LoadedImage, pseudoImage, writeCalloutUnwindData } from '../pe/index.ts';
import { type Address, fromAddress, PAGE_SIZE } from '../wdm/address.ts';
import { GuestException } from '../wdm/failures.ts';
import { PageFault } from '../wdm/memory.ts';
import { STATUS_BAD_FUNCTION_TABLE } from '../wdm/ntstatus.ts';
import { Context } from './context.ts';
import { walkStack } from './stack-trace.ts';
import {
  RtlLookupFunctionEntry,
  RtlVirtualUnwind,
  UNW_FLAG_CHAININFO,
  UNW_FLAG_EHANDLER,
  UNW_FLAG_NHANDLER,
  UNW_FLAG_UHANDLER,
} from './unwind.ts';

const BASE: Address = -0x7ff_0000_0000;
const STACK: Address = -0x5000_0000_0000;
const [RBX, RSI, RDI, RBP, R12, R13] = [3, 6, 7, 5, 12, 13] as const;
const RETURN = 0x1111_1111_1111n;

interface Function {
  readonly code: number[];
  readonly unwind: number[];
}

/** Memory with an image at BASE and a stack at STACK. Functions lie 0x100 apart from RVA 0x1000, unwind data from 0x2000. */
class World {
  readonly memory: VirtualMemory;
  readonly map: (base: Address, pages: number) => void;
  readonly images = new ImageTable({ base: -0x7f0_0000_0000, size: 0x10000 });

  constructor(...functions: Function[]) {
    const ram = new Ram(0x40_0000);
    let next = 0;
    const tables = new PageTables(ram, { allocate: () => next++, free: () => {} });
    const root = tables.createRoot();
    let leaf = 900;
    this.map = (base, pages) => {
      for (let i = 0; i < pages; i++) tables.write(root, base + i * PAGE_SIZE, leaf++, 3, false);
    };
    this.map(BASE, 4);
    this.map(STACK, 4);
    this.memory = new VirtualMemory(ram, tables, root, 'supervisor');
    const table: number[] = [];
    functions.forEach(({ code, unwind }, i) => {
      const rva = 0x1000 + i * 0x100;
      this.memory.writeBytes(BASE + rva, new Uint8Array(code));
      this.memory.writeBytes(BASE + 0x2000 + i * 0x80, new Uint8Array(unwind));
      table.push(rva, rva + code.length, 0x2000 + i * 0x80);
    });
    const functionTable = new Uint32Array(table);
    this.memory.writeBytes(BASE + 0x3000, new Uint8Array(functionTable.buffer));
    this.images.add(
      new LoadedImage({ name: 'test.sys', base: BASE, size: 0x4000, functionTable, functionTableAddress: 0x3000 }),
    );
  }

  /** Puts 64-bit words on the stack; returns a context whose RSP points to the first. */
  context(offset: number, words: readonly bigint[], function_ = 0): Context {
    words.forEach((word, i) => {
      this.memory.writeU64(STACK + 0x1000 + i * 8, word);
    });
    const context = new Context();
    for (let i = 0; i < 16; i++) context.gpr[i] = BigInt(0xa0 + i);
    context.rsp = STACK + 0x1000;
    context.rip = BASE + 0x1000 + function_ * 0x100 + offset;
    return context;
  }

  unwind(context: Context, handlerType = UNW_FLAG_NHANDLER) {
    const entry = RtlLookupFunctionEntry(this.memory, this.images, context.rip)!;
    return RtlVirtualUnwind(this.memory, handlerType, context.rip, entry, context);
  }
}

/** RSP relative to where `World.context` put it. */
const moved = (context: Context) => context.rsp - (STACK + 0x1000);

/** UNWIND_INFO of version 1. Codes are [offset, operation, info, ...slots]. */
function info(flags: number, prolog: number, frame: number, ...codes: number[][]): number[] {
  return unwindInfo(1, flags, prolog, frame, ...codes);
}
function unwindInfo(version: number, flags: number, prolog: number, frame: number, ...codes: number[][]): number[] {
  const slots = codes.flatMap(([offset, op, extra, ...more]) => [
    offset!,
    op! | (extra! << 4),
    ...more.flatMap(slot => [slot & 0xff, slot >>> 8]),
  ]);
  const count = slots.length / 2;
  return [version | (flags << 3), prolog, count, frame, ...slots, ...(count % 2 ? [0, 0] : [])];
}
const dword = (value: number) => [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];

// push rbp; push rbx; sub rsp, 20h; nop; add rsp, 20h; pop rbx; pop rbp; ret
const PUSHES: Function = {
  code: [0x55, 0x53, 0x48, 0x83, 0xec, 0x20, 0x90, 0x48, 0x83, 0xc4, 0x20, 0x5b, 0x5d, 0xc3],
  unwind: info(0, 6, 0, [6, 2, 3], [2, 0, RBX], [1, 0, RBP]),
};

describe('a frame of pushes', () => {
  const pad = [0n, 0n, 0n, 0n];
  const saved = [0xbbn, 0x55n, RETURN];
  test.each<[string, number, bigint[]]>([
    ['before the first push', 0, [RETURN]],
    ['between the pushes', 1, [0x55n, RETURN]],
    ['before the allocation', 2, saved],
    ['in the body', 6, [...pad, ...saved]],
    ['at add rsp', 7, [...pad, ...saved]],
    ['at the first pop', 11, saved],
    ['at the second pop', 12, [0x55n, RETURN]],
    ['at ret', 13, [RETURN]],
  ])('%s', (_, offset, words) => {
    const world = new World(PUSHES);
    const context = world.context(offset, words);
    world.unwind(context);
    expect(fromAddress(context.rip)).toBe(RETURN);
    expect(moved(context)).toBe(words.length * 8);
    expect(context.gpr[RBX]).toBe(words.includes(0xbbn) ? 0xbbn : 0xa3n);
    expect(context.gpr[RBP]).toBe(words.includes(0x55n) ? 0x55n : 0xa5n);
  });
});

describe('a frame register', () => {
  // push rbp; sub rsp, 50h; lea rbp, [rsp+40h]; mov [rbp], rsi (saved at 40h); nop…; lea rsp, [rbp+10h]; pop rbp; ret
  const code = [0x55, 0x48, 0x83, 0xec, 0x50, 0x48, 0x8d, 0x6c, 0x24, 0x40, 0x48, 0x89, 0x75, 0, 0x90, 0x48, 0x8d, 0x65, 0x10, 0x5d, 0xc3]; // biome-ignore format: one line
  const framed: Function = { code, unwind: info(0, 14, 0x45, [14, 4, RSI, 8], [10, 3, 0], [5, 2, 9], [1, 0, RBP]) };

  test('finds the frame when RSP has moved, and what was saved by a store', () => {
    const world = new World(framed);
    const words = [...new Array<bigint>(16).fill(0n)];
    const context = world.context(14, words);
    const frame = STACK + 0x1000 + 0x20; // 0x20 bytes were allocated dynamically
    world.memory.writeU64(frame + 0x40, 0x66n);
    world.memory.writeU64(frame + 0x50, 0x55n);
    world.memory.writeU64(frame + 0x58, RETURN);
    context.gpr[RBP] = fromAddress(frame + 0x40);
    const { establisherFrame } = world.unwind(context);
    expect(establisherFrame).toBe(frame);
    expect(context.gpr[RSI]).toBe(0x66n);
    expect(context.gpr[RBP]).toBe(0x55n);
    expect(fromAddress(context.rip)).toBe(RETURN);
  });

  test('is not used before it is set', () => {
    const world = new World(framed);
    const words = [...new Array<bigint>(10).fill(0n), 0x55n, RETURN];
    const context = world.context(5, words);
    const { establisherFrame } = world.unwind(context);
    expect(establisherFrame).toBe(STACK + 0x1000);
    expect(fromAddress(context.rip)).toBe(RETURN);
  });

  test('restores RSP in an epilogue that begins with lea', () => {
    const world = new World(framed);
    const context = world.context(15, [...new Array<bigint>(14).fill(0n), 0x55n, RETURN]);
    context.gpr[RBP] = fromAddress(STACK + 0x1000 + 14 * 8 - 0x10);
    world.unwind(context);
    expect(fromAddress(context.rip)).toBe(RETURN);
    expect(context.gpr[RBP]).toBe(0x55n);
  });
});

describe('every operation', () => {
  const nops = new Array<number>(0x40).fill(0x90);
  const one = (...codes: number[][]) => new World({ code: nops, unwind: info(0, 0x10, 0, ...codes) });

  test.each<[string, number[], number]>([
    ['UWOP_ALLOC_SMALL', [8, 2, 4], 0x28],
    ['UWOP_ALLOC_LARGE, scaled', [8, 1, 0, 0x100], 0x800],
    ['UWOP_ALLOC_LARGE, unscaled', [8, 1, 1, 0x0a08, 0], 0xa08],
  ])('%s', (_, code, bytes) => {
    const world = one(code);
    const context = world.context(0x20, []);
    world.memory.writeU64(STACK + 0x1000 + bytes, RETURN);
    world.unwind(context);
    expect(fromAddress(context.rip)).toBe(RETURN);
    expect(moved(context)).toBe(bytes + 8);
  });

  test('saves far from the frame, general and XMM', () => {
    const world = one([8, 9, 6, 0x420, 0], [8, 8, 15, 0x41], [8, 5, R13, 0x438, 0], [8, 1, 0, 0x90]);
    const context = world.context(0x20, []);
    const frame = STACK + 0x1000;
    world.memory.writeU64(frame + 0x420, 6n);
    world.memory.writeU64(frame + 0x428, 66n);
    world.memory.writeU64(frame + 0x410, 15n);
    world.memory.writeU64(frame + 0x438, 13n);
    world.memory.writeU64(frame + 0x480, RETURN);
    world.unwind(context);
    expect([context.xmm[12], context.xmm[13], context.xmm[30], context.gpr[R13]]).toEqual([6n, 66n, 15n, 13n]);
    expect(fromAddress(context.rip)).toBe(RETURN);
  });

  test.each([
    ['without', 0, 0],
    ['with', 1, 8],
  ])('a machine frame %s an error code', (_, withError, at) => {
    const world = one([0, 10, withError]);
    const context = world.context(0x20, []);
    const frame = STACK + 0x1000 + at;
    world.memory.writeU64(frame, RETURN);
    world.memory.writeU64(frame + 0x18, fromAddress(STACK + 0x1500));
    world.unwind(context);
    expect(fromAddress(context.rip)).toBe(RETURN);
    expect(context.rsp).toBe(STACK + 0x1500);
  });

  test.each([
    ['version 3', [3, 0, 0, 0]],
    ['an operation that does not exist', info(0, 0, 0, [0, 11, 0])],
    ['a code cut short', [1, 0, 1, 0, 0, 0x01, 0, 0]],
  ])('%s is a bad function table', (_, unwind) => {
    const world = new World({ code: nops, unwind });
    const bad = expect.objectContaining({ name: 'GuestException', status: STATUS_BAD_FUNCTION_TABLE });
    expect(() => world.unwind(world.context(0x20, []))).toThrow(bad);
  });

  test('a stack that is not there is a page fault', () => {
    const world = one([8, 2, 4]);
    const context = world.context(0x20, []);
    context.rsp = 0x10;
    expect(() => world.unwind(context)).toThrow(PageFault);
  });
});

describe('chained unwind information', () => {
  const nops = new Array<number>(0x40).fill(0x90);
  const parent: Function = {
    code: nops,
    unwind: [...info(UNW_FLAG_EHANDLER, 4, 0, [4, 2, 1], [1, 0, RDI]), ...dword(0x1f00)],
  };

  test('undoes the part and then the whole of the parent, and finds its handler', () => {
    const chain = [
      ...info(UNW_FLAG_CHAININFO, 5, 0, [5, 4, R12, 1]),
      ...dword(0x1000),
      ...dword(0x1040),
      ...dword(0x2000),
    ];
    const world = new World(parent, { code: nops, unwind: chain });
    const context = world.context(0x20, [0n, 0x12n, 0x77n, RETURN], 1);
    const { handler } = world.unwind(context, UNW_FLAG_EHANDLER);
    expect([context.gpr[R12], context.gpr[RDI]]).toEqual([0x12n, 0x77n]);
    expect(fromAddress(context.rip)).toBe(RETURN);
    expect(handler?.routine).toBe(BASE + 0x1f00);
  });

  test('that goes in circles ends', () => {
    const circle = [...info(UNW_FLAG_CHAININFO, 0, 0), ...dword(0x1000), ...dword(0x1040), ...dword(0x2000)];
    const world = new World({ code: nops, unwind: circle });
    expect(() => world.unwind(world.context(0x20, [RETURN]))).toThrow(GuestException);
  });
});

describe('handlers', () => {
  const unwind = [...info(UNW_FLAG_UHANDLER, 6, 0, [6, 2, 3], [2, 0, RBX], [1, 0, RBP]), ...dword(0x1f00)];
  const handled: Function = { code: PUSHES.code, unwind };
  const words = [0n, 0n, 0n, 0n, 0xbbn, 0x55n, RETURN];

  test('are returned in the body, with their data', () => {
    const world = new World(handled);
    const { handler } = world.unwind(world.context(6, words), UNW_FLAG_UHANDLER);
    expect(handler).toEqual({ routine: BASE + 0x1f00, data: BASE + 0x2000 + unwind.length });
  });

  test.each([
    ['of the other kind', 6, UNW_FLAG_EHANDLER],
    ['in the prologue', 2, UNW_FLAG_UHANDLER],
    ['in the epilogue', 11, UNW_FLAG_UHANDLER],
  ])('are not returned %s', (_, offset, type) => {
    const world = new World(handled);
    expect(world.unwind(world.context(offset, words), type).handler).toBeUndefined();
  });
});

describe('version 2', () => {
  // Two epilogues of three bytes: pop rbx; pop rbp; ret at 7 and at the end.
  const code = [0x55, 0x53, 0x90, 0x5b, 0x90, 0x90, 0x90, 0x5b, 0x5d, 0xc3, 0x90, 0x5b, 0x5d, 0xc3];
  const unwind = unwindInfo(2, 0, 2, 0, [3, 6, 1], [7, 6, 0], [2, 0, RBX], [1, 0, RBP]);

  test.each([
    ['in the listed epilogue', 8],
    ['in the epilogue at the end', 12],
  ])('%s only what is left is popped', (_, offset) => {
    const world = new World({ code, unwind });
    const context = world.context(offset, [0x55n, RETURN]);
    world.unwind(context);
    expect(fromAddress(context.rip)).toBe(RETURN);
    expect([context.gpr[RBX], context.gpr[RBP]]).toEqual([0xa3n, 0x55n]);
  });

  test('elsewhere bytes that look like an epilogue are none', () => {
    const world = new World({ code: [...code.slice(0, 4), 0x5d, 0xc3, ...code.slice(6)], unwind });
    const context = world.context(3, [0xbbn, 0x55n, RETURN]);
    world.unwind(context);
    expect([context.gpr[RBX], context.gpr[RBP]]).toEqual([0xbbn, 0x55n]);
    expect(fromAddress(context.rip)).toBe(RETURN);
  });
});

describe('tail calls', () => {
  const body = (jump: number[]): Function => ({
    code: [0x53, 0x90, 0x5b, ...jump, ...new Array<number>(8).fill(0xcc)],
    unwind: info(0, 1, 0, [1, 0, RBX]),
  });
  test.each([
    ['jmp rel32 out of the function', [0xe9, 0, 1, 0, 0], true],
    ['jmp rel8 to itself', [0xeb, 0xfe], false],
    ['jmp [rip+disp]', [0xff, 0x25, 0, 0, 0, 0], true],
    ['rex.w jmp rax', [0x48, 0xff, 0xe0], true],
    ['rep ret', [0xf3, 0xc3], true],
    ['ret 8', [0xc2, 8, 0], true],
  ])('%s', (_, jump, epilogue) => {
    const world = new World(body(jump));
    // At the jump: an epilogue has only the return address left, a body still has rbx below it.
    const context = world.context(3, epilogue ? [RETURN] : [0xbbn, RETURN]);
    world.unwind(context);
    expect(fromAddress(context.rip)).toBe(RETURN);
    expect(context.gpr[RBX]).toBe(epilogue ? 0xa3n : 0xbbn);
  });
});

describe('frames of TypeScript routines', () => {
  /** The pseudo-image takes the second half of the test image's last page. */
  function withKernel() {
    const world = new World(PUSHES);
    const kernel = BASE + 0x10_0000;
    world.map(kernel, 1);
    const [callout, calloutTrap] = [kernel + 0x10, kernel + 0x20];
    const data = writeCalloutUnwindData(world.memory, kernel, kernel + 0x800, callout, calloutTrap);
    const nameAt = (address: Address) => (address === callout ? 'KiCallout' : undefined);
    world.images.add(pseudoImage({ name: 'ntoskrnl.exe', base: kernel, size: 0x1000, nameAt, ...data }));
    return { world, callout, calloutTrap };
  }

  test('are walked from CALLOUT to the caller', () => {
    const { world, callout } = withKernel();
    const context = world.context(0, [0n, 0n, 0x55n, fromAddress(BASE + 0x1006)]);
    context.rip = callout;
    context.gpr[RBP] = fromAddress(STACK + 0x1010);
    const { establisherFrame } = world.unwind(context);
    expect(establisherFrame).toBe(STACK + 0x1010);
    expect(context.rip).toBe(BASE + 0x1006);
    expect(context.gpr[RBP]).toBe(0x55n);
    expect(moved(context)).toBe(0x20);
  });

  test('are walked from CALLOUT_TRAP to the interrupted instruction', () => {
    const { world, calloutTrap } = withKernel();
    const interrupted = fromAddress(STACK + 0x1800);
    const context = world.context(0, [0x55n, fromAddress(BASE + 0x1001), 0x10n, 0x202n, interrupted, 0x18n]);
    context.rip = calloutTrap;
    context.gpr[RBP] = fromAddress(STACK + 0x1000);
    world.unwind(context);
    expect(context.rip).toBe(BASE + 0x1001);
    expect(fromAddress(context.rsp)).toBe(interrupted);
  });

  test('end where nothing calls', () => {
    const world = new World(PUSHES);
    const context = world.context(6, [
      0n,
      0n,
      0n,
      0n,
      0xbbn,
      0x55n,
      fromAddress(BASE + 0x1006),
      0n,
      0n,
      0n,
      0n,
      0n,
      0n,
      0n,
    ]);
    const frames = walkStack(world.memory, world.images, context, 10);
    expect(frames.map(({ rip }) => rip - BASE)).toEqual([0x1006, 0x1006]);
  });
});
