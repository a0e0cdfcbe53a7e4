/** Finds the IOCTL codes that a driver knows, by watching what becomes of the code while it runs. */
export {
  type Discovered,
  type DiscoveryOptions,
  discover,
  type Probe,
  type SendProbe,
  type Sent,
  Watch,
} from './discover.ts';
export { type Decoder, Lifter } from './lift.ts';
export type { MachineState } from './operation.ts';
