#pragma once

/* __try { return; } __finally { mark }, and a mark where control lands. */
VOID ReturnFromTry(PSEH_LOG Log);

/* __try { a load through a null pointer } __finally { mark; goto Out; } Out: a mark. */
VOID GotoOutOfFinally(PSEH_LOG Log);
