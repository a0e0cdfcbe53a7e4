/*
 * transfer: the control requests, and the one request that may be kept.
 *
 * A kept request is cancellable: whoever wants it, RELEASE, PEEK, CLEANUP or its cancellation, first takes it away from
 * the others. IoSetCancelRoutine(Irp, NULL) decides between them and the cancel routine; StateLock guards the rest.
 */
#include "driver.h"

static DRIVER_CANCEL TransferCancel;

static VOID TransferCancel(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PTRANSFER_DEVICE Device = DeviceObject->DeviceExtension;
    KIRQL OldIrql;

    IoReleaseCancelSpinLock(Irp->CancelIrql);

    KeAcquireSpinLock(&Device->StateLock, &OldIrql);
    Device->Kept = NULL;
    Device->Keep = KeepNone;
    KeReleaseSpinLock(&Device->StateLock, OldIrql);

    TransferComplete(Irp, STATUS_CANCELLED, 0);
}

/* Keeps a request whose device is in KeepHeld. Returns STATUS_PENDING, also if it was cancelled meanwhile. */
NTSTATUS TransferKeep(PTRANSFER_DEVICE Device, PIRP Irp)
{
    BOOLEAN Cancelled;
    KIRQL OldIrql;

    IoMarkIrpPending(Irp);

    KeAcquireSpinLock(&Device->StateLock, &OldIrql);
    IoSetCancelRoutine(Irp, TransferCancel);
    Cancelled = Irp->Cancel && IoSetCancelRoutine(Irp, NULL) != NULL;
    if (Cancelled) {
        Device->Keep = KeepNone;
    } else {
        Device->Kept = Irp;
    }
    KeReleaseSpinLock(&Device->StateLock, OldIrql);

    if (Cancelled) {
        TransferComplete(Irp, STATUS_CANCELLED, 0);
    }
    return STATUS_PENDING;
}

/*
 * Takes the kept request (of one file, unless FileObject is NULL); NULL if there is none. The caller completes it or
 * gives it back to TransferKeep; the device stays in KeepHeld until TransferDone.
 */
static PIRP Take(PTRANSFER_DEVICE Device, PFILE_OBJECT FileObject)
{
    PIRP Irp;
    KIRQL OldIrql;

    KeAcquireSpinLock(&Device->StateLock, &OldIrql);
    Irp = Device->Kept;
    if (Irp != NULL && FileObject != NULL && IoGetCurrentIrpStackLocation(Irp)->FileObject != FileObject) {
        Irp = NULL;
    }
    if (Irp != NULL && IoSetCancelRoutine(Irp, NULL) == NULL) {
        Irp = NULL;             /* TransferCancel has been called and will complete it */
    }
    if (Irp != NULL) {
        Device->Kept = NULL;
    }
    KeReleaseSpinLock(&Device->StateLock, OldIrql);
    return Irp;
}

/* Takes the kept request for good. */
PIRP TransferTakeKept(PTRANSFER_DEVICE Device, PFILE_OBJECT FileObject)
{
    PIRP Irp = Take(Device, FileObject);
    KIRQL OldIrql;

    if (Irp != NULL) {
        KeAcquireSpinLock(&Device->StateLock, &OldIrql);
        Device->Keep = KeepNone;
        KeReleaseSpinLock(&Device->StateLock, OldIrql);
    }
    return Irp;
}

static NTSTATUS LastView(PTRANSFER_DEVICE Device, PVOID Output, ULONG OutputLength, PULONG Information)
{
    KIRQL OldIrql;

    if (OutputLength < sizeof(TRANSFER_VIEW)) {
        return STATUS_BUFFER_TOO_SMALL;
    }
    KeAcquireSpinLock(&Device->StateLock, &OldIrql);
    *(PTRANSFER_VIEW)Output = Device->LastView;
    KeReleaseSpinLock(&Device->StateLock, OldIrql);
    *Information = sizeof(TRANSFER_VIEW);
    return STATUS_SUCCESS;
}

static NTSTATUS KeepNextRequest(PTRANSFER_DEVICE Device)
{
    NTSTATUS Status = STATUS_DEVICE_BUSY;
    KIRQL OldIrql;

    KeAcquireSpinLock(&Device->StateLock, &OldIrql);
    if (Device->Keep != KeepHeld) {
        Device->Keep = KeepNext;
        Status = STATUS_SUCCESS;
    }
    KeReleaseSpinLock(&Device->StateLock, OldIrql);
    return Status;
}

