/**
 * The kernel's printf: what DbgPrint, _snprintf, swprintf and their like make of a format and its arguments.
 *
 *     %[-+ #0][width][.precision][h l ll w I I32 I64 z t j L]type
 *
 *     d i u o x X   integers: 32 bits, 16 with h, 64 with ll, I64, I, z, t, j (long is 32 bits in Windows)
 *     c s           characters and strings of the routine's own kind; h and l or w say narrow or wide
 *     C S           of the other kind
 *     p             16 upper-case digits
 *     Z             an ANSI_STRING, with l or w a UNICODE_STRING
 *
 * Source: "Format Specification Syntax: printf and wprintf Functions", "DbgPrint function". There is no floating point
 * in the kernel's printf, and no %n. A format is hostile input: widths and unterminated strings cost no more than the
 * output may hold, since formatting stops once it is longer than `limit`.
 */
import type { Address } from '../wdm/address.ts';
import { addressFromHalves } from '../wdm/address.ts';
import { UNICODE_STRING } from '../wdm/layouts.ts';
import type { GuestMemory } from '../wdm/memory.ts';
import { ANSI } from './code-page.ts';
import { readTerminated, readUnit, readUnits, type Width } from './units.ts';

/** The variable arguments, each a raw 8-byte slot. */
export interface FormatArguments {
  next(): bigint;
}

export interface Formatted {
  /** Bytes or code units; no terminator. At most `limit`. */
  readonly units: number[];
  /** There would have been more. */
  readonly truncated: boolean;
  /** The format asked for something forbidden (%n); the routine fails. */
  readonly invalid: boolean;
}

interface Specification {
  leftAligned: boolean;
  plus: boolean;
  space: boolean;
  alternate: boolean;
  zero: boolean;
  width: number;
  /** -1: none given. */
  precision: number;
  bits: 16 | 32 | 64;
  /** Of strings and characters: what a size prefix says. */
  kind: Width | undefined;
}

const text = (string: string) => Array.from(string, c => c.charCodeAt(0));
const NULL_TEXT = text('(null)');
const SPACE = 0x20;
const ZERO = 0x30;
const PERCENT = 0x25;

