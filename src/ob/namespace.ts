/**
 * The namespace: a tree of directories whose leaves are objects.
 *
 * A lookup walks a path component by component. At an object whose type has a parse procedure it hands over what is
 * left of the path: a symbolic link answers with another name to look up, a device with a file object (that is how an
 * open becomes IRP_MJ_CREATE). Names compare without regard to case, whatever OBJ_CASE_INSENSITIVE says, as in a
 * Windows with its default settings.
 *
 * \?? is another name of \GLOBAL?? here (there is one session), and \DosDevices is a symbolic link to \??.
 */
import { isRoutine, type Routine } from '../ke/routine.ts';
import type { Address } from '../wdm/address.ts';
import {
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_OBJECT_NAME_COLLISION,
  STATUS_OBJECT_NAME_INVALID,
  STATUS_OBJECT_NAME_NOT_FOUND,
  STATUS_OBJECT_PATH_NOT_FOUND,
  STATUS_OBJECT_PATH_SYNTAX_BAD,
  STATUS_OBJECT_TYPE_MISMATCH,
  STATUS_SUCCESS,
} from '../wdm/ntstatus.ts';
import { upcase } from './name.ts';
import { headerOf, OB_FLAG_PERMANENT_OBJECT, OBJECT_HEADER, OBJECT_HEADER_NAME_INFO } from './object-header.ts';
import type { ObjectManager } from './object-manager.ts';
import type { ObjectType, ParseRequest } from './object-type.ts';

/** How often one lookup may start again; Windows has this limit, too. */
const REPARSE_LIMIT = 32;

const TAG_DIRECTORY = 0x6944_624f; // ObDi
const TAG_LINK = 0x6953_624f; // ObSi

export const DIRECTORY_MAPPING = { read: 0x2_0003, write: 0x2_000c, execute: 0x2_0003, all: 0xf_000f };
export const LINK_MAPPING = { read: 0x2_0001, write: 0x2_0000, execute: 0x2_0001, all: 0xf_0001 };

export interface Lookup extends Omit<ParseRequest, 'remainingName'> {
  readonly name: string;
  /** A directory, or an object whose type parses; 0 for the root of the namespace. */
  readonly root?: Address;
  /** The object must be of this type; a symbolic link that is the last component is returned only if this asks for it. */
  readonly type?: ObjectType | undefined;
}

export interface Found {
  readonly status: number;
  /** Referenced for the caller; 0 on failure. */
  readonly object: Address;
  /** What a parse procedure granted. */
  readonly grantedAccess?: number;
}

export class Namespace {
  readonly Directory: ObjectType;
  readonly SymbolicLink: ObjectType;
  readonly root: Address;
  readonly #objects: ObjectManager;
  /** What is in each directory, by upper-case name. */
  readonly #entries = new Map<Address, Map<string, Address>>();
  /** What each symbolic link stands for. */
  readonly #targets = new Map<Address, string>();

