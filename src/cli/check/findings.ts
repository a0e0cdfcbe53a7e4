/**
 * What counts against a driver so far: it stopped the machine, it never came back, it kept a request for ever, it could
 * not be unloaded cleanly, or its devices contradict themselves. The rules that look closer stand in the verifier.
 */
import { formatBugCheck } from '../../wdm/bugcheck.ts';
import { DO_BUFFERED_IO, DO_DIRECT_IO } from '../../wdm/constants.ts';
import type { BugCheck, Hang } from '../../wdm/failures.ts';
import type { DeviceMethod, DeviceReport, Finding, RequestReport } from '../report/model.ts';
import { majorName } from '../report/request-text.ts';
import { hex } from '../report/style.ts';

/** How many of the last requests a bug check names. */
const LAST_REQUESTS = 5;

export function methodOf(flags: number): DeviceMethod {
  const both = DO_BUFFERED_IO | DO_DIRECT_IO;
  if ((flags & both) === both) return 'both flags';
  if (flags & DO_BUFFERED_IO) return 'buffered';
  return flags & DO_DIRECT_IO ? 'direct' : 'neither';
}

function requestText({ ioControlCode, major, device }: RequestReport): string {
  return `${ioControlCode === undefined ? majorName(major) : hex(ioControlCode, 8)} to ${device}`;
}

/** A frame of the kernel's says less than the first one of a driver. */
function culprit(frames: readonly string[]): string | undefined {
  return frames.find(frame => !/^(nt|ntoskrnl|hal)[!.+]/i.test(frame)) ?? frames[0];
}

const inPlace = (frame: string | undefined) => (frame === undefined ? '' : ` in ${frame}`);

/** @param requests those of the machine that stopped */
export function bugCheckFinding(error: BugCheck, requests: readonly RequestReport[], during?: string): Finding {
  const { code, parameters, frames } = error;
  const request = requests.findLast(({ ending }) => ending === 'stopped the machine') ?? undefined;
  const lastRequests = requests
    .slice(-LAST_REQUESTS)
    .map(({ id }) => id)
    .toReversed();
  const why = / \(0x[^)]*\) (.+)$/.exec(error.message)?.[1];
  const when = request ? `, ${requestText(request)}` : during ? `, ${during}` : '';
  return {
    id: 'bug-check',
    severity: 'S2',
    message: `${formatBugCheck(code)}${inPlace(culprit(frames))}${when}`,
    ...(request ? { request: request.id } : {}),
    signature: `${code}${inPlace(culprit(frames))}`,
    bugCheck: { code, parameters, frames, lastRequests, ...(why === undefined ? {} : { why }) },
  };
}

export function hangFinding(error: Hang, request: RequestReport | undefined, during: string): Finding {
  const what = error.reason === 'spinning' ? 'keeps the processor busy for ever' : 'waits for ever';
  const place = `the driver ${what}${inPlace(culprit(error.frames))}`;
  return {
    id: 'hang',
    severity: 'S2',
    signature: place,
    message: `${place}, ${request ? requestText(request) : during}`,
    ...(request ? { request: request.id } : {}),
  };
}

/** @param requests those of a machine in which every request was cancelled, or every handle closed */
export function unfinishedFindings(requests: readonly RequestReport[]): Finding[] {
  return requests
    .filter(({ ending }) => ending === 'never completed')
    .map(request => {
      const driver = request.steps.findLast(step => step.kind === 'dispatched');
      const who = driver?.kind === 'dispatched' ? driver.driver : 'a driver';
      return {
        id: 'irp-pending-never-completed',
        severity: 'S2',
        signature: `${who} ${request.major} ${request.ioControlCode}`,
        message: `${who} never completed ${requestText(request)}, not even when it was cancelled`,
        request: request.id,
      };
    });
}

export function deviceFindings(devices: readonly DeviceReport[]): Finding[] {
  return devices
    .filter(({ method }) => method === 'both flags')
    .map(({ name, driver }) => ({
      id: 'do-flags-both',
      severity: 'S2',
      message: `${name ?? 'an unnamed device'} of ${driver} has both DO_BUFFERED_IO and DO_DIRECT_IO set: Windows takes buffered`,
    }));
}

/** Devices that are still there after DriverUnload returned. */
export function leftDeviceFindings(driver: string, devices: readonly string[]): Finding[] {
  return devices.map(device => ({
    id: 'device-not-deleted-at-unload',
    severity: 'S2',
    message: `${driver} was unloaded and left ${device} behind: the next request to it runs into freed code`,
  }));
}

export function leftLinkFindings(driver: string, links: readonly string[]): Finding[] {
  return links.map(link => ({
    id: 'symlink-not-deleted',
    severity: 'S3',
    message: `${driver} was unloaded and left the symbolic link ${link} behind`,
  }));
}

/** Findings that say the same of several requests become one. */
export function mergeFindings(findings: readonly Finding[]): Finding[] {
  const merged = new Map<string, Finding>();
  for (const finding of findings) {
    const key = `${finding.id} ${finding.signature ?? finding.message}`;
    const first = merged.get(key);
    if (!first) merged.set(key, finding);
    else if (finding.request !== undefined) {
      merged.set(key, { ...first, also: [...(first.also ?? []), finding.request] });
    }
  }
  return [...merged.values()];
}
