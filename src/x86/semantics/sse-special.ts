/**
 * SSE instructions performed in TypeScript: AES, carry-less multiplication, string comparisons, and the two odd ones
 * of SSE4.1, mpsadbw and phminposuw.
 */
import type { Instruction } from '../decode.ts';
import type { Emit, Family } from '../emitter.ts';
import { type HelperContext, STAY } from '../helper.ts';
import { SSE_SOURCE, XMM } from '../layout.ts';
import * as aes from '../soft/aes.ts';
import {
  compareText,
  elementsOf,
  explicitLength,
  implicitLength,
  indexOf,
  maskOf,
  type TextResult,
} from '../soft/text.ts';
import { immediate, vectorLocal, xmm } from './sse-operands.ts';

const RAX = 0;
const RCX = 1;
const RDX = 2;

const bytesAt = (cpu: HelperContext, at: number) => cpu.bytes.slice(at, at + 16);

/** Stores the source where the helper finds it, then performs the instruction. */
function perform(e: Parameters<Emit>[0], i: Instruction, helper: (cpu: HelperContext) => void): void {
  const b = vectorLocal(e, i, 1);
  e.w.i32(0).get(b).memory('v128.store', SSE_SOURCE);
  e.help(cpu => {
    helper(cpu);
    return STAY;
  });
}

const bytes =
  (operation: aes.BytesOperation): Emit =>
  (e, i) => {
    const target = XMM + 16 * xmm(i, 0);
    const { cc } = e;
    perform(e, i, cpu => {
      cpu.bytes.set(operation(bytesAt(cpu, target), bytesAt(cpu, SSE_SOURCE), immediate(i)), target);
    });
    e.cc = cc;
  };

/** `wide`: with REX.W the explicit lengths are in the whole of RAX and RDX. */
const text = (lengths: 'implicit' | 'explicit', output: 'index' | 'mask', wide = false): Emit => {
  const bits = wide ? 64 : 32;
  return (e, i) =>
    perform(e, i, cpu => {
      const control = immediate(i);
      const a = elementsOf(bytesAt(cpu, XMM + 16 * xmm(i, 0)), control);
      const b = elementsOf(bytesAt(cpu, SSE_SOURCE), control);
      const length = (list: number[], register: number) =>
        lengths === 'implicit'
          ? implicitLength(list)
          : explicitLength(BigInt.asIntN(bits, cpu.registers.gpr(register)), list.length);
      const result: TextResult = compareText(a, b, length(a, RAX), length(b, RDX), control);
      if (output === 'index') cpu.registers.setGpr(RCX, BigInt(indexOf(result, control)));
      else cpu.bytes.set(maskOf(result, control), XMM);
      cpu.registers.setStatusFlags(result.flags);
    });
};

export const sseSpecial: Family = {
  Aesenc: bytes(aes.aesenc),
  Aesenclast: bytes(aes.aesenclast),
  Aesdec: bytes(aes.aesdec),
  Aesdeclast: bytes(aes.aesdeclast),
  Aesimc: bytes(aes.aesimc),
  Aeskeygenassist: bytes(aes.aeskeygenassist),
  Pclmulqdq: bytes(aes.pclmulqdq),
  Mpsadbw: bytes(aes.mpsadbw),
  Phminposuw: bytes(aes.phminposuw),
  Pcmpistri: text('implicit', 'index'),
  Pcmpistrm: text('implicit', 'mask'),
  Pcmpestri: text('explicit', 'index'),
  Pcmpestrm: text('explicit', 'mask'),
  Pcmpestri64: text('explicit', 'index', true),
  Pcmpestrm64: text('explicit', 'mask', true),
};
