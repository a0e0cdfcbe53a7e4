/**
 * The memory manager's and the pool's numbers, spelt and valued as in wdm.h.
 */

// MDL.MdlFlags
export const MDL_MAPPED_TO_SYSTEM_VA = 0x0001;
export const MDL_PAGES_LOCKED = 0x0002;
export const MDL_SOURCE_IS_NONPAGED_POOL = 0x0004;
export const MDL_ALLOCATED_FIXED_SIZE = 0x0008;
export const MDL_PARTIAL = 0x0010;
export const MDL_PARTIAL_HAS_BEEN_MAPPED = 0x0020;
export const MDL_IO_PAGE_READ = 0x0040;
export const MDL_WRITE_OPERATION = 0x0080;
export const MDL_LOCKED_PAGE_TABLES = 0x0100;
export const MDL_PARENT_MAPPED_SYSTEM_VA = 0x0100;
export const MDL_FREE_EXTRA_PTES = 0x0200;
export const MDL_DESCRIBES_AWE = 0x0400;
export const MDL_IO_SPACE = 0x0800;
export const MDL_NETWORK_HEADER = 0x1000;
export const MDL_MAPPING_CAN_FAIL = 0x2000;
export const MDL_ALLOCATED_MUST_SUCCEED = 0x4000;
export const MDL_PAGE_CONTENTS_INVARIANT = 0x4000;
export const MDL_INTERNAL = 0x8000;

// LOCK_OPERATION
export const IoReadAccess = 0;
export const IoWriteAccess = 1;
export const IoModifyAccess = 2;

// MEMORY_CACHING_TYPE
export const MmNonCached = 0;
export const MmCached = 1;
export const MmWriteCombined = 2;
export const MmHardwareCoherentCached = 3;
export const MmNonCachedUnordered = 4;
export const MmUSWCCached = 5;

// MM_PAGE_PRIORITY, and what may be or'ed to it
export const LowPagePriority = 0;
export const NormalPagePriority = 16;
export const HighPagePriority = 32;
export const MdlMappingNoWrite = 0x80000000;
export const MdlMappingNoExecute = 0x40000000;

// POOL_TYPE
export const NonPagedPool = 0;
export const NonPagedPoolExecute = 0;
export const PagedPool = 1;
export const NonPagedPoolMustSucceed = 2;
export const NonPagedPoolCacheAligned = 4;
export const PagedPoolCacheAligned = 5;
export const NonPagedPoolCacheAlignedMustS = 6;
export const NonPagedPoolSession = 32;
export const PagedPoolSession = 33;
export const NonPagedPoolNx = 0x0200;
export const NonPagedPoolNxCacheAligned = 0x0204;
export const NonPagedPoolSessionNx = 544;

// Bits of POOL_TYPE that ExAllocatePoolWithTag and its like take besides
export const POOL_QUOTA_FAIL_INSTEAD_OF_RAISE = 0x0008;
export const POOL_RAISE_IF_ALLOCATION_FAILURE = 0x0010;
export const POOL_COLD_ALLOCATION = 0x0100;
export const POOL_NX_ALLOCATION = 0x0200;
export const POOL_ZERO_ALLOCATION = 0x0400;

// POOL_FLAG_*: ExAllocatePool2 (64 bits)
export const POOL_FLAG_REQUIRED_START = 0x1n;
export const POOL_FLAG_USE_QUOTA = 0x1n;
export const POOL_FLAG_UNINITIALIZED = 0x2n;
export const POOL_FLAG_SESSION = 0x4n;
export const POOL_FLAG_CACHE_ALIGNED = 0x8n;
export const POOL_FLAG_RESERVED1 = 0x10n;
export const POOL_FLAG_RAISE_ON_FAILURE = 0x20n;
export const POOL_FLAG_NON_PAGED = 0x40n;
export const POOL_FLAG_NON_PAGED_EXECUTE = 0x80n;
export const POOL_FLAG_PAGED = 0x100n;
export const POOL_FLAG_RESERVED2 = 0x200n;
export const POOL_FLAG_RESERVED3 = 0x400n;

// Page protection
export const PAGE_NOACCESS = 0x0001;
export const PAGE_READONLY = 0x0002;
export const PAGE_READWRITE = 0x0004;
export const PAGE_WRITECOPY = 0x0008;
export const PAGE_EXECUTE = 0x0010;
export const PAGE_EXECUTE_READ = 0x0020;
export const PAGE_EXECUTE_READWRITE = 0x0040;
export const PAGE_EXECUTE_WRITECOPY = 0x0080;
export const PAGE_GUARD = 0x0100;
export const PAGE_NOCACHE = 0x0200;
export const PAGE_WRITECOMBINE = 0x0400;

// Allocation of virtual memory
export const MEM_COMMIT = 0x00001000;
export const MEM_RESERVE = 0x00002000;
export const MEM_DECOMMIT = 0x00004000;
export const MEM_RELEASE = 0x00008000;
export const MEM_FREE = 0x00010000;
export const MEM_PRIVATE = 0x00020000;
export const MEM_MAPPED = 0x00040000;
export const MEM_RESET = 0x00080000;
export const MEM_TOP_DOWN = 0x00100000;
export const MEM_LARGE_PAGES = 0x20000000;
export const MEM_PHYSICAL = 0x00400000;
export const MEM_IMAGE = 0x01000000;

// Sections
export const SEC_FILE = 0x00800000;
export const SEC_IMAGE = 0x01000000;
export const SEC_RESERVE = 0x04000000;
export const SEC_COMMIT = 0x08000000;
export const SEC_NOCACHE = 0x10000000;
export const SECTION_QUERY = 0x00000001;
export const SECTION_MAP_WRITE = 0x00000002;
export const SECTION_MAP_READ = 0x00000004;
export const SECTION_MAP_EXECUTE = 0x00000008;
export const SECTION_EXTEND_SIZE = 0x00000010;
export const SECTION_ALL_ACCESS = 0x000f001f;

// MmAllocatePagesForMdlEx
export const MM_DONT_ZERO_ALLOCATION = 0x0001;
export const MM_ALLOCATE_FROM_LOCAL_NODE_ONLY = 0x0002;
export const MM_ALLOCATE_FULLY_REQUIRED = 0x0004;
export const MM_ALLOCATE_NO_WAIT = 0x0008;
export const MM_ALLOCATE_PREFER_CONTIGUOUS = 0x0010;
export const MM_ALLOCATE_REQUIRE_CONTIGUOUS_CHUNKS = 0x0020;
export const MM_ALLOCATE_FAST_LARGE_PAGES = 0x0040;
export const MM_ALLOCATE_AND_HOT_REMOVE = 0x0100;
