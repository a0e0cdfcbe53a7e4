/**
 * Driver objects: a driver's life from DriverEntry to DriverUnload.
 *
 * A driver comes as an image with an entry point. Whether that is the image of a `.sys` or the pseudo-image of a
 * TypeScript driver makes no difference here: DriverEntry, the dispatch routines and DriverUnload are guest addresses.
 * Before DriverEntry runs, every MajorFunction slot holds IopInvalidDeviceRequest, which completes what it gets with
 * STATUS_INVALID_DEVICE_REQUEST.
 *
 * An unload is asked for, not done: the driver must have a DriverUnload, and it is called when none of its devices is
 * open or has another attached on top. The image goes when the driver object does, which the driver's devices hold.
 *
 * Sources: "DriverEntry's Required Responsibilities", "Writing an Unload Routine", DDI page of DRIVER_OBJECT.
 */
import { call, call32, type Routine } from '../ke/routine.ts';
import { encodeUtf16, type ObjectType, writeUnicodeString } from '../ob/index.ts';
import type { Address } from '../wdm/address.ts';
import {
  DO_DEVICE_INITIALIZING,
  DOE_UNLOAD_PENDING,
  DRVO_INITIALIZED,
  DRVO_LEGACY_DRIVER,
  DRVO_REINIT_REGISTERED,
  DRVO_UNLOAD_INVOKED,
  FILE_ALL_ACCESS,
  IO_TYPE_DRIVER,
  IRP_MJ_MAXIMUM_FUNCTION,
  NonPagedPoolNx,
} from '../wdm/constants.ts';
import { Hang } from '../wdm/failures.ts';
import { DRIVER_EXTENSION, DRIVER_OBJECT, UNICODE_STRING } from '../wdm/layouts.ts';
import {
  NT_SUCCESS,
  STATUS_IMAGE_ALREADY_LOADED,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_DEVICE_REQUEST,
  STATUS_OBJECT_NAME_COLLISION,
  STATUS_SUCCESS,
} from '../wdm/ntstatus.ts';
import type { ViewOf } from '../wdm/struct.ts';
import type { DeviceObjects } from './device-object.ts';
import { FILE_MAPPING } from './device-object.ts';
import type { IoEnvironment } from './environment.ts';

const TAG_DRIVER = 0x7669_7244; // Driv
const TAG_NAME = 0x4e76_7244; // DrvN
const TAG_EXTENSION = 0x5876_7244; // DrvX

const SERVICES = '\\REGISTRY\\MACHINE\\SYSTEM\\ControlSet001\\Services\\';
const HARDWARE = '\\REGISTRY\\MACHINE\\HARDWARE\\DESCRIPTION\\SYSTEM';

/** The code of a driver, as its loader hands it over. */
export interface DriverImage {
  /** The file's name: transfer.sys. */
  readonly name: string;
  readonly base: Address;
  readonly size: number;
  /** DriverEntry, or what the linker put before it. */
  readonly entryPoint: Address;
  /** KLDR_DATA_TABLE_ENTRY; 0 for none. */
  readonly section?: Address;
  /** DriverEntry has returned: the INIT sections can go. */
  initialized?(): void;
  /** No code of it runs any more. */
  free(): void;
}

/** A list that is longer is a circle: a driver has written over it. */
const MAXIMUM_EXTENSIONS = 0x1_0000;

export interface LoadedDriver {
  /** What DriverEntry returned, or why it was not called. */
  readonly status: number;
  /** DRIVER_OBJECT; 0 if the driver is not loaded. */
  readonly driver: Address;
}

interface Reinitialization {
  readonly routine: Address;
  readonly context: Address;
}

export class DriverObjects {
  readonly type: ObjectType;
  readonly #env: IoEnvironment;
  readonly #devices: DeviceObjects;
  readonly #invalidDeviceRequest: Address;
  readonly #hardwareDatabase: Address;
  readonly #images = new Map<Address, DriverImage>();
  readonly #reinitializations = new Map<Address, Reinitialization[]>();

