/** Exports of bitmaps. */
import * as bits from '../../rtl/bitmap.ts';
import type { Address } from '../../wdm/address.ts';
import * as wdm from '../../wdm/constants.ts';
import { RTL_BITMAP } from '../../wdm/layouts.ts';
import { type IrqlRange, routine } from '../export.ts';
import type { Kernel } from '../kernel.ts';
import { pageable } from '../pageable.ts';

// DISPATCH_LEVEL if the bitmap is resident; nothing keeps it from being used above.
const ANY: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.HIGH_LEVEL];

const RANGE = ['BitMapHeader: ptr', 'StartingIndex: u32', 'Count: u32'] as const;
const SEARCH = ['BitMapHeader: ptr', 'NumberToFind: u32', 'HintIndex: u32'] as const;

const changing = <const N extends string>(name: N, body: typeof bits.RtlSetBits) =>
  routine(name, RANGE, 'void', ANY, (k, bitmap, start, count) =>
    pageable(k, () => body(k.memory, bitmap, start, count)),
  );

const filling = <const N extends string>(name: N, set: boolean) =>
  routine(name, ['BitMapHeader: ptr'], 'void', ANY, (k, bitmap) =>
    pageable(k, () => bits.fillBits(k.memory, bitmap, set)),
  );

const counting = <const N extends string>(name: N, set: boolean) =>
  routine(name, ['BitMapHeader: ptr'], 'u32', ANY, (k, bitmap) =>
    pageable(k, () => bits.countBits(k.memory, bitmap, set)),
  );

const asking = <const N extends string>(name: N, set: boolean) =>
  routine(name, RANGE, 'bool', ANY, (k, bitmap, start, count) =>
    pageable(k, () => bits.areBits(k.memory, bitmap, start, count, set)),
  );

const finding = <const N extends string>(name: N, body: typeof bits.findBits, set: boolean) =>
  routine(name, SEARCH, 'u32', ANY, (k, bitmap, count, hint) =>
    pageable(k, () => body(k.memory, bitmap, count, hint, set)),
  );

/** Reports where a run starts, and returns how long it is. */
function report(k: Kernel, { start, length }: bits.Run, starting: Address): number {
  k.memory.writeU32(starting, start);
  return length;
}

export const bitmapExports = [
  routine(
    'RtlInitializeBitMap',
    ['BitMapHeader: ptr', 'BitMapBuffer: ptr', 'SizeOfBitMap: u32'],
    'void',
    ANY,
    (k, bitmap, buffer, size) =>
      pageable(k, () => {
        const view = RTL_BITMAP.at(k.memory, bitmap);
        view.SizeOfBitMap = size;
        view.Buffer = buffer;
      }),
  ),
  filling('RtlClearAllBits', false),
  filling('RtlSetAllBits', true),
  changing('RtlClearBits', bits.RtlClearBits),
  changing('RtlSetBits', bits.RtlSetBits),
  routine('RtlClearBit', ['BitMapHeader: ptr', 'BitNumber: u32'], 'void', ANY, (k, bitmap, bit) =>
    pageable(k, () => bits.RtlClearBits(k.memory, bitmap, bit, 1)),
  ),
  routine('RtlSetBit', ['BitMapHeader: ptr', 'BitNumber: u32'], 'void', ANY, (k, bitmap, bit) =>
    pageable(k, () => bits.RtlSetBits(k.memory, bitmap, bit, 1)),
  ),
  routine('RtlTestBit', ['BitMapHeader: ptr', 'BitNumber: u32'], 'bool', ANY, (k, bitmap, bit) =>
    pageable(k, () => bits.RtlTestBit(k.memory, bitmap, bit)),
  ),
  asking('RtlAreBitsClear', false),
  asking('RtlAreBitsSet', true),
  counting('RtlNumberOfClearBits', false),
  counting('RtlNumberOfSetBits', true),
  finding('RtlFindClearBits', bits.findBits, false),
  finding('RtlFindSetBits', bits.findBits, true),
  finding('RtlFindClearBitsAndSet', bits.takeBits, false),
  finding('RtlFindSetBitsAndClear', bits.takeBits, true),
  routine(
    'RtlFindNextForwardRunClear',
    ['BitMapHeader: ptr', 'FromIndex: u32', 'StartingRunIndex: ptr'],
    'u32',
    ANY,
    (k, bitmap, from, starting) => pageable(k, () => report(k, bits.nextClearRun(k.memory, bitmap, from), starting)),
  ),
  routine('RtlFindFirstRunClear', ['BitMapHeader: ptr', 'StartingIndex: ptr'], 'u32', ANY, (k, bitmap, starting) =>
    pageable(k, () => report(k, bits.nextClearRun(k.memory, bitmap, 0), starting)),
  ),
  routine('RtlFindLongestRunClear', ['BitMapHeader: ptr', 'StartingIndex: ptr'], 'u32', ANY, (k, bitmap, starting) =>
    pageable(k, () => report(k, bits.longestClearRun(k.memory, bitmap), starting)),
  ),
] as const;
