/**
 * How each instruction carries the IOCTL code on: one row a mnemonic, called before the instruction runs.
 *
 * An instruction without a row (a call, a string move, SSE) carries nothing on; see shadow.ts for why that is safe.
 */
import { holds } from './condition.ts';
import { type BinaryOperator, binary, constant, dependsOnCode, type Expression, resize } from './expression.ts';
import type { Operand, Operation, RegisterOperand } from './operation.ts';
import type { Shadow } from './shadow.ts';

type Rule = (shadow: Shadow, operands: readonly Operand[], operation: Operation, rip: bigint) => void;

const RAX = (width: number): RegisterOperand => ({ kind: 'register', register: 0, width, offset: 0 });

const widthOf = (operand: Operand | undefined) => (operand && operand.kind !== 'immediate' ? operand.width : 64);

/** `first = change(first)`. */
const unary =
  (change: (value: Expression, width: number, shadow: Shadow) => Expression): Rule =>
  (shadow, [first]) => {
    if (first) shadow.set(first, change(shadow.value(first, 64), widthOf(first), shadow));
  };

/** `first = move(second)`, as wide as the first. */
const transfer =
  (move: (value: Expression, width: number) => Expression): Rule =>
  (shadow, [first, second]) => {
    if (first && second) shadow.set(first, move(shadow.value(second, widthOf(first)), widthOf(first)));
  };

/** Two operands to a value and flags; cmp and test do not keep the value. */
const arithmetic =
  (operator: BinaryOperator, { keeps = true, logic = false } = {}): Rule =>
  (shadow, [first, second]) => {
    if (!first) return;
    const width = widthOf(first);
    const left = shadow.value(first, width);
    const right = resize(second ? shadow.value(second, width) : constant(1n, width), width);
    const value = binary(operator, width, left, right);
    if (operator === 'sub') shadow.setFlags({ kind: 'compare', width, left, right });
    else shadow.setFlags({ kind: 'result', width, value, logic });
    if (keeps) shadow.set(first, value);
  };

/** Flags: of inc, dec and neg only zero and sign are asked for. */
const counted = (change: (value: Expression, width: number) => Expression): Rule =>
  unary((old, width, shadow) => {
    const value = change(old, width);
    shadow.setFlags({ kind: 'result', width, value, logic: false });
    return value;
  });

const extend = (value: Expression, width: number): Expression => ({ kind: 'sign-extend', width, value });

const through: Rule = (shadow, [target]) => {
  if (target && target.kind !== 'immediate' && dependsOnCode(shadow.value(target, 64))) shadow.decided++;
};

const RULES: Readonly<Record<string, Rule>> = {
  mov: transfer(resize),
  movzx: transfer(resize),
  movsx: transfer(extend),
  movsxd: transfer(extend),
  lea: (shadow, [first, second]) => {
    if (first && second?.kind === 'memory') shadow.set(first, resize(shadow.address(second), widthOf(first)));
  },
  cdqe: shadow => shadow.set(RAX(64), extend(shadow.value(RAX(32), 32), 64)),
  cwde: shadow => shadow.set(RAX(32), extend(shadow.value(RAX(16), 16), 32)),
  xchg: (shadow, [first, second]) => {
    if (!first || !second) return;
    const [a, b] = [shadow.value(first, 64), shadow.value(second, 64)];
    shadow.set(first, b);
    shadow.set(second, a);
  },
  push: (shadow, [first]) => {
    if (first) shadow.push(shadow.value(first, 64));
  },
  pop: (shadow, [first]) => {
    if (first) shadow.set(first, shadow.load(shadow.stackPointer, 64));
  },
  add: arithmetic('add'),
  sub: arithmetic('sub'),
  cmp: arithmetic('sub', { keeps: false }),
  and: arithmetic('and', { logic: true }),
  test: arithmetic('and', { logic: true, keeps: false }),
  or: arithmetic('or', { logic: true }),
  xor: arithmetic('xor', { logic: true }),
  shl: arithmetic('shl'),
  sal: arithmetic('shl'),
  shr: arithmetic('shr'),
  sar: arithmetic('sar'),
  rol: (shadow, operands) => rotate('rol', shadow, operands),
  ror: (shadow, operands) => rotate('ror', shadow, operands),
  imul: (shadow, [first, second, third]) => {
    if (!first || !second) return;
    const width = widthOf(first);
    const [left, right] = third ? [second, third] : [first, second];
    shadow.set(first, binary('mul', width, shadow.value(left, width), shadow.value(right, width)));
    shadow.setFlags(undefined);
  },
  inc: counted((value, width) => binary('add', width, value, constant(1n, width))),
  dec: counted((value, width) => binary('sub', width, value, constant(1n, width))),
  neg: counted((value, width) => binary('sub', width, constant(0n, width), value)),
  not: unary((value, width) => binary('xor', width, value, constant(-1n, width))),
  bswap: unary((value, width) => ({ kind: 'bswap', width, value })),
  bt: (shadow, [first, second]) => {
    if (!first || !second) return;
    const width = widthOf(first);
    const value = shadow.value(first, width);
    shadow.setFlags({ kind: 'bit', width, value, index: resize(shadow.value(second, width), width) });
  },
  jcc: (shadow, _operands, { condition }, rip) => {
    if (condition) shadow.decide(rip, condition);
  },
  setcc: (shadow, [first], { condition }, rip) => {
    if (!first || !condition) return;
    shadow.decide(rip, condition);
    const decision = shadow.decisions.at(-1);
    if (decision?.rip !== rip) return;
    shadow.set(first, { kind: 'truth', width: 8, holds: (code, read) => holds(condition, decision.flags, code, read) });
  },
  cmovcc: (shadow, [first, second], { condition }, rip) => {
    if (!first || !second || !condition) return;
    const taken = shadow.decide(rip, condition);
    shadow.set(first, shadow.value(taken ? second : first, widthOf(first)));
  },
  jmp: through,
  call: through,
};

/** Rotates leave zero and sign alone; nobody tests their carry. */
function rotate(operator: 'rol' | 'ror', shadow: Shadow, [first, second]: readonly Operand[]): void {
  if (!first) return;
  const width = widthOf(first);
  const count = second ? shadow.value(second, width) : constant(1n, width);
  shadow.set(first, binary(operator, width, shadow.value(first, width), count));
}

/** To be called with the machine's state before the instruction at `rip`. */
export function step(shadow: Shadow, operation: Operation, rip: bigint): void {
  shadow.touched = false;
  const rule = RULES[operation.name];
  const asks = operation.condition !== undefined || operation.name === 'pop';
  if (rule && (asks || operation.touchesMemory || (operation.reads & shadow.live) !== 0)) {
    rule(shadow, operation.operands, operation, rip);
  }
  if (operation.changesFlags && !shadow.touched) shadow.setFlags(undefined);
}
