/** Every export of ntoskrnl.exe and HAL.dll. */
import * as exPool from './ex-pool.ts';
import * as exSync from './ex-sync.ts';
import * as exceptions from './exceptions.ts';
import * as ioObjects from './io-objects.ts';
import * as ioRequests from './io-requests.ts';
import * as ioServices from './io-services.ts';
import * as ke from './ke.ts';
import * as mm from './mm.ts';
import * as ob from './ob.ts';
import * as ps from './ps.ts';
import * as system from './system.ts';
import * as virtualMemory from './virtual-memory.ts';

const FAMILIES = [
  ke,
  ps,
  ob,
  ioObjects,
  ioRequests,
  ioServices,
  exSync,
  exceptions,
  system,
  mm,
  virtualMemory,
  exPool,
] as const;

type Families = (typeof FAMILIES)[number];
type TablesOf<F> = F extends unknown ? F[keyof F] : never;

/** The union of all declared exports. */
export type AllExports = Extract<TablesOf<Families>, readonly unknown[]>[number];

export const ALL_EXPORTS: readonly AllExports[] = FAMILIES.flatMap(family =>
  Object.values(family).flat(),
) as AllExports[];
