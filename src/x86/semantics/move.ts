/**
 * Data movement: mov and its extensions, lea, xchg, cmovcc, setcc, push, pop, the sign extensions of the accumulator,
 * xadd, cmpxchg.
 */
import { type Emit, type Emitter, type Family, memoryOf } from '../emitter.ts';
import { type IntegerSize, KIND } from '../flags.ts';
import { cmpxchg8b, cmpxchg16b, enter, moveControl } from './system-helpers.ts';

const RAX = 0;
const RDX = 2;
export const RSP = 4;
const RBP = 5;

const mov: Emit = (e, i) => {
  const [to, from] = i.operands;
  if (to?.kind === 'other' || from?.kind === 'other') return moveControl(e, i);
  e.write(i, 0, () => e.read(i, 1, e.size(i)));
};

const movzx: Emit = (e, i) => {
  const [size, from] = [e.size(i, 0), e.size(i, 1)];
  e.write(i, 0, () => {
    e.read(i, 1);
    if (size === 8) e.toI64(from);
  });
};

const movsx: Emit = (e, i) => {
  const [size, from] = [e.size(i, 0), e.size(i, 1)];
  e.write(i, 0, () => {
    e.read(i, 1).signExtend(from);
    if (size === 8 && from !== 8) e.w.op('i64.extend_i32_s');
  });
};

const lea: Emit = (e, i) => {
  const size = e.size(i);
  e.address(memoryOf(i.operands[1]!), 0, false).fromI64(size);
  e.write(i, 0, () => {});
};

const xchg: Emit = (e, i) => {
  const size = e.size(i);
  const n = i.operands[0]?.kind === 'memory' ? 0 : 1;
  const type = e.type(size);
  const other = e.read(i, 1 - n).save(type);
  const old = e.temp(type);
  e.update(i, n, () => e.w.set(old).get(other));
  e.write(i, 1 - n, () => e.w.get(old));
};

const cmov: Emit = (e, i) => {
  const size = e.size(i);
  const type = e.type(size);
  // The source is read whether or not the condition holds, and a 32-bit destination is cleared above in both cases.
  const value = e.read(i, 1).save(type);
  const condition = e.condition(i.condition).save('i32');
  e.w.get(value);
  e.read(i, 0).w.get(condition).op('select');
  e.write(i, 0, () => {});
};

const setcc: Emit = (e, i) => {
  const condition = e.condition(i.condition).save('i32');
  e.write(i, 0, () => e.w.get(condition));
};

/** Adds to RSP. */
export function addRsp(e: Emitter, bytes: number): void {
  e.getGpr(RSP, 8).w.i64(bytes).op('i64.add');
  e.setGpr(RSP, 8);
}

/** Pushes a local on the guest's stack. */
export function pushValue(e: Emitter, value: number, size: IntegerSize): void {
  e.getGpr(RSP, 8).w.i64(-size).op('i64.add');
  const address = e.save('i64');
  e.storeAt(address, value, size);
  e.w.get(address);
  e.setGpr(RSP, 8);
}

const push: Emit = (e, i) => {
  const operand = i.operands[0]!;
  if (operand.kind === 'other') {
    // FS and GS hold the null selector here, as bases are set by MSR.
    const local = e.temp('i64');
    e.w.i64(operand.name === 'FS' ? 0x53 : 0x2b).set(local);
    return pushValue(e, local, 8);
  }
  const size: IntegerSize =
    operand.kind === 'immediate' ? (i.code.startsWith('Pushw') || i.code === 'Push_imm16' ? 2 : 8) : e.size(i);
  const value = e.read(i, 0, size).save(e.type(size));
  pushValue(e, value, size);
};

const pop: Emit = (e, i) => {
  const operand = i.operands[0]!;
  const size = e.size(i);
  const value = e.getGpr(RSP, 8).loadAt(size).save(e.type(size));
  if (operand.kind === 'memory') {
    // The address is computed with RSP already advanced.
    e.address(operand, operand.base === RSP ? size : 0);
    e.storeAt(e.save('i64'), value, size);
    addRsp(e, size);
  } else {
    addRsp(e, size);
    e.write(i, 0, () => e.w.get(value));
  }
};

const leave: Emit = e => {
  const value = e.getGpr(RBP, 8).loadAt(8).save('i64');
  e.getGpr(RBP, 8).w.i64(8).op('i64.add');
  e.setGpr(RSP, 8).w.get(value);
  e.setGpr(RBP, 8);
};

/** cbw, cwde, cdqe: the lower half of the accumulator, sign-extended over the whole. */
const widen =
  (size: IntegerSize): Emit =>
  e => {
    const half = (size / 2) as IntegerSize;
    e.getGpr(RAX, half).signExtend(half);
    if (size === 8) e.w.op('i64.extend_i32_s');
    e.setGpr(RAX, size);
  };

