/**
 * Lets IOCTL discovery loose on a device: each probe is an ordinary request, sent through a watched machine.
 *
 * Probes run on machines of their own, so that what they do to the driver's state is not seen by the requests that are
 * reported. A probe that stops its machine is told, and discovery goes on with the next machine.
 */
import * as iced from 'iced-x86';
import { walkPageTables } from '../../hw/tlb.ts';
import type { Machine } from '../../machine.ts';
import {
  type Discovered,
  discover,
  Lifter,
  type MachineState,
  type Sent,
  Watch,
} from '../../vf/ioctl-discovery/index.ts';
import { fromAddress, PAGE_SIZE, pageOffset, toAddress } from '../../wdm/address.ts';
import { IRP_MJ_DEVICE_CONTROL } from '../../wdm/constants.ts';
import { IO_STACK_LOCATION, IRP } from '../../wdm/layouts.ts';
import { PageFault } from '../../wdm/memory.ts';
import type { DeviceReport } from '../report/model.ts';
import type { Session, Stop } from './session.ts';

/** Room for most structures that an IOCTL wants; none at all if a driver refuses each code because of its lengths. */
const PROBE_BYTES = [256, 0] as const;

/** Bytes of an instruction, at most. */
const LONGEST_INSTRUCTION = 15;

export interface ProbeHost {
  /** A machine in which the device is open; undefined if there can be none any more. */
  session(): Session | undefined;
  /** The machine has been stopped by a probe: `session` must give another one. */
  stopped(session: Session, stop: Stop): void;
  /** How far it is. */
  probing(code: number): void;
}

export function discoverIoctls(device: DeviceReport, host: ProbeHost): Discovered {
  let discovered: Discovered = { codes: [], probes: 0, complete: true };
  const lifters = new WeakMap<Session, Lifter>();
  for (const bytes of PROBE_BYTES) {
    const send = (code: number): Sent | undefined => {
      const session = host.session();
      if (!session) return undefined;
      host.probing(code);
      const lifter = lifters.get(session) ?? new Lifter(iced, address => fetchCode(session.machine, address));
      lifters.set(session, lifter);
      return probe(device, host, session, lifter, code, bytes);
    };
    const { codes, probes, complete } = discover(send, { deviceType: device.deviceType });
    discovered = { codes, probes: discovered.probes + probes, complete };
    if (codes.length > 0) break;
  }
  return discovered;
}

function probe(
  device: DeviceReport,
  host: ProbeHost,
  session: Session,
  lifter: Lifter,
  code: number,
  bytes: number,
): Sent {
  // biome-ignore format: one line
  const { memory, processor, trace } = session.machine;
  const watch = new Watch(code, lifter, stateOf(session.machine));
  const stopListening = trace.subscribe(event => {
    if (event.type !== 'dispatched' || event.major !== IRP_MJ_DEVICE_CONTROL) return;
    const location = IRP.at(memory, event.irp).Tail.Overlay.CurrentStackLocation;
    const { address } = IO_STACK_LOCATION.at(memory, location).Parameters.DeviceIoControl;
    watch.seed(fromAddress(address + IO_CONTROL_CODE));
  });
  processor.observer = { before: rip => watch.before(fromAddress(rip)) };
  const outcome = session.send({ device: device.name ?? '', kind: 'ioctl', code, input: bytes, output: bytes });
  processor.observer = undefined;
  stopListening();
  if (outcome.stop) host.stopped(session, outcome.stop);
  return { probe: watch.result(), answer: outcome.stop ? outcome.stop.message : outcome.value.status.toString(16) };
}

/** Parameters.DeviceIoControl.IoControlCode, from the beginning of DeviceIoControl. */
const IO_CONTROL_CODE = 0x10;

function stateOf(machine: Machine): MachineState {
  const { registers } = machine.processor;
  return {
    register: index => registers.gpr(index),
    flags: () => registers.rflags,
    read: (address, bytes) => {
      let value = 0n;
      const read = peek(machine, address, bytes);
      if (read.length < bytes) return undefined;
      for (const byte of read.reverse()) value = (value << 8n) | BigInt(byte);
      return value;
    },
  };
}

/** An instruction at the end of the last page that is mapped has fewer bytes. */
function fetchCode(machine: Machine, address: bigint): Uint8Array {
  const bytes = peek(machine, address, LONGEST_INSTRUCTION);
  if (bytes.length > 0) return bytes;
  return peek(machine, address, Math.min(LONGEST_INSTRUCTION, PAGE_SIZE - pageOffset(toAddress(address))));
}

/**
 * The bytes, or none if one of them is not mapped. Looking must not touch: no observer of a watched page, no device register
 * and no page fault handler hears of it.
 */
function peek({ kernel, processor }: Machine, address: bigint, length: number): Uint8Array {
  const { ram, tables } = kernel.mm;
  const { root } = processor.memory;
  const bytes = new Uint8Array(length);
  const from = toAddress(address);
  try {
    for (let n = 0; n < length; ) {
      const at = walkPageTables(ram, tables, root, from + n, 'read', false);
      const size = Math.min(length - n, PAGE_SIZE - pageOffset(from + n));
      bytes.set(ram.u8.subarray(at, at + size), n);
      n += size;
    }
  } catch (error) {
    if (error instanceof PageFault) return bytes.subarray(0, 0);
    throw error;
  }
  return bytes;
}
