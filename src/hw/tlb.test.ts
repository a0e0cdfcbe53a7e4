import { expect, test } from 'vitest';
import { boot } from '../index.ts';
import { NON_CANONICAL } from '../wdm/address.ts';
import { type Access, PageFault } from '../wdm/memory.ts';

const ACCESSES: readonly Access[] = ['read', 'write', 'execute'];

test('the address that stands for all non-canonical ones is no page: nothing is behind it, whatever was kept out', () => {
  const { memory } = boot().processor;
  for (const address of [NON_CANONICAL, NON_CANONICAL + 8]) {
    for (const access of ACCESSES) expect(() => memory.translate(address, access)).toThrow(PageFault);
    expect(() => memory.readU8(address)).toThrow(PageFault);
    expect(() => memory.readU64(address)).toThrow(PageFault);
    expect(() => memory.writeU8(address, 1)).toThrow(PageFault);
    expect(() => memory.readBytes(address, 16)).toThrow(PageFault);
  }
});
