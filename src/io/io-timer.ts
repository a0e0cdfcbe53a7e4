/**
 * I/O timers: a routine of the driver's that is called once a second, at DISPATCH_LEVEL, for as long as it is started.
 *
 * A device has at most one. All started timers share one clock alarm, as Windows' share one DPC; the first call comes
 * within a second of IoStartTimer. Source: "Using Timer Objects", DDI page of IoInitializeTimer.
 */

import type { Clock } from '../ke/clock.ts';
import { call, type Routine } from '../ke/routine.ts';
import type { Address } from '../wdm/address.ts';
import { NonPagedPoolNx } from '../wdm/constants.ts';
import { DEVICE_OBJECT, IO_TIMER } from '../wdm/layouts.ts';
import { STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS } from '../wdm/ntstatus.ts';
import type { IoEnvironment } from './environment.ts';

const TAG = 0x6954_6f49; // IoTi
const IO_TYPE_TIMER = 9;
const SECOND = 1_000_000_000;

export class IoTimers {
  readonly #env: IoEnvironment;
  readonly #clock: Clock;
  readonly #queueDpc: (run: () => Routine) => void;
  readonly #started = new Set<Address>();
  #armed = false;

  /** @param queueDpc runs a routine of the kernel's own at DISPATCH_LEVEL */
  constructor(environment: IoEnvironment, clock: Clock, queueDpc: (run: () => Routine) => void) {
    this.#env = environment;
    this.#clock = clock;
    this.#queueDpc = queueDpc;
  }

  /** Once for a device. PASSIVE_LEVEL. */
  IoInitializeTimer(device: Address, routine: Address, context: bigint): number {
    const { memory, pool } = this.#env;
    const owner = DEVICE_OBJECT.at(memory, device);
    const address = owner.Timer === 0 ? pool.allocate(NonPagedPoolNx, IO_TIMER.size, TAG) : owner.Timer;
    if (address === 0) return STATUS_INSUFFICIENT_RESOURCES;
    memory.fill(address, IO_TIMER.size, 0);
    const timer = IO_TIMER.at(memory, address);
    timer.Type = IO_TYPE_TIMER;
    timer.TimerRoutine = routine;
    timer.Context = context;
    timer.DeviceObject = device;
    owner.Timer = address;
    return STATUS_SUCCESS;
  }

  /** IRQL <= DISPATCH_LEVEL. */
  IoStartTimer(device: Address): void {
    const { memory } = this.#env;
    const address = DEVICE_OBJECT.at(memory, device).Timer;
    IO_TIMER.at(memory, address).TimerFlag = 1;
    this.#started.add(address);
    this.#arm();
  }

  /** Not from within the timer routine, says the page; harmless there. IRQL <= DISPATCH_LEVEL. */
  IoStopTimer(device: Address): void {
    const { memory } = this.#env;
    const address = DEVICE_OBJECT.at(memory, device).Timer;
    IO_TIMER.at(memory, address).TimerFlag = 0;
    this.#started.delete(address);
  }

  /** The device goes: its timer, too. */
  forget(device: Address): void {
    const { memory, pool } = this.#env;
    const address = DEVICE_OBJECT.at(memory, device).Timer;
    if (address === 0) return;
    this.#started.delete(address);
    DEVICE_OBJECT.at(memory, device).Timer = 0;
    pool.free(address, TAG);
  }

  #arm(): void {
    if (this.#armed || this.#started.size === 0) return;
    this.#armed = true;
    this.#clock.at((Math.floor(this.#clock.now / SECOND) + 1) * SECOND, () => {
      this.#armed = false;
      this.#queueDpc(() => this.#run());
      this.#arm();
    });
  }

  *#run(): Routine {
    for (const address of [...this.#started]) {
      if (!this.#started.has(address)) continue;
      const { TimerRoutine, DeviceObject, Context } = IO_TIMER.at(this.#env.memory, address);
      yield* call(TimerRoutine, DeviceObject, Context);
    }
  }
}
