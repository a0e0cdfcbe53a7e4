/*
 * The two accesses that may fault, in a file of their own so that the compiler must take a call of them for one that
 * can raise.
 */
#include <ntddk.h>

VOID HostileRead(volatile UCHAR *Address);
VOID HostileWrite(volatile UCHAR *Address);

VOID HostileRead(volatile UCHAR *Address)
{
    (VOID)*Address;
}

VOID HostileWrite(volatile UCHAR *Address)
{
    *Address = 1;
}
