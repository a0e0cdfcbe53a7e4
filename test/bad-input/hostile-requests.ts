/**
 * Requests that no good application sends: any length, any pointer, any code, on any device of the transfer driver.
 *
 * The driver under them is correct, so no request may stop the machine, and after each hundred an ordinary one must
 * still work. One machine serves them all: what a request left behind would show.
 */
import * as transfer from '../../drivers/transfer-interface.ts';
import type { Machine, Process } from '../../src/index.ts';
import { PAGE_SIZE } from '../../src/wdm/address.ts';
import * as wdm from '../../src/wdm/constants.ts';
import { FILE_FLAG_OVERLAPPED } from '../../src/win32/index.ts';
import { Random } from '../support/random.ts';
import { boot, type Stack } from '../support/stacks.ts';
import { DEVICES, initialStore, TransferClient } from '../support/transfer-client.ts';
import { outcomeOf, Tally } from './outcome.ts';

const LENGTHS = [0, 1, 2, 7, 8, 12, 15, 64, 127, 128, 4095, 4096, 4097, 65535, 65536, 65537, 0xf_ffff, 0x100_0000];
const HUGE = [0x7fff_ffff, 0x8000_0000, 0xffff_efff, 0xffff_f000, 0xffff_f001, 0xffff_fffe, 0xffff_ffff];

/** A request that is kept on a handle for synchronous use would rightly never return. */
const KEPT = transfer.IOCTL_TRANSFER_KEEP_NEXT;
const CODES = Object.entries(transfer)
  .filter(([name]) => name.startsWith('IOCTL_'))
  .map(([, code]) => code as number)
  .filter(code => code !== KEPT);

/** Memory of the application in every state that a page can be in. */
class Pages {
  readonly #pointers: ((random: Random) => number | bigint)[];

  constructor(app: Process) {
    const good = app.alloc(0x11_0000);
    const readOnly = app.alloc(PAGE_SIZE);
    app.VirtualProtect(readOnly, PAGE_SIZE, wdm.PAGE_READONLY);
    const noAccess = app.alloc(PAGE_SIZE);
    app.VirtualProtect(noAccess, PAGE_SIZE, wdm.PAGE_NOACCESS);
    const guard = app.alloc(PAGE_SIZE);
    app.VirtualProtect(guard, PAGE_SIZE, wdm.PAGE_READWRITE | wdm.PAGE_GUARD);
    const half = app.alloc(2 * PAGE_SIZE);
    app.VirtualFree(half + PAGE_SIZE, PAGE_SIZE, wdm.MEM_DECOMMIT);
    const gone = app.alloc(PAGE_SIZE);
    app.VirtualFree(gone);
    const reserved = app.VirtualAlloc(0, PAGE_SIZE, wdm.MEM_RESERVE).address;
    this.#pointers = [
      () => good,
      random => good + random.below(PAGE_SIZE),
      () => 0,
      random => random.below(0x1_0000),
      random => readOnly + random.below(16),
      () => noAccess,
      () => guard,
      random => half + PAGE_SIZE - 1 - random.below(64),
      random => gone + random.below(PAGE_SIZE),
      () => reserved,
      () => 0x7fff_ffff_0000,
      () => 0x7fff_fffe_ffff,
      () => 0x7fff_ffff_ffff,
      () => 0x8000_0000_0000n,
      () => 0xffff_7fff_ffff_ffffn,
      () => 0xffff_8000_0000_0000n,
      () => 0xffff_f780_0000_0000n,
      () => 0xffff_ffff_ffff_ffffn,
      random => -(random.below(0x8000_0000) * 0x1_0000) - random.below(0x1_0000) - 1,
      random => (BigInt(random.u32()) << 32n) | BigInt(random.u32()),
    ];
  }

  pointer(random: Random): number | bigint {
    // Half of them good, so that a bad one meets a good partner.
    return random.oneIn(2) ? this.#pointers[random.below(2)]!(random) : random.pick(this.#pointers)(random);
  }
}

const length = (random: Random): number => {
  if (random.oneIn(6)) return random.pick(HUGE);
  return random.oneIn(8) ? random.u32() : random.pick(LENGTHS);
};

const code = (random: Random): number => {
  if (random.oneIn(8)) return random.u32();
  if (!random.oneIn(8)) return random.pick(CODES);
  // A known function with another METHOD or other access bits.
  const near = (random.pick(CODES) ^ (1 << random.below(32))) >>> 0;
  return near === KEPT ? code(random) : near;
};

/** Requests for the seeds from `first` on. */
export function sendHostileRequests(stack: Stack, first: number, count: number): Tally {
  const tally = new Tally();
  const machine = boot(stack);
  const app = machine.createProcess('hostile.exe');
  const pages = new Pages(app);
  const clients = DEVICES.flatMap(device => [
    new TransferClient(app, device),
    new TransferClient(app, device, { flags: FILE_FLAG_OVERLAPPED }),
    new TransferClient(app, device, { access: wdm.GENERIC_READ }),
  ]);
  for (let seed = first; seed < first + count; seed++) {
    const random = new Random(seed);
    const what = `${stack.name}, request of seed ${seed}`;
    const outcome = outcomeOf(what, () => {
      const status = send(clients, pages, random);
      if (!Number.isInteger(status) || status < 0 || status > 0xffff_ffff) throw new Error(`status ${status}`);
    });
    if (outcome !== 'status') throw new Error(`${what} ended in a ${outcome}`);
    tally.add(outcome);
    if (seed % 100 === 99) ordinaryRequest(machine, what);
  }
  return tally;
}

function send(clients: readonly TransferClient[], pages: Pages, random: Random): number {
  const client = random.pick(clients);
  const pointer = () => pages.pointer(random);
  const which = random.below(4);
  if (which === 0) return client.read(pointer(), length(random)).status;
  if (which === 1) return client.write(pointer(), length(random)).status;
  return client.ioctl(code(random), pointer(), length(random), pointer(), length(random)).status;
}

function ordinaryRequest(machine: Machine, after: string): void {
  const app = machine.createProcess('ordinary.exe');
  for (const device of DEVICES) {
    const client = new TransferClient(app, device);
    const buffer = app.allocBytes(initialStore(64));
    // Steered by a hostile COMPLETE_NEXT that came before: the first request takes the blow.
    client.read(buffer, 0);
    const written = client.write(buffer, 64);
    const read = client.read(app.alloc(64), 64);
    if (written.bytes !== 64 || read.bytes !== 64) throw new Error(`an ordinary request fails after ${after}`);
  }
  app.ExitProcess();
}
