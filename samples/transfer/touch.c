/*
 * Bytes moved to or from addresses that may fault.
 *
 * A file of its own, without optimisation across it: clang before 17 counts a load or a store as something that cannot
 * raise, and its tables of protected code ranges hold calls only. A call into another file is one it must believe.
 */
#include <ntddk.h>

#include "touch.h"

VOID TouchCopy(PUCHAR To, const UCHAR *From, SIZE_T Length)
{
    __movsb(To, From, Length);
}

VOID TouchFill(PUCHAR To, SIZE_T Length, UCHAR Value)
{
    __stosb(To, Value, Length);
}
