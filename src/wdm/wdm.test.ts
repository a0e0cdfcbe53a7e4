/** The vocabulary itself: views, status severities, control codes, names. */
import { describe, expect, test } from 'vitest';
import { KernelMemory } from '../../test/support/kernel-memory.ts';
import { NON_CANONICAL } from './address.ts';
import { formatBugCheck, IRQL_NOT_LESS_OR_EQUAL } from './bugcheck.ts';
import * as wdm from './constants.ts';
import { DRIVER_OBJECT, EXCEPTION_RECORD, IO_STACK_LOCATION, IRP, MDL } from './layouts.ts';
import { PageFault } from './memory.ts';
import * as status from './ntstatus.ts';

describe('views', () => {
  test('of one address always agree', () => {
    const kernel = new KernelMemory();
    const address = kernel.room(IRP.size);
    const [a, b] = [IRP.at(kernel.memory, address), IRP.at(kernel.memory, address)];
    a.IoStatus.Status = status.STATUS_ACCESS_VIOLATION;
    a.IoStatus.Information = 2n ** 64n - 1n;
    a.Tail.Overlay.CurrentStackLocation = -0x1000;
    expect(b.IoStatus.Status).toBe(0xc000_0005);
    expect(b.IoStatus.Information).toBe(2n ** 64n - 1n);
    expect(b.Tail.Overlay.CurrentStackLocation).toBe(-0x1000);
    expect(kernel.memory.readU32(address + 0x30)).toBe(0xc000_0005);
    expect(kernel.memory.readPointer(address + 0xb8)).toBe(-0x1000);
  });

  test('show the alternatives of a union at one place', () => {
    const kernel = new KernelMemory();
    const stack = IO_STACK_LOCATION.at(kernel.memory, kernel.room(IO_STACK_LOCATION.size));
    stack.Parameters.DeviceIoControl.IoControlCode = 0x22_2000;
    stack.Parameters.DeviceIoControl.Type3InputBuffer = 0x1234;
    expect(stack.Parameters.Others.Argument3 & 0xff_ffff).toBe(0x22_2000);
    expect(stack.Parameters.Others.Argument4).toBe(0x1234);
    expect(stack.Parameters.address).toBe(stack.address + 8);
  });

  test('a pointer that is not canonical reads as no address', () => {
    const kernel = new KernelMemory();
    const mdl = MDL.at(kernel.memory, kernel.room(MDL.size));
    kernel.memory.writeU64(mdl.address + 0x18, 0x1234_5678_9abc_def0n);
    expect(mdl.MappedSystemVa).toBe(NON_CANONICAL);
  });

  test('arrays know their bounds', () => {
    const kernel = new KernelMemory();
    const { MajorFunction } = DRIVER_OBJECT.at(kernel.memory, kernel.room(DRIVER_OBJECT.size));
    MajorFunction.set(wdm.IRP_MJ_PNP, -0x2000);
    expect(MajorFunction.at(wdm.IRP_MJ_MAXIMUM_FUNCTION)).toBe(-0x2000);
    expect(() => MajorFunction.at(28)).toThrow(RangeError);
    expect(() => MajorFunction.set(-1, 0)).toThrow(RangeError);
    const { ExceptionInformation } = EXCEPTION_RECORD.at(kernel.memory, kernel.room(EXCEPTION_RECORD.size));
    expect(ExceptionInformation.length).toBe(15);
  });

  test('outside memory fault, and write nothing', () => {
    const kernel = new KernelMemory();
    const irp = IRP.at(kernel.memory, kernel.end - 4);
    expect(() => irp.Tail.Overlay.Thread).toThrow(PageFault);
    expect(() => {
      IRP.at(kernel.memory, kernel.end - 0x14).AssociatedIrp.SystemBuffer = 1;
    }).toThrow(PageFault);
  });
});

test.each<[number, boolean, boolean, boolean, boolean]>([
  [status.STATUS_SUCCESS, true, false, false, false],
  [status.STATUS_PENDING, true, false, false, false],
  [status.STATUS_OBJECT_NAME_EXISTS, true, true, false, false],
  [status.STATUS_BUFFER_OVERFLOW, false, false, true, false],
  [status.STATUS_BUFFER_TOO_SMALL, false, false, false, true],
])('severity of 0x%x', (value, success, information, warning, error) => {
  expect(status.NT_SUCCESS(value)).toBe(success);
  expect(status.NT_INFORMATION(value)).toBe(information);
  expect(status.NT_WARNING(value)).toBe(warning);
  expect(status.NT_ERROR(value)).toBe(error);
});

test('names', () => {
  expect(status.formatStatus(status.STATUS_ACCESS_VIOLATION)).toBe('STATUS_ACCESS_VIOLATION');
  expect(status.formatStatus(0xdead_beef)).toBe('0xDEADBEEF');
  expect(formatBugCheck(IRQL_NOT_LESS_OR_EQUAL)).toBe('IRQL_NOT_LESS_OR_EQUAL');
  expect(formatBugCheck(0x1234)).toBe('0x00001234');
  expect(wdm.IRP_MJ_NAMES).toHaveLength(wdm.IRP_MJ_MAXIMUM_FUNCTION + 1);
  const constants = wdm as unknown as Record<string, number>;
  for (const [major, name] of wdm.IRP_MJ_NAMES.entries()) expect(constants[name]).toBe(major);
  for (const [method, name] of wdm.METHOD_NAMES.entries()) expect(constants[name]).toBe(method);
});

describe('control codes', () => {
  test('are put together and taken apart', () => {
    const code = wdm.CTL_CODE(0x9c40, 0x903, wdm.METHOD_NEITHER, wdm.FILE_ANY_ACCESS);
    expect(code).toBe(0x9c40_240f);
    expect(wdm.decodeControlCode(code)).toEqual({ deviceType: 0x9c40, function: 0x903, method: 3, access: 0 });
    expect(wdm.METHOD_FROM_CTL_CODE(code)).toBe(wdm.METHOD_NEITHER);
    expect(wdm.DEVICE_TYPE_FROM_CTL_CODE(code)).toBe(0x9c40);
  });

  test('are unsigned, and every bit of one counts', () => {
    for (const code of [0, 0xffff_ffff, 0x8000_0000, 0x0022_2003, 0x1234_5678]) {
      const { deviceType, function: func, method, access } = wdm.decodeControlCode(code);
      expect(wdm.CTL_CODE(deviceType, func, method, access)).toBe(code);
    }
  });

  test('print as they are written in C', () => {
    expect(wdm.formatControlCode(0x8e00_e109)).toBe(
      'CTL_CODE(0x8e00, 0x842, METHOD_IN_DIRECT, FILE_READ_ACCESS | FILE_WRITE_ACCESS)',
    );
  });
});
