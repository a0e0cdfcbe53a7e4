/**
 * The TLB: translations that translated code and TypeScript look up without walking the page tables.
 *
 * Two direct-mapped tables, for reads and for writes, stand in the host area. An entry is { page address: i64, what
 * to add to an address to get the offset in the WebAssembly memory: i32 }. An access of n bytes hits if address - page
 * is at most 4096 - n, unsigned. An entry is emptied by giving it a page that another entry holds, so all zero bytes are
 * right for every entry but the first.
 *
 * The access rights are the supervisor's, with CR0.WP set: the write table holds writable pages only, and only
 * dirty ones (the dirty bit is set by whoever fills). Watched pages and frames with translated code are never entered in
 * a table through which they would be missed.
 */
import { type Address, NON_CANONICAL, PAGE_SHIFT, PAGE_SIZE, pageOf } from '../wdm/address.ts';
import { type Access, PageFault } from '../wdm/memory.ts';
import { type PageTables, PTE_ACCESSED, PTE_DIRTY, PTE_PRESENT, PTE_USER, PTE_WRITABLE } from './page-tables.ts';
import { RAM_BASE, type Ram } from './ram.ts';

export const TLB_READ = 0x4000;
export const TLB_WRITE = 0x8000;
/** Of an entry: where the addend stands. */
export const TLB_ADDEND = 8;
const ENTRIES = 1024;
/** An entry's offset in its table is (address >> 8) & TLB_INDEX_MASK. */
export const TLB_INDEX_MASK = (ENTRIES - 1) << 4;
/** No page begins here. NON_CANONICAL would not do: it is asked for like any other. */
const NO_PAGE: Address = -1;

export class Tlb {
  readonly #ram: Ram;
  readonly #tables: PageTables;
  /** CR3: the frame of the page-table root. Change it with setRoot. */
  root: number;
  /** Set by the processor: the user half is another, for code, too. */
  onSetRoot: () => void = () => {};
  /** The last watched page that was walked to: accesses to one come in runs. */
  #keptOutPage: Address = NO_PAGE;
  #keptOutAccess: Access = 'read';
  #keptOutAt = 0;
  /** Filled entries of the user half: byte offsets in the memory. */
  #userEntries: number[] = [];

  constructor(ram: Ram, tables: PageTables, root: number) {
    this.#ram = ram;
    this.#tables = tables;
    this.root = root;
    this.flush();
    ram.watches.onChange((page, frame) => {
      if (page !== undefined) this.invalidate(page);
      if (frame !== undefined) this.invalidateFrame(frame);
    });
  }

