/** The I/O manager's system services, in their Nt and Zw forms. */
import * as wdm from '../../wdm/constants.ts';
import { Unsupported } from '../../wdm/failures.ts';
import { type IrqlRange, routine } from '../export.ts';
import { zw } from '../services.ts';

const PASSIVE: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.PASSIVE_LEVEL];

const NtCreateFile = routine(
  'NtCreateFile',
  [
    'FileHandle: ptr',
    'DesiredAccess: u32',
    'ObjectAttributes: ptr',
    'IoStatusBlock: ptr',
    'AllocationSize: ptr',
    'FileAttributes: u32',
    'ShareAccess: u32',
    'CreateDisposition: u32',
    'CreateOptions: u32',
    'EaBuffer: ptr',
    'EaLength: u32',
  ],
  'ntstatus',
  PASSIVE,
  (
    k,
    handleAt,
    desiredAccess,
    objectAttributes,
    statusBlock,
    allocationSize,
    fileAttributes,
    shareAccess,
    disposition,
    options,
    eaBuffer,
    eaLength,
  ) =>
    k.io.create.NtCreateFile({
      handleAt,
      desiredAccess,
      objectAttributes,
      statusBlock,
      allocationSize,
      fileAttributes,
      shareAccess,
      disposition,
      options,
      eaBuffer,
      eaLength,
    }),
);

const IO_NO_PARAMETER_CHECKING = 0x100;

/** NtCreateFile for a driver that says itself whether the caller is trusted. */
const IoCreateFile = routine(
  'IoCreateFile',
  [
    'FileHandle: ptr',
    'DesiredAccess: u32',
    'ObjectAttributes: ptr',
    'IoStatusBlock: ptr',
    'AllocationSize: ptr',
    'FileAttributes: u32',
    'ShareAccess: u32',
    'Disposition: u32',
    'CreateOptions: u32',
    'EaBuffer: ptr',
    'EaLength: u32',
    'CreateFileType: u32',
    'InternalParameters: ptr',
    'Options: u32',
  ],
  'ntstatus',
  PASSIVE,
  function* (
    k,
    handleAt,
    desiredAccess,
    objectAttributes,
    statusBlock,
    allocationSize,
    fileAttributes,
    shareAccess,
    disposition,
    options,
    eaBuffer,
    eaLength,
    type,
    _parameters,
    flags,
  ) {
    if (type !== 0) throw new Unsupported(`IoCreateFile for a ${type === 1 ? 'named pipe' : 'mailslot'}`);
    const thread = k.ke.currentThread;
    const before = thread.previousMode;
    if (flags & IO_NO_PARAMETER_CHECKING) thread.previousMode = wdm.KernelMode;
    try {
      return yield* k.io.create.NtCreateFile({
        handleAt,
        desiredAccess,
        objectAttributes,
        statusBlock,
        allocationSize,
        fileAttributes,
        shareAccess,
        disposition,
        options,
        eaBuffer,
        eaLength,
      });
    } finally {
      thread.previousMode = before;
    }
  },
);

const NtOpenFile = routine(
  'NtOpenFile',
  [
    'FileHandle: ptr',
    'DesiredAccess: u32',
    'ObjectAttributes: ptr',
    'IoStatusBlock: ptr',
    'ShareAccess: u32',
    'OpenOptions: u32',
  ],
  'ntstatus',
  PASSIVE,
  (k, handleAt, desiredAccess, objectAttributes, statusBlock, shareAccess, options) =>
    k.io.create.NtOpenFile({ handleAt, desiredAccess, objectAttributes, statusBlock, shareAccess, options }),
);

const DATA_PARAMETERS = [
  'FileHandle: handle',
  'Event: handle',
  'ApcRoutine: ptr',
  'ApcContext: ptr',
  'IoStatusBlock: ptr',
  'Buffer: ptr',
  'Length: u32',
  'ByteOffset: ptr',
  'Key: ptr',
] as const;

const NtReadFile = routine(
  'NtReadFile',
  DATA_PARAMETERS,
  'ntstatus',
  PASSIVE,
  (k, handle, event, apcRoutine, apcContext, statusBlock, buffer, length, byteOffset, key) =>
    k.io.readWrite.NtReadFile({ handle, event, apcRoutine, apcContext, statusBlock, buffer, length, byteOffset, key }),
);

