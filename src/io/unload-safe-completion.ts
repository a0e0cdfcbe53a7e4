/**
 * IoSetCompletionRoutineEx: a completion routine whose driver cannot be unloaded while the request is below.
 *
 * The device that the driver names is referenced until the routine has returned; the I/O manager's own completion
 * routine stands in the stack location and calls the driver's. Source: "IoSetCompletionRoutineEx function".
 */
import { call32, type Routine } from '../ke/routine.ts';
import type { TrapBody } from '../ke/traps.ts';
import type { Address } from '../wdm/address.ts';
import { NonPagedPoolNx } from '../wdm/constants.ts';
import { STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS } from '../wdm/ntstatus.ts';
import { ptr, struct } from '../wdm/struct.ts';
import type { IoEnvironment } from './environment.ts';
import { type InvokeOn, IoSetCompletionRoutine } from './inlines.ts';

const TAG = 0x7355_6f49; // IoUs

const CONTEXT = struct('IO_UNLOAD_SAFE_COMPLETION_CONTEXT', 0x18, {
  DeviceObject: ptr(0x00),
  Context: ptr(0x08),
  CompletionRoutine: ptr(0x10),
});

export class UnloadSafeCompletion {
  readonly #env: IoEnvironment;
  readonly #routine: Address;

  constructor(environment: IoEnvironment, register: (name: string, body: TrapBody) => Address) {
    this.#env = environment;
    this.#routine = register('IopUnloadSafeCompletion', args =>
      this.#complete(args.address(0), args.address(1), args.address(2)),
    );
  }

  /** IRQL <= DISPATCH_LEVEL. */
  IoSetCompletionRoutineEx(device: Address, irp: Address, routine: Address, context: Address, on: InvokeOn): number {
    const { memory, pool, ob } = this.#env;
    const address = pool.allocate(NonPagedPoolNx, CONTEXT.size, TAG);
    if (address === 0) return STATUS_INSUFFICIENT_RESOURCES;
    const own = CONTEXT.at(memory, address);
    own.DeviceObject = device;
    own.Context = context;
    own.CompletionRoutine = routine;
    ob.objects.ObfReferenceObject(device);
    IoSetCompletionRoutine(memory, irp, this.#routine, address, on);
    return STATUS_SUCCESS;
  }

  *#complete(device: Address, irp: Address, address: Address): Routine<number> {
    const { memory, pool, ob } = this.#env;
    const { DeviceObject, Context, CompletionRoutine } = CONTEXT.at(memory, address);
    const status = yield* call32(CompletionRoutine, device, irp, Context);
    pool.free(address, TAG);
    yield* ob.objects.ObfDereferenceObject(DeviceObject);
    return status;
  }
}
