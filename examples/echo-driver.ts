/** A driver in TypeScript: one device with buffered I/O, which gives back what was written to it last. */
import { boot, layouts, type Nt, ntstatus, type TypeScriptDriver, wdm } from 'irpwright';

function echo(): TypeScriptDriver {
  let last: Uint8Array = new Uint8Array();

  function* readOrWrite(nt: Nt, irp: number) {
    const request = layouts.IRP.at(nt.memory, irp);
    const stack = nt.IoGetCurrentIrpStackLocation(irp);
    const buffer = request.AssociatedIrp.SystemBuffer;
    if (stack.MajorFunction === wdm.IRP_MJ_WRITE) {
      last = nt.memory.readBytes(buffer, stack.Parameters.Write.Length);
    } else if (stack.MajorFunction === wdm.IRP_MJ_READ) {
      last = last.slice(0, stack.Parameters.Read.Length);
      nt.memory.writeBytes(buffer, last);
    }
    request.IoStatus.Status = ntstatus.STATUS_SUCCESS;
    request.IoStatus.Information = BigInt(last.length);
    yield* nt.IofCompleteRequest(irp, 0);
    return ntstatus.STATUS_SUCCESS;
  }

  return {
    name: 'echo',
    *DriverEntry(nt, DriverObject) {
      const dispatch = nt.routine('EchoDispatch', ['DeviceObject: ptr', 'Irp: ptr'], 'ntstatus', (_device, irp) =>
        readOrWrite(nt, irp),
      );
      const { MajorFunction } = layouts.DRIVER_OBJECT.at(nt.memory, DriverObject);
      for (const major of [
        wdm.IRP_MJ_CREATE,
        wdm.IRP_MJ_CLEANUP,
        wdm.IRP_MJ_CLOSE,
        wdm.IRP_MJ_READ,
        wdm.IRP_MJ_WRITE,
      ]) {
        MajorFunction.set(major, dispatch);
      }

      const name = nt.unicodeString('\\Device\\Echo');
      const out = nt.alloca(8);
      const status = yield* nt.IoCreateDevice(DriverObject, 0, name, wdm.FILE_DEVICE_UNKNOWN, 0, false, out);
      if (!ntstatus.NT_SUCCESS(status)) return status;
      layouts.DEVICE_OBJECT.at(nt.memory, nt.memory.readPointer(out)).Flags |= wdm.DO_BUFFERED_IO;
      return yield* nt.IoCreateSymbolicLink(nt.unicodeString('\\DosDevices\\Echo'), name);
    },
  };
}

const machine = boot();
machine.loadDriver(echo());
const app = machine.createProcess();
const { handle } = app.CreateFile('\\\\.\\Echo');
app.WriteFile(handle, new TextEncoder().encode('hello, driver'));
const answer = new Uint8Array(32);
const { bytes } = app.ReadFile(handle, answer);
console.log(new TextDecoder().decode(answer.subarray(0, bytes)));
