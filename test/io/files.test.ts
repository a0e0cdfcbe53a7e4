import { describe, expect, it } from 'vitest';
import { type Machine, type Nt, type Process, Recorder } from '../../src/index.ts';
import type { Routine } from '../../src/ke/routine.ts';
import type { Address } from '../../src/wdm/address.ts';
import * as wdm from '../../src/wdm/constants.ts';
import { FILE_OBJECT, IO_STATUS_BLOCK, IRP, OBJECT_ATTRIBUTES } from '../../src/wdm/layouts.ts';
import * as nts from '../../src/wdm/ntstatus.ts';
import { bootWith, complete, inKernel, openDevice, type Probe, probe } from './probe-driver.ts';

const { IRP_MJ_CREATE, IRP_MJ_READ, IRP_MJ_WRITE, IRP_MJ_QUERY_INFORMATION } = wdm;
const DEVICE: Probe = { name: 'p', devices: [{ name: 'Dev', flags: wdm.DO_BUFFERED_IO }] };

interface Create {
  name?: string;
  access?: number;
  share?: number;
  disposition?: number;
  options?: number;
  attributes?: number;
  fileAttributes?: number;
  root?: number;
  ea?: Uint8Array;
  length?: number;
}

/** ZwCreateFile, with its arguments on the kernel stack. */
function* zwCreateFile(nt: Nt, create: Create): Routine<{ status: number; handle: number; information: bigint }> {
  const { memory } = nt;
  const local = nt.alloca(0x60);
  const ea = nt.alloca(0x100);
  const attributes = OBJECT_ATTRIBUTES.at(memory, local + 0x20);
  memory.fill(local, 0x60, 0);
  attributes.Length = create.length ?? OBJECT_ATTRIBUTES.size;
  attributes.ObjectName = nt.unicodeString(create.name ?? '\\Device\\Dev');
  attributes.Attributes = create.attributes ?? wdm.OBJ_KERNEL_HANDLE;
  attributes.RootDirectory = BigInt(create.root ?? 0);
  if (create.ea) memory.writeBytes(ea, create.ea);
  const status = yield* nt.ZwCreateFile(
    local,
    create.access ?? wdm.GENERIC_READ | wdm.SYNCHRONIZE,
    attributes.address,
    local + 8,
    0,
    create.fileAttributes ?? 0,
    create.share ?? 0,
    create.disposition ?? wdm.FILE_OPEN,
    create.options ?? wdm.FILE_SYNCHRONOUS_IO_NONALERT,
    create.ea ? ea : 0,
    create.ea?.length ?? 0,
  );
  const block = IO_STATUS_BLOCK.at(memory, local + 8);
  return { status, handle: memory.readPointer(local), information: block.Information };
}

