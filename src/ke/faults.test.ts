import { describe, expect, test } from 'vitest';
import { PageTables } from '../hw/page-tables.ts';
import { Ram } from '../hw/ram.ts';
import { VirtualMemory } from '../hw/virtual-memory.ts';
import { ImageTable, LoadedImage, pseudoImage } from '../pe/index.ts';
import { type Address, fromAddress, NON_CANONICAL } from '../wdm/address.ts';
import { BugCheck, Unsupported } from '../wdm/failures.ts';
import * as status from '../wdm/ntstatus.ts';
import { type Fault, translateFault } from './faults.ts';

const DRIVER: Address = -0x7ff_0000_0000;
const KERNEL: Address = -0x7fe_0000_0000;
const MISSING: Address = -0x7fd_0000_0000;
const CODE = DRIVER + 0x1000;
const ALL_ONES = 0xffff_ffff_ffff_ffffn;

const ram = new Ram(0x20_0000);
let frame = 0;
const tables = new PageTables(ram, { allocate: () => frame++, free: () => {} });
const root = tables.createRoot();
tables.write(root, CODE, 500, 3, false);
const memory = new VirtualMemory(ram, tables, root, 'supervisor');
const images = new ImageTable({ base: MISSING, size: 0x1_0000 });
images.add(new LoadedImage({ name: 'driver.sys', base: DRIVER, size: 0x1_0000 }));
images.add(pseudoImage({ name: 'ntoskrnl.exe', base: KERNEL, size: 0x1_0000, nameAt: () => undefined }));
const gone = images.add(new LoadedImage({ name: 'gone.sys', base: DRIVER + 0x10_0000, size: 0x1_0000 }));
images.remove(gone);
const missing = images.missingImport('ntoskrnl.exe', 'IoFrobnicate')!;

/** What a fault becomes, as comparable data. RIP is after the instruction for `int`s, as the hardware has it. */
function outcome(
  fault: Partial<Fault>,
  { rip = CODE, rsp = CODE + 0x1000, irql = 0, code = [] as number[], gpr = [] as bigint[] } = {},
) {
  memory.writeBytes(CODE, new Uint8Array([...code, 0, 0, 0, 0, 0, 0, 0, 0]));
  const site = { rip, rsp, irql, gpr: (i: number) => gpr[i] ?? 0n };
  try {
    const exception = translateFault({ vector: 0, errorCode: 0, address: 0, ...fault }, site, { memory, images });
    return {
      exception: status.NTSTATUS_NAMES[exception.status],
      information: exception.information,
      rip: site.rip - CODE,
    };
  } catch (error) {
    if (error instanceof BugCheck) return { stop: error.code, parameters: error.parameters };
    if (error instanceof Unsupported) return { unsupported: error.what };
    throw error;
  }
}

const [READ, WRITE, EXECUTE, PRESENT] = [0, 2, 16, 1];
const page = (address: Address, errorCode: number): Partial<Fault> => ({ vector: 14, errorCode, address });
const at = fromAddress(CODE);

describe('page faults', () => {
  test.each([
    ['reads', READ, 0n],
    ['writes', WRITE, 1n],
    ['runs', EXECUTE, 8n],
  ])('a driver that %s a bad user address gets an access violation', (_, errorCode, operation) => {
    const expected = { exception: 'STATUS_ACCESS_VIOLATION', information: [operation, 0x1000n], rip: 0 };
    expect(outcome(page(0x1000, errorCode))).toEqual(expected);
    expect(outcome(page(0x1000, errorCode), { irql: 1 })).toEqual(expected);
  });

  test('on a stack that has no room for its frame it is a double fault', () => {
    const end = CODE + 0x20; // the page before is not there
    expect(outcome(page(CODE - 8, WRITE), { rsp: end })).toMatchObject({
      stop: 0x7f,
      parameters: [8n, 2n, fromAddress(end), at],
    });
  });

  test.each([
    ['reads', READ, 0n],
    ['writes', WRITE, 2n],
    ['runs', EXECUTE, 0x10n],
  ])('one that %s a bad kernel address stops with 0x50', (_, errorCode, operation) => {
    const bad: Address = -0x6000_0000_0000;
    expect(outcome(page(bad, errorCode))).toEqual({ stop: 0x50, parameters: [fromAddress(bad), operation, at, 2n] });
  });

  test('at DISPATCH_LEVEL and above nothing can be read in: 0xD1 in a driver, 0xA in the kernel', () => {
    expect(outcome(page(0x20, WRITE), { irql: 2 })).toEqual({ stop: 0xd1, parameters: [0x20n, 2n, 1n, at] });
    const kernel = { stop: 0xa, parameters: [0x20n, 3n, 0n, fromAddress(KERNEL + 16)] };
    expect(outcome(page(0x20, READ), { irql: 3, rip: KERNEL + 16 })).toEqual(kernel);
  });

  test('writing read-only and running no-execute kernel pages have stop codes of their own', () => {
    expect(outcome(page(CODE, PRESENT | WRITE))).toMatchObject({ stop: 0xbe });
    expect(outcome(page(CODE, PRESENT | EXECUTE))).toMatchObject({ stop: 0xfc });
    expect(outcome(page(0x1_0000, PRESENT | EXECUTE))).toMatchObject({ stop: 0xfc });
  });

  test('calling an unloaded driver stops with 0xCE', () => {
    const address = DRIVER + 0x10_1234;
    expect(outcome(page(address, EXECUTE), { rip: address })).toMatchObject({ stop: 0xce });
  });

  test('a missing import is named, whatever is done to it', () => {
    const named = { unsupported: 'ntoskrnl.exe!IoFrobnicate' };
    expect(outcome(page(missing, EXECUTE), { rip: missing })).toEqual(named);
    expect(outcome(page(missing + 8, READ), { irql: 2 })).toEqual(named);
  });

  test('a pointer that is no address is an access violation at -1', () => {
    const expected = { exception: 'STATUS_ACCESS_VIOLATION', information: [0n, ALL_ONES], rip: 0 };
    expect(outcome(page(NON_CANONICAL, READ))).toEqual(expected);
    expect(outcome({ vector: 13 })).toEqual(expected);
  });
});

