/*
 * The cases. A mark in the log is a small number for "passed here", or a status.
 */
#include <ntddk.h>

#include "cases.h"
#include "fault.h"
#include "local-unwind.h"
#include "seh.h"

/* ntifs.h has them. */
NTSYSAPI VOID NTAPI RtlRaiseException(PEXCEPTION_RECORD ExceptionRecord);
NTSYSAPI USHORT NTAPI RtlCaptureStackBackTrace(ULONG FramesToSkip, ULONG FramesToCapture, PVOID *BackTrace,
                                               PULONG BackTraceHash);

static VOID Mark(PSEH_LOG Log, ULONG Value)
{
    if (Log->Count < SEH_LOG_LENGTH) {
        Log->Entries[Log->Count++] = Value;
    }
}

static VOID ConstantFilter(PSEH_LOG Log)
{
    __try {
        Mark(Log, 1);
        FaultLoad(NULL);
        Mark(Log, 99);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        Mark(Log, GetExceptionCode());
    }
    Mark(Log, 2);
}

static LONG LookAt(PSEH_LOG Log, ULONG Code, PEXCEPTION_POINTERS Pointers)
{
    Mark(Log, Code);
    Mark(Log, Pointers->ExceptionRecord->NumberParameters);
    Mark(Log, (ULONG)Pointers->ExceptionRecord->ExceptionInformation[0]);
    Mark(Log, (ULONG)Pointers->ExceptionRecord->ExceptionInformation[1]);
    Mark(Log, Pointers->ContextRecord->Rip == (ULONG64)Pointers->ExceptionRecord->ExceptionAddress);
    return Code == (ULONG)STATUS_ACCESS_VIOLATION ? EXCEPTION_EXECUTE_HANDLER : EXCEPTION_CONTINUE_SEARCH;
}

static VOID FilterExpression(PSEH_LOG Log)
{
    __try {
        FaultStore((PULONG)0x1234, 5);
    } __except (LookAt(Log, GetExceptionCode(), GetExceptionInformation())) {
        Mark(Log, GetExceptionCode());
    }
}

static LONG Decline(PSEH_LOG Log, ULONG Value, LONG Answer)
{
    Mark(Log, Value);
    return Answer;
}

static VOID ContinueSearch(PSEH_LOG Log)
{
    __try {
        __try {
            __try {
                FaultLoad(NULL);
            } __except (Decline(Log, 1, EXCEPTION_CONTINUE_SEARCH)) {
                Mark(Log, 99);
            }
        } __finally {
            Mark(Log, 3);
        }
    } __except (Decline(Log, 2, EXCEPTION_EXECUTE_HANDLER)) {
        Mark(Log, 4);
    }
}

static VOID Finally(PSEH_LOG Log)
{
    __try {
        Mark(Log, 1);
    } __finally {
        Mark(Log, 10 + AbnormalTermination());
    }
    __try {
        __try {
            FaultLoad(NULL);
        } __finally {
            Mark(Log, 20 + AbnormalTermination());
        }
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        Mark(Log, 2);
    }
}

static VOID Leave(PSEH_LOG Log)
{
    __try {
        Mark(Log, 1);
        if (Log->Count == 1) {
            __leave;
        }
        Mark(Log, 99);
    } __finally {
        Mark(Log, 10 + AbnormalTermination());
    }
    Mark(Log, 2);
}

static __declspec(noinline) VOID RaiseBehindFinally(PSEH_LOG Log, NTSTATUS Status)
{
    __try {
        ExRaiseStatus(Status);
    } __finally {
        Mark(Log, 10 + AbnormalTermination());
    }
}

static VOID Raise(PSEH_LOG Log)
{
    __try {
        RaiseBehindFinally(Log, STATUS_DEVICE_NOT_READY);
    } __except (GetExceptionCode() == STATUS_DEVICE_NOT_READY) {
        Mark(Log, GetExceptionCode());
    }
}

static LONG MendRcx(PSEH_LOG Log, PEXCEPTION_POINTERS Pointers, PULONG Good)
{
    Mark(Log, Pointers->ContextRecord->Rcx == 0x10);
    Pointers->ContextRecord->Rcx = (ULONG64)Good;
    return EXCEPTION_CONTINUE_EXECUTION;
}

