/**
 * The report as one JSON object (`--json`). Addresses, codes and statuses are hexadecimal strings, as in the trace;
 * statuses have their name beside them. `driver`, `devices`, `ioctls`, `requests`, `findings` and `verdict` are promised;
 * `version` is raised when one of them changes its meaning.
 */
import { type Address, fromAddress, NON_CANONICAL } from '../../wdm/address.ts';
import { formatBugCheck } from '../../wdm/bugcheck.ts';
import { METHOD_NAMES } from '../../wdm/constants.ts';
import { decodeControlCode } from '../../wdm/ioctl.ts';
import { formatStatus } from '../../wdm/ntstatus.ts';
import { explainParameters } from './bug-check.ts';
import type { BufferReport, Finding, Report, RequestReport, Step } from './model.ts';
import { majorName } from './request-text.ts';

const word = (value: number) => `0x${(value >>> 0).toString(16).padStart(8, '0')}`;
const place = (address: Address) =>
  address === NON_CANONICAL ? 'non-canonical' : `0x${fromAddress(address).toString(16).padStart(16, '0')}`;
const status = (value: number) => ({ status: word(value), statusName: formatStatus(value) });
/** A count of bytes that a driver may have set to anything: a number as long as JSON readers keep it exact. */
const quantity = (value: bigint) => (value <= Number.MAX_SAFE_INTEGER ? Number(value) : `0x${value.toString(16)}`);
const buffer = ({ address, bytes }: BufferReport) => ({ address: place(address), bytes });

const ADDRESS_KEYS: ReadonlySet<string> = new Set(['address', 'from', 'to', 'mdl', 'device']);

function stepJson(step: Step): object {
  const entries = Object.entries(step).flatMap(([key, value]): [string, unknown][] => {
    if (key === 'status') return Object.entries(status(value as number));
    if (key === 'raw') return [[key, (value as Address[]).map(place)]];
    if (typeof value === 'bigint') return [[key, quantity(value)]];
    return [[key, ADDRESS_KEYS.has(key) && typeof value === 'number' ? place(value) : value]];
  });
  return Object.fromEntries(entries);
}

function requestJson(request: RequestReport): object {
  const { id, machine, major, device, method, requestorMode, thread, ending, steps } = request;
  return {
    id,
    machine,
    major: majorName(major),
    device,
    method,
    ...(request.ioControlCode === undefined ? {} : { ioControlCode: word(request.ioControlCode) }),
    ...(request.input ? { input: buffer(request.input) } : {}),
    ...(request.output ? { output: buffer(request.output) } : {}),
    requestorMode,
    thread,
    ending,
    ...(request.status === undefined ? {} : status(request.status)),
    ...(request.information === undefined ? {} : { information: quantity(request.information) }),
    steps: steps.map(stepJson),
  };
}

function findingJson({ id, severity, message, request, also, bugCheck }: Finding): object {
  return {
    id,
    severity,
    message,
    request: request ?? null,
    ...(also?.length ? { also } : {}),
    ...(bugCheck
      ? {
          bugCheck: {
            code: word(bugCheck.code),
            name: formatBugCheck(bugCheck.code),
            parameters: bugCheck.parameters.map(value => `0x${value.toString(16).padStart(16, '0')}`),
            explained: explainParameters(bugCheck),
            ...(bugCheck.why === undefined ? {} : { why: bugCheck.why }),
            stack: bugCheck.frames,
            lastRequests: bugCheck.lastRequests,
          },
        }
      : {}),
  };
}

export function reportJson(report: Report): string {
  const drivers = report.drivers.map(({ file, name, bytes, base, size, status: entry }) => ({
    file,
    name,
    bytes,
    ...(base === undefined ? {} : { base: place(base) }),
    ...(size === undefined ? {} : { size }),
    ...status(entry),
  }));
  const devices = report.devices.map(device => ({
    ...device,
    address: place(device.address),
    name: device.name ?? null,
    flags: word(device.flags),
    characteristics: word(device.characteristics),
  }));
  const ioctls = report.ioctls.map(({ code, origin, devices: known }) => {
    const { deviceType, function: func, method, access } = decodeControlCode(code);
    return {
      code: word(code),
      deviceType,
      function: func,
      method: METHOD_NAMES[method],
      access,
      origin,
      devices: known,
    };
  });
  const whole = {
    version: report.version,
    seed: report.seed,
    driver: drivers[0] ?? null,
    with: drivers.slice(1),
    devices,
    ioctls,
    requests: report.requests.map(requestJson),
    prints: report.prints,
    notes: report.notes,
    findings: report.findings.map(findingJson),
    verdict: report.verdict,
    ...(report.reason === undefined ? {} : { reason: report.reason }),
  };
  return `${JSON.stringify(whole, null, 2)}\n`;
}
