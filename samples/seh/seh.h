/*
 * seh: what its caller and the driver agree on.
 *
 * Every case of structured exception handling that a driver can meet, one function each. A case writes what happened,
 * in the order in which it happened, into a log of ULONGs, and returns how many.
 */
#pragma once

#define FILE_DEVICE_SEH 0x8002

/* Input: ULONG case. Output: ULONG log. */
#define IOCTL_SEH_RUN CTL_CODE(FILE_DEVICE_SEH, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS)

#define SEH_LOG_LENGTH 64

enum {
    SehConstantFilter,          /* __except (1) around a load through a null pointer; the code in the body */
    SehFilterExpression,        /* a filter that looks at the code and at the parameters */
    SehContinueSearch,          /* the inner filter declines, the outer accepts, a __finally lies between */
    SehFinally,                 /* AbnormalTermination() on the normal way out and on the other */
    SehRaise,                   /* ExRaiseStatus in a callee that has a __finally of its own */
    SehContinueExecution,       /* a filter mends the register, and the load is run again */
    SehContinueRaise,           /* RtlRaiseException comes back */
    SehNoncontinuable,          /* a filter that continues where that is not allowed */
    SehTryInFilter,             /* a filter that handles an exception of its own */
    SehRaiseInFilter,           /* a filter that raises: its own __try is asked again, about the new exception */
    SehRaiseInFinally,          /* a collided unwind */
    SehRaiseInHandler,          /* an exception in an __except block, caught by the next */
    SehRecursion,               /* sixteen frames are unwound, each with a __finally */
    SehRegisters,               /* nonvolatile registers, general and XMM, are the caller's again */
    SehDynamicStack,            /* a frame whose size is not known at compile time */
    SehTraps,                   /* divide by zero, quotient overflow, ud2, int 3, #GP: their codes */
    SehBackTrace,               /* RtlCaptureStackBackTrace through three functions */
    SehLeave,                   /* __leave runs the __finally as a normal way out */
    SehLocalUnwind,             /* return inside a __try, as MSVC compiles it: _local_unwind */
    SehLocalUnwindInUnwind,     /* goto out of a __finally that an unwind runs: the unwind ends there */
    SehCaseCount,
    /* These do not come back. */
    SehNullPointer = 100,       /* nobody handles it */
    SehKernelAddress,           /* __except does not help: PAGE_FAULT_IN_NONPAGED_AREA */
    SehRaisedIrql,              /* nor here: DRIVER_IRQL_NOT_LESS_OR_EQUAL */
    SehReadOnly,                /* a store into the driver's own code */
    SehFastFail,                /* int 29h */
    SehNullCall                 /* a call through a null pointer, not handled */
};