/** cwd, cdq, cqo: the accumulator's sign all over RDX. */
const spread =
  (size: IntegerSize): Emit =>
  e => {
    e.getGpr(RAX, size).signExtend(size);
    e.constant(size, size === 8 ? 63 : 31).typed(size, 'shr_s');
    e.setGpr(RDX, size);
  };

const xadd: Emit = (e, i) => {
  const size = e.size(i);
  const type = e.type(size);
  const b = e.read(i, 1).save(type);
  const [old, result] = [e.temp(type), e.temp(type)];
  const sum = () => {
    e.w.tee(old).get(b);
    e.typed(size, 'add').w.tee(result);
  };
  if (i.operands[0]?.kind === 'memory') {
    e.update(i, 0, sum);
    e.write(i, 1, () => e.w.get(old));
  } else {
    // The sum goes in last, so that it stays if both are one register.
    e.read(i, 0);
    sum();
    e.w.op('drop');
    e.write(i, 1, () => e.w.get(old));
    e.write(i, 0, () => e.w.get(result));
  }
  e.setFlags(KIND.ADD, size, result, b);
};

const cmpxchg: Emit = (e, i) => {
  const size = e.size(i);
  const type = e.type(size);
  const replacement = e.read(i, 1).save(type);
  const accumulator = e.getGpr(RAX, size).save(type);
  const [old, equal] = [e.temp(type), e.temp('i32')];
  const compare = () => {
    e.w.tee(old).get(accumulator);
    e.typed(size, 'eq').w.set(equal);
  };
  // Memory is written in both cases; of two registers one is, and the other keeps its upper half.
  if (i.operands[0]?.kind === 'memory') {
    e.update(i, 0, () => {
      compare();
      e.w.get(replacement).get(old).get(equal).op('select');
    });
    e.w.get(equal).op('i32.eqz').if();
  } else {
    e.read(i, 0);
    compare();
    e.w.get(equal).if();
    e.write(i, 0, () => e.w.get(replacement));
    e.w.else();
  }
  e.w.get(old);
  e.setGpr(RAX, size).w.end();
  e.setFlags(KIND.SUB, size, accumulator, old);
};

const bswap: Emit = (e, i) => {
  const size = e.size(i);
  e.read(i, 0);
  swapBytes(e, size);
  e.write(i, 0, () => {});
};

/** Reverses the bytes of the value on the stack. */
export function swapBytes(e: Emitter, size: IntegerSize): void {
  const value = e.save(e.type(size));
  if (size === 1) {
    e.w.get(value);
    return;
  }
  const masks: Record<number, [number, bigint][]> = {
    2: [[8, 0xffn]],
    4: [
      [8, 0xff00ffn],
      [16, 0xffffn],
    ],
    8: [
      [8, 0x00ff00ff00ff00ffn],
      [16, 0x0000ffff0000ffffn],
      [32, 0xffffffffn],
    ],
  };
  for (const [bits, mask] of masks[size]!) {
    e.w.get(value);
    e.constant(size, bits).typed(size, 'shr_u').constant(size, mask).typed(size, 'and').w.get(value);
    e.constant(size, mask).typed(size, 'and').constant(size, bits).typed(size, 'shl').typed(size, 'or').w.set(value);
  }
  e.w.get(value);
}

const movbe: Emit = (e, i) => {
  const size = e.size(i);
  e.write(i, 0, () => {
    e.read(i, 1);
    swapBytes(e, size);
  });
};

const xlat: Emit = (e, i) => {
  const memory = i.memory!;
  e.address({ ...memory, index: -1 });
  e.getGpr(RAX, 1).w.op('i64.extend_i32_u').op('i64.add');
  e.loadAt(1).setGpr(RAX, 1);
};

const CONDITIONS = 'o no b ae e ne be a s ns p np l ge le g'.split(' ');
const forConditions = (prefix: string, emit: Emit): Family =>
  Object.fromEntries(CONDITIONS.map(name => [prefix + name, emit]));

export const move: Family = {
  Mov: mov,
  Movzx: movzx,
  Movsx: movsx,
  Movsxd: movsx,
  Movnti: mov,
  Lea: lea,
  Xchg: xchg,
  ...forConditions('Cmov', cmov),
  ...forConditions('Set', setcc),
  Push: push,
  Pop: pop,
  Leave: leave,
  Enter: (e, _i) => void e.help(enter),
  Cbw: widen(2),
  Cwde: widen(4),
  Cdqe: widen(8),
  Cwd: spread(2),
  Cdq: spread(4),
  Cqo: spread(8),
  Xadd: xadd,
  Cmpxchg: cmpxchg,
  Cmpxchg8b: e => void e.help(cmpxchg8b),
  Cmpxchg16b: e => void e.help(cmpxchg16b),
  Bswap: bswap,
  Movbe: movbe,
  Xlatb: xlat,
};
