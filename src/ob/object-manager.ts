/**
 * The object manager's core: making objects, counting references, deleting.
 *
 * An object is born with one reference, its creator's. Each handle holds one more; a name in the namespace holds one,
 * too. When the last goes, the type's delete procedure runs at PASSIVE_LEVEL and the memory goes back to pool. The
 * counts live in the OBJECT_HEADER in guest memory, the totals of each type in its OBJECT_TYPE, so that a leak can be
 * seen by whoever looks there.
 *
 * ObfReferenceObject and ObfDereferenceObject are allowed at IRQL <= DISPATCH_LEVEL; a last dereference above
 * PASSIVE_LEVEL hands the deletion to a system worker.
 */
import { isRoutine, type Routine } from '../ke/routine.ts';
import type { Address } from '../wdm/address.ts';
import { fromAddress } from '../wdm/address.ts';
import { BAD_OBJECT_HEADER, REFERENCE_BY_POINTER } from '../wdm/bugcheck.ts';
import { NonPagedPoolNx } from '../wdm/constants.ts';
import { BugCheck } from '../wdm/failures.ts';
import type { GuestMemory } from '../wdm/memory.ts';
import { encodeUtf16, readUnicodeString, writeUnicodeString } from './name.ts';
import {
  headerOf,
  OB_FLAG_DELETED_INLINE,
  OB_FLAG_KERNEL_OBJECT,
  OB_INFO_NAME,
  OBJECT_HEADER,
  OBJECT_HEADER_NAME_INFO,
  OBJECT_HEADER_SIZE,
  OBJECT_TYPE,
} from './object-header.ts';
import type { ObjectType, ObjectTypeOptions } from './object-type.ts';

const TAG_TYPE = 0x7954_624f; // ObTy
const TAG_NAME = 0x6d4e_624f; // ObNm

/** The pool, as far as objects need it. */
export interface ObjectPool {
  /** 0 when there is none. */
  allocate(poolType: number, bytes: number, tag: number): Address;
  free(address: Address, tag: number): void;
}

/** Where the machine stands, as the object manager needs to know it. */
export interface ObjectContext {
  /** EPROCESS and ETHREAD of the running thread. */
  readonly currentProcess: Address;
  readonly currentThread: Address;
  readonly irql: number;
  /** Runs `work` in a system thread at PASSIVE_LEVEL, later. */
  defer(work: () => Routine): void;
}

export class ObjectManager {
  readonly memory: GuestMemory;
  readonly context: ObjectContext;
  readonly #pool: ObjectPool;
  readonly #types: (ObjectType | undefined)[] = [undefined, undefined]; // indexes 0 and 1 are never a type

  constructor(memory: GuestMemory, pool: ObjectPool, context: ObjectContext) {
    this.memory = memory;
    this.#pool = pool;
    this.context = context;
  }

  /** Registers a type; its OBJECT_TYPE stays for the machine's life. */
  createType(options: ObjectTypeOptions): ObjectType {
    const address = this.#allocate(OBJECT_TYPE.size + options.name.length * 2, TAG_TYPE);
    if (address === 0) throw new Error('there is no memory for the object types: give the machine more');
    const buffer = address + OBJECT_TYPE.size;
    const name = encodeUtf16(options.name);
    this.memory.writeBytes(buffer, name);
    writeUnicodeString(this.memory, address + OBJECT_TYPE.fields.Name.offset, buffer, name.length);
    const index = this.#types.length;
    OBJECT_TYPE.at(this.memory, address).Index = index;
    const type = { ...options, address, index };
    this.#types.push(type);
    return type;
  }

  /**
   * A new object with one reference, its body of `bytes` zeroed. 0 when there is no memory.
   * @param name the last component of its name; putting it into a directory is the namespace's affair
   */
  create(type: ObjectType, bytes: number, name?: string): Address {
    const infoSize = name === undefined ? 0 : OBJECT_HEADER_NAME_INFO.size;
    const size = infoSize + OBJECT_HEADER_SIZE + bytes;
    const block = this.#allocate(size, type.tag, type.poolType);
    if (block === 0) return 0;
    const object = block + infoSize + OBJECT_HEADER_SIZE;
    const header = OBJECT_HEADER.at(this.memory, headerOf(object));
    header.PointerCount = 1n;
    header.TypeIndex = type.index;
    header.Flags = OB_FLAG_KERNEL_OBJECT;
    if (name !== undefined) {
      const text = encodeUtf16(name);
      const buffer = this.#allocate(Math.max(text.length, 2), TAG_NAME);
      if (buffer === 0) {
        this.#pool.free(block, type.tag);
        return 0;
      }
      this.memory.writeBytes(buffer, text);
      header.InfoMask = OB_INFO_NAME;
      writeUnicodeString(this.memory, block + OBJECT_HEADER_NAME_INFO.fields.Name.offset, buffer, text.length);
    }
    const total = OBJECT_TYPE.at(this.memory, type.address);
    total.TotalNumberOfObjects++;
    if (total.TotalNumberOfObjects > total.HighWaterNumberOfObjects) {
      total.HighWaterNumberOfObjects = total.TotalNumberOfObjects;
    }
    return object;
  }

