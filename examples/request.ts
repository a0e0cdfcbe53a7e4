/** One driver, one application, one request of each of the three methods. */
import { readFileSync } from 'node:fs';
import { boot } from 'irpwright';

const machine = boot({ seed: 1 });
machine.loadDriver(readFileSync('samples/transfer/transfer.sys'), 'transfer.sys');

const app = machine.createProcess('app.exe');
for (const name of ['TransferBuffered', 'TransferDirect', 'TransferNeither']) {
  const { handle } = app.CreateFile(`\\\\.\\${name}`);
  const data = new Uint8Array(4);
  const { ok, bytes } = app.ReadFile(handle, data);
  console.log(`${name}: ok ${ok}, ${bytes} bytes: ${data.join(' ')}`);
  app.CloseHandle(handle);
}
