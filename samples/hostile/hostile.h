/*
 * hostile: a driver whose every IOCTL is a mistake. What each does is said here; what Windows makes of it, in
 * test/hostile.test.ts.
 *
 * \Device\Hostile, \\.\Hostile. All codes are METHOD_BUFFERED without buffers, but for the two that take an address.
 */
#pragma once

#define FILE_DEVICE_HOSTILE 0x8E02
#define HOSTILE_CODE(n)     CTL_CODE(FILE_DEVICE_HOSTILE, 0x800 + (n), METHOD_BUFFERED, FILE_ANY_ACCESS)

#define IOCTL_HOSTILE_READ_NULL       HOSTILE_CODE(0x00) /* reads address 0, outside any __try */
#define IOCTL_HOSTILE_READ            HOSTILE_CODE(0x01) /* reads the address in the input (ULONG64), in a __try */
#define IOCTL_HOSTILE_WRITE           HOSTILE_CODE(0x02) /* writes it, in a __try */
#define IOCTL_HOSTILE_DIVIDE          HOSTILE_CODE(0x03) /* divides by zero, outside any __try */
#define IOCTL_HOSTILE_SPIN            HOSTILE_CODE(0x04) /* loops for ever at PASSIVE_LEVEL */
#define IOCTL_HOSTILE_SPIN_DISPATCH   HOSTILE_CODE(0x05) /* loops for ever at DISPATCH_LEVEL */
#define IOCTL_HOSTILE_COMPLETE_TWICE  HOSTILE_CODE(0x06) /* completes its IRP twice */
#define IOCTL_HOSTILE_NEVER_COMPLETE  HOSTILE_CODE(0x07) /* marks its IRP pending and forgets it */
#define IOCTL_HOSTILE_OVERFLOW_STACK  HOSTILE_CODE(0x08) /* recurses without end */
#define IOCTL_HOSTILE_LEAVE_RAISED    HOSTILE_CODE(0x09) /* completes, and returns at DISPATCH_LEVEL */
#define IOCTL_HOSTILE_FREE_TWICE      HOSTILE_CODE(0x0A) /* frees a block of pool twice */
#define IOCTL_HOSTILE_USE_AFTER_FREE  HOSTILE_CODE(0x0B) /* writes into a freed page of pool */
#define IOCTL_HOSTILE_OVERRUN         HOSTILE_CODE(0x0C) /* writes over the header behind a block, and frees that */
#define IOCTL_HOSTILE_WRITE_CONSTANT  HOSTILE_CODE(0x0D) /* writes into its own read-only section */
#define IOCTL_HOSTILE_EXECUTE_DATA    HOSTILE_CODE(0x0E) /* calls into NonPagedPoolNx */
#define IOCTL_HOSTILE_BREAK           HOSTILE_CODE(0x0F) /* int 3 */
#define IOCTL_HOSTILE_FAST_FAIL       HOSTILE_CODE(0x10) /* __fastfail(FAST_FAIL_CORRUPT_LIST_ENTRY) */
#define IOCTL_HOSTILE_BUG_CHECK       HOSTILE_CODE(0x11) /* KeBugCheckEx(0x1234, 1, 2, 3, 4) */
#define IOCTL_HOSTILE_RAISE           HOSTILE_CODE(0x12) /* ExRaiseStatus outside any __try */
#define IOCTL_HOSTILE_WAIT_DISPATCH   HOSTILE_CODE(0x13) /* waits at DISPATCH_LEVEL for an event that is not set */
#define IOCTL_HOSTILE_PENDING_STATUS  HOSTILE_CODE(0x14) /* completes with STATUS_PENDING */
