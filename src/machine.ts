/**
 * The machine: boots the rooms in order, and is what a program holds on to.
 *
 *     hardware      frames, page tables, the processor
 *     executive     memory manager, scheduler, objects, processes, exceptions, I/O manager
 *     ntoskrnl      the exports, as an image that drivers are linked against
 *     win32         processes with an application's interface
 *
 * A machine owns everything that it has: a hundred of them live in one process and never meet. It is a function of its
 * options and of what is asked of it; the same seed and the same requests give the same trace.
 *
 * A call from outside runs the machine until the call returns. It throws BugCheck or Unsupported when the machine stops
 * on the way, and then nothing runs any more; Hang when it cannot return.
 */
import { Trace } from './etw/trace.ts';
import { FastMutexes } from './ex/fast-mutex.ts';
import { Resources } from './ex/resource.ts';
import { WorkQueues } from './ex/work-queue.ts';
import { createIo, type DriverImage, type Io } from './io/index.ts';
import { ExceptionDispatcher } from './ke/exception.ts';
import { Ke } from './ke/ke.ts';
import { ProcessorControlRegion } from './ke/processor-control-region.ts';
import type { Routine } from './ke/routine.ts';
import type { SchedulerLimits } from './ke/scheduler.ts';
import { SharedUserData } from './ke/shared-user-data.ts';
import type { ProcessIdentity, Thread } from './ke/thread.ts';
import { ThreadFrames } from './ke/thread-frames.ts';
import { TRAP_AREA_BASE, TRAP_AREA_SIZE, type TrapBody, TrapTable } from './ke/traps.ts';
import { type AddressSpace, MemoryManager, SHARED_USER_DATA_KERNEL } from './mm/index.ts';
import { FRAME_SYSTEM } from './mm/pfn.ts';
import { SeededRandom } from './mm/random.ts';
import { SystemImageLoader } from './mm/system-image.ts';
import { ExportTable, isKernelModule } from './ntoskrnl/export-table.ts';
import { ALL_EXPORTS } from './ntoskrnl/exports/index.ts';
import { mapNtoskrnl, reserveNtoskrnl, writeGuardRoutines } from './ntoskrnl/image.ts';
import type { Kernel } from './ntoskrnl/kernel.ts';
import { ServiceTable } from './ntoskrnl/services.ts';
import { TrapHandlers } from './ntoskrnl/trap-handlers.ts';
import { isTypeScriptDriver, linkDriver, type TypeScriptDriver } from './ntoskrnl/typescript-driver.ts';
import { createOb, type ObjectContext } from './ob/index.ts';
import { ImageTable, pseudoImage } from './pe/index.ts';
import { type ProcessRecord, Ps } from './ps/ps.ts';
import { type Address, PAGE_SIZE } from './wdm/address.ts';
import * as wdm from './wdm/constants.ts';
import { KPCR } from './wdm/layouts.ts';
import type { Access, GuestMemory } from './wdm/memory.ts';
import { STATUS_IMAGE_ALREADY_LOADED } from './wdm/ntstatus.ts';
import { Process } from './win32/index.ts';
import { type IcedModule, Processor } from './x86/index.ts';

export interface MachineOptions {
  /** The instruction decoder: the module `iced-x86`. */
  readonly decoder: IcedModule;
  /** Everything that is random in a Windows machine follows from it. Default 1. */
  readonly seed?: number;
  /** Bytes of physical memory, a multiple of 64 KiB. Default 64 MiB. */
  readonly memory?: number;
  readonly limits?: Partial<SchedulerLimits>;
  /** System time at boot, 100 ns units since 1601. Default: 1 January 2026. */
  readonly bootTime?: bigint;
  /** Reads a driver that is named by its path; the machine itself knows no files. */
  readonly readFile?: (path: string) => Uint8Array;
}

/** A driver that is loaded. */
export interface Driver {
  /** transfer.sys, or the name of a TypeScript driver. */
  readonly name: string;
  /** DRIVER_OBJECT. */
  readonly object: Address;
}