  /** @param invalidDeviceRequest the address of IopInvalidDeviceRequest */
  constructor(environment: IoEnvironment, devices: DeviceObjects, invalidDeviceRequest: Address) {
    this.#env = environment;
    this.#devices = devices;
    this.#invalidDeviceRequest = invalidDeviceRequest;
    this.type = environment.ob.objects.createType({
      name: 'Driver',
      mapping: { ...FILE_MAPPING, all: FILE_ALL_ACCESS },
      tag: TAG_DRIVER,
      procedures: { delete: driver => this.#deleted(driver) },
    });
    this.#hardwareDatabase = this.#newString(HARDWARE);
  }

  view(driver: Address): ViewOf<typeof DRIVER_OBJECT> {
    return DRIVER_OBJECT.at(this.#env.memory, driver);
  }

  /** The drivers that are loaded, in load order. */
  get loaded(): Address[] {
    return [...this.#images.keys()];
  }

  imageOf(driver: Address): DriverImage | undefined {
    return this.#images.get(driver);
  }

  /**
   * IopLoadDriver: makes the driver object and calls DriverEntry. PASSIVE_LEVEL, system process.
   * On failure the image is freed.
   * @param service the driver's key under Services, which also names the object: \Driver\service
   */
  *load(service: string, image: DriverImage): Routine<LoadedDriver> {
    const { ob, trace } = this.#env;
    const path = `\\Driver\\${service}`;
    const insert = ob.namespace.checkInsert(path);
    const driver = insert.status === STATUS_SUCCESS ? this.#create(insert.name, path, service, image) : 0;
    if (driver === 0) {
      image.free();
      const taken = insert.status === STATUS_OBJECT_NAME_COLLISION ? STATUS_IMAGE_ALREADY_LOADED : insert.status;
      return { status: taken === STATUS_SUCCESS ? STATUS_INSUFFICIENT_RESOURCES : taken, driver: 0 };
    }
    this.#images.set(driver, image);
    if (trace.enabled) {
      const { base, size, entryPoint } = image;
      trace.emit({ type: 'driver-loaded', driver: path, image: image.name, base, size, entryPoint });
    }
    const registryPath = this.#newString(SERVICES + service);
    const status = yield* call32(image.entryPoint, driver, registryPath);
    this.#freeString(registryPath);
    if (trace.enabled) trace.emit({ type: 'driver-entry-returned', driver: path, status });
    if (!NT_SUCCESS(status)) {
      yield* this.#discard(driver);
      return { status, driver: 0 };
    }
    this.#fillEmptySlots(driver);
    for (const device of this.#devices.ofDriver(driver)) this.#devices.view(device).Flags &= ~DO_DEVICE_INITIALIZING;
    this.view(driver).Flags |= DRVO_INITIALIZED;
    yield* this.#reinitialize(driver);
    image.initialized?.();
    return { status, driver };
  }

  /**
   * NtUnloadDriver, once the name is a driver object. PASSIVE_LEVEL, system process.
   * @returns STATUS_INVALID_DEVICE_REQUEST without a DriverUnload, or when it was called before; STATUS_SUCCESS when it
   *   has been called, or will be, when the last file on its devices is closed
   */
  *unload(driver: Address): Routine<number> {
    const view = this.view(driver);
    const { trace } = this.#env;
    const routine = view.DriverUnload;
    if (trace.enabled) {
      const name = this.nameOf(driver);
      trace.emit({ type: 'driver-unload-called', driver: name, ...(routine === 0 ? {} : { routine }) });
    }
    if (routine === 0 || view.Flags & DRVO_UNLOAD_INVOKED) return STATUS_INVALID_DEVICE_REQUEST;
    for (const device of this.#devices.ofDriver(driver)) {
      this.#devices.extensionOf(device).ExtensionFlags |= DOE_UNLOAD_PENDING;
    }
    yield* this.unloadIfIdle(driver);
    return STATUS_SUCCESS;
  }

  /** Calls DriverUnload if the driver is to go and nobody uses its devices. */
  *unloadIfIdle(driver: Address): Routine {
    const view = this.view(driver);
    if (view.Flags & DRVO_UNLOAD_INVOKED || view.DriverUnload === 0) return;
    for (const device of this.#devices.ofDriver(driver)) {
      const { ReferenceCount, AttachedDevice } = this.#devices.view(device);
      if (ReferenceCount !== 0 || AttachedDevice !== 0) return;
    }
    view.Flags |= DRVO_UNLOAD_INVOKED;
    yield* call(view.DriverUnload, driver);
    yield* this.#discard(driver);
  }

  /** \Driver\name */
  nameOf(driver: Address): string {
    return this.#env.ob.namespace.pathOf(driver);
  }

  /** The routine is called once, after DriverEntry and before the driver gets requests; it may register itself again. */
  IoRegisterDriverReinitialization(driver: Address, routine: Address, context: Address): void {
    this.view(driver).Flags |= DRVO_REINIT_REGISTERED;
    const queue = this.#reinitializations.get(driver);
    if (queue) queue.push({ routine, context });
    else this.#reinitializations.set(driver, [{ routine, context }]);
  }

  *#reinitialize(driver: Address): Routine {
    const extension = DRIVER_EXTENSION.at(this.#env.memory, this.view(driver).DriverExtension);
    const queue = this.#reinitializations.get(driver);
    for (let next = queue?.shift(); next; next = queue?.shift()) {
      extension.Count++;
      yield* call(next.routine, driver, next.context, extension.Count);
    }
    this.#reinitializations.delete(driver);
  }

  #create(name: string, path: string, service: string, image: DriverImage): Address {
    const { memory, ob } = this.#env;
    const driver = ob.objects.create(this.type, DRIVER_OBJECT.size + DRIVER_EXTENSION.size, name);
    if (driver === 0) return 0;
    const view = this.view(driver);
    view.Type = IO_TYPE_DRIVER;
    view.Size = DRIVER_OBJECT.size;
    view.Flags = DRVO_LEGACY_DRIVER;
    view.DriverStart = image.base;
    view.DriverSize = image.size;
    view.DriverSection = image.section ?? 0;
    view.DriverInit = image.entryPoint;
    view.HardwareDatabase = this.#hardwareDatabase;
    const extension = DRIVER_EXTENSION.at(memory, driver + DRIVER_OBJECT.size);
    view.DriverExtension = extension.address;
    extension.DriverObject = driver;
    this.#setString(view.DriverName.address, path);
    this.#setString(extension.ServiceKeyName.address, service);
    this.#fillEmptySlots(driver);
    ob.namespace.insert(path, driver, true);
    return driver;
  }

  #fillEmptySlots(driver: Address): void {
    const { MajorFunction } = this.view(driver);
    for (let major = 0; major <= IRP_MJ_MAXIMUM_FUNCTION; major++) {
      if (MajorFunction.at(major) === 0) MajorFunction.set(major, this.#invalidDeviceRequest);
    }
  }

  /** Takes the name away and drops the loader's reference: the object goes when its devices have gone. */
  *#discard(driver: Address): Routine {
    const { namespace, objects } = this.#env.ob;
    yield* namespace.ObMakeTemporaryObject(driver);
    yield* objects.ObfDereferenceObject(driver);
  }

  #deleted(driver: Address): void {
    const { memory, pool, trace } = this.#env;
    const view = this.view(driver);
    const name = this.#images.get(driver);
    const path = `\\Driver\\${this.#env.ob.objects.nameOf(driver)?.name ?? ''}`;
    let extension = DRIVER_EXTENSION.at(memory, view.DriverExtension).ClientDriverExtension;
    while (extension !== 0) {
      const next = memory.readPointer(extension);
      pool.free(extension, TAG_EXTENSION);
      extension = next;
    }
    pool.free(view.DriverName.Buffer, TAG_NAME);
    pool.free(DRIVER_EXTENSION.at(memory, view.DriverExtension).ServiceKeyName.Buffer, TAG_NAME);
    this.#images.delete(driver);
    name?.free();
    if (trace.enabled) trace.emit({ type: 'driver-unloaded', driver: path });
  }

  // --- Driver object extensions: memory that the driver finds again by an address of its own choice

  /** STATUS_OBJECT_NAME_COLLISION if the driver has one with this identification. PASSIVE_LEVEL. */
  IoAllocateDriverObjectExtension(driver: Address, id: Address, bytes: number): { status: number; extension: Address } {
    if (this.IoGetDriverObjectExtension(driver, id) !== 0)
      return { status: STATUS_OBJECT_NAME_COLLISION, extension: 0 };
    const { memory, pool } = this.#env;
    const block = bytes <= 0xffff_ffff ? pool.allocate(NonPagedPoolNx, 16 + bytes, TAG_EXTENSION) : 0;
    if (block === 0) return { status: STATUS_INSUFFICIENT_RESOURCES, extension: 0 };
    memory.fill(block, 16 + bytes, 0);
    const owner = DRIVER_EXTENSION.at(memory, this.view(driver).DriverExtension);
    memory.writePointer(block, owner.ClientDriverExtension);
    memory.writePointer(block + 8, id);
    owner.ClientDriverExtension = block;
    return { status: STATUS_SUCCESS, extension: block + 16 };
  }

  /** 0 if there is none. IRQL <= DISPATCH_LEVEL. */
  IoGetDriverObjectExtension(driver: Address, id: Address): Address {
    const { memory } = this.#env;
    let block = DRIVER_EXTENSION.at(memory, this.view(driver).DriverExtension).ClientDriverExtension;
    for (let count = 0; block !== 0 && memory.readPointer(block + 8) !== id; count++) {
      if (count === MAXIMUM_EXTENSIONS) throw new Hang('spinning', "the list of a driver's extensions is a circle");
      block = memory.readPointer(block);
    }
    return block === 0 ? 0 : block + 16;
  }

  // --- Strings in pool

  #newString(text: string): Address {
    const bytes = encodeUtf16(text);
    const address = this.#env.pool.allocate(NonPagedPoolNx, UNICODE_STRING.size + bytes.length, TAG_NAME);
    if (address === 0) return 0;
    this.#env.memory.writeBytes(address + UNICODE_STRING.size, bytes);
    writeUnicodeString(this.#env.memory, address, address + UNICODE_STRING.size, bytes.length);
    return address;
  }

  #freeString(address: Address): void {
    if (address !== 0) this.#env.pool.free(address, TAG_NAME);
  }

  #setString(at: Address, text: string): void {
    const bytes = encodeUtf16(text);
    const buffer = this.#env.pool.allocate(NonPagedPoolNx, Math.max(bytes.length, 2), TAG_NAME);
    if (buffer === 0) return;
    this.#env.memory.writeBytes(buffer, bytes);
    writeUnicodeString(this.#env.memory, at, buffer, bytes.length);
  }
}
