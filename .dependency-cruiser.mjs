/**
 * Which room may import which: the one place where the order stands.
 *
 * Imports point down this list. Rooms on one line do not know each other. Completions travel up through what was
 * handed down: dispatch tables, routines, object-type procedures. There are no cycles anywhere, type imports included.
 */
export const LAYERS = [
  ['index'], //              the public face
  ['machine'], //            composition root: boots the rooms
  ['vf', 'kd'], //           the verifier, debugger views
  ['win32'], //              what an application calls
  ['ntoskrnl'], //           what a .sys imports, system services
  ['io'],
  ['ps'],
  ['se'],
  ['ob'],
  ['ex'],
  ['mm'],
  ['ke'],
  ['rtl'],
  ['hal'],
  ['x86', 'pe'],
  ['wasm'],
  ['hw'],
  ['etw'],
  ['wdm'],
];

/** Above the list, and free to import any room: the command line and test support. */
const EXEMPT = ['cli', 'test'];

/** Files of these rooms, whether the room is a folder or a single file. */
const files = rooms => `^src/(${rooms.join('|')})(/|\\.ts$)`;

const order = LAYERS.flatMap((rooms, depth) =>
  rooms.map(room => ({
    name: `order-${room}`,
    comment: `${room} may import only what stands below it in .dependency-cruiser.mjs`,
    severity: 'error',
    from: { path: files([room]), pathNot: '\\.test\\.ts$' },
    to: { path: files([...EXEMPT, ...LAYERS.slice(0, depth + 1).flat()].filter(other => other !== room)) },
  })),
);

export default {
  forbidden: [
    ...order,
    {
      name: 'room-in-the-order',
      comment: 'A new room of src/ takes its place in LAYERS first.',
      severity: 'error',
      from: { path: '^src/', pathNot: [files([...EXEMPT, ...LAYERS.flat()]), '\\.d\\.ts$'] },
      to: {},
    },
    {
      name: 'no-cycles',
      comment: 'Two files that import each other are one file, or have a third one in them.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'core-without-node',
      comment: 'The core runs in a browser, too: Node belongs to cli, tests and tools.',
      severity: 'error',
      from: { path: ['^src/', '^drivers/'], pathNot: [files(EXEMPT), '\\.(test|soak)\\.ts$'] },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'core-depends-on-the-decoder-only',
      comment: 'The one package of the core is the decoder, as types: the machine is handed the code.',
      severity: 'error',
      from: { path: ['^src/', '^drivers/'], pathNot: [files(EXEMPT), '\\.(test|soak)\\.ts$'] },
      to: { path: 'node_modules', pathNot: 'node_modules/iced-x86' },
    },
    {
      name: 'decoder-as-types',
      comment: 'index.ts alone brings the decoder along; the machine takes any.',
      severity: 'error',
      from: { path: ['^src/', '^drivers/'], pathNot: [files([...EXEMPT, 'index']), '\\.(test|soak)\\.ts$'] },
      to: { path: 'node_modules/iced-x86', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'resolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.node.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { extensions: ['.ts', '.mjs', '.js'], conditionNames: ['import', 'types', 'default'] },
  },
};
