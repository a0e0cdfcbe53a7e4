/** Code that changes is never run stale. */
import { describe, expect, test } from 'vitest';
import { BareMachine, bytes, CODE, DATA } from '../../test/support/bare-machine.ts';
import { fromAddress, PAGE_SIZE } from '../wdm/address.ts';

const RETURN_7 = 'b807000000 c3';
const RETURN_8 = 'b808000000 c3';

describe('code that changes', () => {
  test('from TypeScript', () => {
    const m = new BareMachine(4);
    m.load(bytes(RETURN_7));
    expect(m.call(CODE)).toBe(7n);
    m.processor.memory.writeBytes(CODE, bytes(RETURN_8));
    expect(m.call(CODE)).toBe(8n);
    m.processor.memory.writeU8(CODE + 1, 9);
    expect(m.call(CODE)).toBe(9n);
  });

  test('an instruction changes the next one', () => {
    const m = new BareMachine(4);
    m.load(bytes('880d01000000 b807000000 c3')); // mov [rip+1], cl; mov eax, 7; ret
    for (const value of [42n, 43n, 7n]) {
      const before = m.processor.retired;
      expect(m.call(CODE, value)).toBe(value);
      expect(m.processor.retired - before).toBe(3);
    }
  });

  test('a loop changes its own body', () => {
    const m = new BareMachine(4);
    // xor eax, eax; l: add eax, 1 (the 1 is rewritten); mov byte [rip-4], cl; dec ecx; jnz l; ret
    const code = bytes('31c0 83c001 880dF9ffffff ffc9 75f3 c3');
    m.load(code);
    // 1 + 5 + 4 + 3 + 2: each round adds what the last one wrote.
    expect(m.call(CODE, 5n)).toBe(15n);
  });

  test('through a second mapping, and through rep', () => {
    const m = new BareMachine(4);
    m.load(bytes(RETURN_7));
    const { frame } = m.tables.read(m.root, CODE)!;
    m.mapFrame(DATA, frame);
    expect(m.call(CODE)).toBe(7n);
    m.load(bytes('8811 c3'), CODE + 0x10000); // mov [rcx], dl; ret
    m.call(CODE + 0x10000, fromAddress(DATA + 1), 33n);
    expect(m.call(CODE)).toBe(33n);
    m.load(bytes('4889cf 4889d0 4c89c1 f3aa c3'), CODE + 0x20000); // rep stosb
    m.call(CODE + 0x20000, fromAddress(DATA + 2), 1n, 3n);
    expect(m.call(CODE)).toBe(0x01010121n);
  });

  test('a page mapped anew', () => {
    const m = new BareMachine(4);
    m.load(bytes(RETURN_7));
    expect(m.call(CODE)).toBe(7n);
    const [frame] = m.map(DATA, PAGE_SIZE);
    m.processor.memory.writeBytes(DATA, bytes(RETURN_8));
    m.mapFrame(CODE, frame!);
    expect(m.call(CODE)).toBe(8n);
    m.tables.clear(m.root, CODE);
    m.processor.invalidatePage(CODE);
    expect(m.start(CODE)).toMatchObject({ kind: 'fault', vector: 14, errorCode: 0x10 });
  });

  test('data beside code in one page costs no translation', () => {
    const m = new BareMachine(4);
    m.load(bytes('48ff058D000000 488b0586000000 c3')); // inc qword [rip+8d]; mov rax, [rip+86]; ret
    for (let n = 1n; n < 50n; n++) expect(m.call(CODE)).toBe(n);
  });
});

test('the same user address is other code in another address space', () => {
  const m = new BareMachine(4);
  const { processor } = m;
  const USER = 0x1_0000;
  const other = m.tables.createRoot();
  const first = m.map(USER, PAGE_SIZE);
  processor.memory.writeBytes(USER, bytes(RETURN_7));
  expect(m.call(USER)).toBe(7n);
  const [frame] = m.map(DATA, PAGE_SIZE);
  processor.memory.writeBytes(DATA, bytes(RETURN_8));
  m.tables.write(other, USER, frame!, m.tables.read(m.root, USER)!.bits, false);
  const byMemory = (root: number) => {
    processor.memory.root = root;
  };
  for (const change of [(root: number) => processor.setRoot(root), byMemory]) {
    change(other);
    expect(m.call(USER)).toBe(8n);
    change(m.root);
    expect(m.call(USER)).toBe(7n);
  }
  expect(first).toHaveLength(1);
});

test('a device changes the code behind the instruction that speaks to it', () => {
  const m = new BareMachine(4);
  m.load(bytes('ee b807000000 c3')); // out dx, al; mov eax, 7; ret
  m.processor.ports = { read: () => 0, write: () => m.processor.memory.writeU8(CODE + 2, 8) };
  expect(m.call(CODE)).toBe(8n);
});
