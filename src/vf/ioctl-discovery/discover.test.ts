import { readFileSync } from 'node:fs';
import * as iced from 'iced-x86';
import { describe, expect, it } from 'vitest';
import { ToyProcessor } from '../../../test/ioctl-switches/toy-processor.ts';
import { discover, Lifter, Watch } from './index.ts';

interface Image {
  readonly switch: number;
  readonly compiler: string;
  readonly level: string;
  readonly entry: number;
  readonly sections: readonly (readonly [number, string])[];
}

const images: readonly Image[] = JSON.parse(
  readFileSync(new URL('../../../test/ioctl-switches/switches.json', import.meta.url), 'utf8'),
);

const BASE = 0x1_4000_0000n;
const STACK_LOCATION = 0x5000_0000n;

/** What test/ioctl-switches/switches.c knows, by its number. */
const KNOWN: Readonly<Record<number, readonly number[]>> = {
  1: [0x222000, 0x222004, 0x222008, 0x22200c, 0x222010, 0x22201c],
  2: [0x70000, 0x222003, 0x22c010, 0x4d0008, 0x9c402004, 0x9c406008, 0x9c40a00c, 0xffff3ffc],
  3: [0x56000, 0x70140, 0x7405c, 0x2d1080, 0x2d1400, 0x80002000, 0x80002004, 0x80002008, 0x8000200c, 0x80002010,
    0x80002014, 0x8000e013, 0x8000e017, 0x8000e01b, 0x8000e01f],
  4: [0x8e002004, 0x8e00668e, 0x8e00a109, 0x8e002c13],
  5: [0, 1, 2, 3, 7, 9, 12, 14, 22, 40, 44].map(n => 0x222000 + n),
  6: [0x80002000, 0x80002004, 0x8000200c],
  7: [0x9c402400, 0x9c402404, 0x9c40240b, 0x9c40e410],
  8: [0x83372400, 0x83372404, 0x83372954],
  9: [0x222400, 0x222404, 0x222408, 0x22240c, 0x222414],
  10: [0, 4, 8, 16, 23].map(n => 0x22e004 + n),
  11: [0x222000, 0x222004, 0x222008, 0x22200c],
}; // biome-ignore format: a table

/** Where only some bits are compared, a code is found with the other bits as the probe had them. */
const COMPARED: Readonly<Record<number, number>> = { 6: 0xffff3ffc, 8: 0xffff3ffc };

function discoverIn(image: Image) {
  const load = () => {
    const processor = new ToyProcessor();
    for (const [rva, bytes] of image.sections) processor.write(BASE + BigInt(rva), Buffer.from(bytes, 'base64'));
    return processor;
  };
  const lifter = new Lifter(iced, address => load().fetch(address));
  return discover(code => {
    const processor = load();
    processor.write(STACK_LOCATION + 0x18n, new Uint8Array(new Uint32Array([code]).buffer));
    const watch = new Watch(code, lifter, processor);
    watch.seed(STACK_LOCATION + 0x18n);
    const status = processor.call(BASE + BigInt(image.entry), STACK_LOCATION, rip => watch.before(rip));
    return { probe: watch.result(), answer: status.toString(16) };
  });
}

describe('discovery of IOCTL codes in compiled code', () => {
  it.each(images.map(image => [image.switch, image.compiler, image.level, image] as const))(
    'switch %i by %s -%s',
    (number, _compiler, _level, image) => {
      const { codes, complete } = discoverIn(image);
      const compared = COMPARED[number] ?? 0xffff_ffff;
      const found = [...new Set(codes.map(code => (code & compared) >>> 0))].sort((a, b) => a - b);
      const known = [...(KNOWN[number] ?? [])].sort((a, b) => a - b);
      expect(found.map(code => code.toString(16))).toEqual(known.map(code => code.toString(16)));
      expect(complete).toBe(true);
    },
  );

  it('gives the same codes in the same number of probes again', () => {
    const image = images.find(({ switch: number }) => number === 3);
    expect(image && discoverIn(image)).toEqual(image && discoverIn(image));
  });
});
