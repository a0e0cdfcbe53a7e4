/*
 * transfer: the data requests. Here are the three I/O methods and the four METHODs, side by side.
 */
#include "driver.h"

static VOID CopyXor(PUCHAR To, const UCHAR *From, ULONG Length, UCHAR Key)
{
    ULONG i;

    for (i = 0; i < Length; i++) {
        To[i] = From[i] ^ Key;
    }
}

static VOID Reverse(PUCHAR Bytes, ULONG Length)
{
    ULONG i;

    for (i = 0; i < Length / 2; i++) {
        UCHAR Byte = Bytes[i];

        Bytes[i] = Bytes[Length - 1 - i];
        Bytes[Length - 1 - i] = Byte;
    }
}

/* The locked pages of a direct request, mapped. A request of zero length has no MDL. */
static NTSTATUS MapMdl(PMDL Mdl, PDATA_BUFFER Buffer)
{
    if (Mdl == NULL) {
        Buffer->Length = 0;
        return STATUS_SUCCESS;
    }
    Buffer->Address = MmGetSystemAddressForMdlSafe(Mdl, NormalPagePriority | MdlMappingNoExecute);
    return Buffer->Address == NULL ? STATUS_INSUFFICIENT_RESOURCES : STATUS_SUCCESS;
}

/* Finds the request's data buffer. It may be looked at in any thread, unless it is a user address. */
NTSTATUS TransferGetDataBuffer(PIRP Irp, PDATA_BUFFER Buffer)
{
    PIO_STACK_LOCATION Stack = IoGetCurrentIrpStackLocation(Irp);
    ULONG Method;

    RtlZeroMemory(Buffer, sizeof(*Buffer));

    if (Stack->MajorFunction == IRP_MJ_DEVICE_CONTROL) {
        ULONG ControlCode = Stack->Parameters.DeviceIoControl.IoControlCode;

        Method = METHOD_FROM_CTL_CODE(ControlCode);
        Buffer->Length = Stack->Parameters.DeviceIoControl.OutputBufferLength;
        Buffer->IsInputOnly = Method == METHOD_IN_DIRECT;
    } else {
        ULONG Flags = Stack->DeviceObject->Flags;

        Method = (Flags & DO_BUFFERED_IO) ? METHOD_BUFFERED
               : (Flags & DO_DIRECT_IO) ? METHOD_OUT_DIRECT
               : METHOD_NEITHER;
        Buffer->IsInputOnly = Stack->MajorFunction == IRP_MJ_WRITE;
        Buffer->Length = Buffer->IsInputOnly ? Stack->Parameters.Write.Length : Stack->Parameters.Read.Length;
    }

    switch (Method) {
    case METHOD_BUFFERED:
        Buffer->Address = Irp->AssociatedIrp.SystemBuffer;
        return STATUS_SUCCESS;

    case METHOD_IN_DIRECT:
    case METHOD_OUT_DIRECT:
        return MapMdl(Irp->MdlAddress, Buffer);

    default:
        Buffer->Address = Irp->UserBuffer;
        Buffer->IsUserAddress = TRUE;
        return STATUS_SUCCESS;
    }
}

/* READ and GET_OUT_DIRECT: from the store to the data buffer. */
static NTSTATUS GetFromStore(PTRANSFER_DEVICE Device, PDATA_BUFFER Buffer, UCHAR Key, PULONG Information)
{
    NTSTATUS Status = STATUS_SUCCESS;
    ULONG Length;

    ExAcquireFastMutex(&Device->StoreLock);
    Length = min(Buffer->Length, Device->StoreLength);
    if (Buffer->IsUserAddress) {
        Status = UserWrite(Buffer->Address, Device->Store, Length);
    } else {
        CopyXor(Buffer->Address, Device->Store, Length, Key);
    }
    ExReleaseFastMutex(&Device->StoreLock);

    *Information = NT_SUCCESS(Status) ? Length : 0;
    return Status;
}

