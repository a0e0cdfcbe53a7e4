/**
 * Handles, and how code gets from a handle, a name or another pointer to a referenced object.
 *
 * Every process has a table; the kernel has its own, whose handles (OBJ_KERNEL_HANDLE) are good in every process but
 * only for kernel mode. Access is decided when a handle is made and kept in its entry: ObReferenceObjectByHandle
 * compares with that, for UserMode callers only.
 */
import { isRoutine, type Routine } from '../ke/routine.ts';
import type { Address } from '../wdm/address.ts';
import { fromAddress } from '../wdm/address.ts';
import { INVALID_KERNEL_HANDLE } from '../wdm/bugcheck.ts';
import { KernelMode, MAXIMUM_ALLOWED, OBJ_INHERIT, OBJ_KERNEL_HANDLE } from '../wdm/constants.ts';
import { BugCheck } from '../wdm/failures.ts';
import {
  STATUS_ACCESS_DENIED,
  STATUS_HANDLE_NOT_CLOSABLE,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_HANDLE,
  STATUS_OBJECT_TYPE_MISMATCH,
  STATUS_SUCCESS,
} from '../wdm/ntstatus.ts';
import {
  CURRENT_PROCESS_HANDLE,
  CURRENT_THREAD_HANDLE,
  type HandleEntry,
  HandleTable,
  isKernelHandle,
  KERNEL_HANDLE_BASE,
} from './handle-table.ts';
import type { Namespace } from './namespace.ts';
import { headerOf, OB_FLAG_PERMANENT_OBJECT, OBJECT_HEADER, OBJECT_TYPE } from './object-header.ts';
import type { ObjectManager } from './object-manager.ts';
import { mapGenericMask, type ObjectType } from './object-type.ts';

/** ObjectAttributes of a handle that NtClose refuses (OBJ_PROTECT_CLOSE of the documentation's NtSetInformationObject). */
const OBJ_PROTECT_CLOSE = 0x1;

export interface Referenced {
  readonly status: number;
  readonly object: Address;
  /** OBJECT_HANDLE_INFORMATION. */
  readonly grantedAccess: number;
  readonly handleAttributes: number;
}

export interface Opened {
  readonly status: number;
  readonly handle: number;
}

export interface OpenByName {
  readonly name: string;
  /** OBJECT_ATTRIBUTES.RootDirectory; 0 for none. */
  readonly rootDirectory: number;
  readonly attributes: number;
  readonly type?: ObjectType | undefined;
  readonly accessMode: number;
  readonly desiredAccess: number;
  /** Handed to the parse procedure. */
  readonly context?: unknown;
}

const NOT_FOUND = { object: 0, grantedAccess: 0, handleAttributes: 0 };

export class Handles {
  readonly #objects: ObjectManager;
  readonly #namespace: Namespace;
  readonly #kernel = new HandleTable(KERNEL_HANDLE_BASE);
  readonly #tables = new Map<Address, HandleTable>();

  constructor(objects: ObjectManager, namespace: Namespace) {
    this.#objects = objects;
    this.#namespace = namespace;
  }

  /** Open handles of a process; of the kernel's table without one. */
  count(process?: Address): number {
    return process === undefined ? this.#kernel.count : (this.#tables.get(process)?.count ?? 0);
  }

