/**
 * The emitter's lazy status flags (flags.ts says what they are): set, tested, partly replaced, materialised.
 */
import type { Body } from '../wasm/body.ts';
import { DYNAMIC, LOCAL, StateEmitter } from './emit-state.ts';
import { ccOp, FLAG, type IntegerSize, KIND, type Kind, kindOf, sizeOf } from './flags.ts';

export class FlagEmitter extends StateEmitter {
  /** Sets the flags lazily from two locals of the size's type (flags.ts says what A and B mean for each kind). */
  setFlags(kind: Kind, size: IntegerSize, a: number, b?: number): this {
    const { w } = this;
    w.get(a);
    this.#wide(size).set(LOCAL.ccA);
    if (b !== undefined) {
      w.get(b);
      this.#wide(size).set(LOCAL.ccB);
    }
    this.cc = ccOp(kind, size);
    return this;
  }

  /** Sets ZF, SF and PF by a result in a local, and CF, AF and OF from the i32 on the stack, at their places. */
  setResultFlags(size: IntegerSize, result: number): this {
    this.w.op('i64.extend_i32_u').set(LOCAL.ccB);
    return this.setFlags(KIND.RESULT, size, result);
  }

  /** As setResultFlags where the local `unless` is not zero; else all flags stay (a shift by zero). */
  setResultFlagsUnlessZero(size: IntegerSize, result: number, count: number): this {
    const { w } = this;
    w.op('i64.extend_i32_u').get(LOCAL.ccB).get(count).op('select').set(LOCAL.ccB);
    w.get(result);
    this.#wide(size).get(LOCAL.ccA).get(count).op('select').set(LOCAL.ccA);
    w.i32(ccOp(KIND.RESULT, size));
    this.pushOp();
    w.get(count).op('select').set(LOCAL.ccOp);
    this.cc = DYNAMIC;
    return this;
  }

  /** Pops new values for the flags of `mask` (some of CF, AF and OF), at their places; the other flags stay. */
  replaceFlags(mask: number): this {
    const { w } = this;
    const bits = this.save('i32');
    const kind = this.cc === DYNAMIC ? KIND.EFLAGS : kindOf(this.cc);
    const size = this.cc === DYNAMIC ? 4 : sizeOf(this.cc);
    const step = kind === KIND.INC || kind === KIND.DEC;
    if (kind === KIND.EFLAGS || step || (kind !== KIND.RESULT && (mask & ~FLAG.AF) !== (FLAG.CF | FLAG.OF))) {
      this.eflags().w.i32(~mask).op('i32.and').get(bits).op('i32.or');
      return this.setEflags();
    }
    if (kind === KIND.RESULT) {
      w.get(LOCAL.ccB).i64(~mask).op('i64.and').get(bits).op('i64.extend_i32_u').op('i64.or').set(LOCAL.ccB);
      return this;
    }
    // ADD, SUB, LOGIC with CF and OF replaced: only AF has to be computed.
    const old = this.temp('i64');
    w.get(LOCAL.ccA).set(old);
    if (kind === KIND.SUB) {
      w.get(LOCAL.ccA).get(LOCAL.ccB).op('i64.sub');
      if (size < 8) w.i64((1n << BigInt(size * 8)) - 1n).op('i64.and');
      w.set(LOCAL.ccA);
    }
    w.get(bits).op('i64.extend_i32_u');
    if (kind !== KIND.LOGIC) {
      if (kind === KIND.ADD) w.get(old).get(LOCAL.ccB).op('i64.sub').set(old);
      w.get(old).get(LOCAL.ccB).op('i64.xor').get(LOCAL.ccA).op('i64.xor').i64(FLAG.AF).op('i64.and').op('i64.or');
    }
    w.set(LOCAL.ccB);
    this.cc = ccOp(KIND.RESULT, size);
    return this;
  }

  /** Pops all six status flags, i32. */
  setEflags(): this {
    this.w.op('i64.extend_i32_u').set(LOCAL.ccA);
    this.cc = ccOp(KIND.EFLAGS, 4);
    return this;
  }