/* WRITE and PUT_IN_DIRECT: from the data buffer to the store. */
static NTSTATUS PutIntoStore(PTRANSFER_DEVICE Device, PDATA_BUFFER Buffer, UCHAR Key, PULONG Information)
{
    NTSTATUS Status = STATUS_SUCCESS;

    if (Buffer->Length > TRANSFER_STORE_BYTES) {
        return STATUS_INVALID_BUFFER_SIZE;
    }

    ExAcquireFastMutex(&Device->StoreLock);
    if (Buffer->IsUserAddress) {
        Status = UserRead(Device->Spare, Buffer->Address, Buffer->Length);
    } else {
        CopyXor(Device->Spare, Buffer->Address, Buffer->Length, Key);
    }
    if (NT_SUCCESS(Status)) {
        PUCHAR Store = Device->Store;

        Device->Store = Device->Spare;
        Device->Spare = Store;
        Device->StoreLength = Buffer->Length;
        *Information = Buffer->Length;
    }
    ExReleaseFastMutex(&Device->StoreLock);
    return Status;
}

/* How much of a reversed input fits: STATUS_BUFFER_OVERFLOW says that there was more. */
static NTSTATUS FitReversed(ULONG InputLength, ULONG OutputLength, PULONG Information)
{
    *Information = min(InputLength, OutputLength);
    return OutputLength < InputLength ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
}

/* METHOD_BUFFERED: input and output share the system buffer, so the bytes are turned around where they are. */
static NTSTATUS ReverseBuffered(PIRP Irp, PIO_STACK_LOCATION Stack, PULONG Information)
{
    ULONG InputLength = Stack->Parameters.DeviceIoControl.InputBufferLength;

    Reverse(Irp->AssociatedIrp.SystemBuffer, InputLength);
    return FitReversed(InputLength, Stack->Parameters.DeviceIoControl.OutputBufferLength, Information);
}

/* METHOD_NEITHER, by copying. The input is captured first: it may overlap the output, or change under our eyes. */
static NTSTATUS ReverseNeither(PIRP Irp, PIO_STACK_LOCATION Stack, PULONG Information)
{
    ULONG InputLength = Stack->Parameters.DeviceIoControl.InputBufferLength;
    ULONG Length;
    NTSTATUS Fit = FitReversed(InputLength, Stack->Parameters.DeviceIoControl.OutputBufferLength, &Length);
    NTSTATUS Status;
    PUCHAR Captured;

    if (InputLength == 0) {
        return Fit;
    }
    Captured = ExAllocatePoolWithTag(PagedPool, InputLength, TRANSFER_TAG);
    if (Captured == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }

    Status = UserRead(Captured, Stack->Parameters.DeviceIoControl.Type3InputBuffer, InputLength);
    if (NT_SUCCESS(Status)) {
        Reverse(Captured, InputLength);
        Status = UserWrite(Irp->UserBuffer, Captured, Length);
    }
    ExFreePoolWithTag(Captured, TRANSFER_TAG);

    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    *Information = Length;
    return Fit;
}

