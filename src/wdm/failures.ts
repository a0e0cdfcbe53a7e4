/**
 * The kinds of failure, which are never mixed (docs/architecture.md): an NTSTATUS is returned; the others are thrown.
 * They are here, but for the host error, which is an ordinary Error that says what to do instead.
 */
import { type Address, formatAddress } from './address.ts';
import { NTSTATUS_NAMES } from './ntstatus.ts';

/**
 * An exception raised by TypeScript code on the guest's behalf: ExRaiseStatus, a probe that failed, an access
 * violation. Uncaught in TypeScript, it is dispatched to the guest's handlers from where the routine was called.
 */
export class GuestException extends Error {
  /** ExceptionCode: an NTSTATUS. */
  readonly status: number;
  /** ExceptionInformation; for STATUS_ACCESS_VIOLATION the operation (0 read, 1 write, 8 execute) and the address. */
  readonly information: readonly bigint[];
  /** ExceptionFlags: bit 0 is EXCEPTION_NONCONTINUABLE. */
  readonly flags: number;

  constructor(status: number, information: readonly bigint[] = [], flags = 0) {
    super(`exception ${NTSTATUS_NAMES[status] ?? `0x${status.toString(16)}`}`);
    this.name = 'GuestException';
    this.status = status;
    this.information = information;
    this.flags = flags;
  }
}

/** The machine has stopped: what a blue screen says. */
export class BugCheck extends Error {
  readonly code: number;
  /** Unsigned. */
  readonly parameters: readonly [bigint, bigint, bigint, bigint];
  /** In a few words, where the code alone does not say it. */
  readonly why: string;
  /** Where: filled in by the scheduler, innermost frame first, one line a frame. */
  frames: readonly string[] = [];

  constructor(code: number, parameters: readonly [bigint, bigint, bigint, bigint] = [0n, 0n, 0n, 0n], why = '') {
    const hex = (value: bigint, digits: number) => value.toString(16).toUpperCase().padStart(digits, '0');
    const [p1, p2, p3, p4] = parameters.map(p => BigInt.asUintN(64, p)) as [bigint, bigint, bigint, bigint];
    const list = [p1, p2, p3, p4].map(p => `0x${hex(p, 16)}`).join(',');
    super(`*** STOP 0x${hex(BigInt(code), 8)} (${list})${why && ` ${why}`}`);
    this.name = 'BugCheck';
    this.code = code;
    this.parameters = [p1, p2, p3, p4];
    this.why = why;
  }
}

/**
 * A call from the host that cannot return: its thread keeps the processor busy for ever below DISPATCH_LEVEL, or every
 * thread waits for something that will not happen. What Windows would show as a program that hangs.
 */
export class Hang extends Error {
  readonly reason: 'spinning' | 'waiting';
  /** Where the thread is, innermost frame first. */
  readonly frames: readonly string[];

  constructor(reason: Hang['reason'], message: string, frames: readonly string[] = []) {
    super(message);
    this.name = 'Hang';
    this.reason = reason;
    this.frames = frames;
  }
}

/** Something that this machine does not have. The guest cannot catch it, and no verdict on the driver is given. */
export class Unsupported extends Error {
  /** Its name: an instruction, an export, a device register. */
  readonly what: string;
  readonly address: Address | undefined;

  constructor(what: string, address?: Address) {
    super(`${what} is not supported${address === undefined ? '' : ` (at ${formatAddress(address)})`}`);
    this.name = 'Unsupported';
    this.what = what;
    this.address = address;
  }
}
