import { describe, expect, it } from 'vitest';
import type { Routine } from '../ke/routine.ts';
import { MemoryManager } from '../mm/index.ts';
import type { Address } from '../wdm/address.ts';
import * as wdm from '../wdm/constants.ts';
import { BugCheck } from '../wdm/failures.ts';
import { OBJECT_HEADER } from '../wdm/layouts.ts';
import * as nt from '../wdm/ntstatus.ts';
import { createOb, type Ob } from './index.ts';
import { OBJECT_HEADER_SIZE, OBJECT_TYPE } from './object-header.ts';
import type { ObjectProcedures, ObjectType } from './object-type.ts';

const PROCESS_A = -0x1000_0000;
const PROCESS_B = -0x2000_0000;
const MAPPING = { read: 0x2_0001, write: 0x2_0002, execute: 0x2_0004, all: 0x1f_0007 };

class World {
  readonly mm = new MemoryManager({ seed: 1, bytes: 0x40_0000 });
  readonly memory = this.mm.memory;
  process: Address = PROCESS_A;
  irql = 0;
  readonly deferred: (() => Routine)[] = [];
  readonly ob: Ob;

  constructor() {
    const here = () => this;
    this.ob = createOb(this.memory, this.mm.pool, {
      get currentProcess() {
        return here().process;
      },
      currentThread: -0x3000_0000,
      get irql() {
        return here().irql;
      },
      defer: work => void this.deferred.push(work),
    });
  }

  /** Runs a routine that needs nobody else. */
  run<T>(routine: Routine<T>): T {
    const step = routine.next();
    if (!step.done) throw new Error('the routine asked for the scheduler');
    return step.value;
  }

  type(procedures: ObjectProcedures = {}): ObjectType {
    return this.ob.objects.createType({ name: 'Widget', mapping: MAPPING, tag: 0x1234, procedures });
  }

  /** A named object; its creator's reference is kept. */
  named(type: ObjectType, path: string, permanent = true): Address {
    const { status, name } = this.ob.namespace.checkInsert(path);
    expect(status).toBe(nt.STATUS_SUCCESS);
    const object = this.ob.objects.create(type, 0x40, name);
    expect(this.ob.namespace.insert(path, object, permanent)).toBe(nt.STATUS_SUCCESS);
    return object;
  }

  lookup(name: string, type?: ObjectType) {
    const request = { name, type, attributes: 0, accessMode: wdm.KernelMode, desiredAccess: 0, context: undefined };
    return this.run(this.ob.namespace.lookup(request));
  }

  header(object: Address) {
    return OBJECT_HEADER.at(this.memory, object - OBJECT_HEADER_SIZE);
  }
}

describe('an object', () => {
  it('is born with one reference, and goes when the last is dropped', () => {
    const world = new World();
    const deleted: Address[] = [];
    const type = world.type({ delete: object => void deleted.push(object) });
    const before = world.mm.usage();
    const object = world.ob.objects.create(type, 0x80);
    const totals = OBJECT_TYPE.at(world.memory, type.address);
    expect(world.header(object).PointerCount).toBe(1n);
    expect(totals.TotalNumberOfObjects).toBe(1);
    expect(world.ob.objects.ObfReferenceObject(object)).toBe(2);
    expect(world.run(world.ob.objects.ObfDereferenceObject(object))).toBe(1);
    expect(world.run(world.ob.objects.ObfDereferenceObject(object))).toBe(0);
    expect(deleted).toEqual([object]);
    expect(totals.TotalNumberOfObjects).toBe(0);
    expect(world.mm.usage()).toEqual(before);
  });

  it('is deleted by a system worker when the last reference goes above PASSIVE_LEVEL', () => {
    const world = new World();
    const deleted: Address[] = [];
    const object = world.ob.objects.create(world.type({ delete: o => void deleted.push(o) }), 8);
    world.irql = wdm.DISPATCH_LEVEL;
    world.run(world.ob.objects.ObfDereferenceObject(object));
    expect(deleted).toEqual([]);
    world.irql = wdm.PASSIVE_LEVEL;
    world.run(world.deferred[0]!());
    expect(deleted).toEqual([object]);
  });

  it('that is dereferenced too often is REFERENCE_BY_POINTER', () => {
    const world = new World();
    const type = world.type();
    const object = world.ob.objects.create(type, 8);
    world.header(object).PointerCount = 0n;
    expect(() => world.run(world.ob.objects.ObfDereferenceObject(object))).toThrow(BugCheck);
    expect(() => world.ob.objects.ObfReferenceObject(object)).toThrow(/0x00000018/);
  });

  it('cannot be made when pool is used up', () => {
    const world = new World();
    const before = world.mm.usage();
    expect(world.ob.objects.create(world.type(), 0x7fff_ffff)).toBe(0);
    expect(world.mm.usage().nonPagedBytes - before.nonPagedBytes).toBeLessThan(0x1000); // the type's own
  });
});

