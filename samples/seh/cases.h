#pragma once

#include "seh.h"

typedef struct _SEH_LOG {
    ULONG Count;
    ULONG Entries[SEH_LOG_LENGTH];
} SEH_LOG, *PSEH_LOG;

/* Runs a case. IRQL: PASSIVE_LEVEL. STATUS_INVALID_PARAMETER: there is no such case. */
__declspec(dllexport) NTSTATUS SehRun(ULONG Case, PSEH_LOG Log);

/* Calls Callback in a __try with a __finally inside a __try with an __except that accepts everything. */
__declspec(dllexport) VOID SehGuard(VOID (*Callback)(PVOID), PVOID Context, PSEH_LOG Log);
