/**
 * What `check` sends: ordinary requests, as any application might send them. Hostile ones are another matter.
 */

/** Bytes: nothing, the least, a small structure, a page, and many pages. */
export const SIZES = [0, 1, 64, 4096, 65536] as const;

/** Input and output of an IOCTL: alike, or one of them absent, or the output too small for the input. */
const IOCTL_SIZES: readonly (readonly [input: number, output: number])[] = [
  ...SIZES.map(size => [size, size] as const),
  [64, 0],
  [0, 64],
  [4096, 64],
];

export type PlannedRequest = { readonly device: string } & (
  | { readonly kind: 'read' | 'write'; readonly bytes: number }
  | { readonly kind: 'ioctl'; readonly code: number; readonly input: number; readonly output: number }
);

export interface PlannedDevice {
  readonly name: string;
  readonly codes: readonly number[];
}

/** All requests, device by device: reads, writes, then each IOCTL. */
export function planRequests(devices: readonly PlannedDevice[]): PlannedRequest[] {
  return devices.flatMap(({ name: device, codes }) => [
    ...SIZES.map(bytes => ({ device, kind: 'read' as const, bytes })),
    ...SIZES.map(bytes => ({ device, kind: 'write' as const, bytes })),
    ...codes.flatMap(code =>
      IOCTL_SIZES.map(([input, output]) => ({ device, kind: 'ioctl' as const, code, input, output })),
    ),
  ]);
}

/** Input that is not all alike, so that a copy of it can be told from other bytes; the same in every run. */
export function inputBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let n = 0; n < length; n++) bytes[n] = n * 37 + (n >> 8) * 11 + 1;
  return bytes;
}
