/**
 * Regions: which code is translated together.
 *
 * A region is what can be reached from its entry by direct branches and by coming back from calls, a function as a
 * rule, cut off at MAX_INSTRUCTIONS. Blocks begin at branch targets and after instructions that end one. An entry of a
 * region is a block that may be entered from outside: the start, the places where calls return to, the places after
 * block-ending system instructions, and targets of backward branches (a deadline is seen there).
 */
import type { Address } from '../wdm/address.ts';
import type { Instruction } from './decode.ts';

const MAX_INSTRUCTIONS = 500;

export interface Block {
  readonly address: Address;
  readonly instructions: readonly Instruction[];
  /** Where it goes on, in the region or not; undefined if the last instruction leaves by itself. */
  readonly next: Address | undefined;
  /** The other way of a conditional branch (it leaves its condition on the stack). */
  readonly taken: Address | undefined;
  readonly entry: boolean;
}

export interface Code {
  /** The instruction at an address; undefined if there is none: unreadable, or no instruction. */
  decode(address: Address): Instruction | undefined;
  /** An instruction that ends its block although it is no branch. */
  ends(instruction: Instruction): boolean;
}

/** The region's blocks by address, in ascending order. `limit` bounds the instructions (1: just one). */
export function discover(start: Address, code: Code, limit = MAX_INSTRUCTIONS): Map<Address, Block> {
  const instructions = new Map<Address, Instruction | undefined>();
  const leaders = new Set<Address>([start]);
  const entries = new Set<Address>([start]);
  const work = [start];
  let count = 0;
  for (let from = work.shift(); from !== undefined; from = work.shift()) {
    const lead = (address: Address, entry = false) => {
      leaders.add(address);
      if (entry) entries.add(address);
      if (!instructions.has(address)) work.push(address);
    };
    for (let at = from; ; ) {
      // A path that runs into another's middle joins it there.
      if (instructions.has(at)) {
        leaders.add(at);
        break;
      }
      if (count >= limit) break;
      const i = code.decode(at);
      instructions.set(at, i);
      if (!i) break;
      count++;
      const target = i.operands[0]?.kind === 'branch' ? i.operands[0].target : undefined;
      if (i.flow === 'jump' || i.flow === 'branch') {
        if (target !== undefined) lead(target, target <= at);
        if (i.flow === 'branch') lead(i.next);
        break;
      }
      if (
        i.flow === 'call' ||
        i.flow === 'indirectCall' ||
        (code.ends(i) && i.flow !== 'indirect' && i.flow !== 'return')
      ) {
        lead(i.next, true);
        break;
      }
      if (i.flow !== 'next') break;
      at = i.next;
    }
  }
  const blocks = new Map<Address, Block>();
  for (const address of [...leaders].sort((a, b) => a - b)) {
    const block = blockAt(address, instructions, leaders, entries.has(address), code);
    if (block) blocks.set(address, block);
  }
  return blocks;
}

function blockAt(
  address: Address,
  instructions: ReadonlyMap<Address, Instruction | undefined>,
  leaders: ReadonlySet<Address>,
  entry: boolean,
  code: Code,
): Block | undefined {
  const body: Instruction[] = [];
  let at = address;
  for (;;) {
    const i = instructions.get(at);
    if (!i) break;
    body.push(i);
    at = i.next;
    const target = i.operands[0]?.kind === 'branch' ? i.operands[0].target : undefined;
    if (i.flow === 'branch') return { address, instructions: body, next: i.next, taken: target, entry };
    if (i.flow === 'jump') return { address, instructions: body, next: target, taken: undefined, entry };
    if (i.flow !== 'next' || code.ends(i))
      return { address, instructions: body, next: undefined, taken: undefined, entry };
    if (leaders.has(at)) break;
  }
  // Nothing here, or not translated: the region is left for this address.
  return body.length > 0 ? { address, instructions: body, next: at, taken: undefined, entry } : undefined;
}
