#pragma once

VOID TouchCopy(PUCHAR To, const UCHAR *From, SIZE_T Length);
VOID TouchFill(PUCHAR To, SIZE_T Length, UCHAR Value);
