/** After any number of requests, and after the process that made them: frames, system PTEs, pool and locks as before. */
import { describe, expect, test } from 'vitest';
import { wdm } from '../../src/index.ts';
import { Random } from '../support/random.ts';
import { boot, EACH_STACK } from '../support/stacks.ts';
import { DEVICES } from '../support/transfer-client.ts';

describe.each(EACH_STACK)('%s', (_name, stack) => {
  test('loses nothing over good and bad requests, nor when the process ends', () => {
    const machine = boot(stack);
    const { mm } = machine.kernel;
    const round = (requests: number) => {
      const source = new Random(7);
      const random = (bound: number) => source.below(bound);
      const app = machine.createProcess();
      for (const device of DEVICES) {
        const { handle } = app.CreateFile(`\\\\.\\${device}`);
        for (let i = 0; i < requests; i++) {
          const buffer = app.alloc(0x8000);
          if (random(4) === 0)
            app.VirtualProtect(buffer + 0x3000, 0x1000, [wdm.PAGE_READONLY, wdm.PAGE_NOACCESS][random(2)]!);
          const address = [0, buffer + random(0x7000), -0x1000, 0x7fff_ffff_0000][random(3) || random(4)]!;
          const length = random(0x5000);
          if (random(2)) app.ReadFile(handle, address, length);
          else app.WriteFile(handle, address, length);
          if (random(2)) app.VirtualFree(buffer);
        }
        if (random(2)) app.CloseHandle(handle);
      }
      app.ExitProcess(0);
      return mm.usage();
    };
    round(40);
    const before = round(40);
    expect(round(80)).toEqual(before);
    expect(before.lockedPages).toBe(0);
    mm.pfn.verify();
  });
});
