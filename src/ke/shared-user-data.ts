/**
 * KUSER_SHARED_DATA: the page that tells everybody the time and what system this is.
 *
 * Drivers read it without a call (KeQuerySystemTime, KeQueryTickCount and KeQueryInterruptTime are inlines), at
 * 0xFFFFF78000000000; programs at 0x7FFE0000. Its times move on at each clock interrupt only. We say that we are
 * Windows 10 Pro, version 10.0 build 19045, as PsGetVersion and RtlGetVersion do.
 */

import type { Address } from '../wdm/address.ts';
import { KUSER_SHARED_DATA, type ViewOf } from '../wdm/layouts.ts';
import type { GuestMemory } from '../wdm/memory.ts';
import { type Clock, TICK } from './clock.ts';

export const NT_BUILD_NUMBER = 19045;
/** NtBuildNumber, the variable: the top bits say that this is a free build. */
export const NT_BUILD_NUMBER_FREE = (0xf000_0000 | NT_BUILD_NUMBER) >>> 0;

const TICK_100NS = BigInt(TICK / 100);
/** 2^24 times the tick's length in milliseconds: GetTickCount multiplies with it. */
const TICK_COUNT_MULTIPLIER = Math.round((TICK / 1_000_000) * 0x100_0000);

/** PF_* that this processor has: SSE, SSE2, RDTSC, NX, CMPXCHG8B, CMPXCHG16B, SSE3, fast fail, SSSE3, SSE4.1, SSE4.2. */
const PROCESSOR_FEATURES = [2, 3, 6, 8, 10, 12, 13, 14, 23, 36, 37, 38] as const;

const NT_PRODUCT_WIN_NT = 1;
const PROCESSOR_ARCHITECTURE_AMD64 = 9;
const IMAGE_FILE_MACHINE_AMD64 = 0x8664;

export class SharedUserData {
  readonly #view: ViewOf<typeof KUSER_SHARED_DATA>;
  readonly #clock: Clock;

  constructor(memory: GuestMemory, address: Address, clock: Clock, facts: { physicalPages: number; cookie: number }) {
    const view = KUSER_SHARED_DATA.at(memory, address);
    this.#view = view;
    this.#clock = clock;
    view.TickCountMultiplier = TICK_COUNT_MULTIPLIER;
    view.ImageNumberLow = IMAGE_FILE_MACHINE_AMD64;
    view.ImageNumberHigh = IMAGE_FILE_MACHINE_AMD64;
    [...'C:\\Windows'].forEach((c, i) => {
      view.NtSystemRoot.set(i, c.charCodeAt(0));
    });
    view.LargePageMinimum = 0x20_0000;
    view.NtBuildNumber = NT_BUILD_NUMBER;
    view.NtProductType = NT_PRODUCT_WIN_NT;
    view.ProductTypeIsValid = 1;
    view.NativeProcessorArchitecture = PROCESSOR_ARCHITECTURE_AMD64;
    view.NtMajorVersion = 10;
    view.NtMinorVersion = 0;
    for (const feature of PROCESSOR_FEATURES) view.ProcessorFeatures.set(feature, 1);
    view.SuiteMask = 0x110; // VER_SUITE_SINGLEUSERTS, VER_SUITE_TERMINAL
    view.NXSupportPolicy = 0x0a;
    view.ActiveConsoleId = 1;
    view.NumberOfPhysicalPages = facts.physicalPages;
    view.QpcFrequency = 10_000_000n;
    view.Cookie = facts.cookie;
    view.ActiveProcessorCount = 1;
    view.ActiveGroupCount = 1;
    this.#tick();
  }

  /** The clock interrupt: brings the times up to date, and comes again. */
  #tick(): void {
    const ticks = BigInt(Math.floor(this.#clock.now / TICK));
    const { InterruptTime, SystemTime, TickCount } = this.#view;
    setTime(InterruptTime, ticks * TICK_100NS);
    setTime(SystemTime, this.#clock.bootTime + ticks * TICK_100NS);
    setTime(TickCount, ticks);
    this.#clock.at((Number(ticks) + 1) * TICK, () => this.#tick());
  }
}

function setTime(time: { LowPart: number; High1Time: number; High2Time: number }, value: bigint): void {
  const high = Number(BigInt.asIntN(32, value >> 32n));
  time.High2Time = high;
  time.LowPart = Number(value & 0xffff_ffffn);
  time.High1Time = high;
}
