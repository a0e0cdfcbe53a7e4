/**
 * Control flow of a region, as WebAssembly's nested blocks and loops.
 *
 * WebAssembly has no jumps: a block can be left forwards, a loop continued at its top. The graph is taken apart into its
 * strongly connected components in topological order. Each component is laid out behind the end of a block, so that
 * earlier ones jump to it by leaving that block; a component that is a cycle becomes a loop, and its inside is taken
 * apart again without the edges to its head. So a compiler's loops come out as WebAssembly loops, which V8 optimises.
 *
 * A cycle that is entered at several nodes (a loop with a call in it, where the call returns to; a deadline's place within
 * an outer loop) is a loop that begins with a `br_table` over the local `entry`. Whoever jumps there sets the local.
 */
import type { Body, Label } from '../wasm/body.ts';

/** A way out of a node. */
export interface Way {
  /** Pushes an i32 that is not zero if this way is taken. The last way of a node has none. */
  readonly condition: Body | undefined;
  /** Runs on the way. Without a target it leaves the function by itself. */
  readonly body: Body;
  readonly target: number | undefined;
}

/** A block of code. One without ways leaves the function by itself. */
export interface Node {
  readonly body: Body;
  readonly ways: readonly Way[];
  /** May be entered from outside. */
  readonly entry: boolean;
}

/** How to get to a node from where code is being laid out. */
interface Jump {
  readonly label: Label;
  /** The label stands for several nodes: the local must name this one. */
  readonly named: boolean;
}

/**
 * Appends the nodes to a body; control begins at the node whose number is in the local `entry`, and does not come out at
 * the end. `fill` is for the marks in their bodies.
 */
export function structure(
  nodes: readonly Node[],
  entry: number,
  w: Body,
  fill?: (kind: number, into: Body) => void,
): void {
  new Structurer(nodes, entry, w, fill).all();
}

class Structurer {
  readonly #nodes: readonly Node[];
  readonly #entry: number;
  readonly #w: Body;
  readonly #fill: ((kind: number, into: Body) => void) | undefined;
  readonly #jumps = new Map<number, Jump>();
  /** Heads of the loops being laid out: edges to them are continuations. */
  readonly #heads = new Set<number>();

  constructor(nodes: readonly Node[], entry: number, w: Body, fill?: (kind: number, into: Body) => void) {
    this.#nodes = nodes;
    this.#entry = entry;
    this.#w = w;
    this.#fill = fill;
  }

  all(): void {
    const numbers = this.#nodes.map((_, n) => n);
    this.#layOut(
      numbers,
      numbers.filter(n => this.#nodes[n]!.entry),
    );
  }

