#include <ntddk.h>

#include "fault.h"

ULONG FaultLoad(const volatile ULONG *Address)
{
    return *Address;
}

VOID FaultStore(volatile ULONG *Address, ULONG Value)
{
    *Address = Value;
}

ULONG FaultLoadRcx(const volatile ULONG *Address)
{
    ULONG Value;

    __asm__ volatile("movl (%%rcx), %0" : "=a"(Value) : "c"(Address));
    return Value;
}

ULONG FaultDivide(ULONG Dividend, ULONG Divisor)
{
    ULONG Quotient = Dividend;
    ULONG Remainder = 0;

    __asm__ volatile("divl %2" : "+a"(Quotient), "+d"(Remainder) : "r"(Divisor));
    return Quotient;
}

ULONG64 FaultOverflow(VOID)
{
    ULONG64 Quotient = 0;
    ULONG64 Remainder = 1;
    ULONG64 One = 1;

    __asm__ volatile("divq %2" : "+a"(Quotient), "+d"(Remainder) : "m"(One));
    return Quotient;
}

VOID FaultUd2(VOID)
{
    __asm__ volatile("ud2");
}

VOID FaultInt3(VOID)
{
    __asm__ volatile("int3");
}

VOID FaultFastFail(ULONG Code)
{
    __asm__ volatile("int $0x29" : : "c"(Code));
}