  /** Empties the user half's entries: the kernel half is the same in every address space. */
  setRoot(root: number): void {
    this.root = root;
    this.#keptOutPage = NO_PAGE;
    for (const entry of this.#userEntries) if (this.#ram.i32[(entry + 4) >>> 2]! >= 0) this.#clear(entry);
    this.#userEntries = [];
    this.onSetRoot();
  }

  flush(): void {
    this.#keptOutPage = NO_PAGE;
    const { u8 } = this.#ram;
    u8.fill(0, TLB_READ, TLB_READ + ENTRIES * 16);
    u8.fill(0, TLB_WRITE, TLB_WRITE + ENTRIES * 16);
    this.#clear(TLB_READ);
    this.#clear(TLB_WRITE);
    this.#userEntries = [];
  }

  /** After a change of the page's entry in the page tables. */
  invalidate(address: Address): void {
    this.#keptOutPage = NO_PAGE;
    const index = indexOf(address);
    const page = pageOf(address);
    if (this.#holds(TLB_READ + index, page)) this.#clear(TLB_READ + index);
    if (this.#holds(TLB_WRITE + index, page)) this.#clear(TLB_WRITE + index);
  }

  /** Empties every entry that leads to the frame, of both tables or of that for writes. */
  invalidateFrame(frame: number, writesOnly = false): void {
    this.#keptOutPage = NO_PAGE;
    const { i32 } = this.#ram;
    const offset = this.#ram.offsetOf(frame);
    for (const table of writesOnly ? [TLB_WRITE] : [TLB_READ, TLB_WRITE]) {
      for (let entry = table; entry < table + ENTRIES * 16; entry += 16) {
        if (((i32[entry >>> 2]! + i32[(entry + TLB_ADDEND) >>> 2]!) | 0) === offset) this.#clear(entry);
      }
    }
  }

  /** The host offset of an access of `size` bytes within one page that the table holds, else -1. */
  lookup(address: Address, size: number, write: boolean): number {
    const entry = ((write ? TLB_WRITE : TLB_READ) + indexOf(address)) >>> 2;
    const { i32 } = this.#ram;
    const low = address | 0;
    const offset = low & (PAGE_SIZE - 1);
    if (i32[entry] !== low - offset || i32[entry + 1] !== (Math.floor(address / 0x1_0000_0000) | 0)) return -1;
    return offset <= PAGE_SIZE - size ? (low + i32[entry + 2]!) | 0 : -1;
  }

  /**
   * As walkPageTables in the current address space; what a supervisor may do is entered, unless it is watched or code
   * being written.
   */
  walk(address: Address, access: Access, user = false): number {
    const at = this.probe(address, access, user);
    if (at < 0) throw new PageFault(address, access, at === REFUSED);
    return at;
  }

  /** As walk, but returns ABSENT or REFUSED instead of throwing. */
  probe(address: Address, access: Access, user = false): number {
    const page = pageOf(address);
    if (page === this.#keptOutPage && access === this.#keptOutAccess && !user) {
      return this.#keptOutAt + (address - page);
    }
    const at = probePageTables(this.#ram, this.#tables, this.root, address, access, user);
    if (at < 0 || user || access === 'execute') return at;
    const frame = (at - RAM_BASE) >>> PAGE_SHIFT;
    const { watches } = this.#ram;
    const write = access === 'write';
    if (watches.observers(page, frame)) {
      this.#keptOutPage = page;
      this.#keptOutAccess = access;
      this.#keptOutAt = at - (address - page);
    } else if (!(write && watches.codeFrames[frame])) {
      this.#fill((write ? TLB_WRITE : TLB_READ) + indexOf(address), page, at - (address - page));
    }
    return at;
  }

  #fill(entry: number, page: Address, at: number): void {
    const { i32 } = this.#ram;
    i32[entry >>> 2] = page | 0;
    i32[(entry >>> 2) + 1] = Math.floor(page / 0x1_0000_0000) | 0;
    i32[(entry >>> 2) + 2] = (at - (page | 0)) | 0;
    if (page >= 0) this.#userEntries.push(entry);
  }

  #holds(entry: number, page: Address): boolean {
    const { i32 } = this.#ram;
    return i32[entry >>> 2] === (page | 0) && i32[(entry >>> 2) + 1] === (Math.floor(page / 0x1_0000_0000) | 0);
  }

  #clear(entry: number): void {
    const { i32 } = this.#ram;
    i32[entry >>> 2] = entry === TLB_READ || entry === TLB_WRITE ? PAGE_SIZE : 0;
    i32[(entry >>> 2) + 1] = 0;
    i32[(entry >>> 2) + 2] = 0;
  }
}

function indexOf(address: Address): number {
  // The low 32 bits of the address hold all of the index.
  return ((address | 0) >>> 8) & TLB_INDEX_MASK;
}

/** What `probe` returns for a page that is not there, and for one that does not allow the access. */
export const ABSENT = -1;
export const REFUSED = -2;

/**
 * Walks the page tables for the byte at `address`, sets the accessed and dirty bits of its entry, and returns its offset
 * in the WebAssembly memory. Throws PageFault.
 */
export function walkPageTables(
  ram: Ram,
  tables: PageTables,
  root: number,
  address: Address,
  access: Access,
  user: boolean,
): number {
  const at = probePageTables(ram, tables, root, address, access, user);
  if (at < 0) throw new PageFault(address, access, at === REFUSED);
  return at;
}

/** As walkPageTables, but returns ABSENT or REFUSED instead of throwing. */
function probePageTables(
  ram: Ram,
  tables: PageTables,
  root: number,
  address: Address,
  access: Access,
  user: boolean,
): number {
  const { u32 } = ram;
  if (!(address >= -NON_CANONICAL && address < NON_CANONICAL)) return ABSENT;
  const index = tables.entryIndex(root, address);
  const low = index < 0 ? 0 : u32[index]!;
  if (!(low & PTE_PRESENT)) return ABSENT;
  const write = access === 'write';
  const refused =
    (write && !(low & PTE_WRITABLE)) ||
    (user && !(low & PTE_USER)) ||
    // Supervisor-mode execution prevention: CR4.SMEP is set.
    (access === 'execute' && (u32[index + 1]! & 0x8000_0000 || (!user && low & PTE_USER)));
  if (refused) return REFUSED;
  const marks = write ? PTE_ACCESSED | PTE_DIRTY : PTE_ACCESSED;
  if ((low & marks) !== marks) u32[index] = low | marks;
  const frame = (low >>> PAGE_SHIFT) | ((u32[index + 1]! & 0xfff) << 20);
  // A frame beyond memory throws RangeError: page tables are the memory manager's, not the guest's.
  return ram.offsetOf(frame) + (address - pageOf(address));
}
