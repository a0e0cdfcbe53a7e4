/**
 * A bug check in words: the blue screen's line, its four parameters explained, the stack, the last requests.
 *
 * What the parameters mean: "Bug Check Code Reference" of the Windows debugger's documentation.
 */
import { formatAddress, toAddress } from '../../wdm/address.ts';
import { formatBugCheck } from '../../wdm/bugcheck.ts';
import { formatStatus } from '../../wdm/ntstatus.ts';
import type { BugCheckReport } from './model.ts';
import type { Style } from './style.ts';

type Explain = (value: bigint) => string;

const address =
  (what: string): Explain =>
  value =>
    `${formatAddress(toAddress(value))} ${what}`;
const status: Explain = value => `exception code ${formatStatus(Number(value & 0xffff_ffffn))}`;
const irql: Explain = value => `IRQL ${value}${value === 2n ? ' (DISPATCH_LEVEL)' : ''}`;
const choice =
  (choices: Readonly<Record<string, string>>, other: string): Explain =>
  value =>
    choices[value.toString()] ?? `${other} ${value}`;
const plain =
  (what: string): Explain =>
  value =>
    `${what} 0x${value.toString(16)}`;

const access = choice({ '0': 'read', '1': 'write', '2': 'write', '8': 'execute', '16': 'execute' }, 'operation');

/** By code: what each of the four parameters says; undefined says nothing. */
const PARAMETERS: Readonly<Record<number, readonly (Explain | undefined)[]>> = {
  10: [address('was touched'), irql, access, address('touched it')],
  24: [address('is the object type'), address('is the object'), plain('reason')],
  30: [status, address('is where it was raised'), plain('parameter 0 of the exception'), plain('parameter 1 of the exception')],
  53: [address('is the IRP: it has no stack location left for the next driver')],
  59: [status, address('is where it was raised'), address('is the CONTEXT')],
  68: [address('is the IRP: it was completed before')],
  80: [address('was touched'), access, address('touched it')],
  126: [status, address('is where it was raised'), address('is the EXCEPTION_RECORD'), address('is the CONTEXT')],
  190: [address('is read-only'), plain('page table entry'), plain('reserved')],
  194: [plain('violation'), plain('parameter'), plain('parameter'), address('is the pool block')],
  206: [address('was touched after its driver was unloaded'), access, address('touched it')],
  209: [address('was touched'), irql, access, address('touched it')],
  252: [address('is no executable memory'), plain('page table entry')],
  313: [plain('kind of corruption (2: stack cookie, 3: list entry, 10: control flow guard)'), address('is the trap frame'), address('is the exception record')],
}; // biome-ignore format: a table

export function explainParameters(report: Pick<BugCheckReport, 'code' | 'parameters'>): string[] {
  const explains = PARAMETERS[report.code] ?? [];
  return report.parameters.flatMap((value, n) => {
    const text = explains[n]?.(value);
    return text === undefined ? [] : [`parameter ${n + 1}: ${text}`];
  });
}

/** `*** STOP 0x000000D1 (0x...,0x...,0x...,0x...)`, as the machine that stops says it. */
export function stopLine({ code, parameters }: Pick<BugCheckReport, 'code' | 'parameters'>): string {
  const word = (value: bigint, digits: number) => value.toString(16).toUpperCase().padStart(digits, '0');
  return `*** STOP 0x${word(BigInt(code), 8)} (${parameters.map(value => `0x${word(value, 16)}`).join(',')})`;
}

export function renderBugCheck(report: BugCheckReport, style: Style): string[] {
  const lines = [
    style.bad(stopLine(report)),
    `${style.strong(formatBugCheck(report.code))}${report.why ? `: ${report.why}` : ''}`,
  ];
  for (const line of explainParameters(report)) lines.push(`  ${line}`);
  report.frames.forEach((frame, n) => {
    lines.push(`  ${style.faint(n.toString(16).padStart(2, '0'))} ${frame}`);
  });
  if (report.lastRequests.length > 0) {
    lines.push(style.faint(`  last requests: ${report.lastRequests.map(id => `#${id}`).join(' ')}`));
  }
  return lines;
}
