/*
 * Instructions that raise. Each is a function in a file of its own, because clang before 17 protects only the calls
 * of a __try.
 */
#pragma once

ULONG FaultLoad(const volatile ULONG *Address);
VOID FaultStore(volatile ULONG *Address, ULONG Value);
/* Loads through rcx, so that a filter can mend the address. */
ULONG FaultLoadRcx(const volatile ULONG *Address);
ULONG FaultDivide(ULONG Dividend, ULONG Divisor);
/* 2^63 / 1, as a 64-bit quotient of 128 bits. */
ULONG64 FaultOverflow(VOID);
VOID FaultUd2(VOID);
VOID FaultInt3(VOID);
VOID FaultFastFail(ULONG Code);
