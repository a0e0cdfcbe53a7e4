/**
 * System time (100 ns since 1601, UTC) and the calendar. Source: "RtlTimeToTimeFields function" and its kin.
 */
import type { Address } from '../wdm/address.ts';
import { TIME_FIELDS } from '../wdm/layouts.ts';
import type { GuestMemory } from '../wdm/memory.ts';

const DAYS_PER_400_YEARS = 146_097;
const MILLISECOND = 10_000n;
const SECOND = 10_000_000n;
const MILLISECONDS_PER_DAY = 86_400_000;
const SECONDS_1601_TO_1970 = 11_644_473_600n;
const SECONDS_1601_TO_1980 = 11_960_006_400n;

const isLeap = (year: number) => (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const daysIn = (year: number, month: number) => MONTH_DAYS[month - 1]! + (month === 2 && isLeap(year) ? 1 : 0);

/** Days from 1601-01-01 to January 1st of the year. */
function daysBefore(year: number): number {
  const past = year - 1601;
  return past * 365 + Math.floor(past / 4) - Math.floor(past / 100) + Math.floor(past / 400);
}

/** The time is taken as unsigned. */
export function RtlTimeToTimeFields(memory: GuestMemory, time: Address, fields: Address): void {
  const milliseconds = memory.readU64(time) / MILLISECOND;
  const days = Number(milliseconds / BigInt(MILLISECONDS_PER_DAY));
  const ofDay = Number(milliseconds % BigInt(MILLISECONDS_PER_DAY));
  let year = 1601 + Math.floor(days / DAYS_PER_400_YEARS) * 400;
  year += Math.floor((days - daysBefore(year)) / 366); // not too late; fewer than two steps are left in 400 years' days
  while (daysBefore(year + 1) <= days) year++;
  let day = days - daysBefore(year);
  let month = 1;
  while (day >= daysIn(year, month)) day -= daysIn(year, month++);
  const view = TIME_FIELDS.at(memory, fields);
  view.Year = year;
  view.Month = month;
  view.Day = day + 1;
  view.Hour = Math.floor(ofDay / 3_600_000);
  view.Minute = Math.floor(ofDay / 60_000) % 60;
  view.Second = Math.floor(ofDay / 1000) % 60;
  view.Milliseconds = ofDay % 1000;
  view.Weekday = (days + 1) % 7; // 1601-01-01 was a Monday
}

/** FALSE if a field is out of its range. Weekday is not looked at. */
export function RtlTimeFieldsToTime(memory: GuestMemory, fields: Address, time: Address): boolean {
  const { Year, Month, Day, Hour, Minute, Second, Milliseconds } = TIME_FIELDS.at(memory, fields);
  const within = (value: number, first: number, last: number) => value >= first && value <= last;
  if (!within(Year, 1601, 30827) || !within(Month, 1, 12) || !within(Day, 1, daysIn(Year, Month))) return false;
  if (!within(Hour, 0, 23) || !within(Minute, 0, 59) || !within(Second, 0, 59)) return false;
  if (!within(Milliseconds, 0, 999)) return false;
  let days = daysBefore(Year) + Day - 1;
  for (let month = 1; month < Month; month++) days += daysIn(Year, month);
  const ofDay = ((Hour * 60 + Minute) * 60 + Second) * 1000 + Milliseconds;
  memory.writeU64(time, (BigInt(days) * BigInt(MILLISECONDS_PER_DAY) + BigInt(ofDay)) * MILLISECOND);
  return true;
}

function secondsSince(memory: GuestMemory, time: Address, epoch: bigint, seconds: Address): boolean {
  const value = memory.readU64(time) / SECOND - epoch;
  if (value < 0n || value > 0xffff_ffffn) return false;
  memory.writeU32(seconds, Number(value));
  return true;
}

export const RtlTimeToSecondsSince1970 = (memory: GuestMemory, time: Address, seconds: Address): boolean =>
  secondsSince(memory, time, SECONDS_1601_TO_1970, seconds);

export const RtlTimeToSecondsSince1980 = (memory: GuestMemory, time: Address, seconds: Address): boolean =>
  secondsSince(memory, time, SECONDS_1601_TO_1980, seconds);

export const RtlSecondsSince1970ToTime = (memory: GuestMemory, seconds: number, time: Address): void =>
  memory.writeU64(time, (BigInt(seconds) + SECONDS_1601_TO_1970) * SECOND);

export const RtlSecondsSince1980ToTime = (memory: GuestMemory, seconds: number, time: Address): void =>
  memory.writeU64(time, (BigInt(seconds) + SECONDS_1601_TO_1980) * SECOND);