describe('IRP_MJ_CREATE', () => {
  it('tells the driver what the caller asked for', () => {
    const seen: unknown[] = [];
    const machine = bootWith(
      probe({
        ...DEVICE,
        dispatch: {
          *[IRP_MJ_CREATE]({ nt, irp, stack }) {
            const { Options, ShareAccess, FileAttributes } = stack.Parameters.Create;
            const file = FILE_OBJECT.at(nt.memory, stack.FileObject);
            const { Length, Buffer } = file.FileName;
            const name = new TextDecoder('utf-16le').decode(nt.memory.readBytes(Buffer, Length));
            seen.push({ Options, ShareAccess, FileAttributes, name, flags: file.Flags, type: file.Type });
            return yield* complete(nt, irp, nts.STATUS_SUCCESS, wdm.FILE_CREATED);
          },
        },
      }),
    );
    inKernel(machine, function* (nt) {
      const created = yield* zwCreateFile(nt, {
        name: '\\??\\Dev\\sub\\File',
        disposition: wdm.FILE_OPEN_IF,
        share: wdm.FILE_SHARE_READ,
        fileAttributes: wdm.FILE_ATTRIBUTE_NORMAL,
        attributes: wdm.OBJ_KERNEL_HANDLE | wdm.OBJ_CASE_INSENSITIVE,
      });
      expect(created).toMatchObject({ status: nts.STATUS_SUCCESS, information: BigInt(wdm.FILE_CREATED) });
      expect(yield* nt.ZwClose(created.handle)).toBe(nts.STATUS_SUCCESS);
    });
    expect(seen).toEqual([
      {
        Options: (wdm.FILE_OPEN_IF << 24) | wdm.FILE_SYNCHRONOUS_IO_NONALERT,
        ShareAccess: wdm.FILE_SHARE_READ,
        FileAttributes: wdm.FILE_ATTRIBUTE_NORMAL,
        name: '\\sub\\File',
        flags: wdm.FO_SYNCHRONOUS_IO,
        type: wdm.IO_TYPE_FILE,
      },
    ]);
  });

  it('that the driver fails is the caller’s status, and neither CLEANUP nor CLOSE follows', () => {
    const log: string[] = [];
    const dispatch = {
      [IRP_MJ_CREATE]: ({ nt, irp }: { nt: Nt; irp: Address }) => complete(nt, irp, nts.STATUS_DEVICE_BUSY),
    };
    const machine = bootWith(probe({ ...DEVICE, dispatch }, log));
    const app = machine.createProcess();
    app.CreateFile('\\\\.\\Dev');
    const before = machine.kernel.mm.usage();
    expect(app.CreateFile('\\\\.\\Dev')).toMatchObject({ ok: false, status: nts.STATUS_DEVICE_BUSY });
    expect(log).toEqual(['p:CREATE', 'p:CREATE']);
    expect(machine.kernel.mm.usage()).toEqual(before);
  });

  it.each<[string, Create, number]>([
    ['a disposition that there is not', { disposition: 6 }, nts.STATUS_INVALID_PARAMETER],
    ['share bits that there are not', { share: 8 }, nts.STATUS_INVALID_PARAMETER],
    ['synchronous without SYNCHRONIZE', { access: wdm.GENERIC_READ }, nts.STATUS_INVALID_PARAMETER],
    ['both kinds of synchronous', { options: 0x30 }, nts.STATUS_INVALID_PARAMETER],
    ['delete on close without DELETE', { options: 0x1020 }, nts.STATUS_INVALID_PARAMETER],
    ['a directory that is none', { options: 0x61 }, nts.STATUS_INVALID_PARAMETER],
    ['OBJECT_ATTRIBUTES of a wrong length', { length: 0x18 }, nts.STATUS_INVALID_PARAMETER],
    ['a name that is not there', { name: '\\Device\\Nothing' }, nts.STATUS_OBJECT_NAME_NOT_FOUND],
    ['no name', { name: '' }, nts.STATUS_OBJECT_PATH_SYNTAX_BAD],
    ['a relative name', { name: 'Dev' }, nts.STATUS_OBJECT_PATH_SYNTAX_BAD],
    ['a directory of the namespace', { name: '\\Device' }, nts.STATUS_OBJECT_TYPE_MISMATCH],
    ['a driver object', { name: '\\Driver\\p' }, nts.STATUS_OBJECT_TYPE_MISMATCH],
    ['attributes that do not hang together', { ea: new Uint8Array(8) }, nts.STATUS_EA_LIST_INCONSISTENT],
  ])('is not sent for %s', (_what, create, status) => {
    const log: string[] = [];
    const machine = bootWith(probe(DEVICE, log));
    const result = inKernel(machine, nt => zwCreateFile(nt, create));
    expect(result.status).toBe(status);
    expect(log).toEqual([]);
  });

  it('finds the extended attributes in the system buffer', () => {
    // One FILE_FULL_EA_INFORMATION: name "AB", value 0x07.
    const ea = new Uint8Array([0, 0, 0, 0, 0, 2, 1, 0, 0x41, 0x42, 0, 7]);
    const seen: Uint8Array[] = [];
    const machine = bootWith(
      probe({
        ...DEVICE,
        dispatch: {
          [IRP_MJ_CREATE]: ({ nt, view, stack }) => {
            const { EaLength } = stack.Parameters.Create;
            seen.push(nt.memory.readBytes(view.AssociatedIrp.SystemBuffer, EaLength));
            return undefined;
          },
        },
      }),
    );
    expect(inKernel(machine, nt => zwCreateFile(nt, { ea })).status).toBe(nts.STATUS_SUCCESS);
    expect(seen).toEqual([ea]);
  });

  it('relative to a file names that file as the related one', () => {
    const seen: [name: string, related: boolean][] = [];
    const machine = bootWith(
      probe({
        ...DEVICE,
        dispatch: {
          [IRP_MJ_CREATE]: ({ nt, stack }) => {
            const { FileName, RelatedFileObject } = FILE_OBJECT.at(nt.memory, stack.FileObject);
            const bytes =
              FileName.Length === 0 ? new Uint8Array() : nt.memory.readBytes(FileName.Buffer, FileName.Length);
            seen.push([new TextDecoder('utf-16le').decode(bytes), RelatedFileObject !== 0]);
            return undefined;
          },
        },
      }),
    );
    inKernel(machine, function* (nt) {
      const { handle } = yield* zwCreateFile(nt, {});
      const below = yield* zwCreateFile(nt, { name: 'below', root: handle });
      expect(below.status).toBe(nts.STATUS_SUCCESS);
      yield* nt.ZwClose(below.handle);
      yield* nt.ZwClose(handle);
    });
    expect(seen).toEqual([
      ['', false],
      ['below', true],
    ]);
  });
});

