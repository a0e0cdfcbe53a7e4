/**
 * Executive resources: ERESOURCE, a lock of many readers or one writer, recursive for its owner.
 *
 * What drivers and debuggers read of an ERESOURCE (ActiveEntries, the exclusive flag, the waiter counts) lies in guest
 * memory. The table of shared owners, which Windows allocates from pool as it grows, is kept here by the resource's
 * address. Rules: "Introduction to ERESOURCE Routines" and the DDI pages; the caller has disabled normal kernel APCs.
 */
import type { Ke } from '../ke/ke.ts';
import type { Routine } from '../ke/routine.ts';
import { type Address, fromAddress } from '../wdm/address.ts';
import { RESOURCE_NOT_OWNED } from '../wdm/bugcheck-codes.ts';
import { BugCheck } from '../wdm/failures.ts';
import { ERESOURCE } from '../wdm/layouts.ts';
import { STATUS_SUCCESS } from '../wdm/ntstatus.ts';

const ResourceOwnedExclusive = 0x80;

/** Whom a shared request lets go first. */
export type SharedPolicy =
  /** Waiting writers, unless the thread owns the resource already: ExAcquireResourceSharedLite. */
  | 'fair'
  /** Nobody: ExAcquireSharedStarveExclusive. */
  | 'starve exclusive'
  /** Waiting writers, always: ExAcquireSharedWaitForExclusive. */
  | 'wait for exclusive';

export class Resources {
  readonly #ke: Ke;
  /** Recursion counts of shared owners, by resource and ERESOURCE_THREAD. */
  readonly #shared = new Map<Address, Map<bigint, number>>();
  readonly #exclusive = new Map<Address, number>();

  constructor(ke: Ke) {
    this.#ke = ke;
  }

  ExInitializeResourceLite(resource: Address): number {
    this.#ke.memory.fill(resource, ERESOURCE.size, 0);
    this.#shared.set(resource, new Map());
    this.#exclusive.set(resource, 0);
    return STATUS_SUCCESS;
  }

  ExDeleteResourceLite(resource: Address): number {
    this.#shared.delete(resource);
    this.#exclusive.delete(resource);
    return STATUS_SUCCESS;
  }

  get #me(): bigint {
    return fromAddress(this.#ke.currentThread.object);
  }

  /** Returns false only if it is taken and `wait` is false. IRQL < DISPATCH_LEVEL. */
  *ExAcquireResourceExclusiveLite(resource: Address, wait: boolean): Routine<boolean> {
    const me = this.#me;
    const view = ERESOURCE.at(this.#ke.memory, resource);
    if (!this.ownedExclusive(resource)) {
      if (view.ActiveEntries !== 0) {
        if (!wait) return false;
        view.ContentionCount += 1;
        view.NumberOfExclusiveWaiters += 1;
        yield* this.#ke.park(resource, () => view.ActiveEntries === 0);
        view.NumberOfExclusiveWaiters -= 1;
      }
      view.ActiveEntries = 1;
      view.ActiveCount = 1;
      view.Flag |= ResourceOwnedExclusive;
      view.OwnerEntry.OwnerThread = me;
    }
    this.#exclusive.set(resource, (this.#exclusive.get(resource) ?? 0) + 1);
    return true;
  }

  /** As above, for reading. A thread that owns it exclusively gets it once more exclusively. */
  *acquireShared(resource: Address, wait: boolean, policy: SharedPolicy): Routine<boolean> {
    if (this.ownedExclusive(resource)) return yield* this.ExAcquireResourceExclusiveLite(resource, wait);
    const view = ERESOURCE.at(this.#ke.memory, resource);
    const owners = this.#ownersOf(resource);
    const me = this.#me;
    const writersFirst = policy === 'wait for exclusive' || (policy === 'fair' && !owners.has(me));
    const free = () => !(view.Flag & ResourceOwnedExclusive) && !(writersFirst && view.NumberOfExclusiveWaiters > 0);
    if (!free()) {
      if (!wait) return false;
      view.ContentionCount += 1;
      view.NumberOfSharedWaiters += 1;
      yield* this.#ke.park(resource, free);
      view.NumberOfSharedWaiters -= 1;
    }
    owners.set(me, (owners.get(me) ?? 0) + 1);
    view.ActiveEntries = owners.size;
    view.ActiveCount = 1;
    return true;
  }

  /** @param owner the thread that acquired it, or an owner pointer that was set; the current thread by default */
  *ExReleaseResourceForThreadLite(resource: Address, owner: bigint = this.#me): Routine {
    const view = ERESOURCE.at(this.#ke.memory, resource);
    const owners = this.#ownersOf(resource);
    if (view.Flag & ResourceOwnedExclusive && view.OwnerEntry.OwnerThread === owner) {
      const count = this.#exclusive.get(resource)! - 1;
      this.#exclusive.set(resource, count);
      if (count > 0) return;
      view.Flag &= ~ResourceOwnedExclusive;
      view.OwnerEntry.OwnerThread = 0n;
      view.ActiveEntries = 0;
    } else {
      const count = owners.get(owner);
      if (count === undefined) {
        throw new BugCheck(RESOURCE_NOT_OWNED, [fromAddress(resource), owner, fromAddress(view.OwnerTable), 3n]);
      }
      if (count > 1) owners.set(owner, count - 1);
      else owners.delete(owner);
      view.ActiveEntries = owners.size;
    }
    if (view.ActiveEntries === 0) view.ActiveCount = 0;
    yield* this.#ke.unpark(resource);
  }

  *ExConvertExclusiveToSharedLite(resource: Address): Routine {
    const view = ERESOURCE.at(this.#ke.memory, resource);
    if (!this.ownedExclusive(resource)) {
      throw new BugCheck(RESOURCE_NOT_OWNED, [fromAddress(resource), this.#me, fromAddress(view.OwnerTable), 4n]);
    }
    this.#ownersOf(resource).set(this.#me, this.#exclusive.get(resource)!);
    this.#exclusive.set(resource, 0);
    view.Flag &= ~ResourceOwnedExclusive;
    view.OwnerEntry.OwnerThread = 0n;
    yield* this.#ke.unpark(resource);
  }

  /** The current ownership passes from the thread to `owner`, a pointer with its two low bits set. */
  ExSetResourceOwnerPointer(resource: Address, owner: bigint): void {
    const view = ERESOURCE.at(this.#ke.memory, resource);
    if (this.ownedExclusive(resource)) {
      view.OwnerEntry.OwnerThread = owner;
      return;
    }
    const owners = this.#ownersOf(resource);
    const count = owners.get(this.#me);
    if (count === undefined) return;
    owners.delete(this.#me);
    owners.set(owner, count + (owners.get(owner) ?? 0));
  }

  ownedExclusive(resource: Address): boolean {
    const view = ERESOURCE.at(this.#ke.memory, resource);
    return (view.Flag & ResourceOwnedExclusive) !== 0 && view.OwnerEntry.OwnerThread === this.#me;
  }

  /** How often the current thread holds it: ExIsResourceAcquiredSharedLite. */
  ownedShared(resource: Address): number {
    if (this.ownedExclusive(resource)) return this.#exclusive.get(resource)!;
    return this.#ownersOf(resource).get(this.#me) ?? 0;
  }

  #ownersOf(resource: Address): Map<bigint, number> {
    const owners = this.#shared.get(resource) ?? new Map<bigint, number>();
    this.#shared.set(resource, owners);
    return owners;
  }
}
