/** Exports of the I/O manager about remove locks. Their tags and sizes are for checked systems, which we are not. */
import * as locks from '../../io/remove-lock.ts';
import * as wdm from '../../wdm/constants.ts';
import { type IrqlRange, routine } from '../export.ts';

const PASSIVE: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.PASSIVE_LEVEL];
const DISPATCH: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.DISPATCH_LEVEL];

export const removeLockExports = [
  routine(
    'IoInitializeRemoveLockEx',
    ['Lock: ptr', 'AllocateTag: u32', 'MaxLockedMinutes: u32', 'HighWatermark: u32', 'RemlockSize: u32'],
    'void',
    PASSIVE,
    (k, lock) => locks.IoInitializeRemoveLock(k.memory, k.ke, lock),
  ),
  routine(
    'IoAcquireRemoveLockEx',
    ['RemoveLock: ptr', 'Tag: ptr', 'File: ptr', 'Line: u32', 'RemlockSize: u32'],
    'ntstatus',
    DISPATCH,
    (k, lock) => locks.IoAcquireRemoveLock(k.memory, k.ke, lock),
  ),
  routine('IoReleaseRemoveLockEx', ['RemoveLock: ptr', 'Tag: ptr', 'RemlockSize: u32'], 'void', DISPATCH, (k, lock) =>
    locks.IoReleaseRemoveLock(k.memory, k.ke, lock),
  ),
  routine(
    'IoReleaseRemoveLockAndWaitEx',
    ['RemoveLock: ptr', 'Tag: ptr', 'RemlockSize: u32'],
    'void',
    PASSIVE,
    (k, lock) => locks.IoReleaseRemoveLockAndWait(k.memory, k.ke, lock),
  ),
];
