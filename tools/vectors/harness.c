/*
 * Runs single x86-64 instructions on the processor underneath, each from a given state, and reports the state after.
 *
 *   harness < cases > outcomes
 *
 * The way in and the way out are the same: a signal. Each case is some code in the code area, followed by int3. The
 * handler stores what the signal's context says about the case that has just ended (by int3, or by a fault of its own),
 * puts the next case's registers into the context and returns; the kernel's sigreturn loads them all, RIP included.
 * There is no assembly here, and no register that a case could not use.
 *
 * Memory is a fixed arena (tools/vectors/layout.ts has the same numbers): code; pages that can be written; a page that
 * can only be read; nothing on either side. Each case names windows of it, with their contents; after the case the
 * windows are reported and the arena is put back, and a byte changed outside the windows is reported as a stray write.
 *
 * While cases run, FS and GS belong to them, so no library call is made between arch_prctl and the end.
 */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum { CODE_BYTES = 0x100000, WRITABLE_BYTES = 0x4000, ARENA_BYTES = 0x5000 };
#define CODE ((uint8_t *)0x10000000)
#define ARENA ((uint8_t *)0x20000000)
#define FS_BASE 0x9000
#define GS_BASE 0x7000

struct window { uint64_t address, length; uint8_t bytes[]; };
struct state { uint64_t rip, rflags, gpr[16]; uint8_t xmm[256]; uint32_t mxcsr, windows; };
struct outcome { uint64_t rip, rflags, gpr[16]; uint8_t xmm[256]; uint32_t mxcsr, vector, error, stray; uint64_t cr2; };

/* x86 register numbers to the context's order */
static const int greg[16] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                              REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15 };

static uint8_t base_arena[ARENA_BYTES];
static struct _libc_fpstate clean_fpu;
static const uint8_t *input;
static uint8_t *output;
static const struct state *current;
static uint32_t remaining;
static uint64_t host_fs;

static inline void copy(void *to, const void *from, uint64_t bytes) { __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory"); }
static inline int differ(const void *a, const void *b, uint64_t bytes) {
  const uint64_t *x = a, *y = b;
  uint64_t all = 0;
  for (uint64_t i = 0; i < bytes / 8; i++) all |= x[i] ^ y[i];
  return all != 0;
}
static long prctl_fs_gs(int what, uint64_t value) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(SYS_arch_prctl), "D"(what), "S"(value) : "rcx", "r11", "memory");
  return result;
}

static const uint8_t *after_windows(const struct state *s) {
  const uint8_t *at = (const uint8_t *)(s + 1);
  for (uint32_t i = 0; i < s->windows; i++) at += sizeof(struct window) + ((const struct window *)at)->length;
  return at;
}

static void store(const ucontext_t *context) {
  struct outcome *o = (struct outcome *)output;
  const greg_t *g = context->uc_mcontext.gregs;
  o->rip = g[REG_RIP];
  o->rflags = g[REG_EFL];
  for (int i = 0; i < 16; i++) o->gpr[i] = g[greg[i]];
  copy(o->xmm, context->uc_mcontext.fpregs->_xmm, 256);
  o->mxcsr = context->uc_mcontext.fpregs->mxcsr;
  o->vector = g[REG_TRAPNO];
  o->error = g[REG_ERR];
  o->cr2 = g[REG_CR2];
  output += sizeof *o;
  const uint8_t *at = (const uint8_t *)(current + 1);
  for (uint32_t i = 0; i < current->windows; i++) {
    const struct window *w = (const struct window *)at;
    copy(output, (void *)w->address, w->length);
    output += w->length;
    at += sizeof *w + w->length;
  }
  at = (const uint8_t *)(current + 1);
  for (uint32_t i = 0; i < current->windows; i++) {
    const struct window *w = (const struct window *)at;
    copy((void *)w->address, base_arena + (w->address - (uint64_t)ARENA), w->length);
    at += sizeof *w + w->length;
  }
  o->stray = differ(ARENA, base_arena, WRITABLE_BYTES);
  if (o->stray) copy(ARENA, base_arena, WRITABLE_BYTES);
}

static void load(ucontext_t *context) {
  current = (const struct state *)input;
  input = after_windows(current);
  const uint8_t *at = (const uint8_t *)(current + 1);
  for (uint32_t i = 0; i < current->windows; i++) {
    const struct window *w = (const struct window *)at;
    copy((void *)w->address, w->bytes, w->length);
    at += sizeof *w + w->length;
  }
  greg_t *g = context->uc_mcontext.gregs;
  g[REG_RIP] = current->rip;
  g[REG_EFL] = current->rflags;
  for (int i = 0; i < 16; i++) g[greg[i]] = current->gpr[i];
  struct _libc_fpstate *f = context->uc_mcontext.fpregs;
  copy(f, &clean_fpu, 160);
  copy(f->_xmm, current->xmm, 256);
  f->mxcsr = current->mxcsr;
  ((uint64_t *)f)[64] |= 3; /* XSTATE_BV: the x87 and SSE parts are there */
}

static uint8_t *outcomes;
static void finish(void) {
  for (uint8_t *at = outcomes; at < output;) {
    ssize_t n = write(1, at, output - at);
    if (n <= 0) _exit(3);
    at += n;
  }
  _exit(0);
}

static void on_signal(int number, siginfo_t *info, void *opaque) {
  (void)number, (void)info;
  ucontext_t *context = opaque;
  if (current) store(context);
  else clean_fpu = *context->uc_mcontext.fpregs;
  if (remaining) {
    remaining--;
    load(context);
  } else {
    prctl_fs_gs(ARCH_SET_FS, host_fs);
    finish();
  }
}

static void map(void *at, size_t bytes, int protection) {
  if (mmap(at, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_POPULATE, -1, 0) != at) {
    perror("mmap");
    exit(2);
  }
}

int main(void) {
  size_t capacity = 1 << 24, length = 0;
  uint8_t *all = malloc(capacity);
  for (ssize_t n; (n = read(0, all + length, capacity - length)) > 0;) {
    length += n;
    if (length == capacity) all = realloc(all, capacity *= 2);
  }
  /* header: cases, bytes of code, bytes of outcomes; then the code, the arena's contents, the cases */
  uint32_t *header = (uint32_t *)all;
  remaining = header[0];
  map(CODE, CODE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC);
  map(ARENA, ARENA_BYTES, PROT_READ | PROT_WRITE);
  memset(CODE, 0xcc, CODE_BYTES);
  memcpy(CODE, all + 16, header[1]);
  mprotect(CODE, CODE_BYTES, PROT_READ | PROT_EXEC);
  memcpy(base_arena, all + 16 + header[1], ARENA_BYTES);
  memcpy(ARENA, base_arena, ARENA_BYTES);
  mprotect(ARENA + WRITABLE_BYTES, ARENA_BYTES - WRITABLE_BYTES, PROT_READ);
  input = all + 16 + header[1] + ARENA_BYTES;
  outcomes = output = mmap(0, header[2] + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

  stack_t stack = { .ss_sp = malloc(1 << 18), .ss_size = 1 << 18 };
  sigaltstack(&stack, 0);
  struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK };
  sigfillset(&action.sa_mask);
  static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP };
  for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, 0);
  alarm(120);
  syscall(SYS_arch_prctl, ARCH_GET_FS, &host_fs);
  prctl_fs_gs(ARCH_SET_GS, GS_BASE);
  prctl_fs_gs(ARCH_SET_FS, FS_BASE);
  __asm__ volatile("int3");
  return 1;
}