  constructor(objects: ObjectManager) {
    this.#objects = objects;
    this.Directory = objects.createType({
      name: 'Directory',
      mapping: DIRECTORY_MAPPING,
      tag: TAG_DIRECTORY,
      procedures: { delete: object => void this.#entries.delete(object) },
    });
    this.SymbolicLink = objects.createType({
      name: 'SymbolicLink',
      mapping: LINK_MAPPING,
      tag: TAG_LINK,
      procedures: { delete: object => void this.#targets.delete(object) },
    });
    this.root = this.#newDirectory('\\');
  }

  /** Makes the directories and links that every system has. Called once at boot. */
  populate(): void {
    const directory = (path: string) => this.createDirectory(path);
    for (const name of [
      'Device',
      'Driver',
      'FileSystem',
      'Callback',
      'BaseNamedObjects',
      'KernelObjects',
      'Security',
    ]) {
      directory(`\\${name}`);
    }
    const global = directory('\\GLOBAL??');
    this.#entriesOf(this.root).set('??', global);
    this.createSymbolicLink('\\DosDevices', '\\??');
    this.createSymbolicLink('\\GLOBAL??\\GLOBAL', '\\GLOBAL??');
    this.createSymbolicLink('\\GLOBAL??\\GLOBALROOT', '');
  }

  /** A permanent directory; its parent must exist. For boot and tests of rooms above. */
  createDirectory(path: string): Address {
    const { parent, name } = this.#parentOf(path);
    if (typeof parent !== 'object') throw new Error(`there is no directory for ${path}`);
    const object = this.#newDirectory(name);
    this.#link(parent.directory, name, object, true);
    return object;
  }

  /** A permanent symbolic link: IoCreateSymbolicLink. The target need not exist. */
  createSymbolicLink(path: string, target: string): number {
    const { parent, name } = this.#parentOf(path);
    if (typeof parent !== 'object') return parent;
    if (this.#entriesOf(parent.directory).has(upcase(name))) return STATUS_OBJECT_NAME_COLLISION;
    const object = this.#objects.create(this.SymbolicLink, 0x20, name);
    if (object === 0) return STATUS_INSUFFICIENT_RESOURCES;
    this.#targets.set(object, target);
    this.#link(parent.directory, name, object, true);
    OBJECT_HEADER.at(this.#objects.memory, headerOf(object)).PointerCount -= 1n; // only its name holds it now
    return STATUS_SUCCESS;
  }

  /** What a symbolic link object stands for. */
  targetOf(link: Address): string | undefined {
    return this.#targets.get(link);
  }

  /** Names and objects in a directory, in the order in which they came. */
  *list(directory: Address): Generator<{ name: string; object: Address }> {
    for (const object of this.#entriesOf(directory).values()) {
      yield { name: this.#objects.nameOf(object)?.name ?? '', object };
    }
  }

  /** The path of a named object; empty for one without a name. */
  pathOf(object: Address): string {
    if (object === this.root) return '\\';
    const named = this.#objects.nameOf(object);
    if (!named?.directory) return '';
    const parent = this.pathOf(named.directory);
    return `${parent === '\\' ? '' : parent}\\${named.name}`;
  }

  /** Whether `path` could be inserted now: STATUS_SUCCESS, or why not. The last component is what `create` must be given. */
  checkInsert(path: string): { status: number; name: string } {
    const { parent, name } = this.#parentOf(path);
    if (typeof parent !== 'object') return { status: parent, name };
    const taken = this.#entriesOf(parent.directory).has(upcase(name));
    return { status: taken ? STATUS_OBJECT_NAME_COLLISION : STATUS_SUCCESS, name };
  }

  /** Puts a new object, created with its last component as name, into the tree. The name holds a reference. */
  insert(path: string, object: Address, permanent: boolean): number {
    const { status, name } = this.checkInsert(path);
    const { parent } = this.#parentOf(path);
    if (status !== STATUS_SUCCESS || typeof parent !== 'object') return status;
    this.#link(parent.directory, name, object, permanent);
    return STATUS_SUCCESS;
  }

  /** ObMakeTemporaryObject: the name goes as soon as there is no handle (at once, if there is none now). */
  *ObMakeTemporaryObject(object: Address): Routine {
    const header = OBJECT_HEADER.at(this.#objects.memory, headerOf(object));
    header.Flags &= ~OB_FLAG_PERMANENT_OBJECT;
    if (header.HandleCount === 0n) yield* this.removeName(object);
  }

  /** Takes the object out of its directory, if it is in one, and drops the reference that the name held. */
  *removeName(object: Address): Routine {
    const info = this.#objects.nameInfoAt(object);
    if (info === undefined) return;
    const view = OBJECT_HEADER_NAME_INFO.at(this.#objects.memory, info);
    const directory = view.Directory;
    if (directory === 0) return;
    this.#entriesOf(directory).delete(upcase(this.#objects.nameOf(object)!.name));
    view.Directory = 0;
    yield* this.#objects.ObfDereferenceObject(object);
  }

  /** ObpLookupObjectName. PASSIVE_LEVEL: a parse procedure may call drivers. */
  *lookup(lookup: Lookup): Routine<Found> {
    let { name } = lookup;
    let root = lookup.root || this.root;
    if (!lookup.root) {
      if (!name.startsWith('\\')) return failed(STATUS_OBJECT_PATH_SYNTAX_BAD);
    } else if (this.#objects.typeOf(root) === this.Directory && name.startsWith('\\')) {
      return failed(STATUS_OBJECT_PATH_SYNTAX_BAD);
    }
    for (let restarts = 0; restarts < REPARSE_LIMIT; restarts++) {
      const walked = this.#walk(root, name);
      if (walked.status !== STATUS_SUCCESS) return failed(walked.status);
      const { object, rest } = walked;
      const type = this.#objects.typeOf(object);
      const target = type === this.SymbolicLink ? this.#targets.get(object) : undefined;
      if (target !== undefined && !(rest === '' && lookup.type === this.SymbolicLink)) {
        name = joinPath(target, rest);
      } else if (type.procedures?.parse) {
        this.#objects.ObfReferenceObject(object); // it must not go while its driver is called
        const { context, attributes, accessMode, desiredAccess } = lookup;
        const request = { remainingName: rest, context, attributes, accessMode, desiredAccess };
        const parsed = type.procedures.parse(object, request);
        const result = isRoutine(parsed) ? yield* parsed : parsed;
        yield* this.#objects.ObfDereferenceObject(object);
        if (result.kind === 'failed') return failed(result.status);
        if (result.kind === 'object') return yield* this.#ofType(result, lookup.type);
        name = result.name;
      } else if (rest !== '') {
        return failed(STATUS_OBJECT_TYPE_MISMATCH);
      } else {
        this.#objects.ObfReferenceObject(object);
        return yield* this.#ofType({ object }, lookup.type);
      }
      root = this.root;
      if (!name.startsWith('\\')) return failed(STATUS_OBJECT_PATH_SYNTAX_BAD);
    }
    return failed(STATUS_OBJECT_NAME_INVALID);
  }

  *#ofType(found: Omit<Found, 'status'> & { status?: number }, type: ObjectType | undefined): Routine<Found> {
    if (type && this.#objects.typeOf(found.object) !== type) {
      yield* this.#objects.ObfDereferenceObject(found.object);
      return failed(STATUS_OBJECT_TYPE_MISMATCH);
    }
    return { status: STATUS_SUCCESS, ...found };
  }

  /** Descends through directories; stops at the first object that is none, with what is left of the path. */
  #walk(from: Address, path: string): { status: number; object: Address; rest: string } {
    let object = from;
    let rest = path === '\\' && from === this.root ? '' : path;
    while (this.#entries.has(object) && rest !== '') {
      const at = rest.startsWith('\\') ? 1 : 0;
      const end = rest.indexOf('\\', at);
      const component = end < 0 ? rest.slice(at) : rest.slice(at, end);
      if (component === '') return { status: STATUS_OBJECT_NAME_INVALID, object: 0, rest };
      const next = this.#entriesOf(object).get(upcase(component));
      if (next === undefined) {
        return { status: end < 0 ? STATUS_OBJECT_NAME_NOT_FOUND : STATUS_OBJECT_PATH_NOT_FOUND, object: 0, rest };
      }
      object = next;
      rest = end < 0 ? '' : rest.slice(end);
    }
    return { status: STATUS_SUCCESS, object, rest };
  }

  /** The directory that a new name goes into, symbolic links on the way followed; or the status that forbids it. */
  #parentOf(path: string): { parent: { directory: Address } | number; name: string } {
    let current = path;
    for (let restarts = 0; restarts < REPARSE_LIMIT; restarts++) {
      if (!current.startsWith('\\')) return { parent: STATUS_OBJECT_PATH_SYNTAX_BAD, name: '' };
      const slash = current.lastIndexOf('\\');
      const name = current.slice(slash + 1);
      if (name === '') return { parent: STATUS_OBJECT_NAME_INVALID, name };
      const walked = this.#walk(this.root, slash === 0 ? '' : current.slice(0, slash));
      if (walked.status !== STATUS_SUCCESS) return { parent: STATUS_OBJECT_PATH_NOT_FOUND, name };
      const target = this.#targets.get(walked.object);
      if (target !== undefined) {
        current = joinPath(target, `${walked.rest}\\${name}`);
      } else if (this.#entries.has(walked.object) && walked.rest === '') {
        return { parent: { directory: walked.object }, name };
      } else {
        return { parent: STATUS_OBJECT_TYPE_MISMATCH, name };
      }
    }
    return { parent: STATUS_OBJECT_NAME_INVALID, name: '' };
  }

  #newDirectory(name: string): Address {
    const object = this.#objects.create(this.Directory, 0x158, name);
    if (object === 0) throw new Error('there is no memory for the namespace: give the machine more');
    this.#entries.set(object, new Map());
    return object;
  }

  #link(directory: Address, name: string, object: Address, permanent: boolean): void {
    this.#objects.ObfReferenceObject(object);
    this.#entriesOf(directory).set(upcase(name), object);
    OBJECT_HEADER_NAME_INFO.at(this.#objects.memory, this.#objects.nameInfoAt(object)!).Directory = directory;
    if (permanent) OBJECT_HEADER.at(this.#objects.memory, headerOf(object)).Flags |= OB_FLAG_PERMANENT_OBJECT;
  }

  #entriesOf(directory: Address): Map<string, Address> {
    return this.#entries.get(directory) ?? new Map();
  }
}

function failed(status: number): Found {
  return { status, object: 0 };
}

/** A link's target with the rest of the path behind it; exactly one backslash between them. */
function joinPath(target: string, rest: string): string {
  return target.endsWith('\\') && rest.startsWith('\\') ? target + rest.slice(1) : target + rest;
}
