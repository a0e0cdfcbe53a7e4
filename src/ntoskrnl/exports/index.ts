/** Every export of ntoskrnl.exe and HAL.dll. */
import * as bitmap from './bitmap.ts';
import * as crt from './crt.ts';
import * as exPool from './ex-pool.ts';
import * as exSync from './ex-sync.ts';
import * as exceptions from './exceptions.ts';
import * as ioMisc from './io-misc.ts';
import * as ioObjects from './io-objects.ts';
import * as ioQueues from './io-queues.ts';
import * as ioRemoveLock from './io-remove-lock.ts';
import * as ioRequests from './io-requests.ts';
import * as ioServices from './io-services.ts';
import * as ke from './ke.ts';
import * as mm from './mm.ts';
import * as ob from './ob.ts';
import * as printf from './printf.ts';
import * as ps from './ps.ts';
import * as rtl from './rtl.ts';
import * as system from './system.ts';
import * as version from './version.ts';
import * as virtualMemory from './virtual-memory.ts';

const FAMILIES = [
  ke,
  ps,
  ob,
  ioObjects,
  ioMisc,
  ioRemoveLock,
  ioQueues,
  ioRequests,
  ioServices,
  exSync,
  exceptions,
  system,
  mm,
  virtualMemory,
  exPool,
  rtl,
  bitmap,
  crt,
  printf,
  version,
] as const;

type Families = (typeof FAMILIES)[number];
type TablesOf<F> = F extends unknown ? F[keyof F] : never;

/** The union of all declared exports. */
export type AllExports = Extract<TablesOf<Families>, readonly unknown[]>[number];

export const ALL_EXPORTS: readonly AllExports[] = FAMILIES.flatMap(family =>
  Object.values(family).flat(),
) as AllExports[];
