/** Exports about the system as a whole: versions, processors, where the kernel's own routines are. */
import { NT_BUILD_NUMBER, NT_BUILD_NUMBER_FREE } from '../../ke/shared-user-data.ts';
import { decodeUtf16 } from '../../ob/index.ts';
import { USER_PROBE_ADDRESS } from '../../wdm/address.ts';
import * as wdm from '../../wdm/constants.ts';
import { UNICODE_STRING } from '../../wdm/layouts.ts';
import { type IrqlRange, routine, variable } from '../export.ts';

const ANY: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.HIGH_LEVEL];
const PASSIVE: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.PASSIVE_LEVEL];

const HIGHEST_USER_ADDRESS = 0x7fff_fffe_ffff;
const SYSTEM_RANGE_START = -0x8000_0000_0000;

export const systemExports = [
  routine('MmGetSystemRoutineAddress', ['SystemRoutineName: ptr'], 'ptr', PASSIVE, (k, name) => {
    const { Buffer, Length } = UNICODE_STRING.at(k.memory, name);
    return k.systemRoutine(decodeUtf16(k.memory.readBytes(Buffer, Length)));
  }),
  routine(
    'PsGetVersion',
    ['MajorVersion: ptr', 'MinorVersion: ptr', 'BuildNumber: ptr', 'CSDVersion: ptr'],
    'bool',
    ANY,
    (k, major, minor, build, csd) => {
      if (major !== 0) k.memory.writeU32(major, 10);
      if (minor !== 0) k.memory.writeU32(minor, 0);
      if (build !== 0) k.memory.writeU32(build, NT_BUILD_NUMBER);
      if (csd !== 0) UNICODE_STRING.at(k.memory, csd).Length = 0;
      return false; // a free build
    },
  ),
  routine('KeQueryActiveProcessorCount', ['ActiveProcessors: ptr'], 'u32', ANY, (k, mask) => {
    if (mask !== 0) k.memory.writeU64(mask, 1n);
    return 1;
  }),
  routine('KeQueryActiveProcessorCountEx', ['GroupNumber: u16'], 'u32', ANY, () => 1),
  routine('KeQueryMaximumProcessorCount', [], 'u32', ANY, () => 1),
  routine('KeQueryMaximumProcessorCountEx', ['GroupNumber: u16'], 'u32', ANY, () => 1),
  routine('KeQueryActiveProcessors', [], 'u64', ANY, () => 1n),
  routine('KeGetCurrentProcessorNumberEx', ['ProcNumber: ptr'], 'u32', ANY, (k, number) => {
    if (number !== 0) k.memory.writeU32(number, 0); // PROCESSOR_NUMBER { Group, Number, Reserved }
    return 0;
  }),
] as const;

export const systemVariables = [
  variable('NtBuildNumber', 4, (k, address) => k.memory.writeU32(address, NT_BUILD_NUMBER_FREE)),
  variable('KeNumberProcessors', 1, (k, address) => k.memory.writeU8(address, 1)),
  variable('InitSafeBootMode', 4, (k, address) => k.memory.writeU32(address, 0)),
  variable('KdDebuggerEnabled', 1, (k, address) => k.memory.writeU8(address, 0)),
  variable('KdDebuggerNotPresent', 1, (k, address) => k.memory.writeU8(address, 1)),
  variable('MmHighestUserAddress', 8, (k, address) => k.memory.writePointer(address, HIGHEST_USER_ADDRESS)),
  variable('MmUserProbeAddress', 8, (k, address) => k.memory.writePointer(address, USER_PROBE_ADDRESS)),
  variable('MmSystemRangeStart', 8, (k, address) => k.memory.writePointer(address, SYSTEM_RANGE_START)),
] as const;
