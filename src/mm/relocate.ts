/**
 * Base relocations: what has to change in an image that does not lie where its linker thought (LdrRelocateImage).
 */
import {
  IMAGE_REL_BASED_DIR64,
  IMAGE_REL_BASED_HIGH,
  IMAGE_REL_BASED_HIGHLOW,
  IMAGE_REL_BASED_LOW,
} from '../pe/directories.ts';
import type { Relocation } from '../pe/index.ts';

type Apply = (view: DataView, address: number, delta: bigint) => void;

/** By relocation type. The reader has refused every other type and every address outside the image. */
const APPLY: Readonly<Record<number, Apply>> = {
  [IMAGE_REL_BASED_DIR64]: (view, at, delta) => view.setBigUint64(at, view.getBigUint64(at, true) + delta, true),
  [IMAGE_REL_BASED_HIGHLOW]: (view, at, delta) =>
    view.setUint32(at, view.getUint32(at, true) + Number(BigInt.asUintN(32, delta)), true),
  [IMAGE_REL_BASED_LOW]: (view, at, delta) =>
    view.setUint16(at, view.getUint16(at, true) + Number(BigInt.asUintN(16, delta)), true),
  [IMAGE_REL_BASED_HIGH]: (view, at, delta) =>
    view.setUint16(at, view.getUint16(at, true) + Number(BigInt.asUintN(16, delta >> 16n)), true),
};

/** Adds `delta` at every relocation of an image laid out in `layout`. */
export function applyRelocations(layout: Uint8Array, relocations: readonly Relocation[], delta: bigint): void {
  const view = new DataView(layout.buffer, layout.byteOffset, layout.byteLength);
  for (const { address, type } of relocations) APPLY[type]!(view, address, delta);
}
