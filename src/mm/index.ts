/** The memory manager's public face; see memory-manager.ts. */
export { KernelMode, UserMode } from './access.ts';
export { SHARED_USER_DATA_KERNEL, SHARED_USER_DATA_USER, SYSTEM_RANGE_START } from './layout.ts';
export { MemoryManager, type MemoryManagerOptions } from './memory-manager.ts';
export { OutOfFrames } from './pfn.ts';
export { Pool } from './pool/pool.ts';
export { AddressSpace } from './process/address-space.ts';
export * from './process/virtual-memory-services.ts';
export type { AddressTranslation } from './translation.ts';
