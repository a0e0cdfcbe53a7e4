/**
 * Every constant of the driver's world in one import. Status values are in ntstatus.ts, stop codes in bugcheck.ts.
 */
export * from './constants-io.ts';
export * from './constants-ke.ts';
export * from './constants-mm.ts';
export * from './constants-ob.ts';
export * from './ioctl.ts';
