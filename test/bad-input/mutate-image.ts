/**
 * Damage to a driver's file: what a bad disk, a bad tool or a bad person does to it.
 */
import type { Random } from '../support/random.ts';

type Mutation = (image: Uint8Array, random: Random) => Uint8Array;

/** Values at which sizes, counts and addresses go wrong. */
const EDGES = [
  0, 1, 3, 0x7f, 0xff, 0x1000, 0x7fff, 0xffff, 0x10000, 0x7fff_ffff, 0x8000_0000, 0xffff_f000, 0xffff_ffff,
];

const view = (image: Uint8Array) => new DataView(image.buffer, image.byteOffset, image.byteLength);

/** An offset in the file; half of them in the headers, where every bit means something. */
function anywhere(image: Uint8Array, random: Random, room = 1): number {
  const end = Math.max(image.length - room, 1);
  return random.below(random.oneIn(2) ? Math.min(0x400, end) : end);
}

const MUTATIONS: readonly Mutation[] = [
  function flipABit(image, random) {
    const at = anywhere(image, random);
    image[at] = image[at]! ^ (1 << random.below(8));
    return image;
  },
  function setAByte(image, random) {
    image[anywhere(image, random)] = random.below(256);
    return image;
  },
  function setADword(image, random) {
    const at = anywhere(image, random, 4) & ~3;
    if (at + 4 <= image.length) view(image).setUint32(at, random.oneIn(3) ? random.u32() : random.pick(EDGES), true);
    return image;
  },
  function nudgeADword(image, random) {
    const at = anywhere(image, random, 4) & ~3;
    if (at + 4 > image.length) return image;
    view(image).setUint32(at, (view(image).getUint32(at, true) + random.below(65) - 32) >>> 0, true);
    return image;
  },
  function truncate(image, random) {
    return image.subarray(0, random.below(image.length));
  },
  function zeroARange(image, random) {
    const at = anywhere(image, random);
    return image.fill(0, at, at + random.below(256));
  },
  function copyARange(image, random) {
    const from = anywhere(image, random);
    return image.copyWithin(anywhere(image, random), from, from + random.below(128));
  },
  function insertBytes(image, random) {
    const at = anywhere(image, random);
    const grown = new Uint8Array(image.length + 1 + random.below(16));
    grown.set(image.subarray(0, at));
    grown.set(image.subarray(at), at + grown.length - image.length);
    return grown;
  },
];

/** The file with one to four mutations. */
export function mutateImage(original: Uint8Array, random: Random): Uint8Array {
  // Not slice(): that of a Buffer is a view of it.
  let image: Uint8Array = new Uint8Array(original);
  for (let left = 1 + random.below(4); left > 0 && image.length > 0; left--)
    image = random.pick(MUTATIONS)(image, random);
  return image;
}
