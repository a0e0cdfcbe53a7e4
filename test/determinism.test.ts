/**
 * The same seed and the same requests give the same trace, byte for byte: in two machines, and whether or not each
 * instruction is observed (another translation) or every page is watched (another way to memory).
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { IOCTL_TRANSFER_REVERSE_NEITHER, IOCTL_TRANSFER_REVERSE_OWN_MDL } from '../drivers/transfer-interface.ts';
import { boot, type Machine, traceLine } from '../src/index.ts';
import type { Address } from '../src/wdm/address.ts';

const transfer = readFileSync('samples/transfer/transfer.sys');
const filter = readFileSync('samples/filter/filter.sys');

/** A run over a stack of two drivers; its trace as text. */
function run(seed: number, prepare: (machine: Machine, base: Address) => void = () => {}): string[] {
  const machine = boot({ seed });
  const lines: string[] = [];
  machine.trace.subscribe(event => lines.push(traceLine(event)));
  const { driver } = machine.loadDriver(transfer, 'transfer.sys');
  prepare(machine, machine.images.findByName('transfer.sys')!.base);
  const above = machine.loadDriver(filter, 'filter.sys');
  const app = machine.createProcess();
  const buffer = app.alloc(0x1_0000);
  for (const name of ['TransferBuffered', 'TransferDirect', 'TransferNeither']) {
    const { handle } = app.CreateFile(`\\\\.\\${name}`);
    for (const length of [0, 1, 4096, 0x1_0000]) {
      app.ReadFile(handle, buffer, length);
      app.WriteFile(handle, buffer, length);
    }
    for (const code of [IOCTL_TRANSFER_REVERSE_NEITHER, IOCTL_TRANSFER_REVERSE_OWN_MDL]) {
      app.DeviceIoControl(handle, code, buffer, 4000, buffer + 0x8000, 5000);
      app.DeviceIoControl(handle, code, 0xdead_0000n, 64, buffer, 64);
    }
    app.CloseHandle(handle);
  }
  machine.unloadDriver(above.driver!);
  machine.unloadDriver(driver!);
  return lines;
}

describe('the same seed and the same requests', () => {
  const plain = run(7);

  it('give the same trace in another machine', () => {
    expect(plain.length).toBeGreaterThan(300);
    expect(run(7)).toEqual(plain);
  });

  it('give the same trace when every instruction is observed', () => {
    let instructions = 0;
    const observed = run(7, machine => {
      machine.processor.observer = { before: () => void instructions++ };
    });
    expect(instructions).toBeGreaterThan(10_000);
    expect(observed).toEqual(plain);
  });

  it('give the same trace when the driver’s image is watched', () => {
    let accesses = 0;
    const watched = run(7, (machine, base) => {
      const observer = { access: () => void accesses++ };
      machine.processor.watch(base, machine.images.find(base)!.size, observer);
    });
    expect(accesses).toBeGreaterThan(100);
    expect(watched).toEqual(plain);
  });

  it('and another seed another one', () => {
    expect(run(8)).not.toEqual(plain);
  });
});