const NtWriteFile = routine(
  'NtWriteFile',
  DATA_PARAMETERS,
  'ntstatus',
  PASSIVE,
  (k, handle, event, apcRoutine, apcContext, statusBlock, buffer, length, byteOffset, key) =>
    k.io.readWrite.NtWriteFile({ handle, event, apcRoutine, apcContext, statusBlock, buffer, length, byteOffset, key }),
);

const NtFlushBuffersFile = routine(
  'NtFlushBuffersFile',
  ['FileHandle: handle', 'IoStatusBlock: ptr'],
  'ntstatus',
  PASSIVE,
  (k, handle, statusBlock) => k.io.readWrite.NtFlushBuffersFile(handle, statusBlock),
);

const CONTROL_PARAMETERS = [
  'FileHandle: handle',
  'Event: handle',
  'ApcRoutine: ptr',
  'ApcContext: ptr',
  'IoStatusBlock: ptr',
  'IoControlCode: u32',
  'InputBuffer: ptr',
  'InputBufferLength: u32',
  'OutputBuffer: ptr',
  'OutputBufferLength: u32',
] as const;

const NtDeviceIoControlFile = routine(
  'NtDeviceIoControlFile',
  CONTROL_PARAMETERS,
  'ntstatus',
  PASSIVE,
  (k, handle, event, apcRoutine, apcContext, statusBlock, code, input, inputLength, output, outputLength) =>
    k.io.deviceControl.NtDeviceIoControlFile({
      handle,
      event,
      apcRoutine,
      apcContext,
      statusBlock,
      code,
      input,
      inputLength,
      output,
      outputLength,
    }),
);

const NtFsControlFile = routine(
  'NtFsControlFile',
  CONTROL_PARAMETERS,
  'ntstatus',
  PASSIVE,
  (k, handle, event, apcRoutine, apcContext, statusBlock, code, input, inputLength, output, outputLength) =>
    k.io.deviceControl.NtFsControlFile({
      handle,
      event,
      apcRoutine,
      apcContext,
      statusBlock,
      code,
      input,
      inputLength,
      output,
      outputLength,
    }),
);

const INFORMATION_PARAMETERS = [
  'FileHandle: handle',
  'IoStatusBlock: ptr',
  'FileInformation: ptr',
  'Length: u32',
  'FileInformationClass: u32',
] as const;

const NtQueryInformationFile = routine(
  'NtQueryInformationFile',
  INFORMATION_PARAMETERS,
  'ntstatus',
  PASSIVE,
  (k, handle, statusBlock, buffer, length, informationClass) =>
    k.io.information.NtQueryInformationFile({ handle, statusBlock, buffer, length, informationClass }),
);

const NtSetInformationFile = routine(
  'NtSetInformationFile',
  INFORMATION_PARAMETERS,
  'ntstatus',
  PASSIVE,
  (k, handle, statusBlock, buffer, length, informationClass) =>
    k.io.information.NtSetInformationFile({ handle, statusBlock, buffer, length, informationClass }),
);

const NtQueryVolumeInformationFile = routine(
  'NtQueryVolumeInformationFile',
  INFORMATION_PARAMETERS,
  'ntstatus',
  PASSIVE,
  (k, handle, statusBlock, buffer, length, informationClass) =>
    k.io.information.NtQueryVolumeInformationFile({ handle, statusBlock, buffer, length, informationClass }),
);

const NtCancelIoFile = routine(
  'NtCancelIoFile',
  ['FileHandle: handle', 'IoStatusBlock: ptr'],
  'ntstatus',
  PASSIVE,
  (k, handle, statusBlock) => k.io.cancelIo.NtCancelIoFile(handle, statusBlock),
);

export const fileServices = [
  NtCreateFile,
  zw(NtCreateFile),
  IoCreateFile,
  NtOpenFile,
  zw(NtOpenFile),
  NtReadFile,
  zw(NtReadFile),
  NtWriteFile,
  zw(NtWriteFile),
  NtFlushBuffersFile,
  zw(NtFlushBuffersFile),
  NtDeviceIoControlFile,
  zw(NtDeviceIoControlFile),
  NtFsControlFile,
  zw(NtFsControlFile),
  NtQueryInformationFile,
  zw(NtQueryInformationFile),
  NtSetInformationFile,
  zw(NtSetInformationFile),
  NtQueryVolumeInformationFile,
  zw(NtQueryVolumeInformationFile),
  NtCancelIoFile,
  zw(NtCancelIoFile),
] as const;
