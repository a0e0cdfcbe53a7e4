/**
 * The object manager: objects, their names and their handles.
 */
import type { GuestMemory } from '../wdm/memory.ts';
import { Handles } from './handles.ts';
import { Namespace } from './namespace.ts';
import { type ObjectContext, ObjectManager, type ObjectPool } from './object-manager.ts';

export { type CreateEvent, Events } from './event.ts';
export type { OpenByName, Opened, Referenced } from './handles.ts';
export { grantAccess, Handles } from './handles.ts';
export { decodeUtf16, encodeUtf16, readUnicodeString, writeUnicodeString } from './name.ts';
export { Namespace } from './namespace.ts';
export { type ObjectContext, ObjectManager, type ObjectPool } from './object-manager.ts';
export type { GenericMapping, ObjectType, ParseRequest, ParseResult } from './object-type.ts';

export { waitForHandle } from './wait.ts';

export interface Ob {
  readonly objects: ObjectManager;
  readonly namespace: Namespace;
  readonly handles: Handles;
}

/** Boots the object manager: the namespace with its standard directories. */
export function createOb(memory: GuestMemory, pool: ObjectPool, context: ObjectContext): Ob {
  const objects = new ObjectManager(memory, pool, context);
  const namespace = new Namespace(objects);
  namespace.populate();
  return { objects, namespace, handles: new Handles(objects, namespace) };
}
