/** Exports that tell which Windows this is, and on which processor. */
import { SHARED_USER_DATA_KERNEL } from '../../mm/index.ts';
import * as version from '../../rtl/version.ts';
import * as wdm from '../../wdm/constants.ts';
import { KUSER_SHARED_DATA } from '../../wdm/layouts.ts';
import { type IrqlRange, routine } from '../export.ts';
import { pageable } from '../pageable.ts';

const ANY: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.HIGH_LEVEL];
const PASSIVE: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.PASSIVE_LEVEL];
const THIS = version.WINDOWS_10_22H2;

export const versionExports = [
  routine('RtlGetVersion', ['VersionInformation: ptr'], 'ntstatus', PASSIVE, (k, information) =>
    pageable(k, () => version.RtlGetVersion(k.memory, information, THIS)),
  ),
  routine(
    'RtlVerifyVersionInfo',
    ['VersionInfo: ptr', 'TypeMask: u32', 'ConditionMask: u64'],
    'ntstatus',
    PASSIVE,
    (k, information, types, mask) =>
      pageable(k, () => version.RtlVerifyVersionInfo(k.memory, information, types, mask, THIS)),
  ),
  routine(
    'VerSetConditionMask',
    ['ConditionMask: u64', 'TypeMask: u32', 'Condition: u8'],
    'u64',
    ANY,
    (_, mask, types, is) => version.VerSetConditionMask(mask, types, is),
  ),
  routine('RtlIsNtDdiVersionAvailable', ['Version: u32'], 'bool', PASSIVE, (_, wanted) =>
    version.RtlIsNtDdiVersionAvailable(wanted, THIS),
  ),
  routine('ExIsProcessorFeaturePresent', ['ProcessorFeature: u32'], 'bool', ANY, (k, feature) => {
    const { ProcessorFeatures } = KUSER_SHARED_DATA.at(k.memory, SHARED_USER_DATA_KERNEL);
    return feature < ProcessorFeatures.length && ProcessorFeatures.at(feature) !== 0;
  }),
] as const;