export interface DriverLoad {
  /** STATUS_SUCCESS, what DriverEntry returned, or why the image was refused. */
  readonly status: number;
  /** For a driver that was refused: what is wrong, as the rest of a sentence that begins with its name. */
  readonly message: string | undefined;
  readonly driver: Driver | undefined;
  /** Imports that are not there: the driver stops with the name when it uses one. */
  readonly missingImports: readonly string[];
}

/** 1 January 2026. */
const DEFAULT_BOOT_TIME = 134_117_568_000_000_000n;
const DEFAULT_LIMITS: SchedulerLimits = { processorTime: 1e9, elapsedTime: 60e9 };
/** Kernel addresses that nothing maps, one page for each import that is missing. */
const MISSING_IMPORTS = { base: TRAP_AREA_BASE + 2 * TRAP_AREA_SIZE, size: 0x100_0000 };
const TYPESCRIPT_ROUTINES = 255;
const DEFAULT_MEMORY = 0x400_0000;
const USER_STACK_BYTES = 0x4_0000;
const TAG_KERNEL = 0x656b_654b; // Keke

export class Machine {
  readonly seed: number;
  readonly trace = new Trace();
  readonly images = new ImageTable(MISSING_IMPORTS);
  readonly processor: Processor;
  readonly kernel: Kernel;
  readonly exports: ExportTable;
  readonly #ke: Ke;
  readonly #ps: Ps<AddressSpace>;
  readonly #io: Io;
  readonly #services: ServiceTable;
  readonly #loader: SystemImageLoader;
  readonly #systemThread: Thread;
  readonly #readFile: MachineOptions['readFile'];