static NTSTATUS CompleteNextRequest(PTRANSFER_DEVICE Device, const TRANSFER_COMPLETION *Completion, ULONG InputLength)
{
    KIRQL OldIrql;

    if (InputLength < sizeof(*Completion)) {
        return STATUS_INVALID_PARAMETER;
    }
    KeAcquireSpinLock(&Device->StateLock, &OldIrql);
    Device->Completion = *Completion;
    Device->CompleteNext = TRUE;
    KeReleaseSpinLock(&Device->StateLock, OldIrql);
    return STATUS_SUCCESS;
}

/* PEEK and POKE: the kept request's data buffer as this thread's process sees it. */
static NTSTATUS LookAtKept(PTRANSFER_DEVICE Device, PVOID Bytes, ULONG Length, BOOLEAN Store, PULONG Information)
{
    PIRP Irp = Take(Device, NULL);
    DATA_BUFFER Buffer;
    NTSTATUS Status;

    if (Irp == NULL) {
        return STATUS_NOT_FOUND;
    }
    Status = TransferGetDataBuffer(Irp, &Buffer);
    if (NT_SUCCESS(Status)) {
        Length = min(Length, Buffer.Length);
        if (Buffer.IsUserAddress) {
            Status = Store ? UserWrite(Buffer.Address, Bytes, Length) : UserRead(Bytes, Buffer.Address, Length);
        } else if (Store) {
            RtlCopyMemory(Buffer.Address, Bytes, Length);
        } else {
            RtlCopyMemory(Bytes, Buffer.Address, Length);
        }
    }
    *Information = NT_SUCCESS(Status) ? Length : 0;
    TransferKeep(Device, Irp);
    return Status;
}

static NTSTATUS ReleaseKept(PTRANSFER_DEVICE Device, const TRANSFER_COMPLETION *Completion, ULONG InputLength)
{
    DATA_BUFFER Buffer;
    PIRP Irp;

    if (InputLength < sizeof(*Completion)) {
        return STATUS_INVALID_PARAMETER;
    }
    Irp = TransferTakeKept(Device, NULL);
    if (Irp == NULL) {
        return STATUS_NOT_FOUND;
    }
    if (!NT_SUCCESS(TransferGetDataBuffer(Irp, &Buffer))) {
        Buffer.Length = 0;
    }
    TransferComplete(Irp, (NTSTATUS)Completion->Status, min(Completion->Information, Buffer.Length));
    return STATUS_SUCCESS;
}

/* The dense switch: consecutive codes, of which a compiler makes a jump table. */
NTSTATUS TransferControlRequest(PTRANSFER_DEVICE Device, PIRP Irp)
{
    PIO_STACK_LOCATION Stack = IoGetCurrentIrpStackLocation(Irp);
    ULONG InputLength = Stack->Parameters.DeviceIoControl.InputBufferLength;
    ULONG OutputLength = Stack->Parameters.DeviceIoControl.OutputBufferLength;
    PVOID SystemBuffer = Irp->AssociatedIrp.SystemBuffer;
    ULONG Information = 0;
    NTSTATUS Status;

    switch (Stack->Parameters.DeviceIoControl.IoControlCode) {
    case IOCTL_TRANSFER_LAST_VIEW:
        Status = LastView(Device, SystemBuffer, OutputLength, &Information);
        break;
    case IOCTL_TRANSFER_KEEP_NEXT:
        Status = KeepNextRequest(Device);
        break;
    case IOCTL_TRANSFER_COMPLETE_NEXT:
        Status = CompleteNextRequest(Device, SystemBuffer, InputLength);
        break;
    case IOCTL_TRANSFER_PEEK:
        Status = LookAtKept(Device, SystemBuffer, OutputLength, FALSE, &Information);
        break;
    case IOCTL_TRANSFER_POKE:
        Status = LookAtKept(Device, SystemBuffer, InputLength, TRUE, &Information);
        Information = 0;        /* there is no output, and the I/O manager would believe any number */
        break;
    case IOCTL_TRANSFER_RELEASE:
        Status = ReleaseKept(Device, SystemBuffer, InputLength);
        break;
    default:
        Status = STATUS_INVALID_DEVICE_REQUEST;
        break;
    }
    return TransferComplete(Irp, Status, Information);
}
