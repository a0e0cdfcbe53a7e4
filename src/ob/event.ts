/**
 * Event objects: KEVENTs that have handles.
 */
import type { Routine } from '../ke/routine.ts';
import type { Address } from '../wdm/address.ts';
import { EVENT_ALL_ACCESS } from '../wdm/constants.ts';
import { KEVENT } from '../wdm/layouts.ts';
import {
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_PARAMETER,
  STATUS_OBJECT_NAME_COLLISION,
  STATUS_OBJECT_NAME_EXISTS,
  STATUS_SUCCESS,
} from '../wdm/ntstatus.ts';
import type { Handles, Opened } from './handles.ts';
import type { Namespace } from './namespace.ts';
import type { ObjectManager } from './object-manager.ts';
import type { ObjectType } from './object-type.ts';

const TAG_EVENT = 0x6e65_7645; // Even
const MAPPING = { read: 0x2_0001, write: 0x2_0002, execute: 0x12_0000, all: EVENT_ALL_ACCESS };

/** The part of the kernel that events need. */
export interface EventKernel {
  KeInitializeEvent(event: Address, type: number, state: boolean): void;
}

export interface CreateEvent {
  /** Absolute path; empty for none. */
  readonly name: string;
  readonly attributes: number;
  readonly desiredAccess: number;
  readonly eventType: number;
  readonly initialState: boolean;
  readonly accessMode: number;
}

export class Events {
  readonly type: ObjectType;
  readonly #objects: ObjectManager;
  readonly #namespace: Namespace;
  readonly #handles: Handles;
  readonly #kernel: EventKernel;

  constructor(objects: ObjectManager, namespace: Namespace, handles: Handles, kernel: EventKernel) {
    this.#objects = objects;
    this.#namespace = namespace;
    this.#handles = handles;
    this.#kernel = kernel;
    this.type = objects.createType({ name: 'Event', mapping: MAPPING, tag: TAG_EVENT, dispatcher: 0 });
  }

  /** NtCreateEvent; a name that exists is opened: STATUS_OBJECT_NAME_EXISTS. PASSIVE_LEVEL. */
  *create(options: CreateEvent): Routine<Opened> {
    const { name, attributes, desiredAccess, eventType, initialState, accessMode } = options;
    if (eventType > 1) return { status: STATUS_INVALID_PARAMETER, handle: 0 };
    const insert = name === '' ? undefined : this.#namespace.checkInsert(name);
    if (insert?.status === STATUS_OBJECT_NAME_COLLISION) {
      const open = { name, rootDirectory: 0, attributes, type: this.type, accessMode, desiredAccess };
      const opened = yield* this.#handles.ObOpenObjectByName(open);
      return opened.status === STATUS_SUCCESS ? { ...opened, status: STATUS_OBJECT_NAME_EXISTS } : opened;
    }
    if (insert && insert.status !== STATUS_SUCCESS) return { status: insert.status, handle: 0 };
    const event = this.#objects.create(this.type, KEVENT.size, insert?.name);
    if (event === 0) return { status: STATUS_INSUFFICIENT_RESOURCES, handle: 0 };
    this.#kernel.KeInitializeEvent(event, eventType, initialState);
    if (insert) this.#namespace.insert(name, event, false);
    const opened = this.#handles.ObOpenObjectByPointer(event, attributes, desiredAccess, 0, accessMode);
    yield* this.#objects.ObfDereferenceObject(event);
    return opened;
  }
}
