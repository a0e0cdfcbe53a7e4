/**
 * Processes and threads: their objects, how they are made and how they end.
 *
 * EPROCESS and ETHREAD are objects of the object manager, with the offsets that drivers read. The first process is
 * System, whose address space is the kernel half alone; its threads run system work. An application's process has a
 * user half of its own. Ids are multiples of four, from one counter for both, as the CID table of Windows gives them.
 *
 * A system thread's body is a routine: TypeScript's own, or a call of the driver's start routine, after which the thread
 * ends as PsTerminateSystemThread would end it.
 */
import type { Trace } from '../etw/trace.ts';
import type { Ke } from '../ke/ke.ts';
import type { Routine } from '../ke/routine.ts';
import { type ProcessIdentity, Thread, ThreadExit } from '../ke/thread.ts';
import type { ObjectManager, ObjectType } from '../ob/index.ts';
import type { Address } from '../wdm/address.ts';
import * as wdm from '../wdm/constants.ts';
import { EPROCESS, ETHREAD, LIST_ENTRY } from '../wdm/layouts.ts';
import { STATUS_SUCCESS } from '../wdm/ntstatus.ts';

/** What a process needs of the memory manager. */
export interface UserSpace {
  readonly root: number;
}

export interface KernelStack {
  /** Highest address. */
  readonly base: Address;
  readonly limit: Address;
}

export interface PsMemory<S extends UserSpace> {
  readonly systemRoot: number;
  createAddressSpace(): S;
  destroyAddressSpace(space: S): void;
  allocateKernelStack(): KernelStack | undefined;
  freeKernelStack(stack: KernelStack): void;
}

export interface ProcessRecord<S extends UserSpace> extends ProcessIdentity {
  /** undefined: the System process. */
  readonly space: S | undefined;
  readonly threads: Thread[];
  exited: boolean;
}

const MAPPING = { read: 0x2_0410, write: 0x2_0bea, execute: 0x12_1000, all: 0x1f_ffff };
const CROSS_THREAD_FLAGS_TERMINATED = 0x01;
const CROSS_THREAD_FLAGS_SYSTEM = 0x10;
const NORMAL_PRIORITY = 8;

export class Ps<S extends UserSpace> {
  readonly processType: ObjectType;
  readonly threadType: ObjectType;
  readonly system: ProcessRecord<S>;
  readonly #ke: Ke;
  readonly #memory: PsMemory<S>;
  readonly #objects: ObjectManager;
  readonly #trace: Trace;
  readonly #processes = new Map<Address, ProcessRecord<S>>();
  readonly #threads = new Map<Address, Thread>();
  readonly #stacks = new Map<Thread, KernelStack>();
  readonly #activeHead: Address;
  #nextId = 4;
  /** Runs in a system thread that ends, at PASSIVE_LEVEL. Told at boot: the I/O manager cancels what it has under way. */
  threadExiting: () => Routine<unknown> = nothing;