static VOID ContinueExecution(PSEH_LOG Log)
{
    volatile ULONG Good = 0x600d;

    __try {
        Mark(Log, FaultLoadRcx((PULONG)0x10));
    } __except (MendRcx(Log, GetExceptionInformation(), (PULONG)&Good)) {
        Mark(Log, 99);
    }
    Mark(Log, 2);
}

static VOID ContinueRaise(PSEH_LOG Log)
{
    EXCEPTION_RECORD Record;

    RtlZeroMemory(&Record, sizeof(Record));
    Record.ExceptionCode = 0xe0000001;
    Record.NumberParameters = 1;
    Record.ExceptionInformation[0] = 0x77;
    __try {
        RtlRaiseException(&Record);
        Mark(Log, 2);
    } __except (Decline(Log, (ULONG)Record.ExceptionInformation[0], EXCEPTION_CONTINUE_EXECUTION)) {
        Mark(Log, 99);
    }
    Mark(Log, Record.ExceptionAddress != NULL);
}

static LONG ContinueOnce(PSEH_LOG Log, ULONG Code)
{
    Mark(Log, Code);
    return Code == (ULONG)STATUS_DEVICE_NOT_READY ? EXCEPTION_CONTINUE_EXECUTION : EXCEPTION_EXECUTE_HANDLER;
}

static VOID Noncontinuable(PSEH_LOG Log)
{
    __try {
        ExRaiseStatus(STATUS_DEVICE_NOT_READY);
        Mark(Log, 99);
    } __except (ContinueOnce(Log, GetExceptionCode())) {
        Mark(Log, GetExceptionCode());
    }
}

static LONG TryWithin(PSEH_LOG Log)
{
    __try {
        ExRaiseStatus(STATUS_DEVICE_BUSY);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        Mark(Log, GetExceptionCode());
    }
    return EXCEPTION_EXECUTE_HANDLER;
}

static VOID TryInFilter(PSEH_LOG Log)
{
    __try {
        FaultLoad(NULL);
    } __except (TryWithin(Log)) {
        Mark(Log, GetExceptionCode());
    }
    Mark(Log, 2);
}

static LONG RaiseUnlessRaised(PSEH_LOG Log, ULONG Code, PEXCEPTION_POINTERS Pointers)
{
    Mark(Log, Code);
    Mark(Log, Pointers->ExceptionRecord->ExceptionFlags & 0x10); /* EXCEPTION_NESTED_CALL */
    if (Code == (ULONG)STATUS_ACCESS_VIOLATION) {
        ExRaiseStatus(STATUS_DEVICE_BUSY);
    }
    return EXCEPTION_EXECUTE_HANDLER;
}

static VOID RaiseInFilter(PSEH_LOG Log)
{
    __try {
        __try {
            FaultLoad(NULL);
        } __finally {
            Mark(Log, 1);
        }
    } __except (RaiseUnlessRaised(Log, GetExceptionCode(), GetExceptionInformation())) {
        Mark(Log, GetExceptionCode());
    }
    Mark(Log, 2);
}

static VOID RaiseInFinally(PSEH_LOG Log)
{
    __try {
        __try {
            __try {
                FaultLoad(NULL);
            } __finally {
                Mark(Log, 1);
                RaiseBehindFinally(Log, STATUS_DEVICE_BUSY);
                Mark(Log, 99);
            }
        } __finally {
            Mark(Log, 2);
        }
    } __except (Decline(Log, GetExceptionCode(), EXCEPTION_EXECUTE_HANDLER)) {
        Mark(Log, GetExceptionCode());
    }
    Mark(Log, 3);
}

static VOID RaiseInHandler(PSEH_LOG Log)
{
    __try {
        __try {
            FaultLoad(NULL);
        } __except (EXCEPTION_EXECUTE_HANDLER) {
            Mark(Log, GetExceptionCode());
            ExRaiseStatus(STATUS_DEVICE_BUSY);
        }
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        Mark(Log, GetExceptionCode());
    }
}

static __declspec(noinline) VOID Recurse(PSEH_LOG Log, ULONG Depth)
{
    __try {
        if (Depth == 0) {
            FaultLoad(NULL);
        } else {
            Recurse(Log, Depth - 1);
        }
    } __finally {
        Mark(Log, Depth);
    }
}

static VOID Recursion(PSEH_LOG Log)
{
    __try {
        Recurse(Log, 15);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        Mark(Log, GetExceptionCode());
    }
}

