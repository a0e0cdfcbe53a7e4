/**
 * The kernel's numbers: IRQLs, dispatcher objects, waits, exceptions; spelt and valued as in wdm.h and ntifs.h.
 * The names of enumeration members (KernelMode, NotificationEvent …) are those that drivers are written with.
 */

// IRQLs
export const PASSIVE_LEVEL = 0;
export const LOW_LEVEL = 0;
export const APC_LEVEL = 1;
export const DISPATCH_LEVEL = 2;
export const CMCI_LEVEL = 5;
export const CLOCK_LEVEL = 13;
export const IPI_LEVEL = 14;
export const POWER_LEVEL = 14;
export const DRS_LEVEL = 14;
export const PROFILE_LEVEL = 15;
export const HIGH_LEVEL = 15;

// KPROCESSOR_MODE
export const KernelMode = 0;
export const UserMode = 1;
export const MaximumMode = 2;

// EVENT_TYPE
export const NotificationEvent = 0;
export const SynchronizationEvent = 1;

// TIMER_TYPE
export const NotificationTimer = 0;
export const SynchronizationTimer = 1;

// WAIT_TYPE
export const WaitAll = 0;
export const WaitAny = 1;

// DISPATCHER_HEADER.Type (KOBJECTS)
export const EventNotificationObject = 0;
export const EventSynchronizationObject = 1;
export const MutantObject = 2;
export const ProcessObject = 3;
export const QueueObject = 4;
export const SemaphoreObject = 5;
export const ThreadObject = 6;
export const GateObject = 7;
export const TimerNotificationObject = 8;
export const TimerSynchronizationObject = 9;
export const ApcObject = 18;
export const DpcObject = 19;
export const DeviceQueueObject = 20;
export const InterruptObject = 22;
export const ProfileObject = 23;
export const ThreadedDpcObject = 24;

// KWAIT_REASON
export const Executive = 0;
export const FreePage = 1;
export const PageIn = 2;
export const PoolAllocation = 3;
export const DelayExecution = 4;
export const Suspended = 5;
export const UserRequest = 6;
export const WrExecutive = 7;
export const WrFreePage = 8;
export const WrPageIn = 9;
export const WrPoolAllocation = 10;
export const WrDelayExecution = 11;
export const WrSuspended = 12;
export const WrUserRequest = 13;
export const WrSpare0 = 14;
export const WrQueue = 15;
export const WrLpcReceive = 16;
export const WrLpcReply = 17;
export const WrVirtualMemory = 18;
export const WrPageOut = 19;
export const WrRendezvous = 20;
export const WrKeyedEvent = 21;
export const WrTerminated = 22;
export const WrProcessInSwap = 23;
export const WrCpuRateControl = 24;
export const WrCalloutStack = 25;
export const WrKernel = 26;
export const WrResource = 27;
export const WrPushLock = 28;
export const WrMutex = 29;
export const WrQuantumEnd = 30;
export const WrDispatchInt = 31;
export const WrPreempted = 32;
export const WrYieldExecution = 33;
export const WrFastMutex = 34;
export const WrGuardedMutex = 35;
export const WrRundown = 36;

// KDPC_IMPORTANCE
export const LowImportance = 0;
export const MediumImportance = 1;
export const HighImportance = 2;
export const MediumHighImportance = 3;

// KAPC_ENVIRONMENT
export const OriginalApcEnvironment = 0;
export const AttachedApcEnvironment = 1;
export const CurrentApcEnvironment = 2;
export const InsertApcEnvironment = 3;

// KINTERRUPT_MODE
export const LevelSensitive = 0;
export const Latched = 1;

// KTHREAD.State
export const Initialized = 0;
export const Ready = 1;
export const Running = 2;
export const Standby = 3;
export const Terminated = 4;
export const Waiting = 5;
export const Transition = 6;
export const DeferredReady = 7;
export const GateWait = 8;

// Limits
export const MAXIMUM_WAIT_OBJECTS = 64;
export const THREAD_WAIT_OBJECTS = 3;
export const MAXIMUM_SUSPEND_COUNT = 127;
export const LOW_PRIORITY = 0;
export const LOW_REALTIME_PRIORITY = 16;
export const HIGH_PRIORITY = 31;
export const MAXIMUM_PRIORITY = 32;

