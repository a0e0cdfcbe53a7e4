/**
 * Drivers that are written against another framework than WDM, told by the libraries that they import from.
 *
 * Such a driver does not call the I/O manager itself: its framework does, and without that framework nothing in it can
 * run. It is named in one sentence instead of stopping at the first missing import. User-mode modules are told by
 * the same table, since a native program (autochk.exe) has the drivers' subsystem.
 *
 * Libraries of helpers that a driver calls when it pleases (WMILIB, HIDPARSE, another driver's exports) are none: such a
 * driver runs until it calls one that is missing.
 */
import type { Import } from './directories.ts';

export interface Framework {
  /** What the file is, to follow "is ". */
  readonly what: string;
  /** Not a kernel image at all. */
  readonly userMode: boolean;
}

const kernel = (what: string): Framework => ({ what, userMode: false });
const user = (what: string): Framework => ({ what, userMode: true });

const FRAMEWORKS: readonly (readonly [pattern: RegExp, framework: Framework])[] = [
  [
    /^(ntdll|kernel32|kernelbase|user32|gdi32|advapi32|msvcrt|ucrtbase|mscoree)\.dll$/,
    user('a user-mode program or DLL'),
  ],
  [/^api-ms-win-/, user('a user-mode program or DLL')],
  [/^wudf.*\.dll$/, user('a user-mode driver (UMDF)')],
  [/^wdfldr\.sys$/, kernel('a KMDF driver (Kernel-Mode Driver Framework)')],
  [/^wdf01000\.sys$/, kernel('a KMDF driver (Kernel-Mode Driver Framework)')],
  [/^ndis\.sys$/, kernel('a network driver (NDIS)')],
  [/^(netadaptercx|netcx)\.sys$/, kernel('a network driver (NetAdapterCx)')],
  [/^netio\.sys$/, kernel('a network driver (NETIO: Winsock Kernel or IP helper)')],
  [/^fwpkclnt\.sys$/, kernel('a Windows Filtering Platform callout driver')],
  [/^fltmgr\.sys$/, kernel('a file system minifilter (Filter Manager)')],
  [/^storport\.sys$/, kernel('a Storport miniport driver')],
  [/^scsiport\.sys$/, kernel('a SCSI port miniport driver')],
  [/^ataport\.sys$/, kernel('an ATA port miniport driver')],
  [/^classpnp\.sys$/, kernel('a storage class driver (ClassPnP)')],
  [/^(dxgkrnl|displib|watchdog|videoprt|dxg)\.sys$/, kernel('a display driver')],
  [/^win32k.*\.sys$/, kernel('a display driver (Win32k)')],
  [/^portcls\.sys$/, kernel('an audio driver (PortCls)')],
  [/^(ks|avstream)\.sys$/, kernel('a kernel streaming driver')],
  [/^(usbd|usbport)\.sys$/, kernel('a USB driver')],
  [/^usbcamd2?\.sys$/, kernel('a USB camera minidriver')],
  [/^(ude|ucx01000|ucmcx|usbdex|udecx|ufx01000).*\.sys$/, kernel('a USB class-extension driver')],
  [/^hidclass\.sys$/, kernel('a HID minidriver')],
  [/^bthport\.sys$/, kernel('a Bluetooth driver')],
  [/^(spbcx|sercx2?|gpioclx|msgpioclx|serial2cx)\.sys$/, kernel('a serial-bus class-extension driver')],
  [/^(battc|battery)\.sys$/, kernel('a battery miniclass driver')],
  [/^smclib\.sys$/, kernel('a smart card reader driver')],
  [/^tdi\.sys$/, kernel('a transport driver (TDI)')],
  [/^stream\.sys$/, kernel('a stream class minidriver')],
  [/^(vmbkmcl|vmbus|winhv)\.sys$/, kernel('a Hyper-V driver')],
];

/** The framework that an import library belongs to; `dll` in any case, as the image spells it. */
export function frameworkOf(dll: string): Framework | undefined {
  const name = dll.toLowerCase();
  return FRAMEWORKS.find(([pattern]) => pattern.test(name))?.[1];
}

export interface ForeignFramework extends Framework {
  readonly dll: string;
  /** A sentence without its subject. */
  readonly message: string;
}

/** The first framework that the imports need and `provided` does not have; the kernel itself is none. */
export function findFramework(
  imports: readonly Import[],
  provided: (dll: string) => boolean,
): ForeignFramework | undefined {
  let found: ForeignFramework | undefined;
  for (const dll of new Set(imports.map(entry => entry.dll))) {
    const framework = frameworkOf(dll);
    if (!framework || provided(dll)) continue;
    const { what, userMode } = framework;
    const message = userMode
      ? `is ${what}: it imports from ${dll}; only kernel drivers can be loaded`
      : `is ${what}: it imports from ${dll}, which is not provided here`;
    // A framework proper says more about a driver than a helper library does, and being user-mode says most.
    if (!found || userMode || HELPERS.test(found.dll)) found = { dll, what, userMode, message };
    if (userMode) return found;
  }
  return found;
}

const HELPERS = /^(usbd|netio|watchdog)\.sys$/i;