describe('division', () => {
  const zero = { exception: 'STATUS_INTEGER_DIVIDE_BY_ZERO' };
  const overflow = { exception: 'STATUS_INTEGER_OVERFLOW' };
  const divide = (code: number[], ...gpr: bigint[]) => outcome({ vector: 0 }, { code, gpr });

  test.each([
    ['div ecx', [0xf7, 0xf1], [0n, 0xffff_ffff_0000_0000n], zero],
    ['div rcx', [0x48, 0xf7, 0xf1], [0n, 0xffff_ffff_0000_0000n], overflow],
    ['idiv r9', [0x49, 0xf7, 0xf9], [1n, 1n, 1n, 1n, 1n, 1n, 1n, 1n, 1n, 0n], zero],
    ['div ch', [0xf6, 0xf5], [1n, 0x00ffn, 1n, 1n, 1n, 1n], zero],
    ['div bpl', [0x40, 0xf6, 0xf5], [1n, 0n, 1n, 1n, 1n, 0xff01n], overflow],
    ['div cx', [0x66, 0xf7, 0xf1], [1n, 0xffff_0000n], zero],
  ])('%s', (_, code, gpr, expected) => {
    expect(divide(code, ...gpr)).toMatchObject(expected);
  });

  test.each([
    ['div dword [rcx]', [0xf7, 0x31], (target: bigint) => [0n, target]],
    ['div dword [rcx+8]', [0xf7, 0x71, 8], (target: bigint) => [0n, target - 8n]],
    ['div dword [rcx-100h]', [0xf7, 0xb1, 0, 0xff, 0xff, 0xff], (target: bigint) => [0n, target + 0x100n]],
    ['div dword [rax+rcx*4]', [0xf7, 0x34, 0x88], (target: bigint) => [target - 0x40n, 0x10n]],
    ['div dword [rip+100h]', [0xf7, 0x35, 0xfa, 0, 0, 0], () => []],
  ])('%s', (_, code, gpr) => {
    const target = CODE + 0x100;
    memory.writeU32(target, 0);
    expect(divide(code, ...gpr(fromAddress(target)))).toMatchObject(zero);
    memory.writeU32(target, 1);
    expect(divide(code, ...gpr(fromAddress(target)))).toMatchObject(overflow);
  });
});

describe('the other vectors', () => {
  test.each([
    [1, 'STATUS_SINGLE_STEP'],
    [4, 'STATUS_INTEGER_OVERFLOW'],
    [6, 'STATUS_ILLEGAL_INSTRUCTION'],
    [12, 'STATUS_ACCESS_VIOLATION'],
    [17, 'STATUS_DATATYPE_MISALIGNMENT'],
    [0x2c, 'STATUS_ASSERTION_FAILURE'],
  ])('%i is %s', (vector, exception) => {
    expect(outcome({ vector })).toMatchObject({ exception });
  });

  test('int 3 is reported at its own address', () => {
    expect(outcome({ vector: 3 }, { rip: CODE + 1 })).toEqual({
      exception: 'STATUS_BREAKPOINT',
      information: [0n],
      rip: 0,
    });
  });

  test('int 29h stops with its code', () => {
    expect(outcome({ vector: 0x29 }, { gpr: [0n, 2n] })).toEqual({ stop: 0x139, parameters: [2n, 0n, 0n, 0n] });
  });

  test('what Windows does not expect stops with 0x7F', () => {
    expect(outcome({ vector: 8 })).toMatchObject({ stop: 0x7f });
    expect(outcome({ vector: 11, errorCode: 5 })).toEqual({
      stop: 0x7f,
      parameters: [11n, 5n, fromAddress(CODE + 0x1000), at],
    });
  });

  test('nothing but exceptions, bug checks and missing things comes out of any vector', () => {
    for (let vector = 0; vector < 256; vector++) expect(outcome({ vector }), `vector ${vector}`).toBeDefined();
  });
});