/* Changes every nonvolatile register, then faults: its frame must give them all back. */
static __declspec(noinline) VOID SpoilAndFault(VOID)
{
    __asm__ volatile("xorl %%ebx, %%ebx\n\txorl %%esi, %%esi\n\txorl %%edi, %%edi\n\txorl %%r12d, %%r12d\n\t"
                     "xorl %%r13d, %%r13d\n\txorl %%r14d, %%r14d\n\txorl %%r15d, %%r15d\n\t"
                     "xorps %%xmm6, %%xmm6\n\txorps %%xmm7, %%xmm7\n\txorps %%xmm15, %%xmm15"
                     : : : "rbx", "rsi", "rdi", "r12", "r13", "r14", "r15", "xmm6", "xmm7", "xmm15");
    FaultLoad(NULL);
}

static __declspec(noinline) VOID CatchSpoiled(VOID)
{
    __try {
        SpoilAndFault();
    } __except (EXCEPTION_EXECUTE_HANDLER) {
    }
}

static VOID Registers(PSEH_LOG Log)
{
    ULONG64 General[7];
    ULONG64 Xmm[3];
    ULONG i;

    CatchSpoiled(); /* a call that the compiler sees, so that the frame has room for the callee's home space */
    __asm__ volatile("movl $0x11, %%ebx\n\tmovl $0x22, %%esi\n\tmovl $0x33, %%edi\n\tmovl $0x44, %%r12d\n\t"
                     "movl $0x55, %%r13d\n\tmovl $0x66, %%r14d\n\tmovl $0x77, %%r15d\n\t"
                     "movd %%ebx, %%xmm6\n\tmovd %%esi, %%xmm7\n\tmovd %%edi, %%xmm15\n\t"
                     "callq *%%rax"
                     : : "a"(CatchSpoiled)
                     : "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
                       "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm15", "memory");
    __asm__ volatile("movq %%rbx, (%0)\n\tmovq %%rsi, 8(%0)\n\tmovq %%rdi, 16(%0)\n\tmovq %%r12, 24(%0)\n\t"
                     "movq %%r13, 32(%0)\n\tmovq %%r14, 40(%0)\n\tmovq %%r15, 48(%0)\n\t"
                     "movq %%xmm6, (%1)\n\tmovq %%xmm7, 8(%1)\n\tmovq %%xmm15, 16(%1)"
                     : : "a"(General), "c"(Xmm) : "memory");
    for (i = 0; i < 7; i++) {
        Mark(Log, (ULONG)General[i]);
    }
    for (i = 0; i < 3; i++) {
        Mark(Log, (ULONG)Xmm[i]);
    }
}

static __declspec(noinline) VOID DynamicFrame(PSEH_LOG Log, ULONG Length)
{
    volatile UCHAR Dynamic[Length];
    ULONG i;

    for (i = 0; i < Length; i++) {
        Dynamic[i] = (UCHAR)i;
    }
    __try {
        FaultLoad((PULONG)(ULONG_PTR)Dynamic[0]);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        Mark(Log, Dynamic[Length - 1]);
    }
}

static VOID DynamicStack(PSEH_LOG Log)
{
    DynamicFrame(Log, 17);
    DynamicFrame(Log, 200);
    Mark(Log, 2);
}

static VOID Trap(PSEH_LOG Log, ULONG Kind)
{
    __try {
        switch (Kind) {
        case 0:
            FaultDivide(1, 0);
            break;
        case 1:
            FaultOverflow();
            break;
        case 2:
            FaultUd2();
            break;
        case 3:
            FaultInt3();
            break;
        case 4:
            FaultLoad((PULONG)0x8000000000000000ull);
            break;
        }
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        Mark(Log, GetExceptionCode());
    }
}

static VOID Traps(PSEH_LOG Log)
{
    ULONG Kind;

    for (Kind = 0; Kind < 5; Kind++) {
        Trap(Log, Kind);
    }
}

static __declspec(noinline) USHORT BackTrace2(PVOID *Frames)
{
    USHORT Count = RtlCaptureStackBackTrace(0, 3, Frames, NULL);

    return Count + (Frames[0] == NULL);
}

static __declspec(noinline) USHORT BackTrace1(PVOID *Frames)
{
    USHORT Count = BackTrace2(Frames);

    return Count + (Frames[1] == NULL);
}