describe('a file object', () => {
  it('gets CLEANUP with its last handle and CLOSE with its last reference', () => {
    const log: string[] = [];
    const machine = bootWith(probe(DEVICE, log));
    inKernel(machine, function* (nt) {
      const { handle } = yield* zwCreateFile(nt, {});
      const out = nt.alloca(8);
      const type = nt.memory.readPointer(machine.exports.find('IoFileObjectType')!);
      expect(nt.ObReferenceObjectByHandle(handle, 0, type, wdm.KernelMode, out, 0)).toBe(nts.STATUS_SUCCESS);
      expect(nt.ObReferenceObjectByHandle(handle, 0, type + 1, wdm.KernelMode, out, 0)).toBe(
        nts.STATUS_OBJECT_TYPE_MISMATCH,
      );
      expect(nt.memory.readPointer(out)).toBe(0);
      nt.ObReferenceObjectByHandle(handle, 0, type, wdm.KernelMode, out, 0);
      const file = nt.memory.readPointer(out);
      yield* nt.ZwClose(handle);
      log.push('handle closed');
      yield* nt.ObfDereferenceObject(file);
      log.push('one reference dropped');
      yield* nt.ObfDereferenceObject(file);
    });
    expect(log).toEqual(['p:CREATE', 'p:CLEANUP', 'handle closed', 'one reference dropped', 'p:CLOSE']);
  });

  it('of IoGetDeviceObjectPointer has no handle any more', () => {
    const log: string[] = [];
    const machine = bootWith(probe(DEVICE, log));
    inKernel(machine, function* (nt) {
      const { status, file } = yield* openDevice(nt, 'Dev');
      expect(status).toBe(nts.STATUS_SUCCESS);
      log.push('open');
      yield* nt.ObfDereferenceObject(file);
      expect((yield* openDevice(nt, 'Missing')).status).toBe(nts.STATUS_OBJECT_NAME_NOT_FOUND);
    });
    expect(log).toEqual(['p:CREATE', 'p:CLEANUP', 'open', 'p:CLOSE']);
  });

  it('is closed with its process', () => {
    const log: string[] = [];
    const machine = bootWith(probe(DEVICE, log));
    const app = machine.createProcess();
    app.CreateFile('\\\\.\\Dev');
    app.ExitProcess(0);
    expect(log).toEqual(['p:CREATE', 'p:CLEANUP', 'p:CLOSE']);
  });
});

