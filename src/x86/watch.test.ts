/** Watched pages: who touches them is seen, with the registers in order; nobody else pays. */
import { describe, expect, test } from 'vitest';
import { BareMachine, bytes, CODE, DATA } from '../../test/support/bare-machine.ts';
import type { PageAccess } from '../hw/watch.ts';
import { fromAddress, PAGE_SIZE } from '../wdm/address.ts';
import { GPR } from './index.ts';

function watched(hex: string) {
  const m = new BareMachine(4);
  m.map(DATA, 3 * PAGE_SIZE);
  m.load(bytes(hex));
  const seen: PageAccess[] = [];
  const rips: number[] = [];
  const watch = m.processor.watch(DATA + PAGE_SIZE, 1, {
    access: a => {
      seen.push(a);
      rips.push(m.processor.registers.rip);
    },
  });
  return { m, seen, rips, watch };
}

describe('a watched page', () => {
  test('is seen by loads, stores and read-modify-write', () => {
    const { m, seen, rips } = watched('488911 488b01 830101 c3'); // mov [rcx], rdx; mov rax, [rcx]; add dword ptr [rcx], 1; ret
    const at = DATA + PAGE_SIZE + 16;
    expect(m.call(CODE, fromAddress(at), 99n)).toBe(99n);
    expect(seen).toEqual([
      { address: at, size: 8, access: 'write', user: false, value: 99n },
      { address: at, size: 8, access: 'read', user: false, value: undefined },
      { address: at, size: 4, access: 'read', user: false, value: undefined },
      { address: at, size: 4, access: 'write', user: false, value: 100n },
    ]);
    expect(rips).toEqual([CODE, CODE + 3, CODE + 6, CODE + 6]);
    expect(m.processor.memory.readU64(at)).toBe(100n);
    seen.length = 0;
    m.call(CODE, fromAddress(DATA + 16), 99n);
    expect(seen).toEqual([]);
  });

  test('is seen where an access crosses into it', () => {
    const { m, seen } = watched('488911 c3');
    m.call(CODE, fromAddress(DATA + PAGE_SIZE - 3), 0x1122334455667788n);
    expect(seen).toEqual([{ address: DATA + PAGE_SIZE, size: 5, access: 'write', user: false, value: undefined }]);
    expect(m.processor.memory.readU64(DATA + PAGE_SIZE - 3)).toBe(0x1122334455667788n);
  });

  test('a bulk copy is one range', () => {
    const { m, seen } = watched('4889cf 4889d6 4c89c1 f3a4 c3');
    m.call(CODE, fromAddress(DATA + PAGE_SIZE + 8), fromAddress(DATA), 1000n);
    expect(seen).toEqual([
      { address: DATA + PAGE_SIZE + 8, size: 1000, access: 'write', user: false, value: undefined },
    ]);
    seen.length = 0;
    m.processor.memory.fill(DATA, 3 * PAGE_SIZE, 0);
    expect(seen).toEqual([
      { address: DATA + PAGE_SIZE, size: PAGE_SIZE, access: 'write', user: false, value: undefined },
    ]);
  });

  test('ends to be watched', () => {
    const { m, seen, watch } = watched('488911 c3');
    watch.remove();
    m.call(CODE, fromAddress(DATA + PAGE_SIZE), 1n);
    expect(seen).toEqual([]);
  });

  test('an observer that throws prevents the access and leaves the registers exact', () => {
    const m = new BareMachine(4);
    m.map(DATA, PAGE_SIZE);
    m.load(bytes('4883c205 488911 c3')); // add rdx, 5; mov [rcx], rdx; ret
    m.processor.watch(DATA, 8, {
      access: () => {
        throw new Error('no');
      },
    });
    expect(() => m.start(CODE, fromAddress(DATA), 1n)).toThrow('no');
    expect(m.processor.registers.rip).toBe(CODE + 4);
    expect(m.processor.registers.gpr(GPR.RDX)).toBe(6n);
    expect(m.processor.retired).toBe(1);
  });

  test('device registers', () => {
    const m = new BareMachine(4);
    const [frame] = m.map(DATA, PAGE_SIZE);
    m.load(bytes('8911 8b4104 c3')); // mov [rcx], edx; mov eax, [rcx+4]; ret
    const log: string[] = [];
    m.processor.watchFrame(frame!, {
      device: {
        read: (address, size) => {
          log.push(`read ${address - DATA} ${size}`);
          return 0xcafen;
        },
        write: (address, size, value) => void log.push(`write ${address - DATA} ${size} ${value}`),
      },
    });
    expect(m.call(CODE, fromAddress(DATA), 5n)).toBe(0xcafen);
    expect(m.processor.memory.readU32(DATA + 4)).toBe(0xcafe);
    expect(log).toEqual(['write 0 4 5', 'read 4 4', 'read 4 4']);
  });
});