  /**
   * Makes a handle in the current process (or the kernel's table) for an object; the handle takes its own reference.
   * undefined when the table is full.
   */
  create(object: Address, grantedAccess: number, attributes: number): number | undefined {
    const table = attributes & OBJ_KERNEL_HANDLE ? this.#kernel : this.#tableOf(this.#objects.context.currentProcess);
    const kept = attributes & (OBJ_INHERIT | OBJ_PROTECT_CLOSE);
    const handle = table.insert({ object, grantedAccess, attributes: kept });
    if (handle === undefined) return undefined;
    this.#objects.ObfReferenceObject(object);
    const header = OBJECT_HEADER.at(this.#objects.memory, headerOf(object));
    header.HandleCount += 1n;
    const total = OBJECT_TYPE.at(this.#objects.memory, this.#objects.typeOf(object).address);
    total.TotalNumberOfHandles++;
    if (total.TotalNumberOfHandles > total.HighWaterNumberOfHandles) {
      total.HighWaterNumberOfHandles = total.TotalNumberOfHandles;
    }
    return handle;
  }

  /**
   * The object that a handle means, referenced. IRQL PASSIVE_LEVEL.
   * @param type 0 accepts every type
   * @param accessMode the handle's access is checked, and kernel handles refused, for UserMode only
   */
  ObReferenceObjectByHandle(handle: number, desiredAccess: number, type: Address, accessMode: number): Referenced {
    const entry = this.#entry(handle, accessMode);
    if (!entry) return { status: STATUS_INVALID_HANDLE, ...NOT_FOUND };
    if (type !== 0 && this.#objects.typeOf(entry.object).address !== type) {
      return { status: STATUS_OBJECT_TYPE_MISMATCH, ...NOT_FOUND };
    }
    if (accessMode !== KernelMode && (desiredAccess & ~entry.grantedAccess) !== 0) {
      return { status: STATUS_ACCESS_DENIED, ...NOT_FOUND };
    }
    this.#objects.ObfReferenceObject(entry.object);
    const { object, grantedAccess, attributes } = entry;
    return { status: STATUS_SUCCESS, object, grantedAccess, handleAttributes: attributes };
  }

  /** IRQL <= DISPATCH_LEVEL. The access mode is documented, and only a symbolic link cares. */
  ObReferenceObjectByPointer(object: Address, _desiredAccess: number, type: Address, accessMode: number): number {
    const own = this.#objects.typeOf(object);
    const mustMatch = accessMode !== KernelMode || own === this.#namespace.SymbolicLink;
    if (own.address !== type && (type !== 0 || mustMatch)) return STATUS_OBJECT_TYPE_MISMATCH;
    this.#objects.ObfReferenceObject(object);
    return STATUS_SUCCESS;
  }

  /** Makes a handle for an object that the caller has a pointer to. */
  ObOpenObjectByPointer(
    object: Address,
    attributes: number,
    desiredAccess: number,
    type: Address,
    accessMode: number,
  ): Opened {
    const own = this.#objects.typeOf(object);
    if (type !== 0 && own.address !== type) return { status: STATUS_OBJECT_TYPE_MISMATCH, handle: 0 };
    const handle = this.create(object, grantAccess(own, desiredAccess), this.#attributesFor(attributes, accessMode));
    return handle === undefined
      ? { status: STATUS_INSUFFICIENT_RESOURCES, handle: 0 }
      : { status: STATUS_SUCCESS, handle };
  }

  /** ObReferenceObjectByName: no handle, just a reference for the caller. PASSIVE_LEVEL. */
  *ObReferenceObjectByName(
    name: string,
    attributes: number,
    desiredAccess: number,
    type: Address,
    accessMode: number,
    context?: unknown,
  ): Routine<{ status: number; object: Address }> {
    const wanted = this.#objects.typeAt(type);
    if (!wanted) return { status: STATUS_OBJECT_TYPE_MISMATCH, object: 0 };
    const access = mapGenericMask(desiredAccess, wanted.mapping);
    return yield* this.#namespace.lookup({
      name,
      attributes,
      accessMode,
      desiredAccess: access,
      type: wanted,
      context,
    });
  }

  /** Looks a name up (a device's parse procedure sends IRP_MJ_CREATE) and makes a handle. PASSIVE_LEVEL. */
  *ObOpenObjectByName(open: OpenByName): Routine<Opened> {
    const { name, rootDirectory, type, accessMode, context } = open;
    const attributes = this.#attributesFor(open.attributes, accessMode);
    let root = 0;
    if (rootDirectory !== 0) {
      const referenced = this.ObReferenceObjectByHandle(rootDirectory, 0, 0, accessMode);
      if (referenced.status !== STATUS_SUCCESS) return { status: referenced.status, handle: 0 };
      root = referenced.object;
    }
    const desiredAccess = type ? mapGenericMask(open.desiredAccess, type.mapping) : open.desiredAccess;
    const found = yield* this.#namespace.lookup({ name, root, type, attributes, accessMode, desiredAccess, context });
    if (root !== 0) yield* this.#objects.ObfDereferenceObject(root);
    if (found.object === 0) return { status: found.status, handle: 0 };
    const own = this.#objects.typeOf(found.object);
    const handle = this.create(found.object, found.grantedAccess ?? grantAccess(own, desiredAccess), attributes);
    yield* this.#objects.ObfDereferenceObject(found.object);
    return handle === undefined
      ? { status: STATUS_INSUFFICIENT_RESOURCES, handle: 0 }
      : { status: found.status, handle };
  }

  /**
   * Closes a handle: the last handle of a file object sends IRP_MJ_CLEANUP. PASSIVE_LEVEL.
   * A bad *kernel* handle from kernel mode is bug check 0x93, as documented.
   */
  *ObCloseHandle(handle: number, accessMode: number): Routine<number> {
    const kernel = isKernelHandle(handle) && accessMode === KernelMode;
    const entry = this.#entry(handle, accessMode);
    const isPseudo = handle === CURRENT_PROCESS_HANDLE || handle === CURRENT_THREAD_HANDLE;
    if (!entry || isPseudo) {
      if (kernel) throw new BugCheck(INVALID_KERNEL_HANDLE, [fromAddress(handle), 1n, 0n, 0n]);
      return STATUS_INVALID_HANDLE;
    }
    if (entry.attributes & OBJ_PROTECT_CLOSE) {
      if (kernel) throw new BugCheck(INVALID_KERNEL_HANDLE, [fromAddress(handle), 0n, 0n, 0n]);
      return STATUS_HANDLE_NOT_CLOSABLE;
    }
    const table = kernel ? this.#kernel : this.#tableOf(this.#objects.context.currentProcess);
    table.remove(handle);
    yield* this.#drop(entry.object, this.#objects.context.currentProcess);
    return STATUS_SUCCESS;
  }

  /** Closes every handle of a process that ends; runs in its context. */
  *closeAll(process: Address): Routine {
    const table = this.#tables.get(process);
    if (!table) return;
    for (const handle of [...table.handles()]) {
      const entry = table.remove(handle);
      if (entry) yield* this.#drop(entry.object, process);
    }
    this.#tables.delete(process);
  }

  *#drop(object: Address, process: Address): Routine {
    const header = OBJECT_HEADER.at(this.#objects.memory, headerOf(object));
    const left = header.HandleCount - 1n;
    header.HandleCount = left;
    const type = this.#objects.typeOf(object);
    OBJECT_TYPE.at(this.#objects.memory, type.address).TotalNumberOfHandles--;
    const closed = type.procedures?.close?.(object, process, Number(left));
    if (isRoutine(closed)) yield* closed;
    if (left === 0n && !(header.Flags & OB_FLAG_PERMANENT_OBJECT)) yield* this.#namespace.removeName(object);
    yield* this.#objects.ObfDereferenceObject(object);
  }

  #entry(handle: number, accessMode: number): HandleEntry | undefined {
    const { currentProcess, currentThread } = this.#objects.context;
    if (handle === CURRENT_PROCESS_HANDLE) return { object: currentProcess, grantedAccess: 0x1f_ffff, attributes: 0 };
    if (handle === CURRENT_THREAD_HANDLE) return { object: currentThread, grantedAccess: 0x1f_ffff, attributes: 0 };
    if (isKernelHandle(handle)) return accessMode === KernelMode ? this.#kernel.get(handle) : undefined;
    return handle > 0 ? this.#tables.get(currentProcess)?.get(handle) : undefined;
  }

  #tableOf(process: Address): HandleTable {
    let table = this.#tables.get(process);
    if (!table) {
      table = new HandleTable();
      this.#tables.set(process, table);
    }
    return table;
  }

  /** Only kernel mode may ask for a kernel handle. */
  #attributesFor(attributes: number, accessMode: number): number {
    return accessMode === KernelMode ? attributes : attributes & ~OBJ_KERNEL_HANDLE;
  }
}

/** No object here carries a security descriptor yet: what is asked for is granted, MAXIMUM_ALLOWED means all. */
export function grantAccess(type: ObjectType, desiredAccess: number): number {
  const mapped = mapGenericMask(desiredAccess, type.mapping);
  return ((mapped & MAXIMUM_ALLOWED ? type.mapping.all | mapped : mapped) & ~MAXIMUM_ALLOWED) >>> 0;
}
