/*
 * Raw user addresses: METHOD_NEITHER, and READ and WRITE of a device with neither flag.
 *
 * The I/O manager has checked nothing. Each routine here probes the range (is it below the user limit?) and touches it
 * inside the same __try, because the application's other threads may unmap it in between. They are called in the
 * requester's thread, below DISPATCH_LEVEL. What is caught is returned as a status.
 */
#include "driver.h"
#include "touch.h"

NTSTATUS UserRead(PVOID To, const VOID *From, SIZE_T Length)
{
    NTSTATUS Status = STATUS_SUCCESS;

    __try {
        ProbeForRead((PVOID)From, Length, 1);
        TouchCopy(To, From, Length);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        Status = GetExceptionCode();
    }
    return Status;
}

NTSTATUS UserWrite(PVOID To, const VOID *From, SIZE_T Length)
{
    NTSTATUS Status = STATUS_SUCCESS;

    __try {
        ProbeForWrite(To, Length, 1);
        TouchCopy(To, From, Length);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        Status = GetExceptionCode();
    }
    return Status;
}

NTSTATUS UserFill(PVOID To, SIZE_T Length, UCHAR Value)
{
    NTSTATUS Status = STATUS_SUCCESS;

    __try {
        ProbeForWrite(To, Length, 1);
        TouchFill(To, Length, Value);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        Status = GetExceptionCode();
    }
    return Status;
}

/* Probing is MmProbeAndLockPages' own work; it raises what it finds. */
NTSTATUS UserLock(PMDL Mdl, KPROCESSOR_MODE Mode, LOCK_OPERATION Operation)
{
    NTSTATUS Status = STATUS_SUCCESS;

    __try {
        MmProbeAndLockPages(Mdl, Mode, Operation);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        Status = GetExceptionCode();
    }
    return Status;
}
