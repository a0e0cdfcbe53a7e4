/**
 * PAGE_* protections, as a table ("Memory Protection Constants").
 */
import {
  PAGE_EXECUTE,
  PAGE_EXECUTE_READ,
  PAGE_EXECUTE_READWRITE,
  PAGE_GUARD,
  PAGE_NOACCESS,
  PAGE_NOCACHE,
  PAGE_READONLY,
  PAGE_READWRITE,
  PAGE_WRITECOMBINE,
} from '../../wdm/constants-mm.ts';
import type { Access } from '../../wdm/memory.ts';

export interface Protection {
  readonly read: boolean;
  readonly write: boolean;
  readonly execute: boolean;
}

const NONE: Protection = { read: false, write: false, execute: false };

/** What the processor makes of each: it has no page that can be executed and not read. */
const PROTECTIONS: Readonly<Record<number, Protection>> = {
  [PAGE_NOACCESS]: NONE,
  [PAGE_READONLY]: { read: true, write: false, execute: false },
  [PAGE_READWRITE]: { read: true, write: true, execute: false },
  [PAGE_EXECUTE]: { read: true, write: false, execute: true },
  [PAGE_EXECUTE_READ]: { read: true, write: false, execute: true },
  [PAGE_EXECUTE_READWRITE]: { read: true, write: true, execute: true },
};

const MODIFIERS = PAGE_GUARD | PAGE_NOCACHE | PAGE_WRITECOMBINE;

/** Whether private memory can have this protection: one base, and modifiers that go with it. */
export function isValidProtection(protect: number): boolean {
  const base = protect & ~MODIFIERS;
  if (PROTECTIONS[base] === undefined) return false;
  const modifiers = protect & MODIFIERS;
  if (base === PAGE_NOACCESS && modifiers !== 0) return false;
  return (modifiers & (modifiers - 1)) === 0;
}

/** Rights of a page with this protection, its guard left out of account. */
export function protectionOf(protect: number): Protection {
  return PROTECTIONS[protect & ~MODIFIERS] ?? NONE;
}

export function permits(protect: number, access: Access): boolean {
  return protectionOf(protect)[access];
}

export function isGuarded(protect: number): boolean {
  return (protect & PAGE_GUARD) !== 0;
}
