/*
 * transfer: what its files share. transfer.h says what the driver does; this is how it is kept.
 *
 *     driver.c   DriverEntry and unload, the three devices, CREATE, CLEANUP, CLOSE
 *     data.c     READ, WRITE and the five data IOCTLs: the three I/O methods and the four METHODs
 *     control.c  the IOCTLs that look at data requests or steer them
 *     user.c     the only code that touches raw user addresses
 */
#pragma once

#include <ntddk.h>

#include "transfer.h"

#define TRANSFER_TAG 'rfsT'

#ifndef MdlMappingNoExecute
#define MdlMappingNoExecute 0x40000000  /* Windows 8; older headers lack it */
#endif

/* Whether the next data request is to be kept, or one is. */
typedef enum _KEEP_STATE { KeepNone, KeepNext, KeepHeld } KEEP_STATE;

typedef struct _TRANSFER_DEVICE {
    PDEVICE_OBJECT DeviceObject;
    ULONG Index;                /* in TransferNames */

    /* Under StoreLock. A WRITE fills Spare and then swaps it with Store, so that one which faults stores nothing. */
    FAST_MUTEX StoreLock;
    PUCHAR Store;
    PUCHAR Spare;
    ULONG StoreLength;

    /* Under StateLock. */
    KSPIN_LOCK StateLock;
    KEEP_STATE Keep;
    PIRP Kept;                  /* NULL in KeepHeld while PEEK or POKE looks at it */
    BOOLEAN CompleteNext;
    TRANSFER_COMPLETION Completion;
    TRANSFER_VIEW LastView;
} TRANSFER_DEVICE, *PTRANSFER_DEVICE;

/* Where a request's data lies: its "data buffer" in transfer.h's words. */
typedef struct _DATA_BUFFER {
    PUCHAR Address;             /* NULL if Length is 0 */
    ULONG Length;
    BOOLEAN IsUserAddress;      /* raw: to be touched through user.c only, in the requester's process */
    BOOLEAN IsInputOnly;        /* WRITE, PUT_IN_DIRECT */
} DATA_BUFFER, *PDATA_BUFFER;

/* driver.c */
DRIVER_INITIALIZE DriverEntry;
NTSTATUS TransferComplete(PIRP Irp, NTSTATUS Status, ULONG_PTR Information);

/* data.c */
DRIVER_DISPATCH TransferReadWrite;
BOOLEAN TransferIsDataCode(ULONG ControlCode);
NTSTATUS TransferDataRequest(PTRANSFER_DEVICE Device, PIRP Irp);
NTSTATUS TransferGetDataBuffer(PIRP Irp, PDATA_BUFFER Buffer);

/* control.c */
NTSTATUS TransferControlRequest(PTRANSFER_DEVICE Device, PIRP Irp);
NTSTATUS TransferKeep(PTRANSFER_DEVICE Device, PIRP Irp);
PIRP TransferTakeKept(PTRANSFER_DEVICE Device, PFILE_OBJECT FileObject);

/* user.c */
NTSTATUS UserRead(PVOID To, const VOID *From, SIZE_T Length);
NTSTATUS UserWrite(PVOID To, const VOID *From, SIZE_T Length);
NTSTATUS UserFill(PVOID To, SIZE_T Length, UCHAR Value);
NTSTATUS UserLock(PMDL Mdl, KPROCESSOR_MODE Mode, LOCK_OPERATION Operation);
