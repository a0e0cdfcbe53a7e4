/**
 * A region's WebAssembly as text for reading and comparing: the function of its code, without what surrounds it.
 *
 * What depends on nothing but order is named: registers and places of the register file by what they hold (`$rax`,
 * `FUEL`), the others of the function's locals by type and first appearance (`$l0` i64, `$w0` i32, `$v0` v128), callees by what
 * they are for, code addresses by their distance (`CODE+5`). `local.get` is left out. What is taken from or put into the
 * register file in one go is one line, and so is the state that a companion function gets. The result is no module's text
 * any more.
 */
import wabt from 'wabt';
import * as tlb from '../../src/hw/tlb.ts';
import * as layout from '../../src/x86/layout.ts';

type Node = string | Node[];

const WIDTH = 110;
const GPRS = 'rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15'.split(' ');
const LOCAL_PREFIX: Readonly<Record<string, string>> = { i64: '$l', i32: '$w', v128: '$v', f32: '$f', f64: '$d' };

/** The host area's places by offset. */
const PLACES: ReadonlyMap<number, string> = new Map([
  ...Object.entries(layout).flatMap(([name, value]): [number, string][] =>
    typeof value === 'number' && value >= layout.REGISTERS && value < layout.JUMP_ENTRIES * 16 ? [[value, name]] : [],
  ),
  ...GPRS.map((name, n): [number, string] => [layout.REGISTERS + 8 * n, name]),
  ...GPRS.map((_, n): [number, string] => [layout.XMM + 16 * n, `xmm${n}`]),
]);

/** Offsets of the TLB's tables. */
const TABLES: ReadonlyMap<string, string> = new Map(
  Object.entries({ TLB_READ: tlb.TLB_READ, TLB_WRITE: tlb.TLB_WRITE }).flatMap(([name, offset]): [string, string][] => [
    [`offset=${offset}`, `offset=${name}`],
    [`offset=${offset + tlb.TLB_ADDEND}`, `offset=${name}+addend`],
  ]),
);

/** The functions that every region brings, in order after its own. */
const COMPANIONS = ['read-miss', 'store-miss', 'store-miss-16', 'help', 'before'];

export async function wasmText(module: Uint8Array, codeAddress: number, codeLength: number): Promise<string> {
  const { readWasm } = await wabt();
  const read = readWasm(module, { readDebugNames: false, simd: true, tail_call: true });
  const [tree] = parse(read.toText({ foldExprs: true })) as [Node[]];
  read.destroy();
  const items = tree.filter(Array.isArray);
  const imported = items.filter(item => item[0] === 'import' && head(item.at(-1)!) === 'func');
  const names = imported.map(item => unquote(item[2]!));
  const main = items.find(item => item[0] === 'func')!;
  const reader = new Reader([...names, 'self', ...COMPANIONS], codeAddress, codeLength);
  return reader.functionText(main);
}

class Reader {
  readonly #functions: readonly string[];
  readonly #code: number;
  readonly #codeLength: number;
  readonly #locals = new Map<string, string>();
  readonly #types: string[] = ['i32'];
  readonly #used = new Map<string, number>();

  constructor(functions: readonly string[], code: number, codeLength: number) {
    this.#functions = functions;
    this.#code = code;
    this.#codeLength = codeLength;
  }

