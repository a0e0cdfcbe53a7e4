#pragma once

#include "seh.h"

typedef struct _SEH_LOG {
    ULONG Count;
    ULONG Entries[SEH_LOG_LENGTH];
} SEH_LOG, *PSEH_LOG;

/* Runs a case. IRQL: PASSIVE_LEVEL. STATUS_INVALID_PARAMETER: there is no such case. */
__declspec(dllexport) NTSTATUS SehRun(ULONG Case, PSEH_LOG Log);
