import { describe, expect, it } from 'vitest';
import { sampleReport } from '../../../test/sample-report.ts';
import { DO_BUFFERED_IO, DO_DIRECT_IO } from '../../wdm/constants.ts';
import { BugCheck, Hang } from '../../wdm/failures.ts';
import {
  bugCheckFinding,
  deviceFindings,
  hangFinding,
  mergeFindings,
  methodOf,
  unfinishedFindings,
} from './findings.ts';

const { requests, devices } = sampleReport();

function bugCheck(code: number, frame: string): BugCheck {
  const error = new BugCheck(code, [0n, 2n, 0n, 0n], 'waits at raised IRQL');
  error.frames = ['nt!KeBugCheckEx', frame, 'nt!IofCallDriver'];
  return error;
}

describe('findings', () => {
  it('names the driver frame in which the machine stopped, and the request', () => {
    const finding = bugCheckFinding(bugCheck(0xa, 'sample!Read+0x4 (read.c:12)'), requests);
    expect(finding).toMatchObject({ id: 'bug-check', request: 5 });
    expect(finding.message).toBe('IRQL_NOT_LESS_OR_EQUAL in sample!Read+0x4 (read.c:12), READ to \\Device\\Sample');
    expect(finding.bugCheck).toMatchObject({ why: 'waits at raised IRQL', lastRequests: [5, 4, 3, 2, 1] });
  });

  it('makes one finding of bug checks with the same code at the same place', () => {
    const crash = (frame: string, request: number) => ({ ...bugCheckFinding(bugCheck(0x50, frame), []), request });
    const merged = mergeFindings([crash('a!b+0x1', 3), crash('a!c+0x1', 4), crash('a!b+0x1', 9)]);
    expect(merged.map(({ request, also }) => [request, also])).toEqual([
      [3, [9]],
      [4, undefined],
    ]);
  });

  it('says where a driver hangs', () => {
    const spinning = new Hang('spinning', 'DeviceIoControl does not return', ['sample!Loop+0x2']);
    expect(hangFinding(spinning, requests[0], '').message).toBe(
      'the driver keeps the processor busy for ever in sample!Loop+0x2, 0x0022E000 to \\Device\\Sample',
    );
    expect(hangFinding(new Hang('waiting', ''), undefined, 'while it was loaded').message).toBe(
      'the driver waits for ever, while it was loaded',
    );
  });

  it('counts requests that were never completed', () => {
    const [request] = requests;
    const kept = { ...request!, ending: 'never completed' as const };
    expect(unfinishedFindings([kept, ...requests.slice(1, 4)])).toMatchObject([
      { id: 'irp-pending-never-completed', request: 1 },
    ]);
  });

  it('knows a device by its flags', () => {
    expect([0, DO_BUFFERED_IO, DO_DIRECT_IO, DO_BUFFERED_IO | DO_DIRECT_IO].map(methodOf)).toEqual([
      'neither',
      'buffered',
      'direct',
      'both flags',
    ]);
    expect(deviceFindings(devices)).toMatchObject([{ id: 'do-flags-both', severity: 'S2' }]);
  });
});
