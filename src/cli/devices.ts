/** The devices that drivers have made, and the names under which an application opens them. */
import type { EventOf, Recorder } from '../etw/index.ts';
import type { Machine } from '../machine.ts';
import type { Address } from '../wdm/address.ts';
import { DEVICE_OBJECT } from '../wdm/layouts.ts';
import { methodOf } from './check/findings.ts';
import type { DeviceReport } from './report/model.ts';

export interface DeviceLink {
  /** As an application writes it. */
  readonly path: string;
  readonly target: string;
}

/** \DosDevices\Name, \??\Name and \GLOBAL??\Name are one. */
function linkName(link: string): string {
  return link.replace(/^\\(DosDevices|\?\?|GLOBAL\?\?)\\(Global\\)?/i, '');
}

export function sameName(a: string | undefined, b: string): boolean {
  return a !== undefined && a.toLowerCase() === b.toLowerCase();
}

/** Symbolic links that there are now. */
export function linksOf(recorder: Recorder): DeviceLink[] {
  const links = new Map<string, DeviceLink>();
  for (const event of recorder.of('symbolic-link-created', 'symbolic-link-deleted')) {
    const key = linkName(event.link).toLowerCase();
    if (event.type === 'symbolic-link-deleted') links.delete(key);
    else links.set(key, { path: `\\\\.\\${linkName(event.link)}`, target: event.target });
  }
  return [...links.values()];
}

/** All devices that there are now, in the order in which they were made, with their flags as they are now. */
export function devicesOf({ memory }: Machine, recorder: Recorder): DeviceReport[] {
  const links = linksOf(recorder);
  const live = new Map<Address, EventOf<'device-created'>>();
  for (const event of recorder.of('device-created', 'device-deleted')) {
    if (event.type === 'device-created') live.set(event.device, event);
    else live.delete(event.device);
  }
  return [...live.values()].map(({ driver, device, name }) => {
    const view = DEVICE_OBJECT.at(memory, device);
    return {
      driver,
      address: device,
      ...(name === undefined ? {} : { name }),
      links: links.filter(({ target }) => sameName(name, target)).map(({ path }) => path),
      deviceType: view.DeviceType,
      characteristics: view.Characteristics,
      flags: view.Flags,
      method: methodOf(view.Flags),
      stackSize: view.StackSize,
    };
  });
}
