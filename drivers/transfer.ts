/**
 * transfer, as a TypeScript driver: the same devices, IOCTLs and behaviour as samples/transfer, whose header says what
 * they are. Read the two side by side.
 *
 * A TypeScript driver lives by a driver's rules. Its dispatch routines have addresses in its DRIVER_OBJECT, the IRP is
 * in guest memory, and what it calls are the kernel's exports by their own names. A raw user address is touched inside
 * `tryExcept` only, after a probe.
 */
import type { Nt, TypeScriptDriver } from '../src/index.ts';
import { isRoutine, type MaybeRoutine, type Routine } from '../src/ke/routine.ts';
import { type Address, fromAddress } from '../src/wdm/address.ts';
import * as wdm from '../src/wdm/constants.ts';
import { DEVICE_OBJECT, DRIVER_OBJECT, type IO_STACK_LOCATION, IRP, MDL } from '../src/wdm/layouts.ts';
import * as nt from '../src/wdm/ntstatus.ts';
import type { ViewOf } from '../src/wdm/struct.ts';
import * as api from './transfer-interface.ts';

const DEVICES = [
  { name: 'TransferBuffered', flags: wdm.DO_BUFFERED_IO },
  { name: 'TransferDirect', flags: wdm.DO_DIRECT_IO },
  { name: 'TransferNeither', flags: 0 },
] as const;

const TAG = 0x7266_7254; // Trfr
const IO_NO_INCREMENT = 0;

/** How a request ends. */
interface Outcome {
  readonly status: number;
  readonly information: number;
}
const done = (information: number): Outcome => ({ status: nt.STATUS_SUCCESS, information });
const failed = (status: number): Outcome => ({ status, information: 0 });

/** Where a data request's bytes are, as its method gives them. */
interface DataBuffer {
  readonly address: Address;
  readonly length: number;
  /** A user address as it came. */
  readonly raw: boolean;
}

interface DeviceState {
  /** TRANSFER_STORE_BYTES of nonpaged pool, and how many of them count. */
  readonly store: Address;
  stored: number;
  /** TRANSFER_VIEW, in nonpaged pool. */
  readonly view: Address;
  keepNext: boolean;
  completeNext: { readonly status: number; readonly information: number; readonly fill: number } | undefined;
  kept: { readonly irp: Address; readonly data: DataBuffer } | undefined;
}

type Stack = ViewOf<typeof IO_STACK_LOCATION>;

class TransferDriver {
  readonly #nt: Nt;
  readonly #devices = new Map<Address, DeviceState>();
  #cancelRoutine: Address = 0;

  constructor(kernel: Nt) {
    this.#nt = kernel;
  }

