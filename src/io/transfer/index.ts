/**
 * Which of the three a request takes.
 */
import { DO_BUFFERED_IO, DO_DIRECT_IO, METHOD_BUFFERED, METHOD_NEITHER } from '../../wdm/constants.ts';
import type { IoEnvironment } from '../environment.ts';
import { Buffered } from './buffered.ts';
import { Direct } from './direct.ts';
import { Neither } from './neither.ts';

import type { Irp, Transfer } from './transfer.ts';

export type { ControlBuffers, ControlLengths, IoStackLocation, Irp, Transfer } from './transfer.ts';

export class Transfers {
  readonly buffered: Buffered;
  readonly direct: Direct;
  readonly neither: Neither;

  constructor(environment: IoEnvironment) {
    this.buffered = new Buffered(environment);
    this.direct = new Direct(environment, this.buffered);
    this.neither = new Neither();
  }

  /** For reads and writes. With both flags set, buffered goes first. */
  ofDevice(flags: number): Transfer {
    if (flags & DO_BUFFERED_IO) return this.buffered;
    return flags & DO_DIRECT_IO ? this.direct : this.neither;
  }

  /** For IOCTLs. */
  ofControlCode(code: number): Transfer {
    const method = code & 3;
    if (method === METHOD_BUFFERED) return this.buffered;
    return method === METHOD_NEITHER ? this.neither : this.direct;
  }

  /** Takes back what an IRP has been given that will not be sent. */
  abandon(irp: Irp): void {
    this.buffered.release(irp);
    this.direct.unlockPages(irp);
    this.direct.release(irp);
  }
}