  constructor(options: MachineOptions) {
    const { trace, images } = this;
    checkOptions(options);
    this.seed = options.seed ?? 1;
    this.#readFile = options.readFile;
    const random = new SeededRandom(this.seed ^ 0x5eed);
    const random32 = () => random.below(0x1_0000_0000);

    // Hardware: frames and page tables come from the memory manager, the processor is built upon them.
    const mm = new MemoryManager({ bytes: options.memory ?? DEFAULT_MEMORY, seed: this.seed, trace });
    this.processor = new Processor({
      ram: mm.ram,
      tables: mm.tables,
      root: mm.systemRoot,
      decoder: options.decoder,
      trapArea: { start: TRAP_AREA_BASE, end: TRAP_AREA_BASE + TRAP_AREA_SIZE },
      seed: BigInt(this.seed),
    });
    const { memory, registers } = this.processor;
    mm.connect(this.processor);
    const fixed = (bytes: number) => mm.pool.allocate(wdm.NonPagedPoolNx, bytes, TAG_KERNEL);

    // The kernel proper: traps, threads, exceptions.
    const traps = new TrapTable();
    const ntoskrnl = reserveNtoskrnl(traps);
    const takeFrame = () => mm.pfn.take(FRAME_SYSTEM);
    mapNtoskrnl(ntoskrnl, traps, images, { ram: mm.ram, tables: mm.tables, root: mm.systemRoot, takeFrame, memory });
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    const bootTime = options.bootTime ?? DEFAULT_BOOT_TIME;
    const choose = (bound: number) => random.below(bound);
    const ke = new Ke(this.processor, traps, trace, { limits, returns: ntoskrnl.returns, choose, bootTime });
    const pcr = new ProcessorControlRegion(memory, mm.allocateSystemPages(Math.ceil(KPCR.size / PAGE_SIZE)));
    registers.gsBase = pcr.address;
    const facts = { physicalPages: mm.ram.frames, cookie: random32() };
    new SharedUserData(memory, SHARED_USER_DATA_KERNEL, ke.clock, facts);
    const frames = new ThreadFrames(ke.scheduler, registers);
    const exceptions = new ExceptionDispatcher({ memory, images, frames });

    // The executive: objects, processes, the I/O manager.
    const ob = createOb(
      memory,
      mm.pool,
      objectContext(ke, work => workQueues.enqueue(wdm.DelayedWorkQueue, work)),
    );
    const ps = new Ps<AddressSpace>(ke, mm, ob.objects, trace, fixed(16));
    mm.systemSpace.process = ps.system.object;
    const workQueues = new WorkQueues(ke, (name, body) => ps.startSystemThread(ps.system, name, body));
    const register = (name: string, body: TrapBody) => traps.register(ntoskrnl.image, name, body);
    const io = createIo({ ke, mm, ob, trace, workQueues, threadAt: object => ps.thread(object), register });
    ps.threadExiting = () => io.cancel.cancelThreadIo();
    const idleThread = ps.createThread(ps.system, 'system');
    pcr.idleThread = idleThread.object;
    const attach = ({ object }: ProcessIdentity) => mm.attach(ps.process(object)?.space);
    const accessFault = (address: Address, access: Access, mode: number) => mm.accessFault(address, access, mode);
    const handlers = new TrapHandlers({
      ...{ scheduler: ke.scheduler, registers, exceptions, pcr, trace, ram: mm.ram, tables: mm.tables },
      ...{ accessFault, attach, currentRoot: () => memory.root },
    });
    ke.scheduler.connect(handlers, idleThread);
    ke.exceptionOfFault = fault => handlers.exceptionOfFault(fault);
    memory.onFault = (address, access) =>
      ke.irql < wdm.DISPATCH_LEVEL && mm.accessFault(address, access, wdm.KernelMode);

    // What drivers are linked against, and applications call.
    const systemRoutine = (name: string) => this.exports.find(name) ?? images.missingImport('ntoskrnl.exe', name) ?? 0;
    const locks = { fastMutexes: new FastMutexes(ke), resources: new Resources(ke), workQueues };
    this.kernel = { memory, trace, ke, exceptions, images, mm, ob, ps, io, ...locks, systemRoutine };
    this.exports = new ExportTable(ALL_EXPORTS, this.kernel, traps, ntoskrnl.image, fixed);
    this.#services = new ServiceTable(ALL_EXPORTS, this.kernel);
    this.#loader = new SystemImageLoader({
      memory: mm.images,
      images,
      resolver: { provides: isKernelModule, resolve: (dll, key) => this.exports.resolve(dll, key) },
      range: mm.images.range,
      random: random32,
      guard: writeGuardRoutines(memory, mm.pool.allocate(wdm.NonPagedPoolExecute, 16, TAG_KERNEL)),
    });

    this.#ke = ke;
    this.#ps = ps;
    this.#io = io;
    this.#systemThread = ps.createThread(ps.system, 'system');
    trace.stampWith(() => {
      const thread = ke.scheduler.current;
      return { time: ke.clock.now, thread: thread?.id ?? 0, process: thread?.process.id ?? 0, irql: ke.irql };
    });
  }

  /** Guest memory as kernel mode sees it now. */
  get memory(): GuestMemory {
    return this.processor.memory;
  }

  /** Why the machine runs no more; undefined while it can. */
  get stopped(): Error | undefined {
    return this.#ke.scheduler.dead;
  }

  // --- Drivers

  /**
   * Loads a driver: the bytes of a `.sys`, its path, or one written in TypeScript. DriverEntry has returned when this
   * does.
   * @param name of the image: transfer.sys becomes \Driver\transfer. Default: the file's
   * @throws BugCheck, Unsupported, Hang
   */
  loadDriver(source: Uint8Array | string | TypeScriptDriver, name?: string): DriverLoad {
    if (isTypeScriptDriver(source)) return this.#loadTypeScript(source);
    if (source instanceof Uint8Array) return this.#loadImage(source, name ?? 'driver.sys');
    if (typeof source !== 'string' || this.#readFile === undefined)
      throw new TypeError(`loadDriver: give the bytes of a .sys as a Uint8Array, such as readFileSync(path) has them`);
    return this.#loadImage(this.#readFile(source), name ?? source.replace(/^.*[\\/]/, ''));
  }

  #loadImage(bytes: Uint8Array, name: string): DriverLoad {
    const loaded = this.#loader.load(name, bytes);
    if ('message' in loaded) {
      const { status, message } = loaded;
      if (this.trace.enabled) this.trace.emit({ type: 'driver-load-failed', image: name, status, message });
      return { status, message, driver: undefined, missingImports: [] };
    }
    const { image, missingImports } = loaded;
    const load = this.#enterDriver(name, {
      name,
      base: image.base,
      size: image.size,
      entryPoint: image.entryPoint!,
      initialized: () => this.#loader.discardInit(image),
      free: () => this.#loader.unload(image),
    });
    return { ...load, missingImports };
  }

  #loadTypeScript(driver: TypeScriptDriver): DriverLoad {
    if (typeof driver.name !== 'string' || driver.name === '') {
      throw new TypeError('a TypeScript driver needs a name: { name, DriverEntry }');
    }
    const { traps } = this.#ke;
    const image = traps.createImage(`${driver.name}.ts`, TYPESCRIPT_ROUTINES);
    const { name, base, size } = image;
    const module = pseudoImage({ name, base, size, nameAt: address => traps.containing(address)?.name });
    this.images.add(module);
    const entryPoint = linkDriver(driver, this.kernel, image);
    const free = () => {
      traps.removeImage(image);
      this.images.remove(module);
    };
    return { ...this.#enterDriver(driver.name, { name, base, size, entryPoint, free }), missingImports: [] };
  }

  #enterDriver(name: string, image: DriverImage): Omit<DriverLoad, 'missingImports'> {
    const service = name.replace(/^.*[\\/]/, '').replace(/\.sys$/i, '');
    const { status, driver } = this.#asSystem('NtLoadDriver', this.#io.drivers.load(service, image));
    const message = status === STATUS_IMAGE_ALREADY_LOADED ? `is loaded already, as \\Driver\\${service}` : undefined;
    return { status, message, driver: driver === 0 ? undefined : { name: image.name, object: driver } };
  }

  /**
   * Asks for a driver's unload, as `sc stop` does.
   * @returns STATUS_INVALID_DEVICE_REQUEST if the driver has no DriverUnload
   */
  unloadDriver(driver: Driver): number {
    this.#checkAlive();
    if (!this.#io.drivers.loaded.includes(driver.object)) {
      throw new Error(`${driver.name} is not loaded in this machine: hand over the driver that loadDriver returned`);
    }
    return this.#asSystem('NtUnloadDriver', this.#io.drivers.unload(driver.object));
  }

  /** Runs a kernel routine in a thread of the System process until it returns. */
  #asSystem<T>(name: string, body: Routine<T>): T {
    return this.#ke.scheduler.execute(this.#systemThread, name, body);
  }

  #checkAlive(): void {
    const { stopped } = this;
    if (stopped) throw new Error(`the machine has stopped: make a new one (${stopped.message})`, { cause: stopped });
  }

  // --- Processes

  /** A process with one thread, whose application is the program that calls. */
  createProcess(imageName = 'app.exe'): Process {
    this.#checkAlive();
    const { trace } = this;
    const record = this.#ps.createProcess(imageName);
    const space = record.space!;
    space.process = record.object;
    const thread = this.#ps.createThread(record, 'user');
    const limit = space.allocate(USER_STACK_BYTES, wdm.PAGE_READWRITE);
    return new Process({
      id: record.id,
      imageName,
      memory: space.memory,
      stack: { limit, base: limit + USER_STACK_BYTES },
      systemCall: (service, ...args) => this.#ke.scheduler.execute(thread, service, this.#services.call(service, args)),
      get traced() {
        return trace.enabled;
      },
      emit: event => trace.emit(event, { thread: thread.id, process: record.id }),
      exit: status => this.#exit(record, thread, status),
    });
  }

  #exit(record: ProcessRecord<AddressSpace>, thread: Thread, status: number): void {
    this.#ke.scheduler.execute(thread, 'NtTerminateProcess', this.#io.closeProcess(record.object));
    this.#ps.exitProcess(record, status);
  }
}

/** A limit that is no number would be none: an endless loop would never end. */
function checkOptions({ seed = 1, limits = {} }: MachineOptions): void {
  if (!Number.isSafeInteger(seed)) throw new RangeError(`seed ${seed}: a seed is an integer`);
  for (const [name, value] of Object.entries(limits)) {
    if (!(value >= 0)) throw new RangeError(`limits.${name} ${value}: a limit is a number of nanoseconds`);
  }
}

/** What the object manager asks about the thread that runs. */
function objectContext(ke: Ke, defer: (work: () => Routine) => void): ObjectContext {
  return {
    get currentProcess() {
      return ke.currentThread.attached.object;
    },
    get currentThread() {
      return ke.currentThread.object;
    },
    get irql() {
      return ke.irql;
    },
    defer,
  };
}
