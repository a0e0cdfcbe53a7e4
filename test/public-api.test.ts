/** The public face, used rightly and wrongly. A wrong argument is an error that says what would be right. */
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { boot, ntstatus } from '../src/index.ts';

const TRANSFER = fileURLToPath(new URL('../samples/transfer/transfer.sys', import.meta.url));

describe('loadDriver', () => {
  it('takes a path, and the name from it', () => {
    const { status, driver } = boot().loadDriver(TRANSFER);
    expect(status).toBe(ntstatus.STATUS_SUCCESS);
    expect(driver?.name).toBe('transfer.sys');
  });

  it('says that a path leads nowhere, in the words of the file system', () => {
    expect(() => boot().loadDriver('no-such.sys')).toThrow('ENOENT');
  });

  it.each([undefined, null, 5, {}, new ArrayBuffer(4), new Uint16Array(4)])('%s: says what a driver is', source => {
    expect(() => boot().loadDriver(source as never)).toThrow('bytes of a .sys');
  });
});

describe('boot', () => {
  it.each([
    [{ seed: Number.NaN }, 'a seed is an integer'],
    [{ seed: 1.5 }, 'a seed is an integer'],
    [{ limits: { processorTime: Number.NaN } }, 'limits.processorTime'],
    [{ limits: { elapsedTime: -1 } }, 'limits.elapsedTime'],
    [{ memory: 4096 }, 'a multiple of 65536'],
  ])('%j: says what is wrong', (options, text) => {
    expect(() => boot(options)).toThrow(text);
  });
});
