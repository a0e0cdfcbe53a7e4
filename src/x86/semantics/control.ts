/**
 * Control transfer.
 *
 * Direct jumps and conditional branches are the region's business (region.ts): a conditional one leaves its condition,
 * i32, on the stack. Calls, returns and indirect jumps leave the region with the fuel settled and all state in the
 * register file: the guest never uses the host's stack, so a thread can be left at any of them. A function that calls
 * itself stays in its region, by jumps: the return address is on the guest's stack as ever, and looked at on the way back.
 */
import type { Emit, Emitter, Family } from '../emitter.ts';
import type { IntegerSize } from '../flags.ts';
import { LEAVE } from '../layout.ts';
import { addRsp, pushValue, RSP } from './move.ts';

const RCX = 1;
const VECTOR_GENERAL_PROTECTION = 13;

/** A transfer to what is no address is #GP at the transfer, before it has any effect. */
function checkTarget(e: Emitter, target: number): void {
  e.w.get(target).i64(16).op('i64.shl').i64(16).op('i64.shr_s').get(target).op('i64.ne').if();
  e.raise(VECTOR_GENERAL_PROTECTION);
  e.w.end();
}

const call: Emit = (e, i) => {
  const operand = i.operands[0]!;
  const back = e.temp('i64');
  let target = -1;
  if (operand.kind !== 'branch') {
    target = e.read(i, 0, 8).save('i64');
    // The stack's fault comes before the target's.
    e.getGpr(RSP, 8).w.i64(-8).op('i64.add');
    const address = e.save('i64');
    e.w.get(address);
    const stack = e.openAt(8);
    checkTarget(e, target);
    e.w.i64(BigInt(i.next)).set(back);
    e.storeOpened(stack, back).w.get(address);
    e.setGpr(RSP, 8);
  } else {
    e.w.i64(BigInt(i.next)).set(back);
    pushValue(e, back, 8);
  }
  e.retire();
  if (operand.kind !== 'branch') {
    e.w.get(target);
    e.leave(LEAVE.check);
  } else if (!e.callStays) e.leaveFor(operand.target, LEAVE.check);
};

const jump: Emit = (e, i) => {
  // A direct one is the end of its block and needs no code of its own.
  if (i.operands[0]?.kind === 'branch') return;
  const target = e.read(i, 0, 8).save('i64');
  checkTarget(e, target);
  e.retire().w.get(target);
  e.leave(LEAVE.check);
};

const ret: Emit = (e, i) => {
  const operand = i.operands[0];
  const target = e.getGpr(RSP, 8).loadAt(8).save('i64');
  checkTarget(e, target);
  addRsp(e, 8 + (operand?.kind === 'immediate' ? Number(operand.value) : 0));
  e.retire();
  if (e.returnsHere) e.returnTarget = target;
  else {
    e.w.get(target);
    e.leave(LEAVE.check);
  }
};

/** loop, loope, loopne: RCX (ECX with an address-size prefix) counts down; no flag changes. */
const loop =
  (size: IntegerSize, zero?: boolean): Emit =>
  e => {
    const condition = zero === undefined ? -1 : e.condition(zero ? 4 : 5).save('i32');
    e.getGpr(RCX, size).constant(size, 1).typed(size, 'sub').setGpr(RCX, size);
    e.getGpr(RCX, size).typed(size, 'eqz').w.op('i32.eqz');
    if (condition >= 0) e.w.get(condition).op('i32.and');
  };

const jumpIfZero =
  (size: IntegerSize): Emit =>
  e =>
    void e.getGpr(RCX, size).typed(size, 'eqz');

const loopEither =
  (zero?: boolean): Emit =>
  (e, i) =>
    loop(i.code.endsWith('_ECX') ? 4 : 8, zero)(e, i);

function conditional(e: Emitter, condition: number): void {
  e.condition(condition);
}

const CONDITIONS = 'o no b ae e ne be a s ns p np l ge le g'.split(' ');

export const control: Family = {
  Call: call,
  Jmp: jump,
  Ret: ret,
  ...Object.fromEntries(CONDITIONS.map((name, n) => [`J${name}`, (e: Emitter) => conditional(e, n)])),
  Loop: loopEither(),
  Loope: loopEither(true),
  Loopne: loopEither(false),
  Jrcxz: jumpIfZero(8),
  Jecxz: jumpIfZero(4),
  Nop: () => {},
  Pause: () => {},
  Endbr64: () => {},
  Endbr32: () => {},
  Ud2: e => void e.raise(6),
  Ud0: e => void e.raise(6),
  Ud1: e => void e.raise(6),
};