  /** @param activeHead PsActiveProcessHead: a LIST_ENTRY */
  constructor(ke: Ke, memory: PsMemory<S>, objects: ObjectManager, trace: Trace, activeHead: Address) {
    this.#ke = ke;
    this.#memory = memory;
    this.#objects = objects;
    this.#trace = trace;
    this.#activeHead = activeHead;
    initializeList(ke, activeHead);
    const type = { mapping: MAPPING, procedures: {}, dispatcher: 0 };
    this.processType = objects.createType({ ...type, name: 'Process', tag: 0x636f_7250 }); // Proc
    this.threadType = objects.createType({
      ...type,
      name: 'Thread',
      tag: 0x6572_6854, // Thre
      procedures: { delete: object => this.#deleteThread(object) },
    });
    this.system = this.#createProcess('System', undefined, memory.systemRoot);
  }

  process(object: Address): ProcessRecord<S> | undefined {
    return this.#processes.get(object);
  }

  thread(object: Address): Thread | undefined {
    return this.#threads.get(object);
  }

  get processes(): IterableIterator<ProcessRecord<S>> {
    return this.#processes.values();
  }

  /** A process with an empty user half and no thread. */
  createProcess(imageName: string): ProcessRecord<S> {
    const space = this.#memory.createAddressSpace();
    return this.#createProcess(imageName, space, space.root);
  }

  #createProcess(imageName: string, space: S | undefined, root: number): ProcessRecord<S> {
    const object = this.#objects.create(this.processType, EPROCESS.size);
    if (object === 0) throw new Error('there is no pool for a process: boot with more memory');
    const id = this.#takeId();
    const view = EPROCESS.at(this.#ke.memory, object);
    view.Pcb.Header.Type = wdm.ProcessObject;
    view.Pcb.Header.Size = 0xb6;
    view.Pcb.DirectoryTableBase = BigInt(root) << 12n;
    view.UniqueProcessId = BigInt(id);
    [...imageName].slice(0, 14).forEach((c, i) => {
      view.ImageFileName.set(i, c.charCodeAt(0) & 0xff);
    });
    for (const list of [view.Pcb.ThreadListHead, view.ThreadListHead]) initializeList(this.#ke, list.address);
    initializeList(this.#ke, view.Pcb.Header.WaitListHead.address);
    insertTail(this.#ke, this.#activeHead, view.ActiveProcessLinks.address);
    const record: ProcessRecord<S> = { object, id, root, imageName, space, threads: [], exited: false };
    this.#processes.set(object, record);
    if (this.#trace.enabled) this.#trace.emit({ type: 'process-created', created: id, name: imageName });
    return record;
  }

  /** A thread that has nothing to do yet: `ke.scheduler.start` or `execute` gives it a body. */
  createThread(process: ProcessRecord<S>, kind: 'user' | 'system'): Thread {
    const { memory } = this.#ke;
    const stack = this.#memory.allocateKernelStack();
    const object = stack ? this.#objects.create(this.threadType, ETHREAD.size) : 0;
    if (!stack || object === 0) throw new Error('there is no memory for a thread: boot with more');
    const id = this.#takeId();
    const view = ETHREAD.at(memory, object);
    view.Tcb.Header.Type = wdm.ThreadObject;
    view.Tcb.Header.Size = 0x10c;
    initializeList(this.#ke, view.Tcb.Header.WaitListHead.address);
    view.Tcb.InitialStack = stack.base;
    view.Tcb.StackBase = stack.base;
    view.Tcb.StackLimit = stack.limit;
    view.Tcb.Priority = NORMAL_PRIORITY;
    view.Tcb.BasePriority = NORMAL_PRIORITY;
    view.Tcb.Process = process.object;
    view.Tcb.PreviousMode = kind === 'user' ? wdm.UserMode : wdm.KernelMode;
    view.Tcb.ApcState.Process = process.object;
    for (const list of [
      view.Tcb.ApcState.KernelApcListHead,
      view.Tcb.ApcState.UserApcListHead,
      view.Tcb.MutantListHead,
    ]) {
      initializeList(this.#ke, list.address);
    }
    // IRPs that the thread has under way: ETHREAD.IrpList, which layouts-ps.ts knows by its offset in 19041.
    view.Cid.UniqueProcess = BigInt(process.id);
    view.Cid.UniqueThread = BigInt(id);
    if (kind === 'system') view.CrossThreadFlags = CROSS_THREAD_FLAGS_SYSTEM;
    const owner = EPROCESS.at(memory, process.object);
    insertTail(this.#ke, owner.Pcb.ThreadListHead.address, view.Tcb.ThreadListEntry.address);
    insertTail(this.#ke, owner.ThreadListHead.address, view.ThreadListEntry.address);
    owner.ActiveThreads++;
    const thread = new Thread(memory, object, id, process, stack);
    this.#threads.set(object, thread);
    this.#stacks.set(thread, stack);
    process.threads.push(thread);
    if (this.#trace.enabled) this.#trace.emit({ type: 'thread-created', created: id, owner: process.id, kind });
    return thread;
  }

  /** A system thread that runs `body` and ends; it becomes ready at once. */
  startSystemThread(process: ProcessRecord<S>, name: string, body: Routine<unknown>): Thread {
    const thread = this.createThread(process, 'system');
    const { scheduler } = this.#ke;
    scheduler.start(thread, name, this.#threadBody(thread, body), {
      onDone: () => this.#reap(thread),
      onFailed: undefined,
    });
    return thread;
  }

  *#threadBody(thread: Thread, body: Routine<unknown>): Routine {
    let status = STATUS_SUCCESS;
    try {
      yield* body;
    } catch (error) {
      if (!(error instanceof ThreadExit)) throw error;
      status = error.status;
    }
    yield* this.threadExiting();
    this.#exitThread(thread, status);
  }

  /** Signals the thread object and takes the thread out of its process. */
  #exitThread(thread: Thread, status: number): void {
    const { memory, waits } = this.#ke;
    const view = ETHREAD.at(memory, thread.object);
    view.CrossThreadFlags |= CROSS_THREAD_FLAGS_TERMINATED;
    view.Tcb.Header.SignalState = 1;
    waits.signal(thread.object);
    if (this.#trace.enabled) this.#trace.emit({ type: 'thread-exited', exited: thread.id, status });
  }

  /** The thread has run its last: its stack goes, and its own reference to the object. */
  #reap(thread: Thread): void {
    const { memory } = this.#ke;
    thread.state = 'terminated';
    const record = this.#processes.get(thread.process.object)!;
    record.threads.splice(record.threads.indexOf(thread), 1);
    const view = ETHREAD.at(memory, thread.object);
    removeEntry(this.#ke, view.Tcb.ThreadListEntry.address);
    removeEntry(this.#ke, view.ThreadListEntry.address);
    EPROCESS.at(memory, record.object).ActiveThreads--;
    this.#memory.freeKernelStack(this.#stacks.get(thread)!);
    this.#stacks.delete(thread);
    this.#release(thread.object);
  }

  #deleteThread(object: Address): void {
    this.#threads.delete(object);
  }

  /**
   * Ends a process whose threads have nothing under way: threads and address space go. Its handles have been closed.
   * The EPROCESS lives on while others hold references to it.
   */
  exitProcess(process: ProcessRecord<S>, status: number): void {
    if (process.exited) return;
    process.exited = true;
    for (const thread of process.threads.slice()) {
      ETHREAD.at(this.#ke.memory, thread.object).CrossThreadFlags |= CROSS_THREAD_FLAGS_TERMINATED;
      this.#reap(thread);
    }
    const view = EPROCESS.at(this.#ke.memory, process.object);
    view.ExitStatus = status;
    view.Pcb.Header.SignalState = 1;
    this.#ke.waits.signal(process.object);
    removeEntry(this.#ke, view.ActiveProcessLinks.address);
    if (process.space) this.#memory.destroyAddressSpace(process.space);
    this.#processes.delete(process.object);
    if (this.#trace.enabled) this.#trace.emit({ type: 'process-exited', exited: process.id, status });
    this.#release(process.object);
  }

  /** Drops the reference that the object was born with. Our delete procedures run no other code. */
  #release(object: Address): void {
    const routine = this.#objects.ObfDereferenceObject(object);
    if (!routine.next().done) throw new Error('a process or thread object cannot wait while it is deleted');
  }

  #takeId(): number {
    const id = this.#nextId;
    this.#nextId += 4;
    return id;
  }
}

function* nothing(): Routine {}

function initializeList({ memory }: Ke, head: Address): void {
  const list = LIST_ENTRY.at(memory, head);
  list.Flink = head;
  list.Blink = head;
}

function insertTail({ memory }: Ke, head: Address, entry: Address): void {
  const list = LIST_ENTRY.at(memory, head);
  const view = LIST_ENTRY.at(memory, entry);
  view.Flink = head;
  view.Blink = list.Blink;
  LIST_ENTRY.at(memory, list.Blink).Flink = entry;
  list.Blink = entry;
}

function removeEntry({ memory }: Ke, entry: Address): void {
  const { Flink, Blink } = LIST_ENTRY.at(memory, entry);
  LIST_ENTRY.at(memory, Blink).Flink = Flink;
  LIST_ENTRY.at(memory, Flink).Blink = Blink;
}
