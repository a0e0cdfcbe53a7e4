/*
 * What MSVC makes of `return` inside a __try and of `goto` out of a __finally: calls of _local_unwind. clang makes them
 * differently, so these two functions are in assembly, as that compiler writes them.
 */
#include <ntddk.h>

#include "cases.h"
#include "local-unwind.h"

__attribute__((used)) VOID LocalUnwindMark(PSEH_LOG Log, ULONG Value)
{
    if (Log->Count < SEH_LOG_LENGTH) {
        Log->Entries[Log->Count++] = Value;
    }
}

/* The frame: rbp is 48 above its base, the log at -8(%rbp). `body` is what the __try does. */
#define TRY_FINALLY(name, body, finally)                                                                             \
    "    .globl " name "\n"                                                                                            \
    "    .def " name "; .scl 2; .type 32; .endef\n"                                                                    \
    "    .seh_proc " name "\n" name ":\n"                                                                              \
    "    pushq %rbp\n"                                                                                                 \
    "    .seh_pushreg %rbp\n"                                                                                          \
    "    subq $48, %rsp\n"                                                                                             \
    "    .seh_stackalloc 48\n"                                                                                         \
    "    leaq 48(%rsp), %rbp\n"                                                                                        \
    "    .seh_setframe %rbp, 48\n"                                                                                     \
    "    .seh_handler __C_specific_handler, @unwind, @except\n"                                                        \
    "    .seh_endprologue\n"                                                                                           \
    "    movq %rcx, -8(%rbp)\n" name "_begin:\n" body "    nop\n" name "_end:\n"                                       \
    "    int3\n" name "_target:\n"                                                                                     \
    "    movq -8(%rbp), %rcx\n"                                                                                        \
    "    movl $2, %edx\n"                                                                                              \
    "    callq LocalUnwindMark\n"                                                                                      \
    "    nop\n"                                                                                                        \
    "    leaq 0(%rbp), %rsp\n"                                                                                         \
    "    popq %rbp\n"                                                                                                  \
    "    retq\n"                                                                                                       \
    "    .seh_handlerdata\n"                                                                                           \
    "    .long 1\n"                                                                                                    \
    "    .long " name "_begin@IMGREL, " name "_end@IMGREL, " name "_finally@IMGREL, 0\n"                               \
    "    .text\n"                                                                                                      \
    "    .seh_endproc\n"                                                                                               \
    "    .seh_proc " name "_finally\n" name "_finally:\n"                                                              \
    "    pushq %rbx\n"                                                                                                 \
    "    .seh_pushreg %rbx\n"                                                                                          \
    "    subq $32, %rsp\n"                                                                                             \
    "    .seh_stackalloc 32\n"                                                                                         \
    "    .seh_endprologue\n"                                                                                           \
    "    movq %rdx, %rbx\n"                                                                                            \
    "    leal 10(%rcx), %edx\n"                                                                                        \
    "    movq 40(%rbx), %rcx\n"                                                                                        \
    "    callq LocalUnwindMark\n" finally                                                                              \
    "    nop\n"                                                                                                        \
    "    addq $32, %rsp\n"                                                                                             \
    "    popq %rbx\n"                                                                                                  \
    "    retq\n"                                                                                                       \
    "    .seh_endproc\n"

#define LOCAL_UNWIND(frame, name)                                                                                      \
    "    leaq " frame ", %rcx\n"                                                                                       \
    "    leaq " name "_target(%rip), %rdx\n"                                                                           \
    "    callq *__imp__local_unwind(%rip)\n"

__asm__(TRY_FINALLY("ReturnFromTry", LOCAL_UNWIND("-48(%rbp)", "ReturnFromTry"), "")
        TRY_FINALLY("GotoOutOfFinally",
                    "    xorl %ecx, %ecx\n    callq FaultLoad\n",
                    LOCAL_UNWIND("0(%rbx)", "GotoOutOfFinally")));
