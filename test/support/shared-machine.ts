/**
 * One machine for all tests of a `describe`, because booting and translating the drivers anew for each of a thousand
 * tests is most of the suite's time.
 *
 * Every test finds the driver's stores as they are after loading. Its processes end with it, so that what it left open
 * is closed. A test that stops the machine leaves the next one a new one.
 */
import { afterEach, beforeEach } from 'vitest';
import { TRANSFER_STORE_BYTES } from '../../drivers/transfer-interface.ts';
import type { Machine, Process } from '../../src/index.ts';
import { boot, type Stack } from './stacks.ts';
import { DEVICES, initialStore, TransferClient } from './transfer-client.ts';

export class SharedMachine {
  readonly #stack: Stack;
  #machine: Machine | undefined;
  readonly #processes: Process[] = [];

  /** Called while tests are collected: registers its hooks with the `describe` around it. */
  constructor(stack: Stack) {
    this.#stack = stack;
    beforeEach(() => this.#restoreStores());
    afterEach(() => this.#endProcesses());
  }

  get machine(): Machine {
    if (!this.#machine || this.#machine.stopped) this.#machine = boot(this.#stack);
    return this.#machine;
  }

  /** A process that ends with the test. */
  process(imageName: string): Process {
    const process = this.machine.createProcess(imageName);
    this.#processes.push(process);
    return process;
  }

  /** How many dispatch routines were entered while `send` ran: 0 if the I/O manager let no driver see it. */
  dispatches(send: () => void): number {
    let count = 0;
    const stop = this.machine.trace.subscribe(({ type }) => {
      if (type === 'dispatched') count++;
    });
    send();
    stop();
    return count;
  }

  #restoreStores(): void {
    const setup = this.process('setup.exe');
    const bytes = setup.allocBytes(initialStore(TRANSFER_STORE_BYTES));
    for (const device of DEVICES) {
      const client = new TransferClient(setup, device);
      if (!client.write(bytes, TRANSFER_STORE_BYTES).ok) throw new Error(`${device} cannot be restored`);
    }
    this.#endProcesses();
  }

  #endProcesses(): void {
    for (const process of this.#processes.splice(0)) if (!this.#machine?.stopped) process.ExitProcess();
  }
}