describe('share access', () => {
  it('lets opens in that allow each other', () => {
    const machine = bootWith();
    inKernel(machine, function* (nt) {
      const file = () => {
        const address = nt.alloca(FILE_OBJECT.size);
        nt.memory.fill(address, FILE_OBJECT.size, 0);
        return address;
      };
      const share = nt.alloca(0x20);
      const { FILE_SHARE_READ, FILE_READ_DATA, FILE_WRITE_DATA } = wdm;
      const [first, second, third] = [file(), file(), file()] as const;
      nt.IoSetShareAccess(FILE_READ_DATA, FILE_SHARE_READ, first, share);
      expect(nt.IoCheckShareAccess(FILE_READ_DATA, FILE_SHARE_READ, second, share, true)).toBe(nts.STATUS_SUCCESS);
      expect(nt.IoCheckShareAccess(FILE_WRITE_DATA, FILE_SHARE_READ, third, share, true)).toBe(
        nts.STATUS_SHARING_VIOLATION,
      );
      expect(nt.IoCheckShareAccess(FILE_READ_DATA, 0, third, share, true)).toBe(nts.STATUS_SHARING_VIOLATION);
      nt.IoRemoveShareAccess(first, share);
      nt.IoRemoveShareAccess(second, share);
      expect(nt.IoCheckShareAccess(FILE_WRITE_DATA, 0, third, share, true)).toBe(nts.STATUS_SUCCESS);
      yield { kind: 'checkpoint' as const };
    });
  });
});

describe('the position of a synchronous file', () => {
  const offsets: bigint[] = [];
  const machineWithOffsets = (): { machine: Machine; app: Process } => {
    offsets.length = 0;
    const note = ({ stack }: { stack: { Parameters: { Read: { ByteOffset: bigint } } } }) => {
      offsets.push(stack.Parameters.Read.ByteOffset);
      return undefined;
    };
    const machine = bootWith(probe({ ...DEVICE, dispatch: { [IRP_MJ_READ]: note, [IRP_MJ_WRITE]: note } }));
    return { machine, app: machine.createProcess() };
  };

  it('is where a request without an offset goes; an asynchronous file needs an offset', () => {
    const { machine } = machineWithOffsets();
    inKernel(machine, function* (nt) {
      const local = nt.alloca(0x40);
      const read = (handle: number, offset: Address) =>
        nt.ZwReadFile(handle, 0, 0, 0, local, local + 0x20, 4, offset, 0);
      const { handle } = yield* zwCreateFile(nt, {});
      nt.memory.writeU64(local + 0x18, 0x1234n);
      expect(yield* nt.ZwSetInformationFile(handle, local, local + 0x18, 8, 14)).toBe(nts.STATUS_SUCCESS);
      nt.memory.writeU64(local + 0x18, 0n);
      expect(yield* nt.ZwQueryInformationFile(handle, local, local + 0x18, 8, 14)).toBe(nts.STATUS_SUCCESS);
      expect(nt.memory.readU64(local + 0x18)).toBe(0x1234n);
      expect(yield* read(handle, 0)).toBe(nts.STATUS_SUCCESS);
      nt.memory.writeU64(local + 0x18, 0x99n);
      expect(yield* read(handle, local + 0x18)).toBe(nts.STATUS_SUCCESS);
      nt.memory.writeU64(local + 0x18, 0xffff_ffff_ffff_fff0n);
      expect(yield* read(handle, local + 0x18)).toBe(nts.STATUS_INVALID_PARAMETER);
      yield* nt.ZwClose(handle);
      const asynchronous = yield* zwCreateFile(nt, { options: 0 });
      expect(yield* read(asynchronous.handle, 0)).toBe(nts.STATUS_INVALID_PARAMETER);
      yield* nt.ZwClose(asynchronous.handle);
    });
    expect(offsets).toEqual([0x1234n, 0x99n]);
  });
});

describe('NtQueryInformationFile', () => {
  it('asks the driver through a system buffer, whatever the device’s method is', () => {
    const machine = bootWith(
      probe({
        ...DEVICE,
        devices: [{ name: 'Dev', flags: wdm.DO_DIRECT_IO }],
        dispatch: {
          *[IRP_MJ_QUERY_INFORMATION]({ nt, irp, view, stack }) {
            expect(stack.Parameters.QueryFile).toMatchObject({ Length: 0x18, FileInformationClass: 5 });
            expect(view.MdlAddress).toBe(0);
            nt.memory.fill(view.AssociatedIrp.SystemBuffer, 0x18, 0x42);
            return yield* complete(nt, irp, nts.STATUS_SUCCESS, 0x18);
          },
        },
      }),
    );
    inKernel(machine, function* (nt) {
      const { handle } = yield* zwCreateFile(nt, { options: 0 });
      const local = nt.alloca(0x40);
      const query = (length: number, what: number) =>
        nt.ZwQueryInformationFile(handle, local, local + 0x10, length, what);
      expect(yield* query(0x18, 5)).toBe(nts.STATUS_SUCCESS);
      expect(nt.memory.readBytes(local + 0x10, 0x18)).toEqual(new Uint8Array(0x18).fill(0x42));
      expect(IO_STATUS_BLOCK.at(nt.memory, local)).toMatchObject({ Status: 0, Information: 0x18n });
      expect(yield* query(0x17, 5)).toBe(nts.STATUS_INFO_LENGTH_MISMATCH);
      expect(yield* query(0x18, 999)).toBe(nts.STATUS_INVALID_INFO_CLASS);
      expect(yield* query(4, 8)).toBe(nts.STATUS_SUCCESS);
      expect(nt.memory.readU32(local + 0x10)).toBe(wdm.FILE_GENERIC_READ);
      yield* nt.ZwClose(handle);
    });
  });
});

