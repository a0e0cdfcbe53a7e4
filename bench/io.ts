/**
 * The I/O path: how long until a driver answers for the first time, and how many IOCTLs a second it answers then.
 *
 * The IOCTL is transfer.sys's METHOD_BUFFERED one, which turns its input around: a request of 4096 bytes is an
 * allocation, a copy in, 2048 swaps of bytes by the driver's own code, a copy out and a free.
 */
import { readFileSync } from 'node:fs';
import { IOCTL_TRANSFER_REVERSE_BUFFERED } from '../drivers/transfer-interface.ts';
import { boot as bootMachine, type Process } from '../src/index.ts';
import type { Figure } from './index.ts';

const WARM_UP = 2_000;
const SECONDS = 2;
const BOOTS = 15;

const image = readFileSync('samples/transfer/transfer.sys');

function boot(): { app: Process; handle: number } {
  const machine = bootMachine();
  const { status } = machine.loadDriver(image, 'transfer.sys');
  if (status !== 0) throw new Error(`transfer.sys did not load: 0x${status.toString(16)}`);
  const app = machine.createProcess('bench.exe');
  return { app, handle: app.CreateFile('\\\\.\\TransferBuffered').handle };
}

function control(app: Process, handle: number, input: number, output: number, length: number): void {
  const { ok } = app.DeviceIoControl(handle, IOCTL_TRANSFER_REVERSE_BUFFERED, input, length, output, length);
  if (!ok) throw new Error(`the IOCTL failed: error ${app.GetLastError()}`);
}

/** The median of boot, load, open and one IOCTL, in milliseconds. */
function firstAnswer(): number {
  const times = Array.from({ length: BOOTS }, () => {
    const start = performance.now();
    const { app, handle } = boot();
    control(app, handle, 0, 0, 0);
    return performance.now() - start;
  });
  return times.sort((a, b) => a - b)[BOOTS >> 1]!;
}

function perSecond(length: number): number {
  const { app, handle } = boot();
  const [input, output] = length === 0 ? [0, 0] : [app.alloc(length), app.alloc(length)];
  for (let i = 0; i < WARM_UP; i++) control(app, handle, input, output, length);
  const start = performance.now();
  let count = 0;
  let elapsed = 0;
  while (elapsed < SECONDS * 1000) {
    for (let i = 0; i < 200; i++) control(app, handle, input, output, length);
    count += 200;
    elapsed = performance.now() - start;
  }
  return count / (elapsed / 1000);
}

const alone = { versus: null, ratio: null };

export default function io(): Figure[] {
  boot();
  return [
    { name: 'boot + load + first IOCTL, warm process', value: firstAnswer(), unit: 'ms', ...alone },
    { name: 'IOCTL, METHOD_BUFFERED, 0 bytes', value: perSecond(0), unit: '/s', ...alone },
    { name: 'IOCTL, METHOD_BUFFERED, 4096 bytes', value: perSecond(4096), unit: '/s', ...alone },
  ];
}
