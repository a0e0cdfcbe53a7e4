/*
 * transfer: the driver and its devices.
 */
#include "driver.h"

/* Thrown away when DriverEntry has returned. */
#define INIT_CODE __attribute__((section("INIT")))

typedef struct _TRANSFER_NAME {
    PCWSTR Device;
    PCWSTR Link;
    ULONG Flags;                /* how READ and WRITE get the user's buffer */
} TRANSFER_NAME;

static const TRANSFER_NAME TransferNames[] = {
    { L"\\Device\\TransferBuffered", L"\\DosDevices\\TransferBuffered", DO_BUFFERED_IO },
    { L"\\Device\\TransferDirect", L"\\DosDevices\\TransferDirect", DO_DIRECT_IO },
    { L"\\Device\\TransferNeither", L"\\DosDevices\\TransferNeither", 0 },
};

static DRIVER_UNLOAD TransferUnload;
static DRIVER_DISPATCH TransferCreateClose;
static DRIVER_DISPATCH TransferCleanup;
static DRIVER_DISPATCH TransferDeviceControl;

/* Completes the request and returns Status, for the caller to return in turn. The IRP is gone afterwards. */
NTSTATUS TransferComplete(PIRP Irp, NTSTATUS Status, ULONG_PTR Information)
{
    Irp->IoStatus.Status = Status;
    Irp->IoStatus.Information = Information;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return Status;
}

static VOID TransferDeleteDevice(PTRANSFER_DEVICE Device)
{
    UNICODE_STRING Link;

    RtlInitUnicodeString(&Link, TransferNames[Device->Index].Link);
    IoDeleteSymbolicLink(&Link);
    if (Device->Store != NULL) {
        ExFreePoolWithTag(Device->Store, TRANSFER_TAG);
    }
    if (Device->Spare != NULL) {
        ExFreePoolWithTag(Device->Spare, TRANSFER_TAG);
    }
    IoDeleteDevice(Device->DeviceObject);
}

INIT_CODE static NTSTATUS TransferCreateDevice(PDRIVER_OBJECT DriverObject, ULONG Index)
{
    UNICODE_STRING Name;
    UNICODE_STRING Link;
    PDEVICE_OBJECT DeviceObject;
    PTRANSFER_DEVICE Device;
    NTSTATUS Status;
    ULONG i;

    RtlInitUnicodeString(&Name, TransferNames[Index].Device);
    RtlInitUnicodeString(&Link, TransferNames[Index].Link);

    Status = IoCreateDevice(DriverObject, sizeof(TRANSFER_DEVICE), &Name, FILE_DEVICE_TRANSFER,
                            FILE_DEVICE_SECURE_OPEN, FALSE, &DeviceObject);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }

    Device = DeviceObject->DeviceExtension;  /* zeroed by the I/O manager */
    Device->DeviceObject = DeviceObject;
    Device->Index = Index;
    ExInitializeFastMutex(&Device->StoreLock);
    KeInitializeSpinLock(&Device->StateLock);

    Device->Store = ExAllocatePoolWithTag(NonPagedPoolNx, TRANSFER_STORE_BYTES, TRANSFER_TAG);
    Device->Spare = ExAllocatePoolWithTag(NonPagedPoolNx, TRANSFER_STORE_BYTES, TRANSFER_TAG);
    if (Device->Store == NULL || Device->Spare == NULL) {
        TransferDeleteDevice(Device);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    for (i = 0; i < TRANSFER_STORE_BYTES; i++) {
        Device->Store[i] = TRANSFER_PATTERN(i);
    }
    Device->StoreLength = TRANSFER_STORE_BYTES;

    Status = IoCreateSymbolicLink(&Link, &Name);
    if (!NT_SUCCESS(Status)) {
        TransferDeleteDevice(Device);
        return Status;
    }

    DeviceObject->Flags |= TransferNames[Index].Flags;
    DeviceObject->Flags &= ~DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;
}

static VOID TransferUnload(PDRIVER_OBJECT DriverObject)
{
    while (DriverObject->DeviceObject != NULL) {
        TransferDeleteDevice(DriverObject->DeviceObject->DeviceExtension);
    }
    DbgPrint("transfer: unloaded\n");
}

static NTSTATUS TransferCreateClose(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    return TransferComplete(Irp, STATUS_SUCCESS, 0);
}

/* The last handle is closed: a request that is still kept for it must not outlive it. */
static NTSTATUS TransferCleanup(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PTRANSFER_DEVICE Device = DeviceObject->DeviceExtension;
    PIRP Kept = TransferTakeKept(Device, IoGetCurrentIrpStackLocation(Irp)->FileObject);

    if (Kept != NULL) {
        TransferComplete(Kept, STATUS_CANCELLED, 0);
    }
    return TransferComplete(Irp, STATUS_SUCCESS, 0);
}

static NTSTATUS TransferDeviceControl(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PTRANSFER_DEVICE Device = DeviceObject->DeviceExtension;
    ULONG ControlCode = IoGetCurrentIrpStackLocation(Irp)->Parameters.DeviceIoControl.IoControlCode;

    return TransferIsDataCode(ControlCode) ? TransferDataRequest(Device, Irp) : TransferControlRequest(Device, Irp);
}

INIT_CODE NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    NTSTATUS Status;
    ULONG i;

    DbgPrint("transfer: loaded from %wZ\n", RegistryPath);

    DriverObject->DriverUnload = TransferUnload;
    DriverObject->MajorFunction[IRP_MJ_CREATE] = TransferCreateClose;
    DriverObject->MajorFunction[IRP_MJ_CLOSE] = TransferCreateClose;
    DriverObject->MajorFunction[IRP_MJ_CLEANUP] = TransferCleanup;
    DriverObject->MajorFunction[IRP_MJ_READ] = TransferReadWrite;
    DriverObject->MajorFunction[IRP_MJ_WRITE] = TransferReadWrite;
    DriverObject->MajorFunction[IRP_MJ_DEVICE_CONTROL] = TransferDeviceControl;

    for (i = 0; i < RTL_NUMBER_OF(TransferNames); i++) {
        Status = TransferCreateDevice(DriverObject, i);
        if (!NT_SUCCESS(Status)) {
            TransferUnload(DriverObject);
            return Status;
        }
    }
    return STATUS_SUCCESS;
}