describe('the namespace', () => {
  it('finds names without regard to case', () => {
    const world = new World();
    const object = world.named(world.type(), '\\Device\\MyDevice');
    expect(world.lookup('\\DEVICE\\mydevice')).toMatchObject({ status: nt.STATUS_SUCCESS, object });
    expect(world.header(object).PointerCount).toBe(3n); // creator, name, lookup
    expect(world.ob.namespace.pathOf(object)).toBe('\\Device\\MyDevice');
  });

  it.each([
    ['Device\\X', nt.STATUS_OBJECT_PATH_SYNTAX_BAD],
    ['', nt.STATUS_OBJECT_PATH_SYNTAX_BAD],
    ['\\Device\\NotThere', nt.STATUS_OBJECT_NAME_NOT_FOUND],
    ['\\NotThere\\X', nt.STATUS_OBJECT_PATH_NOT_FOUND],
    ['\\Device\\\\X', nt.STATUS_OBJECT_NAME_INVALID],
    ['\\Device\\', nt.STATUS_OBJECT_NAME_INVALID],
    ['\\Device\\Leaf\\below', nt.STATUS_OBJECT_TYPE_MISMATCH],
  ])('%j is %#x', (name, status) => {
    const world = new World();
    world.named(world.type(), '\\Device\\Leaf');
    expect(world.lookup(name).status).toBe(status);
  });

  it.each(['\\??\\Link', '\\DosDevices\\Link', '\\GLOBAL??\\Link', '\\dosdevices\\Global\\link'])(
    '%s is the link that was made in \\DosDevices',
    name => {
      const world = new World();
      const object = world.named(world.type(), '\\Device\\Target');
      expect(world.ob.namespace.createSymbolicLink('\\DosDevices\\Link', '\\Device\\Target')).toBe(nt.STATUS_SUCCESS);
      expect(world.lookup(name).object).toBe(object);
    },
  );

  it('refuses a second object of the same name', () => {
    const world = new World();
    world.named(world.type(), '\\Device\\One');
    expect(world.ob.namespace.checkInsert('\\device\\ONE').status).toBe(nt.STATUS_OBJECT_NAME_COLLISION);
    expect(world.ob.namespace.createSymbolicLink('\\Device\\One', '\\x')).toBe(nt.STATUS_OBJECT_NAME_COLLISION);
    expect(world.ob.namespace.checkInsert('\\Nowhere\\ONE').status).toBe(nt.STATUS_OBJECT_PATH_NOT_FOUND);
  });

  it('ends links that go in a circle, and links to nothing', () => {
    const world = new World();
    world.ob.namespace.createSymbolicLink('\\??\\A', '\\??\\B');
    world.ob.namespace.createSymbolicLink('\\??\\B', '\\??\\A');
    world.ob.namespace.createSymbolicLink('\\??\\Dangling', '\\Device\\Gone');
    expect(world.lookup('\\??\\A').status).toBe(nt.STATUS_OBJECT_NAME_INVALID);
    expect(world.lookup('\\??\\Dangling').status).toBe(nt.STATUS_OBJECT_NAME_NOT_FOUND);
  });

  it('hands what is left of a path to the parse procedure of the object on the way', () => {
    const world = new World();
    const seen: string[] = [];
    const type = world.type({
      parse(object, { remainingName }) {
        seen.push(remainingName);
        world.ob.objects.ObfReferenceObject(object);
        return { kind: 'object', object };
      },
    });
    world.named(type, '\\Device\\Parsing');
    world.ob.namespace.createSymbolicLink('\\??\\P', '\\Device\\Parsing');
    for (const name of ['\\Device\\Parsing', '\\Device\\Parsing\\a\\b', '\\??\\P\\', '\\??\\P\\file'])
      world.lookup(name);
    expect(seen).toEqual(['', '\\a\\b', '\\', '\\file']);
  });

  it('forgets the name of a temporary object, and frees the object with its last reference', () => {
    const world = new World();
    const type = world.type();
    const before = world.mm.usage();
    const object = world.named(type, '\\Device\\Brief');
    world.run(world.ob.namespace.ObMakeTemporaryObject(object));
    expect(world.lookup('\\Device\\Brief').status).toBe(nt.STATUS_OBJECT_NAME_NOT_FOUND);
    world.run(world.ob.objects.ObfDereferenceObject(object));
    expect(world.mm.usage()).toEqual(before);
  });
});