// EXCEPTION_RECORD.ExceptionFlags
export const EXCEPTION_NONCONTINUABLE = 0x01;
export const EXCEPTION_UNWINDING = 0x02;
export const EXCEPTION_EXIT_UNWIND = 0x04;
export const EXCEPTION_STACK_INVALID = 0x08;
export const EXCEPTION_NESTED_CALL = 0x10;
export const EXCEPTION_TARGET_UNWIND = 0x20;
export const EXCEPTION_COLLIDED_UNWIND = 64;
export const EXCEPTION_MAXIMUM_PARAMETERS = 15;

// What an exception filter returns
export const EXCEPTION_EXECUTE_HANDLER = 1;
export const EXCEPTION_CONTINUE_SEARCH = 0;
export const EXCEPTION_CONTINUE_EXECUTION = -1;

// EXCEPTION_DISPOSITION: what a language handler returns
export const ExceptionContinueExecution = 0;
export const ExceptionContinueSearch = 1;
export const ExceptionNestedException = 2;
export const ExceptionCollidedUnwind = 3;

// UNWIND_INFO.Flags
export const UNW_FLAG_NHANDLER = 0;
export const UNW_FLAG_EHANDLER = 1;
export const UNW_FLAG_UHANDLER = 2;
export const UNW_FLAG_CHAININFO = 4;

// CONTEXT.ContextFlags
export const CONTEXT_AMD64 = 0x00100000;
export const CONTEXT_CONTROL = 0x00100001;
export const CONTEXT_INTEGER = 0x00100002;
export const CONTEXT_SEGMENTS = 0x00100004;
export const CONTEXT_FLOATING_POINT = 0x00100008;
export const CONTEXT_DEBUG_REGISTERS = 0x00100010;
export const CONTEXT_FULL = 0x0010000b;
export const CONTEXT_ALL = 0x0010001f;
export const CONTEXT_XSTATE = 0x00100040;

// ProcessorFeatures of the shared user data page, and of ExIsProcessorFeaturePresent
export const PF_FLOATING_POINT_PRECISION_ERRATA = 0;
export const PF_COMPARE_EXCHANGE_DOUBLE = 2;
export const PF_MMX_INSTRUCTIONS_AVAILABLE = 3;
export const PF_XMMI_INSTRUCTIONS_AVAILABLE = 6;
export const PF_3DNOW_INSTRUCTIONS_AVAILABLE = 7;
export const PF_RDTSC_INSTRUCTION_AVAILABLE = 8;
export const PF_PAE_ENABLED = 9;
export const PF_XMMI64_INSTRUCTIONS_AVAILABLE = 10;
export const PF_NX_ENABLED = 12;
export const PF_SSE3_INSTRUCTIONS_AVAILABLE = 13;
export const PF_COMPARE_EXCHANGE128 = 14;
export const PF_CHANNELS_ENABLED = 16;
export const PF_XSAVE_ENABLED = 17;
export const PF_FASTFAIL_AVAILABLE = 23;
export const PF_RDRAND_INSTRUCTION_AVAILABLE = 28;
export const PF_RDTSCP_INSTRUCTION_AVAILABLE = 32;
export const PF_SSSE3_INSTRUCTIONS_AVAILABLE = 36;
export const PF_SSE4_1_INSTRUCTIONS_AVAILABLE = 37;
export const PF_SSE4_2_INSTRUCTIONS_AVAILABLE = 38;
export const PF_AVX_INSTRUCTIONS_AVAILABLE = 39;
export const PF_AVX2_INSTRUCTIONS_AVAILABLE = 40;

// int 29h: ECX of a fast fail
export const FAST_FAIL_LEGACY_GS_VIOLATION = 0;
export const FAST_FAIL_VTGUARD_CHECK_FAILURE = 1;
export const FAST_FAIL_STACK_COOKIE_CHECK_FAILURE = 2;
export const FAST_FAIL_CORRUPT_LIST_ENTRY = 3;
export const FAST_FAIL_INCORRECT_STACK = 4;
export const FAST_FAIL_INVALID_ARG = 5;
export const FAST_FAIL_GS_COOKIE_INIT = 6;
export const FAST_FAIL_FATAL_APP_EXIT = 7;
export const FAST_FAIL_RANGE_CHECK_FAILURE = 8;
export const FAST_FAIL_GUARD_ICALL_CHECK_FAILURE = 10;
export const FAST_FAIL_INVALID_BUFFER_ACCESS = 28;

// DPFLTR: DbgPrintEx
export const DPFLTR_ERROR_LEVEL = 0;
export const DPFLTR_WARNING_LEVEL = 1;
export const DPFLTR_TRACE_LEVEL = 2;
export const DPFLTR_INFO_LEVEL = 3;
export const DPFLTR_IHVDRIVER_ID = 77;
export const DPFLTR_DEFAULT_ID = 101;