  #successors(n: number): number[] {
    const found: number[] = [];
    for (const { target } of this.#nodes[n]!.ways)
      if (target !== undefined && !this.#heads.has(target)) found.push(target);
    return found;
  }

  /** Lays out nodes that are entered at `entries`. */
  #layOut(members: readonly number[], entries: readonly number[]): void {
    const w = this.#w;
    const components = stronglyConnected(members, n => this.#successors(n));
    const shadowed = new Map<number, Jump | undefined>();
    const labels = components.map(() => 0);
    for (let c = components.length - 1; c >= 0; c--) labels[c] = w.block();
    const inside = components.map(component => this.#entriesOf(component, members, entries));
    components.forEach((component, c) => {
      const named = inside[c]!.length > 1;
      for (const n of component) {
        if (this.#heads.has(n)) continue;
        shadowed.set(n, this.#jumps.get(n));
        this.#jumps.set(n, { label: labels[c]!, named });
      }
    });
    this.#dispatch(entries, components, labels);
    components.forEach((component, c) => {
      w.end();
      this.#component(component, inside[c]!);
    });
    for (const [n, jump] of shadowed) {
      if (jump) this.#jumps.set(n, jump);
      else this.#jumps.delete(n);
    }
  }

  /** At the top of a layout: to the component of the entry that the local names. */
  #dispatch(entries: readonly number[], components: readonly (readonly number[])[], labels: readonly Label[]): void {
    const place = new Map<number, number>();
    components.forEach((component, c) => {
      for (const n of component) place.set(n, c);
    });
    const w = this.#w;
    if (entries.length === 1) {
      const c = place.get(entries[0]!)!;
      if (c > 0) w.br(labels[c]!);
      return;
    }
    const low = Math.min(...entries);
    const table: Label[] = [];
    for (let n = low; n <= Math.max(...entries); n++) table.push(labels[place.get(n) ?? 0]!);
    w.get(this.#entry);
    if (low > 0) w.i32(low).op('i32.sub');
    w.brTable(table, table[0]!);
  }

  /** The nodes of a component at which it is entered. */
  #entriesOf(component: readonly number[], members: readonly number[], entries: readonly number[]): number[] {
    if (component.length === 1) return [...component];
    const inside = new Set(component);
    const found = new Set(entries.filter(n => inside.has(n)));
    for (const n of members) {
      if (inside.has(n)) continue;
      for (const to of this.#successors(n)) if (inside.has(to)) found.add(to);
    }
    // A cycle that nothing leads to is laid out as if entered at its first node.
    return found.size > 0 ? [...found].sort((a, b) => a - b) : component.slice(0, 1);
  }

  #component(component: readonly number[], entries: readonly number[]): void {
    const [only] = component;
    if (component.length === 1 && !this.#successors(only!).includes(only!)) {
      this.#node(only!);
      return;
    }
    const w = this.#w;
    // Of several entries the first in memory is the head: of nested loops that is the outer one's, as a rule.
    const head = entries[0]!;
    const outside = this.#jumps.get(head)!;
    this.#jumps.set(head, { label: w.loop(), named: entries.length > 1 });
    this.#heads.add(head);
    this.#layOut(component, entries);
    this.#heads.delete(head);
    this.#jumps.set(head, outside);
    w.end();
  }

  #node(n: number): void {
    const w = this.#w;
    const { body, ways } = this.#nodes[n]!;
    w.append(body, this.#fill);
    for (const { condition, body: along, target } of ways) {
      if (condition) {
        w.append(condition, this.#fill);
        w.if();
      }
      w.append(along, this.#fill);
      if (target !== undefined) {
        const { label, named } = this.#jumps.get(target)!;
        if (named) w.i32(target).set(this.#entry);
        w.br(label);
      }
      if (condition) w.end();
    }
    // Nothing falls out of a node.
    w.op('unreachable');
  }
}

/** Strongly connected components, each before those that it leads to (Tarjan). */
export function stronglyConnected(nodes: readonly number[], successors: (n: number) => readonly number[]): number[][] {
  const members = new Set(nodes);
  const index = new Map<number, number>();
  const low = new Map<number, number>();
  const stack: number[] = [];
  const onStack = new Set<number>();
  const components: number[][] = [];
  const visit = (n: number) => {
    const mine = index.size;
    index.set(n, mine);
    low.set(n, mine);
    stack.push(n);
    onStack.add(n);
    // Later code first: it then comes later in the order, which is made from the end.
    for (const to of [...successors(n)].sort((a, b) => b - a)) {
      if (!members.has(to)) continue;
      if (!index.has(to)) {
        visit(to);
        low.set(n, Math.min(low.get(n)!, low.get(to)!));
      } else if (onStack.has(to)) low.set(n, Math.min(low.get(n)!, index.get(to)!));
    }
    if (low.get(n) !== mine) return;
    const component: number[] = [];
    for (let top = -1; top !== n; ) {
      top = stack.pop()!;
      onStack.delete(top);
      component.push(top);
    }
    components.push(component.sort((a, b) => a - b));
  };
  for (const n of [...nodes].sort((a, b) => b - a)) if (!index.has(n)) visit(n);
  return components.reverse();
}
