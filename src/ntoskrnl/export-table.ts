/**
 * The export table of ntoskrnl.exe and HAL.dll, with addresses.
 *
 * Both names lead to the same table: since Windows 10 version 2004 the HAL is linked into the kernel, and HAL.dll only
 * forwards. Routines get slots in the ntoskrnl pseudo-image; variables get real memory behind it, because drivers read
 * them.
 */
import type { PseudoImage, TrapTable } from '../ke/traps.ts';
import type { Address } from '../wdm/address.ts';
import { type CallObserver, trapBody } from './call.ts';
import type { Export, ExportedVariable } from './export.ts';
import type { Kernel } from './kernel.ts';

const KERNEL_MODULES: ReadonlySet<string> = new Set(['ntoskrnl.exe', 'hal.dll', 'ntkrnlpa.exe', 'ntkrnlmp.exe']);

export class ExportTable {
  /** Told of each call that guest code makes to a routine here, if set. */
  observer: CallObserver | undefined;
  readonly #addresses = new Map<string, Address>();

  /**
   * @param exports every export; a name may stand there once
   * @param allocate memory for the variables, zeroed, readable and writable
   */
  constructor(
    exports: Iterable<Export>,
    kernel: Kernel,
    traps: TrapTable,
    image: PseudoImage,
    allocate: (bytes: number) => Address,
  ) {
    const variables: ExportedVariable[] = [];
    for (const entry of exports) {
      if (this.#addresses.has(entry.name)) throw new Error(`export ${entry.name} is declared twice`);
      if (entry.kind === 'routine') {
        const body = trapBody(entry, kernel, () => this.observer);
        this.#addresses.set(entry.name, traps.register(image, entry.name, body, entry.cost));
      } else {
        variables.push(entry);
        this.#addresses.set(entry.name, 0);
      }
    }
    const sizes = variables.map(entry => Math.ceil(entry.size / 16) * 16);
    let address = allocate(sizes.reduce((sum, size) => sum + size, 0) || 16);
    variables.forEach((entry, index) => {
      this.#addresses.set(entry.name, address);
      entry.initialise(kernel, address);
      address += sizes[index]!;
    });
  }

  /** The address of an exported routine or variable: MmGetSystemRoutineAddress. */
  find(name: string): Address | undefined {
    return this.#addresses.get(name);
  }

  /** As an import table asks. ntoskrnl exports nothing by ordinal that a driver may rely on. */
  resolve(module: string, symbol: string | number): Address | undefined {
    return typeof symbol === 'string' && isKernelModule(module) ? this.find(symbol) : undefined;
  }

  get names(): IterableIterator<string> {
    return this.#addresses.keys();
  }
}

export function isKernelModule(module: string): boolean {
  return KERNEL_MODULES.has(module.toLowerCase());
}
