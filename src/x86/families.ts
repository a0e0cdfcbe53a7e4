/**
 * All instruction families in one table: the emit function for an instruction, by its iced code where the mnemonic is
 * shared, else by its mnemonic.
 */
import type { Instruction } from './decode.ts';
import type { Emit, Family } from './emitter.ts';
import { alu } from './semantics/alu.ts';
import { bit } from './semantics/bit.ts';
import { control } from './semantics/control.ts';
import { move } from './semantics/move.ts';
import { multiplyDivide } from './semantics/multiply-divide.ts';
import { shift } from './semantics/shift.ts';
import { sseConvert } from './semantics/sse-convert.ts';
import { sseFloat } from './semantics/sse-float.ts';
import { sseInteger } from './semantics/sse-integer.ts';
import { sseMove } from './semantics/sse-move.ts';
import { sseShuffle } from './semantics/sse-shuffle.ts';
import { sseSpecial } from './semantics/sse-special.ts';
import { string } from './semantics/string.ts';
import { system } from './semantics/system.ts';

/** By name; the golden files of the emitted code (test/golden/) are named so, too. */
export const FAMILIES = {
  alu,
  shift,
  multiplyDivide,
  move,
  string,
  bit,
  control,
  system,
  sseMove,
  sseInteger,
  sseShuffle,
  sseFloat,
  sseConvert,
  sseSpecial,
} satisfies Record<string, Family>;

const TABLE: ReadonlyMap<string, Emit> = new Map(
  Object.values<Family>(FAMILIES).flatMap(family => Object.entries(family)),
);

/** Registers of units that are not there: MMX and x87, AVX's wide vectors, masks, bounds, tiles. */
const FOREIGN_REGISTER = /^(MM|ST|YMM|ZMM|K|BND|TMM)\d/;

/** Undefined for an instruction that is not supported. Many MMX forms share their mnemonic with one of SSE. */
export function emitFor(i: Instruction): Emit | undefined {
  if (i.operands.some(operand => operand.kind === 'other' && FOREIGN_REGISTER.test(operand.name))) return undefined;
  // A segment register is only moved and pushed: popping one would load a descriptor, and there are none.
  if (i.operands.some(operand => operand.kind === 'other') && i.mnemonic !== 'Mov' && i.mnemonic !== 'Push')
    return undefined;
  return TABLE.get(i.code) ?? TABLE.get(i.mnemonic);
}