describe('a handle', () => {
  const open = (world: World, type: ObjectType, desiredAccess: number, attributes = 0, accessMode = wdm.UserMode) => {
    const request = { name: '\\Device\\W', rootDirectory: 0, attributes, type, accessMode, desiredAccess };
    return world.run(world.ob.handles.ObOpenObjectByName(request));
  };

  it('carries the access that was asked for, generic rights mapped', () => {
    const world = new World();
    const type = world.type();
    const object = world.named(type, '\\Device\\W');
    const { handle } = open(world, type, wdm.GENERIC_READ);
    const { ObReferenceObjectByHandle } = world.ob.handles;
    const reference = ObReferenceObjectByHandle.bind(world.ob.handles);
    expect(reference(handle, 1, type.address, wdm.UserMode)).toMatchObject({ object, grantedAccess: MAPPING.read });
    expect(reference(handle, 2, type.address, wdm.UserMode).status).toBe(nt.STATUS_ACCESS_DENIED);
    expect(reference(handle, 2, type.address, wdm.KernelMode).status).toBe(nt.STATUS_SUCCESS);
    expect(reference(handle, 1, type.address + 8, wdm.UserMode).status).toBe(nt.STATUS_OBJECT_TYPE_MISMATCH);
    expect(reference(handle, 1, 0, wdm.UserMode).status).toBe(nt.STATUS_SUCCESS);
  });

  it('is good in its own process only', () => {
    const world = new World();
    const type = world.type();
    world.named(type, '\\Device\\W');
    const { handle } = open(world, type, 1);
    world.process = PROCESS_B;
    const found = world.ob.handles.ObReferenceObjectByHandle(handle, 0, 0, wdm.KernelMode);
    expect(found).toMatchObject({ status: nt.STATUS_INVALID_HANDLE, object: 0 });
  });

  it('of the kernel is good everywhere, for kernel mode', () => {
    const world = new World();
    const type = world.type();
    const object = world.named(type, '\\Device\\W');
    const { handle } = open(world, type, 1, wdm.OBJ_KERNEL_HANDLE, wdm.KernelMode);
    expect(handle).toBeLessThan(0);
    world.process = PROCESS_B;
    expect(world.ob.handles.ObReferenceObjectByHandle(handle, 0, 0, wdm.KernelMode).object).toBe(object);
    expect(world.ob.handles.ObReferenceObjectByHandle(handle, 0, 0, wdm.UserMode).status).toBe(
      nt.STATUS_INVALID_HANDLE,
    );
  });

  it('asked for as a kernel handle from user mode is an ordinary one', () => {
    const world = new World();
    const type = world.type();
    world.named(type, '\\Device\\W');
    expect(open(world, type, 1, wdm.OBJ_KERNEL_HANDLE).handle).toBeGreaterThan(0);
  });

  it('tells the type when it is closed, with the number that is left', () => {
    const world = new World();
    const left: number[] = [];
    const type = world.type({ close: (_object, _process, handles) => void left.push(handles) });
    world.named(type, '\\Device\\W');
    const handles = [1, 2].map(() => open(world, type, 1).handle);
    expect(OBJECT_TYPE.at(world.memory, type.address).TotalNumberOfHandles).toBe(2);
    for (const handle of handles) {
      expect(world.run(world.ob.handles.ObCloseHandle(handle, wdm.UserMode))).toBe(nt.STATUS_SUCCESS);
    }
    expect(left).toEqual([1, 0]);
    expect(world.run(world.ob.handles.ObCloseHandle(handles[0]!, wdm.UserMode))).toBe(nt.STATUS_INVALID_HANDLE);
    expect(world.ob.handles.count(PROCESS_A)).toBe(0);
  });

  it.each([0, 1, 3, 0x7fff_ffff, 0x8000_0000_0000, -4, -0x8000_0000, -0x8000_0000_0000])(
    '%d that was never opened is refused',
    h => {
      const world = new World();
      expect(world.ob.handles.ObReferenceObjectByHandle(h, 0, 0, wdm.UserMode).status).toBe(nt.STATUS_INVALID_HANDLE);
      expect(world.run(world.ob.handles.ObCloseHandle(h, wdm.UserMode))).toBe(nt.STATUS_INVALID_HANDLE);
    },
  );

  it('of the kernel that is invalid is INVALID_KERNEL_HANDLE when kernel mode closes it', () => {
    const world = new World();
    expect(() => world.run(world.ob.handles.ObCloseHandle(-0x7fff_ff00, wdm.KernelMode))).toThrow(/0x00000093/);
  });

  it('is closed with its process', () => {
    const world = new World();
    const type = world.type();
    const object = world.named(type, '\\Device\\W');
    for (let i = 0; i < 5; i++) open(world, type, 1);
    world.run(world.ob.handles.closeAll(PROCESS_A));
    expect(world.header(object)).toMatchObject({ HandleCount: 0n, PointerCount: 2n });
  });
});
