/**
 * Win32 paths to NT paths, as CreateFile does it before the kernel sees a name.
 *
 *     \\.\Name            \??\Name            a device by its symbolic link
 *     \\?\anything        \??\anything        taken as it is
 *     C:\dir\file         \??\C:\dir\file
 *     \\server\share      \??\UNC\server\share
 *     COM1, NUL, LPT2:    \??\COM1, …         DOS devices, in any directory
 *
 * All but \\?\ are normalised: / becomes \, "." and ".." are resolved, trailing dots and spaces of a name go away. The
 * current directory is C:\. Sources: "Naming Files, Paths, and Namespaces", "File path formats on Windows systems".
 */

const DOS_DEVICE = /^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[1-9¹²³])$/i;

/** The NT path of a Win32 path, or undefined if it is none: empty, or only a prefix. */
export function dosPathToNtPath(path: string): string | undefined {
  if (path === '') return undefined;
  // \??\ reaches the kernel unchanged, too: it is already an NT path.
  if (/^\\(\\\?|\?\?)\\/.test(path)) return path.length > 4 ? `\\??\\${path.slice(4)}` : undefined;

  const windows = path.replaceAll('/', '\\');
  if (/^\\\\[.?]\\/.test(windows)) {
    const name = normalise(windows.slice(4));
    return name === '' ? undefined : `\\??\\${name}`;
  }
  if (windows.startsWith('\\\\')) {
    const share = normalise(windows.slice(2));
    return share === '' ? undefined : `\\??\\UNC\\${share}`;
  }
  const last = windows
    .slice(windows.lastIndexOf('\\') + 1)
    .replace(/^[a-z]:/i, '')
    .replace(/[: ]+$/, '');
  if (DOS_DEVICE.test(last)) return `\\??\\${last.toUpperCase()}`;

  const [, drive = 'C:', rest = ''] = /^([a-z]:)?(.*)$/i.exec(windows) ?? [];
  return `\\??\\${drive.toUpperCase()}\\${normalise(rest.replace(/^\\+/, ''))}`;
}

/** Resolves "." and "..", never above the root, and strips what Win32 strips from the end of a name. */
function normalise(path: string): string {
  const names: string[] = [];
  for (const name of path.split(/\\+/)) {
    if (name === '..') names.pop();
    else if (name !== '.') names.push(name);
  }
  const last = names.length - 1;
  if (last >= 0) names[last] = names[last]!.replace(/[. ]+$/, '');
  return names.join('\\');
}
