/**
 * The system's two code pages: ANSI 1252 and OEM 437, those of an English Windows. One byte is one character.
 *
 * A character that a code page lacks becomes its default character, '?'; Windows would first look for a similar one.
 */

export interface CodePage {
  readonly number: number;
  /** The UTF-16 code unit of each byte. */
  readonly toUnicode: Uint16Array;
  /** The byte of a code unit; 0x3F for one that is not in the page. */
  fromUnicode(unit: number): number;
}

const DEFAULT_CHARACTER = 0x3f;

const ANSI_80_9F =
  '\u20ac\u0081\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u008d\u017d\u008f' +
  '\u0090\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u009d\u017e\u0178';

const OEM_80_FF =
  'ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐' +
  '└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0';

function codePage(number: number, high: string, from: number): CodePage {
  const toUnicode = Uint16Array.from({ length: 256 }, (_, byte) => byte);
  for (let i = 0; i < high.length; i++) toUnicode[from + i] = high.charCodeAt(i);
  const bytes = new Map<number, number>();
  for (const [byte, unit] of toUnicode.entries()) bytes.set(unit, byte);
  return { number, toUnicode, fromUnicode: unit => bytes.get(unit) ?? DEFAULT_CHARACTER };
}

export const ANSI: CodePage = codePage(1252, ANSI_80_9F, 0x80);
export const OEM: CodePage = codePage(437, OEM_80_FF, 0x80);
