/**
 * The kernel as a TypeScript driver sees it: every exported routine as a method of its own name and types.
 *
 * `nt.IofCompleteRequest(irp, 0)` runs the same body, with the same argument kinds, as a `.sys` that calls it through
 * its import table. A routine that can run other code is a generator there and here: `yield* nt.KeSetEvent(…)`.
 */
import type { ExportedRoutine } from './export.ts';
import type { Kernel } from './kernel.ts';

/** Methods for the routines of a union of export types. */
export type Methods<E> = {
  readonly [X in Extract<E, { kind: 'routine'; name: string }> as X['name']]: X extends {
    body: (k: Kernel, ...args: infer A) => infer R;
  }
    ? (...args: A) => R
    : never;
};

/** The methods of `routines`, bound to a kernel. */
export function methodsOf<E extends { readonly kind: string }>(exports: readonly E[], kernel: Kernel): Methods<E> {
  const methods: Record<string, unknown> = {};
  for (const entry of exports) {
    if (entry.kind !== 'routine') continue;
    const { name, body } = entry as unknown as ExportedRoutine;
    methods[name] = (body as unknown as (k: Kernel, ...args: unknown[]) => unknown).bind(undefined, kernel);
  }
  return methods as Methods<E>;
}