  *DriverEntry(driverObject: Address): Routine<number> {
    const { memory } = this.#nt;
    const driver = DRIVER_OBJECT.at(memory, driverObject);
    const dispatch = (name: string, body: (device: Address, irp: Address) => Routine<number>) =>
      this.#nt.routine(name, ['DeviceObject: ptr', 'Irp: ptr'], 'ntstatus', body);
    const createClose = dispatch('TransferCreateClose', (_device, irp) => this.#complete(irp, done(0)));
    const readWrite = dispatch('TransferReadWrite', (device, irp) => this.#readWrite(device, irp));
    driver.MajorFunction.set(wdm.IRP_MJ_CREATE, createClose);
    driver.MajorFunction.set(wdm.IRP_MJ_CLOSE, createClose);
    driver.MajorFunction.set(
      wdm.IRP_MJ_CLEANUP,
      dispatch('TransferCleanup', (d, irp) => this.#cleanup(d, irp)),
    );
    driver.MajorFunction.set(wdm.IRP_MJ_READ, readWrite);
    driver.MajorFunction.set(wdm.IRP_MJ_WRITE, readWrite);
    driver.MajorFunction.set(
      wdm.IRP_MJ_DEVICE_CONTROL,
      dispatch('TransferControl', (d, irp) => this.#control(d, irp)),
    );
    driver.DriverUnload = this.#nt.routine('TransferUnload', ['DriverObject: ptr'], 'void', () => this.#unload(driver));
    this.#cancelRoutine = this.#nt.routine('TransferCancel', ['DeviceObject: ptr', 'Irp: ptr'], 'void', (d, irp) =>
      this.#cancel(d, irp),
    );
    for (const { name, flags } of DEVICES) {
      const status = yield* this.#createDevice(driverObject, name, flags);
      if (!nt.NT_SUCCESS(status)) {
        yield* this.#unload(driver);
        return status;
      }
    }
    return nt.STATUS_SUCCESS;
  }

  *#createDevice(driverObject: Address, name: string, flags: number): Routine<number> {
    const { memory } = this.#nt;
    const out = this.#nt.alloca(8);
    const deviceName = this.#nt.unicodeString(`\\Device\\${name}`);
    const { FILE_DEVICE_TRANSFER } = api;
    let status = yield* this.#nt.IoCreateDevice(
      driverObject,
      0,
      deviceName,
      FILE_DEVICE_TRANSFER,
      wdm.FILE_DEVICE_SECURE_OPEN,
      false,
      out,
    );
    if (!nt.NT_SUCCESS(status)) return status;
    const device = memory.readPointer(out);
    status = yield* this.#nt.IoCreateSymbolicLink(this.#nt.unicodeString(`\\DosDevices\\${name}`), deviceName);
    const store = this.#nt.ExAllocatePoolWithTag(wdm.NonPagedPoolNx, api.TRANSFER_STORE_BYTES, TAG);
    const view = this.#nt.ExAllocatePoolWithTag(wdm.NonPagedPoolNx, api.TRANSFER_VIEW.size, TAG);
    if (store === 0 || view === 0) status = nt.STATUS_INSUFFICIENT_RESOURCES;
    if (!nt.NT_SUCCESS(status)) {
      for (const block of [store, view]) if (block !== 0) this.#nt.ExFreePoolWithTag(block, TAG);
      yield* this.#nt.IoDeleteDevice(device);
      return status;
    }
    memory.writeBytes(
      store,
      Uint8Array.from({ length: api.TRANSFER_STORE_BYTES }, (_, i) => api.TRANSFER_PATTERN(i)),
    );
    memory.fill(view, api.TRANSFER_VIEW.size, 0);
    this.#devices.set(device, {
      store,
      stored: api.TRANSFER_STORE_BYTES,
      view,
      keepNext: false,
      completeNext: undefined,
      kept: undefined,
    });
    const object = DEVICE_OBJECT.at(memory, device);
    object.Flags = (object.Flags | flags) & ~wdm.DO_DEVICE_INITIALIZING;
    return nt.STATUS_SUCCESS;
  }

  *#unload(driver: ViewOf<typeof DRIVER_OBJECT>): Routine {
    for (const { name } of DEVICES)
      yield* this.#nt.IoDeleteSymbolicLink(this.#nt.unicodeString(`\\DosDevices\\${name}`));
    for (let device = driver.DeviceObject; device !== 0; device = driver.DeviceObject) {
      const state = this.#devices.get(device);
      if (state) {
        this.#nt.ExFreePoolWithTag(state.store, TAG);
        this.#nt.ExFreePoolWithTag(state.view, TAG);
        this.#devices.delete(device);
      }
      yield* this.#nt.IoDeleteDevice(device);
    }
  }

  // ----- Dispatch

  *#readWrite(device: Address, irp: Address): Routine<number> {
    const stack = this.#nt.IoGetCurrentIrpStackLocation(irp);
    const reads = stack.MajorFunction === wdm.IRP_MJ_READ;
    const { Length } = reads ? stack.Parameters.Read : stack.Parameters.Write;
    const state = this.#devices.get(device)!;
    const { Flags } = DEVICE_OBJECT.at(this.#nt.memory, device);
    const method =
      Flags & wdm.DO_BUFFERED_IO
        ? wdm.METHOD_BUFFERED
        : Flags & wdm.DO_DIRECT_IO
          ? wdm.METHOD_OUT_DIRECT
          : wdm.METHOD_NEITHER;
    const data = this.#dataBuffer(irp, method, Length);
    this.#look(device, state, irp, stack, reads ? [0, Length] : [Length, 0], data);
    return yield* this.#data(state, irp, data, reads, found =>
      reads ? this.#fromStore(state, found, 0) : this.#toStore(state, found, 0),
    );
  }

  *#control(device: Address, irp: Address): Routine<number> {
    const stack = this.#nt.IoGetCurrentIrpStackLocation(irp);
    const state = this.#devices.get(device)!;
    const { IoControlCode: code, InputBufferLength, OutputBufferLength } = stack.Parameters.DeviceIoControl;
    const control = this.#controls.get(code);
    if (control)
      return yield* this.#complete(irp, yield* settle(control(state, irp, InputBufferLength, OutputBufferLength)));
    const request = this.#requests.get(code);
    if (!request) return yield* this.#complete(irp, failed(nt.STATUS_INVALID_DEVICE_REQUEST));
    const data = this.#dataBuffer(irp, wdm.METHOD_FROM_CTL_CODE(code), OutputBufferLength);
    this.#look(device, state, irp, stack, [InputBufferLength, OutputBufferLength], data);
    const fills = code !== api.IOCTL_TRANSFER_PUT_IN_DIRECT;
    return yield* this.#data(state, irp, data, fills, found => request(state, irp, stack, found));
  }

  *#cleanup(device: Address, irp: Address): Routine<number> {
    const state = this.#devices.get(device)!;
    const { FileObject } = this.#nt.IoGetCurrentIrpStackLocation(irp);
    if (state.kept && this.#nt.IoGetCurrentIrpStackLocation(state.kept.irp).FileObject === FileObject) {
      yield* this.#take(state, nt.STATUS_CANCELLED, 0);
    }
    return yield* this.#complete(irp, done(0));
  }

  // ----- Data requests

  readonly #requests = new Map<
    number,
    (state: DeviceState, irp: Address, stack: Stack, data: DataBuffer) => MaybeRoutine<Outcome>
  >([
    [api.IOCTL_TRANSFER_REVERSE_BUFFERED, (_state, irp, stack, data) => this.#reverseBuffered(irp, stack, data)],
    [api.IOCTL_TRANSFER_PUT_IN_DIRECT, (state, irp, stack, data) => this.#toStore(state, data, this.#key(irp, stack))],
    [
      api.IOCTL_TRANSFER_GET_OUT_DIRECT,
      (state, irp, stack, data) => this.#fromStore(state, data, this.#key(irp, stack)),
    ],
    [api.IOCTL_TRANSFER_REVERSE_NEITHER, (_state, _irp, stack, data) => this.#reverseNeither(stack, data)],
    [api.IOCTL_TRANSFER_REVERSE_OWN_MDL, (_state, _irp, stack, data) => this.#reverseOwnMdl(stack, data)],
  ]);

  /** Keeps the request, completes it as COMPLETE_NEXT said, or serves it. `fills`: the driver may write the buffer. */
  *#data(
    state: DeviceState,
    irp: Address,
    data: DataBuffer | undefined,
    fills: boolean,
    serve: (data: DataBuffer) => MaybeRoutine<Outcome>,
  ): Routine<number> {
    if (!data) return yield* this.#complete(irp, failed(nt.STATUS_INSUFFICIENT_RESOURCES));
    if (state.keepNext) {
      state.keepNext = false;
      return yield* this.#keep(state, irp, data);
    }
    const { completeNext } = state;
    if (!completeNext) return yield* this.#complete(irp, yield* settle(serve(data)));
    state.completeNext = undefined;
    const { status, fill } = completeNext;
    const information = Math.min(completeNext.information, data.length);
    const outcome = fills
      ? yield* this.#access(data, data.length, 'write', address => {
          this.#nt.memory.fill(address, data.length, fill & 0xff);
          return { status, information };
        })
      : { status, information };
    return yield* this.#complete(irp, outcome);
  }

  *#fromStore(state: DeviceState, data: DataBuffer, key: number): Routine<Outcome> {
    const { memory } = this.#nt;
    const length = Math.min(data.length, state.stored);
    const bytes = memory.readBytes(state.store, length).map(byte => byte ^ key);
    return yield* this.#access(data, length, 'write', address => {
      memory.writeBytes(address, bytes);
      return done(length);
    });
  }

  *#toStore(state: DeviceState, data: DataBuffer, key: number): Routine<Outcome> {
    const { memory } = this.#nt;
    if (data.length > api.TRANSFER_STORE_BYTES) return failed(nt.STATUS_INVALID_BUFFER_SIZE);
    return yield* this.#access(data, data.length, 'read', address => {
      const bytes = memory.readBytes(address, data.length).map(byte => byte ^ key);
      memory.writeBytes(state.store, bytes);
      state.stored = data.length;
      return done(data.length);
    });
  }

  #reverseBuffered(irp: Address, stack: Stack, data: DataBuffer): Outcome {
    const { InputBufferLength } = stack.Parameters.DeviceIoControl;
    const { SystemBuffer } = IRP.at(this.#nt.memory, irp).AssociatedIrp;
    // Input and output are the same buffer, as long as the longer of the two.
    return this.#withCapture(InputBufferLength, captured => {
      this.#nt.memory.copy(captured, SystemBuffer, InputBufferLength);
      return this.#reverse(captured, InputBufferLength, data.address, data.length);
    });
  }

  *#reverseNeither(stack: Stack, data: DataBuffer): Routine<Outcome> {
    const { InputBufferLength: length, Type3InputBuffer: input } = stack.Parameters.DeviceIoControl;
    const kernel = this.#nt;
    const reverse = () =>
      this.#withCapture(length, captured => {
        kernel.memory.copy(captured, input, length);
        return this.#reverse(captured, length, data.address, data.length);
      });
    if (length === 0) return done(0);
    return yield* this.#tried(function* () {
      kernel.ProbeForRead(input, length, 1);
      yield* kernel.ProbeForWrite(data.address, Math.min(length, data.length), 1);
      return reverse();
    });
  }

  *#reverseOwnMdl(stack: Stack, data: DataBuffer): Routine<Outcome> {
    const { InputBufferLength: length, Type3InputBuffer: input } = stack.Parameters.DeviceIoControl;
    const reverse = (from: Address, to: Address) =>
      this.#withCapture(length, captured => {
        this.#nt.memory.copy(captured, from, length);
        return this.#reverse(captured, length, to, data.length);
      });
    const { address: output, length: outputLength } = data;
    const locked = this.#withLockedPages.bind(this);
    if (length === 0) return done(0);
    return yield* locked(input, length, wdm.IoReadAccess, from =>
      locked(output, Math.min(length, outputLength), wdm.IoWriteAccess, to => reverse(from, to)),
    );
  }

  /** Runs `use` with a system address for the user pages, locked and mapped by an MDL of the driver's own. */
  *#withLockedPages(
    address: Address,
    length: number,
    operation: number,
    use: (mapped: Address) => MaybeRoutine<Outcome>,
  ): Routine<Outcome> {
    if (length === 0) return yield* settle(use(0));
    const mdl = this.#nt.IoAllocateMdl(address, length, false, false, 0);
    if (mdl === 0) return failed(nt.STATUS_INSUFFICIENT_RESOURCES);
    const kernel = this.#nt;
    const locked = yield* this.#tried(function* () {
      yield* kernel.MmProbeAndLockPages(mdl, wdm.UserMode, operation);
      return done(0);
    });
    let outcome = locked;
    if (nt.NT_SUCCESS(locked.status)) {
      const mapped = this.#systemAddress(mdl);
      outcome = mapped === 0 ? failed(nt.STATUS_INSUFFICIENT_RESOURCES) : yield* settle(use(mapped));
      this.#nt.MmUnlockPages(mdl);
    }
    this.#nt.IoFreeMdl(mdl);
    return outcome;
  }

  /** `output` becomes the input reversed, as far as it fits. */
  #reverse(input: Address, inputLength: number, output: Address, outputLength: number): Outcome {
    const { memory } = this.#nt;
    const length = Math.min(inputLength, outputLength);
    memory.writeBytes(output, memory.readBytes(input + inputLength - length, length).reverse());
    const status = outputLength < inputLength ? nt.STATUS_BUFFER_OVERFLOW : nt.STATUS_SUCCESS;
    return { status, information: length };
  }

  /** Runs `use` with pool for a copy of the input, so that nobody changes it between two looks. */
  #withCapture(length: number, use: (captured: Address) => Outcome): Outcome {
    if (length === 0) return use(0);
    const captured = this.#nt.ExAllocatePoolWithTag(wdm.NonPagedPoolNx, length, TAG);
    if (captured === 0) return failed(nt.STATUS_INSUFFICIENT_RESOURCES);
    try {
      return use(captured);
    } finally {
      this.#nt.ExFreePoolWithTag(captured, TAG);
    }
  }

  /** The byte that METHOD_IN_DIRECT and METHOD_OUT_DIRECT data are XORed with: the first of the first buffer. */
  #key(irp: Address, stack: Stack): number {
    const { memory } = this.#nt;
    if (stack.Parameters.DeviceIoControl.InputBufferLength === 0) return 0;
    return memory.readU8(IRP.at(memory, irp).AssociatedIrp.SystemBuffer);
  }

  // ----- Buffers

  /** undefined: the MDL could not be mapped. */
  #dataBuffer(irp: Address, method: number, length: number): DataBuffer | undefined {
    const view = IRP.at(this.#nt.memory, irp);
    if (method === wdm.METHOD_BUFFERED) return { address: view.AssociatedIrp.SystemBuffer, length, raw: false };
    if (method === wdm.METHOD_NEITHER) return { address: view.UserBuffer, length, raw: true };
    if (view.MdlAddress === 0) return { address: 0, length: 0, raw: false };
    const address = this.#systemAddress(view.MdlAddress);
    return address === 0 ? undefined : { address, length, raw: false };
  }

  /** MmGetSystemAddressForMdlSafe */
  #systemAddress(mdl: Address): Address {
    const view = MDL.at(this.#nt.memory, mdl);
    const mapped = wdm.MDL_MAPPED_TO_SYSTEM_VA | wdm.MDL_SOURCE_IS_NONPAGED_POOL;
    if (view.MdlFlags & mapped) return view.MappedSystemVa;
    const priority = wdm.NormalPagePriority | wdm.MdlMappingNoExecute;
    return this.#nt.MmMapLockedPagesSpecifyCache(mdl, wdm.KernelMode, wdm.MmCached, 0, 0, priority);
  }

  /** Runs `use` on the data buffer; if that is a raw user address, after a probe and with exceptions as its outcome. */
  *#access(
    data: DataBuffer,
    length: number,
    access: 'read' | 'write',
    use: (address: Address) => Outcome,
  ): Routine<Outcome> {
    if (!data.raw) return use(data.address);
    const kernel = this.#nt;
    return yield* this.#tried(function* () {
      if (access === 'read') kernel.ProbeForRead(data.address, length, 1);
      else yield* kernel.ProbeForWrite(data.address, length, 1);
      return use(data.address);
    });
  }

  /** `__try { body } __except (EXCEPTION_EXECUTE_HANDLER) { status = GetExceptionCode(); }` */
  #tried(body: () => Routine<Outcome>): Routine<Outcome> {
    return this.#nt.tryExcept(
      body,
      () => wdm.EXCEPTION_EXECUTE_HANDLER,
      ({ status }) => settle(failed(status)),
    );
  }

  // ----- Control requests

  readonly #controls = new Map<
    number,
    (state: DeviceState, irp: Address, inputLength: number, outputLength: number) => MaybeRoutine<Outcome>
  >([
    [api.IOCTL_TRANSFER_LAST_VIEW, (state, irp, _input, output) => this.#lastView(state, irp, output)],
    [api.IOCTL_TRANSFER_KEEP_NEXT, state => this.#keepNext(state)],
    [api.IOCTL_TRANSFER_COMPLETE_NEXT, (state, irp, input) => this.#completeNext(state, irp, input)],
    [api.IOCTL_TRANSFER_PEEK, (state, irp, _input, output) => this.#peek(state, irp, output)],
    [api.IOCTL_TRANSFER_POKE, (state, irp, input) => this.#poke(state, irp, input)],
    [api.IOCTL_TRANSFER_RELEASE, (state, irp, input) => this.#release(state, irp, input)],
  ]);

  #systemBuffer(irp: Address): Address {
    return IRP.at(this.#nt.memory, irp).AssociatedIrp.SystemBuffer;
  }

  #lastView(state: DeviceState, irp: Address, outputLength: number): Outcome {
    const { size } = api.TRANSFER_VIEW;
    if (outputLength < size) return failed(nt.STATUS_BUFFER_TOO_SMALL);
    this.#nt.memory.copy(this.#systemBuffer(irp), state.view, size);
    return done(size);
  }

  #keepNext(state: DeviceState): Outcome {
    if (state.kept) return failed(nt.STATUS_DEVICE_BUSY);
    state.keepNext = true;
    return done(0);
  }

  #completeNext(state: DeviceState, irp: Address, inputLength: number): Outcome {
    if (inputLength < api.TRANSFER_COMPLETION.size) return failed(nt.STATUS_INVALID_PARAMETER);
    const completion = api.TRANSFER_COMPLETION.at(this.#nt.memory, this.#systemBuffer(irp));
    const { Status: status, Information: information, Fill: fill } = completion;
    state.completeNext = { status, information, fill };
    return done(0);
  }

  *#peek(state: DeviceState, irp: Address, outputLength: number): Routine<Outcome> {
    if (!state.kept) return failed(nt.STATUS_NOT_FOUND);
    const { data } = state.kept;
    const length = Math.min(outputLength, data.length);
    return yield* this.#access(data, length, 'read', address => {
      this.#nt.memory.copy(this.#systemBuffer(irp), address, length);
      return done(length);
    });
  }

  *#poke(state: DeviceState, irp: Address, inputLength: number): Routine<Outcome> {
    if (!state.kept) return failed(nt.STATUS_NOT_FOUND);
    const { data } = state.kept;
    const length = Math.min(inputLength, data.length);
    return yield* this.#access(data, length, 'write', address => {
      this.#nt.memory.copy(address, this.#systemBuffer(irp), length);
      return done(0);
    });
  }

  *#release(state: DeviceState, irp: Address, inputLength: number): Routine<Outcome> {
    if (inputLength < api.TRANSFER_COMPLETION.size) return failed(nt.STATUS_INVALID_PARAMETER);
    const { Status, Information } = api.TRANSFER_COMPLETION.at(this.#nt.memory, this.#systemBuffer(irp));
    return (yield* this.#take(state, Status, Information)) ? done(0) : failed(nt.STATUS_NOT_FOUND);
  }

  // ----- Keeping a request

  *#keep(state: DeviceState, irp: Address, data: DataBuffer): Routine<number> {
    this.#nt.IoMarkIrpPending(irp);
    state.kept = { irp, data };
    this.#nt.IoSetCancelRoutine(irp, this.#cancelRoutine);
    // Cancelled before the routine was there: nobody has called it, nor will.
    if (IRP.at(this.#nt.memory, irp).Cancel && this.#nt.IoSetCancelRoutine(irp, 0) !== 0) {
      state.kept = undefined;
      yield* this.#complete(irp, failed(nt.STATUS_CANCELLED));
    }
    return nt.STATUS_PENDING;
  }

  /** Completes the kept request; false if there is none, or its cancel routine is about to do so. */
  *#take(state: DeviceState, status: number, information: number): Routine<boolean> {
    const { kept } = state;
    if (!kept || this.#nt.IoSetCancelRoutine(kept.irp, 0) === 0) return false;
    state.kept = undefined;
    yield* this.#complete(kept.irp, { status, information: Math.min(information, kept.data.length) });
    return true;
  }

  /** DRIVER_CANCEL: called with the cancel spin lock held. */
  *#cancel(device: Address, irp: Address): Routine {
    yield* this.#nt.IoReleaseCancelSpinLock(IRP.at(this.#nt.memory, irp).CancelIrql);
    const state = this.#devices.get(device);
    if (state?.kept?.irp === irp) state.kept = undefined;
    yield* this.#complete(irp, failed(nt.STATUS_CANCELLED));
  }

  // ----- What both kinds share

  /** Fills in TRANSFER_VIEW. */
  #look(
    device: Address,
    state: DeviceState,
    irp: Address,
    stack: Stack,
    [inputLength, outputLength]: readonly [number, number],
    data: DataBuffer | undefined,
  ): void {
    const { memory } = this.#nt;
    const request = IRP.at(memory, irp);
    const control = stack.MajorFunction === wdm.IRP_MJ_DEVICE_CONTROL ? stack.Parameters.DeviceIoControl : undefined;
    const mdl = request.MdlAddress === 0 ? undefined : MDL.at(memory, request.MdlAddress);
    const view = api.TRANSFER_VIEW.at(memory, state.view);
    view.MajorFunction = stack.MajorFunction;
    view.IoControlCode = control?.IoControlCode ?? 0;
    view.InputBufferLength = inputLength;
    view.OutputBufferLength = outputLength;
    view.SystemBuffer = fromAddress(request.AssociatedIrp.SystemBuffer);
    view.MdlAddress = fromAddress(request.MdlAddress);
    view.UserBuffer = fromAddress(request.UserBuffer);
    view.Type3InputBuffer = fromAddress(control?.Type3InputBuffer ?? 0);
    view.MdlVirtualAddress = mdl ? fromAddress(mdl.StartVa + mdl.ByteOffset) : 0n;
    view.MdlSystemAddress = mdl && data ? fromAddress(data.address) : 0n;
    view.MdlFirstFrame = mdl ? memory.readU64(mdl.address + MDL.size) : 0n;
    view.MdlByteCount = mdl?.ByteCount ?? 0;
    view.MdlFlags = mdl?.MdlFlags ?? 0;
    view.IrpFlags = request.Flags;
    view.Irql = this.#nt.KeGetCurrentIrql();
    view.RequestorMode = request.RequestorMode;
    view.StackCount = request.StackCount;
    view.Process = fromAddress(this.#nt.IoGetCurrentProcess());
    view.Thread = fromAddress(this.#nt.KeGetCurrentThread());
    view.IrpThread = fromAddress(request.Tail.Overlay.Thread);
    view.DeviceObject = fromAddress(device);
  }

  /** Completes the request and gives its status to the caller; the IRP is gone afterwards. */
  *#complete(irp: Address, { status, information }: Outcome): Routine<number> {
    const { IoStatus } = IRP.at(this.#nt.memory, irp);
    IoStatus.Status = status;
    IoStatus.Information = BigInt(information);
    yield* this.#nt.IofCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
  }
}

/** The outcome of a routine that may be a generator, for a caller that is one. */
function* settle<T>(value: MaybeRoutine<T>): Routine<T> {
  return isRoutine(value) ? yield* value : value;
}

/** The driver, for `machine.loadDriver(transfer())`. */
export default function transfer(): TypeScriptDriver {
  return {
    name: 'transfer',
    DriverEntry: (kernel, driverObject) => new TransferDriver(kernel).DriverEntry(driverObject),
  };
}