  #wide(size: IntegerSize): Body {
    if (size < 4) this.zeroExtend(size);
    return size === 8 ? this.w : this.w.op('i64.extend_i32_u');
  }

  /** Pushes the six status flags, i32. */
  eflags(): this {
    const { w } = this;
    if (this.cc < 0 || kindOf(this.cc) !== KIND.EFLAGS) {
      this.pushOp();
      w.get(LOCAL.ccA).get(LOCAL.ccB).call(this.callees.flags).op('i64.extend_i32_u').set(LOCAL.ccA);
      this.cc = ccOp(KIND.EFLAGS, 4);
    }
    w.get(LOCAL.ccA).op('i32.wrap_i64');
    return this;
  }

  /** Pushes CF, 0 or 1. */
  carry(): this {
    if (this.cc !== DYNAMIC) return this.condition(2);
    // Without a call, so that it costs nothing where nobody looks: ADD and SUB have A < B, LOGIC none, the others a bit.
    const { w } = this;
    w.get(LOCAL.ccA).get(LOCAL.ccB).op('i64.lt_u');
    w.get(LOCAL.ccA).get(LOCAL.ccB).get(LOCAL.ccOp).i32(4).op('i32.lt_u').op('select').op('i32.wrap_i64');
    w.get(LOCAL.ccOp)
      .i32(KIND.LOGIC * 4)
      .op('i32.lt_u')
      .get(LOCAL.ccOp)
      .i32(KIND.RESULT * 4)
      .op('i32.ge_u')
      .op('i32.or');
    w.op('i32.and').i32(1).op('i32.and');
    w.get(LOCAL.ccOp).i32(4).op('i32.sub').i32(8).op('i32.lt_u').op('select');
    return this;
  }

  /** Pushes 1 if the condition (its encoding, 0 = O to 15 = G) holds, else 0. */
  condition(condition: number): this {
    if (this.#direct(condition & ~1)) {
      if (condition & 1) this.w.op('i32.eqz');
      return this;
    }
    this.eflags();
    this.#test(condition & ~1);
    if (condition & 1) this.w.op('i32.eqz');
    return this;
  }

  /** Pushes the (even) condition from the lazy operands where that is short. */
  #direct(condition: number): boolean {
    if (this.cc === DYNAMIC) return false;
    const kind = kindOf(this.cc);
    const size = sizeOf(this.cc);
    if (kind === KIND.EFLAGS) return false;
    const { w } = this;
    const value = (local: number, signed: boolean) => {
      w.get(local);
      this.fromI64(size);
      if (signed) this.signExtend(size);
    };
    const compare = (name: string, signed = false) => {
      value(LOCAL.ccA, signed);
      value(LOCAL.ccB, signed);
      this.typed(size, name);
      return true;
    };
    if (kind === KIND.SUB) {
      const names: Record<number, string> = { 2: 'lt_u', 4: 'eq', 6: 'le_u', 12: 'lt_s', 14: 'le_s' };
      const name = names[condition];
      if (name) return compare(name, condition >= 12);
      if (condition !== 8) return false;
      value(LOCAL.ccA, false);
      value(LOCAL.ccB, false);
      this.typed(size, 'sub').signExtend(size).constant(size, 0).typed(size, 'lt_s');
      return true;
    }
    if (condition === 4) {
      w.get(LOCAL.ccA).op('i64.eqz');
      return true;
    }
    if (condition === 8 || (kind === KIND.LOGIC && condition === 12)) {
      value(LOCAL.ccA, true);
      this.constant(size, 0).typed(size, 'lt_s');
      return true;
    }
    if (kind === KIND.LOGIC) {
      if (condition === 0 || condition === 2) w.i32(0);
      else if (condition === 6) w.get(LOCAL.ccA).op('i64.eqz');
      else if (condition === 14) {
        value(LOCAL.ccA, true);
        this.constant(size, 0).typed(size, 'le_s');
      } else return false;
      return true;
    }
    if (kind === KIND.ADD && condition === 2) return compare('lt_u');
    const carryInB = kind === KIND.RESULT || kind === KIND.INC || kind === KIND.DEC;
    if (condition === 2 ? carryInB : condition === 0 && kind === KIND.RESULT) {
      w.get(LOCAL.ccB).op('i32.wrap_i64');
      if (condition === 0) w.i32(11).op('i32.shr_u');
      w.i32(1).op('i32.and');
      return true;
    }
    return false;
  }

  /** Turns status flags into the (even) condition. */
  #test(condition: number): void {
    const { w } = this;
    const masks: Record<number, number> = {
      0: FLAG.OF,
      2: FLAG.CF,
      4: FLAG.ZF,
      6: FLAG.CF | FLAG.ZF,
      8: FLAG.SF,
      10: FLAG.PF,
    };
    const mask = masks[condition];
    if (mask !== undefined) {
      w.i32(mask).op('i32.and').i32(0).op('i32.ne');
      return;
    }
    // SF != OF: OF is four places above SF.
    const flags = this.temp('i32');
    w.tee(flags).get(flags).i32(4).op('i32.shr_u').op('i32.xor').i32(FLAG.SF).op('i32.and');
    if (condition === 14) w.get(flags).i32(FLAG.ZF).op('i32.and').op('i32.or');
    w.i32(0).op('i32.ne');
  }
}