class Formatter {
  static readonly #conversions: Readonly<Record<string, (formatter: Formatter, spec: Specification) => void>> = {
    d: (f, spec) => f.#signed(spec),
    i: (f, spec) => f.#signed(spec),
    u: (f, spec) => f.#unsigned(spec, 10, '', false),
    o: (f, spec) => f.#unsigned(spec, 8, '', false),
    x: (f, spec) => f.#unsigned(spec, 16, '0x', false),
    X: (f, spec) => f.#unsigned(spec, 16, '0X', true),
    p: (f, spec) => f.#unsigned({ ...spec, bits: 64, precision: 16 }, 16, '0X', true),
    c: (f, spec) => f.#character(spec, spec.kind ?? f.#width),
    C: (f, spec) => f.#character(spec, spec.kind ?? f.#otherWidth),
    s: (f, spec) => f.#string(spec, spec.kind ?? f.#width),
    S: (f, spec) => f.#string(spec, spec.kind ?? f.#otherWidth),
    Z: (f, spec) => f.#counted(spec),
    n: f => f.#fail(),
    e: f => f.#skip('e'),
    E: f => f.#skip('E'),
    f: f => f.#skip('f'),
    g: f => f.#skip('g'),
    G: f => f.#skip('G'),
    a: f => f.#skip('a'),
    A: f => f.#skip('A'),
  };

  readonly units: number[] = [];
  truncated = false;
  invalid = false;
  readonly #memory: GuestMemory;
  readonly #args: FormatArguments;
  readonly #width: Width;
  readonly #limit: number;
  #format: Address;

  constructor(memory: GuestMemory, format: Address, args: FormatArguments, width: Width, limit: number) {
    this.#memory = memory;
    this.#format = format;
    this.#args = args;
    this.#width = width;
    this.#limit = limit;
  }

  run(): Formatted {
    while (!this.truncated && !this.invalid) {
      const unit = this.#take();
      if (unit === 0) break;
      if (unit === PERCENT) this.#conversion();
      else this.#emit(unit);
    }
    return this;
  }

  #peek(ahead = 0): number {
    return readUnit(this.#memory, this.#format + ahead * this.#width, this.#width);
  }

  #take(): number {
    const unit = this.#peek();
    this.#format += this.#width;
    return unit;
  }

  #emit(unit: number): void {
    if (this.units.length >= this.#limit) this.truncated = true;
    else this.units.push(unit);
  }

  #pad(count: number, unit: number): void {
    for (let i = 0; i < count && !this.truncated; i++) this.#emit(unit);
  }

  #conversion(): void {
    const spec = this.#specification();
    const type = this.#peek();
    if (type === 0) return; // the format ends within a specification: nothing
    this.#take();
    const convert = Formatter.#conversions[String.fromCharCode(type)];
    if (convert) convert(this, spec);
    else this.#emit(type);
  }

  #specification(): Specification {
    const spec: Specification = {
      leftAligned: false,
      plus: false,
      space: false,
      alternate: false,
      zero: false,
      width: 0,
      precision: -1,
      bits: 32,
      kind: undefined,
    };
    this.#flags(spec);
    spec.width = this.#number();
    if (spec.width < 0) {
      spec.leftAligned = true;
      spec.width = -spec.width;
    }
    if (this.#peek() === 0x2e) {
      this.#take();
      spec.precision = Math.max(this.#number(), -1); // a negative one counts as none
    }
    while (this.#size(spec));
    return spec;
  }

  #flags(spec: Specification): void {
    for (;;) {
      switch (this.#peek()) {
        case 0x2d:
          spec.leftAligned = true;
          break;
        case 0x2b:
          spec.plus = true;
          break;
        case 0x20:
          spec.space = true;
          break;
        case 0x23:
          spec.alternate = true;
          break;
        case 0x30:
          spec.zero = true;
          break;
        default:
          return;
      }
      this.#take();
    }
  }

  /** Digits, or * for the next argument. */
  #number(): number {
    if (this.#peek() === 0x2a) {
      this.#take();
      return Number(BigInt.asIntN(32, this.#args.next()));
    }
    let value = 0;
    while (this.#peek() >= 0x30 && this.#peek() <= 0x39)
      value = Math.min(value * 10 + this.#take() - 0x30, 0x7fff_ffff);
    return value;
  }

  /** One size prefix; false if there is none. */
  #size(spec: Specification): boolean {
    // Never looks past a terminator: a later unit is read only when the one before it matched.
    const is = (ahead: number, char: string) => this.#peek(ahead) === char.charCodeAt(0);
    let taken = 1;
    if (is(0, 'h')) {
      spec.bits = 16;
      spec.kind = 1;
    } else if (is(0, 'l')) {
      if (is(1, 'l')) {
        spec.bits = 64;
        taken = 2;
      }
      spec.kind = 2;
    } else if (is(0, 'L') || is(0, 'w')) {
      spec.kind = 2;
    } else if (is(0, 'I')) {
      if (is(1, '3') && is(2, '2')) {
        taken = 3;
      } else {
        spec.bits = 64;
        if (is(1, '6') && is(2, '4')) taken = 3;
      }
    } else if (is(0, 'z') || is(0, 't') || is(0, 'j')) {
      spec.bits = 64;
    } else {
      return false;
    }
    this.#format += taken * this.#width;
    return true;
  }

  get #otherWidth(): Width {
    return this.#width === 1 ? 2 : 1;
  }

  #fail(): void {
    this.invalid = true;
  }

  /** Floating point, which the kernel does not support: the argument is skipped, so that the others stay right. */
  #skip(type: string): void {
    this.#args.next();
    this.#emit(type.charCodeAt(0));
  }

  #signed(spec: Specification): void {
    const value = BigInt.asIntN(spec.bits, this.#args.next());
    const sign = value < 0n ? '-' : spec.plus ? '+' : spec.space ? ' ' : '';
    this.#digits(spec, (value < 0n ? -value : value).toString(), sign, value === 0n);
  }

  #unsigned(spec: Specification, radix: number, prefix: string, upper: boolean): void {
    const value = BigInt.asUintN(spec.bits, this.#args.next());
    let digits = value.toString(radix);
    if (upper) digits = digits.toUpperCase();
    if (radix === 8 && spec.alternate && spec.precision <= digits.length && value !== 0n) digits = `0${digits}`;
    this.#digits(spec, digits, spec.alternate && value !== 0n ? prefix : '', value === 0n);
  }

  #digits(spec: Specification, digits: string, prefix: string, isZero: boolean): void {
    const shown = isZero && spec.precision === 0 ? '' : digits;
    let zeros = Math.max(spec.precision - shown.length, 0);
    const room = spec.width - prefix.length - shown.length - zeros;
    if (spec.zero && !spec.leftAligned && spec.precision < 0) zeros += Math.max(room, 0);
    else if (!spec.leftAligned) this.#pad(room, SPACE);
    for (const unit of text(prefix)) this.#emit(unit);
    this.#pad(zeros, ZERO);
    for (const unit of text(shown)) this.#emit(unit);
    if (spec.leftAligned) this.#pad(room, SPACE);
  }

  #character(spec: Specification, kind: Width): void {
    const unit = Number(this.#args.next() & 0xffffn);
    this.#padded(spec, this.#converted([kind === 1 ? unit & 0xff : unit], kind));
  }

  #string(spec: Specification, kind: Width): void {
    const address = pointer(this.#args.next());
    const limit = this.#stringLimit(spec);
    const units = address === 0 ? NULL_TEXT.slice(0, limit) : readTerminated(this.#memory, address, kind, limit);
    this.#padded(spec, address === 0 ? units : this.#converted(units, kind));
  }

  #counted(spec: Specification): void {
    const kind = spec.kind ?? 1;
    const address = pointer(this.#args.next());
    const limit = this.#stringLimit(spec);
    // ANSI_STRING has the same layout.
    const { Length, Buffer } = address === 0 ? { Length: 0, Buffer: 0 } : UNICODE_STRING.at(this.#memory, address);
    const count = Math.min(Math.floor(Length / kind), limit);
    const units =
      Buffer === 0 ? NULL_TEXT.slice(0, limit) : this.#converted(readUnits(this.#memory, Buffer, kind, count), kind);
    this.#padded(spec, units);
  }

  /** No more units need be read: the precision, or one more than fits, which is enough to know that it does not. */
  #stringLimit(spec: Specification): number {
    const fits = this.#limit - this.units.length + 1;
    return spec.precision < 0 ? fits : Math.min(spec.precision, fits);
  }

  #converted(units: number[], kind: Width): number[] {
    if (kind === this.#width) return units;
    return units.map(kind === 1 ? byte => ANSI.toUnicode[byte]! : unit => ANSI.fromUnicode(unit));
  }

  #padded(spec: Specification, units: readonly number[]): void {
    const room = spec.width - units.length;
    if (!spec.leftAligned) this.#pad(room, spec.zero ? ZERO : SPACE);
    for (const unit of units) this.#emit(unit);
    if (spec.leftAligned) this.#pad(room, SPACE);
  }
}

function pointer(value: bigint): Address {
  return addressFromHalves(Number(value & 0xffff_ffffn), Number(value >> 32n) | 0);
}

/**
 * Formats for a routine whose own strings are `width` wide.
 * @param limit units that the result may have
 */
export function format(
  memory: GuestMemory,
  formatAddress: Address,
  args: FormatArguments,
  width: Width,
  limit: number,
): Formatted {
  return new Formatter(memory, formatAddress, args, width, limit).run();
}

/** A va_list of the x64 convention: a pointer to 8-byte slots. */
export function vaList(memory: GuestMemory, list: Address): FormatArguments {
  let at = list;
  return {
    next() {
      const value = memory.readU64(at);
      at += 8;
      return value;
    },
  };
}
