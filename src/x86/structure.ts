/**
 * Control flow of a region, as WebAssembly's nested blocks.
 *
 * One loop around a br_table over the blocks: right for every graph.
 */
import { Body } from '../wasm/body.ts';

/** A way out of a node. Its body runs first; without a target it leaves the function by itself. */
export interface Edge {
  readonly body: Body;
  readonly target: number | undefined;
}

/** A block of code. With two ways out it leaves an i32 on the stack that chooses `taken`. */
export interface Node {
  readonly body: Body;
  readonly next: Edge | undefined;
  readonly taken: Edge | undefined;
  /** May be entered from outside. */
  readonly entry: boolean;
}

/** The nodes in one body, which begins at the node whose number is in the local `entry`. */
export function structure(nodes: readonly Node[], entry: number): Body {
  const w = new Body();
  const top = w.loop();
  const labels = nodes.map(() => w.block());
  labels.reverse();
  w.get(entry).brTable(labels, labels[0]!);
  const follow = ({ body, target }: Edge) => {
    w.append(body);
    if (target !== undefined) w.i32(target).set(entry).br(top);
  };
  for (const node of nodes) {
    w.end();
    w.append(node.body);
    if (node.taken) {
      w.if();
      follow(node.taken);
      w.end();
    }
    if (node.next) follow(node.next);
  }
  w.op('unreachable').end();
  return w;
}
