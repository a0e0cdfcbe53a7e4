/**
 * Damaged drivers through the loader. One that loads all the same runs: DriverEntry, an open, some requests, unload.
 */
import { readFileSync } from 'node:fs';
import { boot as bootMachine, type Driver, type Machine } from '../../src/index.ts';
import { Random } from '../support/random.ts';
import { mutateImage } from './mutate-image.ts';
import { outcomeOf, Tally } from './outcome.ts';

const ORIGINAL = readFileSync(new URL('../../samples/transfer/transfer.sys', import.meta.url));

/** Seeds from `first` on, one machine for each driver that runs. */
export function loadDamagedImages(first: number, count: number): Tally {
  const tally = new Tally();
  let machine = boot();
  for (let seed = first; seed < first + count; seed++) {
    const image = mutateImage(ORIGINAL, new Random(seed));
    let ran = false;
    const outcome = outcomeOf(`damaged image, seed ${seed}`, () => {
      const { driver } = machine.loadDriver(image, 'transfer.sys');
      ran = driver !== undefined;
      if (driver) exercise(machine, driver);
    });
    tally.add(outcome);
    // What ran may have changed anything; what was refused must not have changed a thing.
    if (ran || outcome !== 'status') machine = boot();
  }
  return tally;
}

const boot = () => bootMachine({ memory: 32 * 2 ** 20 });

function exercise(machine: Machine, driver: Driver): void {
  const app = machine.createProcess('app.exe');
  const buffer = app.alloc(4096);
  for (const device of ['TransferBuffered', 'TransferDirect', 'TransferNeither']) {
    const { handle, ok } = app.CreateFile(`\\\\.\\${device}`);
    if (!ok) continue;
    app.WriteFile(handle, buffer, 100);
    app.ReadFile(handle, buffer, 4096);
    app.CloseHandle(handle);
  }
  machine.unloadDriver(driver);
}
