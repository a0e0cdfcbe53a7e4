/**
 * Layout tables and the views that they generate.
 *
 * A guest structure exists once, in guest memory. `struct` turns a table of fields, each with its printed offset, into
 * a view class whose properties read and write guest memory directly:
 *
 *     const MDL = struct('MDL', 0x30, { Next: ptr(0x00), Size: i16(0x08), … });
 *     const mdl = MDL.at(memory, address);
 *     mdl.ByteCount = 4096;
 *
 * There is no cache and no JavaScript twin: two views of one address always agree.
 */
import type { Address } from './address.ts';
import type { GuestMemory } from './memory.ts';

export interface Field<T> {
  readonly offset: number;
  readonly size: number;
  get(memory: GuestMemory, address: Address): T;
  /** Absent on nested structures and arrays: assign to their members. */
  set?(memory: GuestMemory, address: Address, value: T): void;
  /** The view's property; absent on arrays. */
  readonly accessors?: Accessors<T>;
  /** Of a nested structure: its layout, for whoever walks the table. */
  readonly type?: Layout;
}

/** A structure as data, whatever its view's type. */
export interface Layout {
  readonly name: string;
  readonly size: number;
  readonly fields: Readonly<Record<string, Field<unknown>>>;
}

// biome-ignore lint/suspicious/noExplicitAny: the one place where a table's field types are not yet known
export type Fields = Record<string, Field<any>>;

export type View<F extends Fields> = { readonly address: Address; readonly memory: GuestMemory } & {
  -readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never;
};

export interface Struct<F extends Fields> {
  readonly name: string;
  readonly size: number;
  readonly fields: F;
  /** A view of the structure at `address`. */
  at(memory: GuestMemory, address: Address): View<F>;
}

/** The view type of a struct: `type Irp = ViewOf<typeof IRP>`. */
export type ViewOf<S> = S extends Struct<infer F> ? View<F> : never;

export function struct<const F extends Fields>(name: string, size: number, fields: F): Struct<F> {
  // `declare`: a view is made at every touch of a nested structure, and a declared field costs nothing.
  class Generated {
    declare readonly memory: GuestMemory;
    declare readonly address: Address;
    constructor(memory: GuestMemory, address: Address) {
      this.memory = memory;
      this.address = address;
    }
  }
  Object.defineProperty(Generated, 'name', { value: name });
  for (const [key, field] of Object.entries(fields)) {
    const accessors = field.accessors?.(field.offset) ?? arrayAccessors(`${name}.${key}`, field);
    Object.defineProperty(Generated.prototype, key, { enumerable: true, ...accessors });
  }
  return {
    name,
    size,
    fields,
    at: (memory, address) => new Generated(memory, address) as unknown as View<F>,
  };
}

/** What every view's accessors find in `this`. */
interface Viewed {
  readonly memory: GuestMemory;
  readonly address: Address;
}

/** A property of a view, for a field at `offset`. */
type Accessors<T> = (offset: number) => { get(this: Viewed): T; set(this: Viewed, value: T): void };

/** An array as a property. */
function arrayAccessors(name: string, field: Field<unknown>): ReturnType<Accessors<unknown>> {
  return {
    get() {
      return field.get(this.memory, this.address + field.offset);
    },
    set() {
      throw new TypeError(`${name} is an array: set its elements`);
    },
  };
}

type Scalar<T> = (offset: number) => Field<T>;

/**
 * A kind of field by its accessors. Each kind writes its own, down to the memory's method: most of what the kernel does
 * goes through here, and a call through a table of functions would cost more than the access.
 */
function scalar<T>(size: number, accessors: Accessors<T>): Scalar<T> {
  const { get, set } = accessors(0);
  const read = (memory: GuestMemory, address: Address): T => get.call({ memory, address });
  const write = (memory: GuestMemory, address: Address, value: T): void => set.call({ memory, address }, value);
  return offset => ({ offset, size, get: read, set: write, accessors });
}

export const u8: Scalar<number> = scalar(1, offset => ({
  get() { return this.memory.readU8(this.address + offset); },
  set(value) { this.memory.writeU8(this.address + offset, value); },
})); // biome-ignore format: a table
export const i8: Scalar<number> = scalar(1, offset => ({
  get() { return (this.memory.readU8(this.address + offset) << 24) >> 24; },
  set(value) { this.memory.writeU8(this.address + offset, value & 0xff); },
})); // biome-ignore format: a table
export const u16: Scalar<number> = scalar(2, offset => ({
  get() { return this.memory.readU16(this.address + offset); },
  set(value) { this.memory.writeU16(this.address + offset, value); },
})); // biome-ignore format: a table
export const i16: Scalar<number> = scalar(2, offset => ({
  get() { return (this.memory.readU16(this.address + offset) << 16) >> 16; },
  set(value) { this.memory.writeU16(this.address + offset, value & 0xffff); },
})); // biome-ignore format: a table
/** Unsigned 32 bits: ULONG, NTSTATUS, a 32-bit flag word. */
export const u32: Scalar<number> = scalar(4, offset => ({
  get() { return this.memory.readU32(this.address + offset); },
  set(value) { this.memory.writeU32(this.address + offset, value); },
})); // biome-ignore format: a table
export const i32: Scalar<number> = scalar(4, offset => ({
  get() { return this.memory.readU32(this.address + offset) | 0; },
  set(value) { this.memory.writeU32(this.address + offset, value >>> 0); },
})); // biome-ignore format: a table
/** 64-bit data, BigInt: ULONG_PTR, SIZE_T and LARGE_INTEGER as raw bits. */
export const u64: Scalar<bigint> = scalar(8, offset => ({
  get() { return this.memory.readU64(this.address + offset); },
  set(value) { this.memory.writeU64(this.address + offset, value); },
})); // biome-ignore format: a table
export const i64: Scalar<bigint> = scalar(8, offset => ({
  get() { return BigInt.asIntN(64, this.memory.readU64(this.address + offset)); },
  set(value) { this.memory.writeU64(this.address + offset, value); },
})); // biome-ignore format: a table
export const ptr: Scalar<Address> = scalar(8, offset => ({
  get() { return this.memory.readPointer(this.address + offset); },
  set(value) { this.memory.writePointer(this.address + offset, value); },
})); // biome-ignore format: a table

/** A structure inside a structure. */
export function nested<F extends Fields>(offset: number, type: Struct<F>): Field<View<F>> {
  const { at, size } = type;
  return {
    offset,
    size,
    type,
    get: at,
    accessors: within => ({
      get() {
        return at(this.memory, this.address + within);
      },
      set() {
        throw new TypeError(`a ${type.name} within a structure: assign to its members`);
      },
    }),
  };
}

/** An array inside a structure, as its first element's address and a typed accessor. */
export interface ArrayView<T> {
  readonly address: Address;
  readonly length: number;
  at(index: number): T;
  set(index: number, value: T): void;
}

export function array<T>(offset: number, length: number, element: Scalar<T>): Field<ArrayView<T>> {
  const { size, get, set } = element(0);
  const check = (index: number) => {
    if (!(index >= 0 && index < length)) throw new RangeError(`index ${index} is outside 0..${length - 1}`);
  };
  return {
    offset,
    size: size * length,
    get: (memory, address) => ({
      address,
      length,
      at(index) {
        check(index);
        return get(memory, address + index * size);
      },
      set(index, value) {
        check(index);
        set?.(memory, address + index * size, value);
      },
    }),
  };
}
