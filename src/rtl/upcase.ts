/**
 * Upper and lower case of UTF-16 code units, as the executive compares names: one unit becomes one unit, no locale.
 *
 * Windows keeps a table for this. Ours follows Unicode's simple mappings where they lead there and back again; so the
 * dotless i, the long s and the micro sign stay what they are, as in that table. Scripts whose cases came into Unicode
 * after the table was made have none here.
 */

/** Georgian and Cherokee: uncased in Windows 10. */
const UNCASED: readonly (readonly [first: number, last: number])[] = [
  [0x10a0, 0x10ff],
  [0x13a0, 0x13ff],
  [0x1c90, 0x1cbf],
  [0x2d00, 0x2d2f],
  [0xab70, 0xabbf],
];

function single(text: string): number {
  return text.length === 1 ? text.charCodeAt(0) : -1;
}

function other(unit: number, turn: (text: string) => string, back: (text: string) => string): number {
  if (UNCASED.some(([first, last]) => unit >= first && unit <= last)) return unit;
  const turned = single(turn(String.fromCharCode(unit)));
  return turned >= 0 && single(back(String.fromCharCode(turned))) === unit ? turned : unit;
}

const upper = (text: string) => text.toUpperCase();
const lower = (text: string) => text.toLowerCase();

export function RtlUpcaseUnicodeChar(unit: number): number {
  if (unit < 0x80) return unit >= 0x61 && unit <= 0x7a ? unit - 0x20 : unit;
  return other(unit, upper, lower);
}

export function RtlDowncaseUnicodeChar(unit: number): number {
  if (unit < 0x80) return unit >= 0x41 && unit <= 0x5a ? unit + 0x20 : unit;
  return other(unit, lower, upper);
}

/** RtlUpperChar: of the ANSI code page's characters, ASCII's only. */
export function RtlUpperChar(unit: number): number {
  return unit >= 0x61 && unit <= 0x7a ? unit - 0x20 : unit;
}
