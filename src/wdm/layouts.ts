/**
 * Every guest structure in one import: `IRP.at(memory, address).IoStatus.Information = 16n`.
 */
export * from './layouts-basic.ts';
export * from './layouts-device.ts';
export * from './layouts-ex.ts';
export * from './layouts-irp.ts';
export * from './layouts-ke.ts';
export * from './layouts-mm.ts';
export * from './layouts-ps.ts';
export * from './layouts-rtl.ts';
export type { ViewOf } from './struct.ts';