describe('a request for which there is no memory', () => {
  it('ends with STATUS_INSUFFICIENT_RESOURCES, and CLEANUP and CLOSE still come', () => {
    const log: string[] = [];
    const machine = bootWith(probe(DEVICE, log));
    const app = machine.createProcess();
    const { handle } = app.CreateFile('\\\\.\\Dev');
    const buffer = app.alloc(0x1000);
    const { pool } = machine.kernel.mm;
    const taken: Address[] = [];
    for (let size = 0x10_0000; size >= 16; size = size === 16 ? 0 : size >> 1) {
      for (
        let at = pool.allocate(wdm.NonPagedPoolNx, size, 1);
        at !== 0;
        at = pool.allocate(wdm.NonPagedPoolNx, size, 1)
      ) {
        taken.push(at);
      }
    }
    expect(app.ReadFile(handle, buffer, 16).status).toBe(nts.STATUS_INSUFFICIENT_RESOURCES);
    expect(app.CreateFile('\\\\.\\Dev').status).toBe(nts.STATUS_INSUFFICIENT_RESOURCES);
    expect(app.CloseHandle(handle).ok).toBe(true);
    expect(log).toEqual(['p:CREATE', 'p:CLEANUP', 'p:CLOSE']);
    for (const at of taken) pool.free(at, 1);
    expect(app.CreateFile('\\\\.\\Dev').ok).toBe(true);
  });
});

describe('an IRP’s flags', () => {
  it.each<[string, number, number, number]>([
    ['a buffered read', wdm.DO_BUFFERED_IO, 16, 0x10 | 0x20 | 0x40 | 0x100 | 0x800],
    ['a buffered read of no bytes', wdm.DO_BUFFERED_IO, 0, 0x10 | 0x40 | 0x100 | 0x800],
    ['a direct read', wdm.DO_DIRECT_IO, 16, 0x100 | 0x800],
    ['a raw read', 0, 16, 0x100 | 0x800],
    ['a read of a device with both flags: buffered goes first', 0x14, 16, 0x10 | 0x20 | 0x40 | 0x100 | 0x800],
  ])('of %s', (_what, flags, length, expected) => {
    const seen: number[] = [];
    const dispatch = {
      [IRP_MJ_READ]: ({ nt, irp }: { nt: Nt; irp: Address }) => void seen.push(IRP.at(nt.memory, irp).Flags),
    };
    const machine = bootWith(probe({ ...DEVICE, devices: [{ name: 'Dev', flags }], dispatch }));
    const app = machine.createProcess();
    const { handle } = app.CreateFile('\\\\.\\Dev');
    expect(app.ReadFile(handle, app.alloc(0x1000), length).ok).toBe(true);
    expect(seen).toEqual([expected]);
  });
});

describe('a device with both DO_BUFFERED_IO and DO_DIRECT_IO', () => {
  it('is served buffered, and the trace says that it contradicts itself', () => {
    const flags = wdm.DO_BUFFERED_IO | wdm.DO_DIRECT_IO;
    const machine = bootWith(probe({ ...DEVICE, devices: [{ name: 'Dev', flags }] }));
    const app = machine.createProcess();
    const { handle } = app.CreateFile('\\\\.\\Dev');
    const recorder = new Recorder(machine.trace);
    app.WriteFile(handle, app.alloc(0x1000), 16);
    expect(recorder.of('irp-created')[0]).toMatchObject({ method: 'buffered' });
    expect(recorder.of('finding')).toMatchObject([{ id: 'do-flags-both', request: 1 }]);
  });
});