static VOID BackTrace(PSEH_LOG Log)
{
    PVOID Frames[3] = { NULL, NULL, NULL };

    Mark(Log, BackTrace1(Frames));
    Mark(Log, (ULONG_PTR)Frames[0] > (ULONG_PTR)BackTrace2 && (ULONG_PTR)Frames[0] < (ULONG_PTR)BackTrace2 + 0x100);
    Mark(Log, (ULONG_PTR)Frames[1] > (ULONG_PTR)BackTrace1 && (ULONG_PTR)Frames[1] < (ULONG_PTR)BackTrace1 + 0x100);
}

static VOID LocalUnwind(PSEH_LOG Log)
{
    __try {
        ReturnFromTry(Log);
        Mark(Log, 3);
    } __finally {
        Mark(Log, 20 + AbnormalTermination());
    }
}

static VOID LocalUnwindInUnwind(PSEH_LOG Log)
{
    __try {
        GotoOutOfFinally(Log);
        Mark(Log, 3);
    } __except (Decline(Log, 1, EXCEPTION_EXECUTE_HANDLER)) {
        Mark(Log, 99);
    }
}

static VOID NullPointer(PSEH_LOG Log)
{
    __try {
        FaultLoad(NULL);
    } __finally {
        Mark(Log, 1);
    }
}

static VOID KernelAddress(PSEH_LOG Log)
{
    __try {
        FaultStore((PULONG)0xffffa00000001000ull, 1);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        Mark(Log, 99);
    }
}

static VOID RaisedIrql(PSEH_LOG Log)
{
    KIRQL Irql;

    KeRaiseIrql(DISPATCH_LEVEL, &Irql);
    __try {
        FaultLoad((PULONG)0x20);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        Mark(Log, 99);
    }
    KeLowerIrql(Irql);
}

static VOID ReadOnly(PSEH_LOG Log)
{
    __try {
        FaultStore((PULONG)(ULONG_PTR)FaultStore, 1);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        Mark(Log, 99);
    }
}

static VOID FastFail(PSEH_LOG Log)
{
    __try {
        FaultFastFail(2); /* FAST_FAIL_STACK_COOKIE_CHECK_FAILURE */
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        Mark(Log, 99);
    }
}

static VOID NullCall(PSEH_LOG Log)
{
    VOID (*volatile Nothing)(PSEH_LOG) = NULL;

    Nothing(Log);
    Mark(Log, 99);
}

typedef VOID (*SEH_CASE)(PSEH_LOG Log);

static const SEH_CASE Cases[] = {
    [SehConstantFilter] = ConstantFilter,
    [SehFilterExpression] = FilterExpression,
    [SehContinueSearch] = ContinueSearch,
    [SehFinally] = Finally,
    [SehRaise] = Raise,
    [SehContinueExecution] = ContinueExecution,
    [SehContinueRaise] = ContinueRaise,
    [SehNoncontinuable] = Noncontinuable,
    [SehTryInFilter] = TryInFilter,
    [SehRaiseInFilter] = RaiseInFilter,
    [SehRaiseInFinally] = RaiseInFinally,
    [SehRaiseInHandler] = RaiseInHandler,
    [SehRecursion] = Recursion,
    [SehRegisters] = Registers,
    [SehDynamicStack] = DynamicStack,
    [SehTraps] = Traps,
    [SehBackTrace] = BackTrace,
    [SehLeave] = Leave,
    [SehLocalUnwind] = LocalUnwind,
    [SehLocalUnwindInUnwind] = LocalUnwindInUnwind,
    [SehNullPointer] = NullPointer,
    [SehKernelAddress] = KernelAddress,
    [SehRaisedIrql] = RaisedIrql,
    [SehReadOnly] = ReadOnly,
    [SehFastFail] = FastFail,
    [SehNullCall] = NullCall,
};

NTSTATUS SehRun(ULONG Case, PSEH_LOG Log)
{
    Log->Count = 0;
    if (Case >= RTL_NUMBER_OF(Cases) || Cases[Case] == NULL) {
        return STATUS_INVALID_PARAMETER;
    }
    Cases[Case](Log);
    return STATUS_SUCCESS;
}

VOID SehGuard(VOID (*Callback)(PVOID), PVOID Context, PSEH_LOG Log)
{
    Log->Count = 0;
    __try {
        __try {
            Callback(Context);
            Mark(Log, 1);
        } __finally {
            Mark(Log, 10 + AbnormalTermination());
        }
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        Mark(Log, GetExceptionCode());
    }
}
