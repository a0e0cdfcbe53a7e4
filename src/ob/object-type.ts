/**
 * Object types: what the object manager asks of whoever owns a kind of object.
 *
 * The rooms above (I/O, processes) register a type and hand down its procedures; that is how a closing handle becomes
 * IRP_MJ_CLEANUP and a lookup becomes IRP_MJ_CREATE without this room knowing of either.
 */
import type { MaybeRoutine } from '../ke/routine.ts';
import type { Address } from '../wdm/address.ts';
import { GENERIC_ALL, GENERIC_EXECUTE, GENERIC_READ, GENERIC_WRITE } from '../wdm/constants.ts';

/** How a type's generic access rights map to specific ones (GENERIC_MAPPING). */
export interface GenericMapping {
  readonly read: number;
  readonly write: number;
  readonly execute: number;
  readonly all: number;
}

/** What a parse procedure is told. */
export interface ParseRequest {
  /** What is left of the path: empty, or beginning with a backslash (or anything, below a RootDirectory handle). */
  readonly remainingName: string;
  /** OBJ_* flags of the lookup. */
  readonly attributes: number;
  /** KernelMode or UserMode: whose access is checked. */
  readonly accessMode: number;
  /** Generic bits are mapped already. */
  readonly desiredAccess: number;
  /** What the opener handed to ObOpenObjectByName for the type that it expects; opaque to the object manager. */
  readonly context: unknown;
}

export type ParseResult =
  /** `status` is a success or informational code; the object comes with a reference for the caller. */
  | { readonly kind: 'object'; readonly object: Address; readonly grantedAccess?: number; readonly status?: number }
  /** Look this name up instead, from the root. */
  | { readonly kind: 'reparse'; readonly name: string }
  | { readonly kind: 'failed'; readonly status: number };

export interface ObjectProcedures {
  /**
   * A handle has been closed; `handlesLeft` counts those that the object still has in the whole system.
   * PASSIVE_LEVEL, in the context of the closing process.
   */
  close?(object: Address, process: Address, handlesLeft: number): MaybeRoutine<void>;
  /** The last reference is gone; the memory goes back to pool afterwards. PASSIVE_LEVEL, any thread. */
  delete?(object: Address): MaybeRoutine<void>;
  /** A path leads through the object. */
  parse?(object: Address, request: ParseRequest): MaybeRoutine<ParseResult>;
}

export interface ObjectTypeOptions {
  readonly name: string;
  readonly mapping: GenericMapping;
  /** NonPagedPoolNx unless said otherwise: most bodies are touched at DISPATCH_LEVEL. */
  readonly poolType?: number;
  /** The pool tag of its objects. */
  readonly tag: number;
  readonly procedures?: ObjectProcedures;
  /** Offset in the body of the dispatcher header that a wait for the object waits for; absent: nobody can wait. */
  readonly dispatcher?: number;
}

export interface ObjectType extends ObjectTypeOptions {
  /** POBJECT_TYPE in guest memory. */
  readonly address: Address;
  readonly index: number;
}

/** RtlMapGenericMask: replaces the generic bits by the type's specific ones. */
export function mapGenericMask(access: number, mapping: GenericMapping): number {
  let mapped = access & 0x0fff_ffff;
  if (access & GENERIC_READ) mapped |= mapping.read;
  if (access & GENERIC_WRITE) mapped |= mapping.write;
  if (access & GENERIC_EXECUTE) mapped |= mapping.execute;
  if (access & GENERIC_ALL) mapped |= mapping.all;
  return mapped >>> 0;
}