/* Describes, locks and maps a raw user buffer. On success the MDL is the caller's to give to UnlockUserBuffer. */
static NTSTATUS LockUserBuffer(PVOID Address, ULONG Length, KPROCESSOR_MODE Mode, LOCK_OPERATION Operation, PMDL *Mdl,
                               PUCHAR *Mapped)
{
    NTSTATUS Status;

    *Mdl = NULL;
    *Mapped = NULL;
    if (Length == 0) {
        return STATUS_SUCCESS;
    }

    *Mdl = IoAllocateMdl(Address, Length, FALSE, FALSE, NULL);
    if (*Mdl == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    Status = UserLock(*Mdl, Mode, Operation);
    if (!NT_SUCCESS(Status)) {
        IoFreeMdl(*Mdl);
        *Mdl = NULL;
        return Status;
    }
    *Mapped = MmGetSystemAddressForMdlSafe(*Mdl, NormalPagePriority | MdlMappingNoExecute);
    if (*Mapped == NULL) {
        MmUnlockPages(*Mdl);
        IoFreeMdl(*Mdl);
        *Mdl = NULL;
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    return STATUS_SUCCESS;
}

static VOID UnlockUserBuffer(PMDL Mdl)
{
    if (Mdl != NULL) {
        MmUnlockPages(Mdl);     /* unmaps, too */
        IoFreeMdl(Mdl);
    }
}

/* METHOD_NEITHER, by MDLs of our own: what a driver does that must touch the buffers later, in any thread. */
static NTSTATUS ReverseOwnMdl(PIRP Irp, PIO_STACK_LOCATION Stack, PULONG Information)
{
    ULONG InputLength = Stack->Parameters.DeviceIoControl.InputBufferLength;
    ULONG Length;
    NTSTATUS Fit = FitReversed(InputLength, Stack->Parameters.DeviceIoControl.OutputBufferLength, &Length);
    NTSTATUS Status;
    PUCHAR Captured;
    PUCHAR Input;
    PUCHAR Output;
    PMDL InputMdl;
    PMDL OutputMdl;

    if (InputLength == 0) {
        return Fit;
    }
    Status = LockUserBuffer(Stack->Parameters.DeviceIoControl.Type3InputBuffer, InputLength, Irp->RequestorMode,
                            IoReadAccess, &InputMdl, &Input);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Status = LockUserBuffer(Irp->UserBuffer, Length, Irp->RequestorMode, IoWriteAccess, &OutputMdl, &Output);
    if (!NT_SUCCESS(Status)) {
        UnlockUserBuffer(InputMdl);
        return Status;
    }

    Captured = ExAllocatePoolWithTag(NonPagedPoolNx, InputLength, TRANSFER_TAG);
    if (Captured == NULL) {
        Status = STATUS_INSUFFICIENT_RESOURCES;
    } else {
        RtlCopyMemory(Captured, Input, InputLength);
        Reverse(Captured, InputLength);
        RtlCopyMemory(Output, Captured, Length);
        ExFreePoolWithTag(Captured, TRANSFER_TAG);
        *Information = Length;
        Status = Fit;
    }
    UnlockUserBuffer(OutputMdl);
    UnlockUserBuffer(InputMdl);
    return Status;
}

/* The sparse switch: the codes lie far apart, and a compiler makes a tree of compares of them. */
BOOLEAN TransferIsDataCode(ULONG ControlCode)
{
    switch (ControlCode) {
    case IOCTL_TRANSFER_REVERSE_BUFFERED:
    case IOCTL_TRANSFER_PUT_IN_DIRECT:
    case IOCTL_TRANSFER_GET_OUT_DIRECT:
    case IOCTL_TRANSFER_REVERSE_NEITHER:
    case IOCTL_TRANSFER_REVERSE_OWN_MDL:
        return TRUE;
    default:
        return FALSE;
    }
}

static NTSTATUS Perform(PTRANSFER_DEVICE Device, PIRP Irp, PDATA_BUFFER Buffer, PULONG Information)
{
    PIO_STACK_LOCATION Stack = IoGetCurrentIrpStackLocation(Irp);
    UCHAR Key = 0;

    if (Stack->MajorFunction == IRP_MJ_READ) {
        return GetFromStore(Device, Buffer, 0, Information);
    }
    if (Stack->MajorFunction == IRP_MJ_WRITE) {
        return PutIntoStore(Device, Buffer, 0, Information);
    }

    /* The first buffer of IN_DIRECT and OUT_DIRECT is a buffered one. */
    if (Stack->Parameters.DeviceIoControl.InputBufferLength != 0 && Irp->AssociatedIrp.SystemBuffer != NULL) {
        Key = *(PUCHAR)Irp->AssociatedIrp.SystemBuffer;
    }
    switch (Stack->Parameters.DeviceIoControl.IoControlCode) {
    case IOCTL_TRANSFER_REVERSE_BUFFERED:
        return ReverseBuffered(Irp, Stack, Information);
    case IOCTL_TRANSFER_PUT_IN_DIRECT:
        return PutIntoStore(Device, Buffer, Key, Information);
    case IOCTL_TRANSFER_GET_OUT_DIRECT:
        return GetFromStore(Device, Buffer, Key, Information);
    case IOCTL_TRANSFER_REVERSE_NEITHER:
        return ReverseNeither(Irp, Stack, Information);
    default:
        return ReverseOwnMdl(Irp, Stack, Information);
    }
}

/* What COMPLETE_NEXT asked for. */
static NTSTATUS CompleteAsTold(PDATA_BUFFER Buffer, PTRANSFER_COMPLETION Completion, PULONG Information)
{
    NTSTATUS Status = STATUS_SUCCESS;

    if (!Buffer->IsInputOnly && Buffer->Length != 0) {
        if (Buffer->IsUserAddress) {
            Status = UserFill(Buffer->Address, Buffer->Length, (UCHAR)Completion->Fill);
        } else {
            RtlFillMemory(Buffer->Address, Buffer->Length, (UCHAR)Completion->Fill);
        }
    }
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    *Information = min(Completion->Information, Buffer->Length);
    return (NTSTATUS)Completion->Status;
}

/* What LAST_VIEW will show. MdlSystemAddress is the mapping that the data request itself uses. */
static VOID RecordView(PTRANSFER_DEVICE Device, PIRP Irp, PTRANSFER_VIEW View)
{
    PIO_STACK_LOCATION Stack = IoGetCurrentIrpStackLocation(Irp);
    PMDL Mdl = Irp->MdlAddress;

    RtlZeroMemory(View, sizeof(*View));
    View->MajorFunction = Stack->MajorFunction;
    switch (Stack->MajorFunction) {
    case IRP_MJ_READ:
        View->OutputBufferLength = Stack->Parameters.Read.Length;
        break;
    case IRP_MJ_WRITE:
        View->InputBufferLength = Stack->Parameters.Write.Length;
        break;
    default:
        View->IoControlCode = Stack->Parameters.DeviceIoControl.IoControlCode;
        View->InputBufferLength = Stack->Parameters.DeviceIoControl.InputBufferLength;
        View->OutputBufferLength = Stack->Parameters.DeviceIoControl.OutputBufferLength;
        View->Type3InputBuffer = (ULONG64)Stack->Parameters.DeviceIoControl.Type3InputBuffer;
    }
    View->SystemBuffer = (ULONG64)Irp->AssociatedIrp.SystemBuffer;
    View->MdlAddress = (ULONG64)Mdl;
    View->UserBuffer = (ULONG64)Irp->UserBuffer;
    if (Mdl != NULL) {
        View->MdlFlags = (USHORT)Mdl->MdlFlags;
        View->MdlVirtualAddress = (ULONG64)MmGetMdlVirtualAddress(Mdl);
        View->MdlSystemAddress = (ULONG64)MmGetSystemAddressForMdlSafe(Mdl, NormalPagePriority | MdlMappingNoExecute);
        View->MdlFirstFrame = MmGetMdlPfnArray(Mdl)[0];
        View->MdlByteCount = MmGetMdlByteCount(Mdl);
    }
    View->IrpFlags = Irp->Flags;
    View->Irql = KeGetCurrentIrql();
    View->RequestorMode = Irp->RequestorMode;
    View->StackCount = Irp->StackCount;
    View->Process = (ULONG64)PsGetCurrentProcess();
    View->Thread = (ULONG64)PsGetCurrentThread();
    View->IrpThread = (ULONG64)Irp->Tail.Overlay.Thread;
    View->DeviceObject = (ULONG64)Device->DeviceObject;
}

/* Any data request: it is recorded, and then kept, completed as told, or performed. */
NTSTATUS TransferDataRequest(PTRANSFER_DEVICE Device, PIRP Irp)
{
    TRANSFER_COMPLETION Completion = { 0 };
    DATA_BUFFER Buffer;
    TRANSFER_VIEW View;
    BOOLEAN AsTold = FALSE;
    BOOLEAN Keep;
    ULONG Information = 0;
    NTSTATUS Status;
    KIRQL OldIrql;

    RecordView(Device, Irp, &View);

    KeAcquireSpinLock(&Device->StateLock, &OldIrql);
    Device->LastView = View;
    Keep = Device->Keep == KeepNext;
    if (Keep) {
        Device->Keep = KeepHeld;
    } else if (Device->CompleteNext) {
        AsTold = TRUE;
        Completion = Device->Completion;
        Device->CompleteNext = FALSE;
    }
    KeReleaseSpinLock(&Device->StateLock, OldIrql);

    if (Keep) {
        return TransferKeep(Device, Irp);
    }

    Status = TransferGetDataBuffer(Irp, &Buffer);
    if (NT_SUCCESS(Status)) {
        Status = AsTold ? CompleteAsTold(&Buffer, &Completion, &Information)
                        : Perform(Device, Irp, &Buffer, &Information);
    }
    return TransferComplete(Irp, Status, Information);
}

NTSTATUS TransferReadWrite(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    return TransferDataRequest(DeviceObject->DeviceExtension, Irp);
}
