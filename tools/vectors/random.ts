/**
 * A seeded source of numbers that are interesting to a processor. The same name gives the same sequence for ever: the
 * recorded results rest on it, so a change here means recording anew.
 */

const INTERESTING = [
  0n,
  1n,
  2n,
  0x7fn,
  0x80n,
  0xffn,
  0x100n,
  0x7fffn,
  0x8000n,
  0xffffn,
  0x1_0000n,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  0x1_0000_0000n,
  0x7fff_ffff_ffff_ffffn,
  0x8000_0000_0000_0000n,
  0xffff_ffff_ffff_ffffn,
  0xffff_ffff_8000_0000n,
  0xffff_ffff_ffff_ff80n,
  0xffff_ffff_ffff_8000n,
  0x5555_5555_5555_5555n,
  0xaaaa_aaaa_aaaa_aaaan,
  0x0123_4567_89ab_cdefn,
];

/** Zeros, subnormals, the edges of the normal range, exact and inexact values, infinities, NaNs of both kinds. */
const FLOATS = [
  0, 0x8000_0000, 1, 0x8000_0001, 0x007f_ffff, 0x0080_0000, 0x8080_0000, 0x0080_0001, 0x3f80_0000, 0xbf80_0000,
  0x3f80_0001, 0x3f7f_ffff, 0x3f00_0000, 0xbf00_0000, 0x3fc0_0000, 0x4020_0000, 0xc020_0000, 0x4060_0000, 0x4b80_0000,
  0x4b00_0001, 0x4eff_ffff, 0x4f00_0000, 0xcf00_0000, 0xcf00_0001, 0x5eff_ffff, 0x5f00_0000, 0xdf00_0000, 0x7f7f_ffff,
  0xff7f_ffff, 0x7f80_0000, 0xff80_0000, 0x7fc0_0000, 0xffc0_0000, 0x7fc1_2345, 0xffd5_5555, 0x7f80_0001, 0xff81_2345,
  0x7fbf_ffff, 0x0040_0000, 0x1f80_0000, 0x2000_0000, 0x6000_0000, 0x3380_0000, 0x3eaa_aaab,
];
const DOUBLES = [
  0n,
  0x8000_0000_0000_0000n,
  1n,
  0x8000_0000_0000_0001n,
  0x000f_ffff_ffff_ffffn,
  0x0010_0000_0000_0000n,
  0x8010_0000_0000_0000n,
  0x0010_0000_0000_0001n,
  0x3ff0_0000_0000_0000n,
  0xbff0_0000_0000_0000n,
  0x3ff0_0000_0000_0001n,
  0x3fef_ffff_ffff_ffffn,
  0x3fe0_0000_0000_0000n,
  0xbfe0_0000_0000_0000n,
  0x3ff8_0000_0000_0000n,
  0x4004_0000_0000_0000n,
  0xc004_0000_0000_0000n,
  0x400c_0000_0000_0000n,
  0x4340_0000_0000_0000n,
  0x4330_0000_0000_0001n,
  0x41df_ffff_ffc0_0000n,
  0x41df_ffff_ffff_ffffn,
  0x41e0_0000_0000_0000n,
  0xc1e0_0000_0000_0000n,
  0xc1e0_0000_0010_0000n,
  0x43df_ffff_ffff_ffffn,
  0x43e0_0000_0000_0000n,
  0xc3e0_0000_0000_0000n,
  0x7fef_ffff_ffff_ffffn,
  0xffef_ffff_ffff_ffffn,
  0x7ff0_0000_0000_0000n,
  0xfff0_0000_0000_0000n,
  0x7ff8_0000_0000_0000n,
  0xfff8_0000_0000_0000n,
  0x7ff8_1234_5678_9abcn,
  0x7ff0_0000_0000_0001n,
  0xfff7_ffff_ffff_ffffn,
  0x36a0_0000_0000_0000n,
  0x380f_ffff_f000_0000n,
  0x3810_0000_0000_0000n,
  0x380f_ffff_ffff_ffffn,
  0x47ef_ffff_e000_0000n,
  0x47ef_ffff_f000_0000n,
  0x47f0_0000_0000_0000n,
  0x3690_0000_0000_0000n,
  0x3fd5_5555_5555_5555n,
];

export class Random {
  #a = 0;
  #b = 0;
  #c = 0;
  #counter = 1;

  /** @param name anything that names the sequence. */
  constructor(name: string) {
    this.#a = hashText(name, 0x811c_9dc5);
    this.#b = hashText(name, 0x1234_567);
    this.#c = hashText(name, 0x9e37_79b9);
    for (let i = 0; i < 12; i++) this.u32();
  }

  /** sfc32, by Chris Doty-Humphrey. */
  u32(): number {
    const t = (this.#a + this.#b + this.#counter++) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + t) | 0;
    return t >>> 0;
  }

  /** An integer in [0, limit). */
  below(limit: number): number {
    return Math.floor((this.u32() / 0x1_0000_0000) * limit);
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  u64(): bigint {
    return (BigInt(this.u32()) << 32n) | BigInt(this.u32());
  }

  /** 64 bits: plain random, an edge, a number of random length, a power of two and its neighbours. */
  integer(): bigint {
    switch (this.below(6)) {
      case 0:
        return this.pick(INTERESTING);
      case 1:
        return this.u64() >> BigInt(this.below(64));
      case 2:
        return BigInt.asUintN(64, -(this.u64() >> BigInt(this.below(64))));
      case 3:
        return BigInt.asUintN(64, (1n << BigInt(this.below(64))) + BigInt(this.below(3) - 1));
      default:
        return this.u64();
    }
  }

  float(): number {
    const kind = this.below(8);
    if (kind < 3) return this.pick(FLOATS);
    if (kind < 6) return (this.u32() & 0x807f_ffff) | ((0x70 + this.below(0x20)) << 23);
    return this.u32();
  }

  double(): bigint {
    const kind = this.below(8);
    if (kind < 3) return this.pick(DOUBLES);
    if (kind < 6) return (this.u64() & 0x800f_ffff_ffff_ffffn) | (BigInt(0x3e0 + this.below(0x40)) << 52n);
    if (kind === 6) return (this.u64() & 0x800f_ffff_e000_0000n) | (BigInt(0x360 + this.below(0x120)) << 52n);
    return this.u64();
  }

  /** Fills bytes (a multiple of 4) as integers, floats, doubles, or one pattern repeated. */
  fill(view: DataView, offset: number, length: number, floating: boolean): void {
    const kind = floating ? this.below(10) : 10 + this.below(10);
    for (let at = offset; at < offset + length; ) {
      if (at + 8 > offset + length || (kind < 4 && floating)) {
        view.setUint32(at, kind < 4 ? this.float() : this.u32(), true);
        at += 4;
        continue;
      }
      view.setBigUint64(
        at,
        kind < 9 ? this.double() : kind < 14 ? this.integer() : kind < 16 ? this.#bytes() : this.u64(),
        true,
      );
      at += 8;
    }
  }

  /** Eight bytes that are each an edge: for saturation, packing and strings. */
  #bytes(): bigint {
    let value = 0n;
    for (let i = 0; i < 8; i++)
      value = (value << 8n) | BigInt(this.pick([0, 1, 0x7f, 0x80, 0xff, 0x41, 0x61, this.below(256)]));
    return value;
  }
}

export function hashText(text: string, seed: number): number {
  let hash = seed | 0;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x0100_0193);
    hash ^= hash >>> 15;
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x7feb_352d);
  hash = Math.imul(hash ^ (hash >>> 15), 0x846c_a68b);
  return (hash ^ (hash >>> 16)) >>> 0;
}