describe('a request from kernel mode', () => {
  /** Fills the second buffer with the sum of the first, wherever the METHOD puts them. */
  const adder: Probe = {
    name: 'adder',
    devices: [{ name: 'Dev', flags: wdm.DO_DIRECT_IO }],
    dispatch: {
      *[wdm.IRP_MJ_DEVICE_CONTROL]({ nt, irp, view, stack }) {
        const { IoControlCode, InputBufferLength, OutputBufferLength, Type3InputBuffer } =
          stack.Parameters.DeviceIoControl;
        const method = IoControlCode & 3;
        const from = method === wdm.METHOD_NEITHER ? Type3InputBuffer : view.AssociatedIrp.SystemBuffer;
        const sum = nt.memory.readBytes(from, InputBufferLength).reduce((a, b) => a + b, 0);
        let to = view.AssociatedIrp.SystemBuffer;
        if (method === wdm.METHOD_NEITHER) to = view.UserBuffer;
        else if (method !== wdm.METHOD_BUFFERED) {
          to = nt.MmMapLockedPagesSpecifyCache(
            view.MdlAddress,
            wdm.KernelMode,
            wdm.MmCached,
            0,
            0,
            wdm.NormalPagePriority,
          );
        }
        expect(view.RequestorMode).toBe(wdm.KernelMode);
        nt.memory.fill(to, OutputBufferLength, sum);
        return yield* complete(nt, irp, nts.STATUS_SUCCESS, OutputBufferLength);
      },
    },
  };

  it.each([
    ['METHOD_BUFFERED', wdm.METHOD_BUFFERED],
    ['METHOD_IN_DIRECT', wdm.METHOD_IN_DIRECT],
    ['METHOD_OUT_DIRECT', wdm.METHOD_OUT_DIRECT],
    ['METHOD_NEITHER', wdm.METHOD_NEITHER],
  ])('goes the same way with system buffers: %s', (_name, method) => {
    const machine = bootWith(probe(adder));
    const before = machine.kernel.mm.usage();
    inKernel(machine, function* (nt) {
      const { handle } = yield* zwCreateFile(nt, {});
      const block = nt.ExAllocatePoolWithTag(wdm.NonPagedPoolNx, 0x1000, 0x1234);
      nt.memory.fill(block, 0x1000, 1);
      const code = wdm.CTL_CODE(0x22, 0x800, method, wdm.FILE_ANY_ACCESS);
      const local = nt.alloca(0x10);
      const status = yield* nt.ZwDeviceIoControlFile(handle, 0, 0, 0, local, code, block, 7, block + 0x800, 0x20);
      expect(status).toBe(nts.STATUS_SUCCESS);
      expect(IO_STATUS_BLOCK.at(nt.memory, local)).toMatchObject({ Status: 0, Information: 0x20n });
      expect(nt.memory.readBytes(block + 0x800, 0x20)).toEqual(new Uint8Array(0x20).fill(7));
      expect(nt.memory.readU8(block + 0x820)).toBe(1);
      nt.ExFreePoolWithTag(block, 0x1234);
      yield* nt.ZwClose(handle);
    });
    expect(machine.kernel.mm.usage()).toEqual(before);
  });

  it('with a bad user address ends in STATUS_ACCESS_VIOLATION, too', () => {
    inKernel(bootWith(probe(adder)), function* (nt) {
      const { handle } = yield* zwCreateFile(nt, {});
      const local = nt.alloca(0x10);
      const code = wdm.CTL_CODE(0x22, 0x800, wdm.METHOD_BUFFERED, wdm.FILE_ANY_ACCESS);
      const send = (input: Address, bytes: number) =>
        nt.ZwDeviceIoControlFile(handle, 0, 0, 0, local, code, input, bytes, 0, 0);
      expect(yield* send(0x1_0000, 16)).toBe(nts.STATUS_ACCESS_VIOLATION);
      expect(yield* send(0x8000_0000_0000, 16)).toBe(nts.STATUS_ACCESS_VIOLATION);
      yield* nt.ZwClose(handle);
    });
  });
});