  functionText(main: Node[]): string {
    for (const item of main) if (head(item) === 'local') this.#types.push(...(item.slice(1) as string[]));
    this.#locals.set('0', '$entry');
    const body = main.filter((item): item is Node[] => !/^(func|type|param|result|local)$/.test(head(item) || 'func'));
    // The state comes into its locals first.
    for (const item of body) {
      const place = item[0] === 'local.set' ? placeOf(item[2]!) : undefined;
      if (place === undefined || this.#locals.has(String(item[1]))) break;
      this.#locals.set(String(item[1]), `$${place}`);
    }
    return lines(body.map(item => this.#plain(item))).join('\n');
  }

  /** The tree with names for numbers. */
  #plain(node: Node): Node {
    if (typeof node === 'string') return TABLES.get(node) ?? node;
    const [op, ...rest] = node as [string, ...Node[]];
    if (op === 'local.get') return this.#local(String(rest[0]));
    if (/^local\./.test(op)) return [op, this.#local(String(rest[0])), ...rest.slice(1).map(each => this.#plain(each))];
    if (op === 'call' || op === 'return_call') {
      const callee = this.#functions[Number(rest[0])] ?? String(rest[0]);
      const given = rest.slice(1).map(each => this.#plain(each));
      const state = COMPANIONS.includes(callee) ? given.indexOf('$FUEL') : -1;
      if (state >= 0) given.push(['state', ...given.splice(state).map(each => print(each).replace(/^\$/, ''))]);
      return [op, `$${callee}`, ...given];
    }
    if (op === 'i64.const') {
      const distance = Number(rest[0]) - this.#code;
      if (distance >= 0 && distance < this.#codeLength + 0x1000) return [op, `CODE+${distance}`];
    }
    const access = rest.filter(each => typeof each !== 'string' || !each.startsWith('align='));
    const place = placeOf([op, ...access]);
    if (place !== undefined) return [op, place, ...access.slice(2).map(each => this.#plain(each))];
    return [op, ...access.map(each => this.#plain(each))];
  }

  #local(index: string): string {
    let name = this.#locals.get(index);
    if (name === undefined) {
      const type = this.#types[Number(index)] ?? '?';
      const n = this.#used.get(type) ?? 0;
      this.#used.set(type, n + 1);
      name = `${LOCAL_PREFIX[type] ?? '$x'}${n}`;
      this.#locals.set(index, name);
    }
    return name;
  }
}

/** The place of the host area that a load or store is of; undefined for other nodes. */
function placeOf(node: Node): string | undefined {
  if (!Array.isArray(node) || !/\.(load|store)/.test(head(node))) return undefined;
  const offset = node.find((each): each is string => typeof each === 'string' && each.startsWith('offset='));
  const base = node.find((each): each is Node[] => Array.isArray(each));
  if (offset === undefined || base?.[0] !== 'i32.const' || base[1] !== '0') return undefined;
  return PLACES.get(Number(offset.slice('offset='.length)));
}

/** What a node does if it only moves a local to its own place or back. */
function moves(node: Node): { readonly way: 'load' | 'store'; readonly what: string } | undefined {
  const flat = print(node);
  const load = /^\(local\.set \$(\w+) \(\w+\.load (\w+)\)\)$/.exec(flat);
  if (load && load[1] === load[2]) return { way: 'load', what: load[1]! };
  const store = /^\(\w+\.store (\w+) \$(\w+)\)$/.exec(flat);
  if (store && store[1] === store[2]) return { way: 'store', what: store[1]! };
  return undefined;
}

/** Lines of a list of nodes, each node on one if it fits. */
function lines(nodes: readonly Node[], indent = ''): string[] {
  const out: string[] = [];
  for (let n = 0; n < nodes.length; n++) {
    const node = nodes[n]!;
    const move = moves(node);
    if (move) {
      const what = [move.what];
      for (;;) {
        const next = n + 1 < nodes.length ? moves(nodes[n + 1]!) : undefined;
        if (next?.way !== move.way) break;
        what.push(next.what);
        n++;
      }
      out.push(`${indent}(${move.way} ${what.join(' ')})`);
      continue;
    }
    const flat = print(node);
    if (typeof node === 'string' || (indent.length + flat.length <= WIDTH && !/^\((if|block|loop)\b/.test(flat))) {
      out.push(indent + flat);
      continue;
    }
    const simple = node.findIndex((each, at) => at > 0 && !isWord(each));
    const split = simple < 0 ? node.length : simple;
    out.push(`${indent}(${node.slice(0, split).map(print).join(' ')}`);
    out.push(...lines(node.slice(split), `${indent}  `));
    out.push(`${out.pop()})`);
  }
  return out;
}

function print(node: Node): string {
  return typeof node === 'string' ? node : `(${node.map(print).join(' ')})`;
}

/** What stays on the line of an instruction: its immediates, a destination, a block's type. */
function isWord(node: Node): boolean {
  return typeof node === 'string' || head(node) === 'result';
}

function head(node: Node): string {
  return Array.isArray(node) && typeof node[0] === 'string' ? node[0] : '';
}

function unquote(node: Node): string {
  return String(node).replaceAll('"', '');
}

/** S-expressions, comments left out. */
function parse(text: string): Node[] {
  const tokens = text.replace(/\(;.*?;\)|;;.*$/gm, '').match(/[()]|"[^"]*"|[^\s()"]+/g) ?? [];
  const stack: Node[][] = [[]];
  for (const token of tokens) {
    if (token === '(') stack.push([]);
    else if (token === ')') {
      const done = stack.pop()!;
      stack.at(-1)!.push(done);
    } else stack.at(-1)!.push(token);
  }
  return stack[0]!;
}