  /** The type by its index, or by its POBJECT_TYPE. */
  typeAt(address: Address): ObjectType | undefined {
    return this.#types.find(type => type?.address === address);
  }

  typeOf(object: Address): ObjectType {
    const header = headerOf(object);
    const index = this.memory.readU8(header + OBJECT_HEADER.fields.TypeIndex.offset);
    const type = this.#types[index];
    if (!type) throw new BugCheck(BAD_OBJECT_HEADER, [fromAddress(header), 0n, BigInt(index), 0n]);
    return type;
  }

  /** POBJECT_TYPE of an object. */
  ObGetObjectType(object: Address): Address {
    return this.typeOf(object).address;
  }

  /** The name information of a named object; undefined for others. */
  nameOf(object: Address): { readonly name: string; readonly directory: Address } | undefined {
    const info = this.nameInfoAt(object);
    if (info === undefined) return undefined;
    const { Directory, Name } = OBJECT_HEADER_NAME_INFO.at(this.memory, info);
    return { name: readUnicodeString(this.memory, Name.address), directory: Directory };
  }

  /** Address of the OBJECT_HEADER_NAME_INFO. */
  nameInfoAt(object: Address): Address | undefined {
    const header = OBJECT_HEADER.at(this.memory, headerOf(object));
    return header.InfoMask & OB_INFO_NAME ? header.address - OBJECT_HEADER_NAME_INFO.size : undefined;
  }

  /** Returns the new count. IRQL <= DISPATCH_LEVEL. */
  ObfReferenceObject(object: Address): number {
    const header = OBJECT_HEADER.at(this.memory, headerOf(object));
    const count = header.PointerCount + 1n;
    if (count <= 1n) this.#badCount(object);
    header.PointerCount = count;
    return Number(BigInt.asUintN(32, count));
  }

  /** Returns the new count; at 0 the object is gone. IRQL <= DISPATCH_LEVEL. */
  *ObfDereferenceObject(object: Address): Routine<number> {
    const left = OBJECT_HEADER.at(this.memory, headerOf(object)).PointerCount - 1n;
    const deletion = this.dereference(object);
    if (deletion) yield* deletion;
    return Number(BigInt.asUintN(32, left));
  }

  /** As ObfDereferenceObject; returns the object's deletion, which the caller must run, if that is due here and now. */
  dereference(object: Address): Routine | undefined {
    const header = OBJECT_HEADER.at(this.memory, headerOf(object));
    const count = header.PointerCount - 1n;
    if (count < 0n) this.#badCount(object);
    header.PointerCount = count;
    if (count > 0n) return undefined;
    header.Flags |= OB_FLAG_DELETED_INLINE;
    if (this.context.irql === 0) return this.#delete(object);
    this.context.defer(() => this.#delete(object));
    return undefined;
  }

  *#delete(object: Address): Routine {
    const type = this.typeOf(object);
    const result = type.procedures?.delete?.(object);
    if (isRoutine(result)) yield* result;
    const info = this.nameInfoAt(object);
    if (info !== undefined) {
      this.#pool.free(OBJECT_HEADER_NAME_INFO.at(this.memory, info).Name.Buffer, TAG_NAME);
    }
    OBJECT_TYPE.at(this.memory, type.address).TotalNumberOfObjects--;
    this.#pool.free(info ?? headerOf(object), type.tag);
  }

  #badCount(object: Address): never {
    const type = this.typeOf(object);
    throw new BugCheck(REFERENCE_BY_POINTER, [fromAddress(type.address), fromAddress(object), 0n, 0n]);
  }

  #allocate(bytes: number, tag: number, poolType = NonPagedPoolNx): Address {
    const address = this.#pool.allocate(poolType, bytes, tag);
    if (address !== 0) this.memory.fill(address, bytes, 0);
    return address;
  }
}
