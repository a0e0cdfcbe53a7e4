/*
 * filter: an unnamed device above each of transfer's devices. filter.h says what it does.
 *
 * A filter must survive its own unloading: READs and WRITEs that it has sent down come back through its completion
 * routine, whenever the driver below pleases. Each request holds the device's remove lock while the filter may still
 * touch it, and unloading waits for the last one.
 */
#include <ntddk.h>

#include "filter.h"

#define FILTER_TAG 'tliF'

/* Thrown away when DriverEntry has returned. */
#define INIT_CODE __attribute__((section("INIT")))

typedef struct _FILTER_DEVICE {
    PDEVICE_OBJECT DeviceObject;
    PDEVICE_OBJECT LowerDevice;
    IO_REMOVE_LOCK RemoveLock;
    FILTER_COUNTS Counts;       /* interlocked */
} FILTER_DEVICE, *PFILTER_DEVICE;

static const PCWSTR FilterTargets[] = {
    L"\\Device\\TransferBuffered",
    L"\\Device\\TransferDirect",
    L"\\Device\\TransferNeither",
};

DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD FilterUnload;
static DRIVER_DISPATCH FilterPassThrough;
static DRIVER_DISPATCH FilterReadWrite;
static DRIVER_DISPATCH FilterDeviceControl;
static IO_COMPLETION_ROUTINE FilterReadWriteComplete;

static NTSTATUS FilterComplete(PIRP Irp, NTSTATUS Status, ULONG_PTR Information)
{
    Irp->IoStatus.Status = Status;
    Irp->IoStatus.Information = Information;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return Status;
}

/* Sends the request down as it is: the device below gets our stack location, and nobody calls us back. */
static NTSTATUS FilterPassThrough(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PFILTER_DEVICE Device = DeviceObject->DeviceExtension;
    NTSTATUS Status = IoAcquireRemoveLock(&Device->RemoveLock, Irp);

    if (!NT_SUCCESS(Status)) {
        return FilterComplete(Irp, Status, 0);
    }
    IoSkipCurrentIrpStackLocation(Irp);
    Status = IoCallDriver(Device->LowerDevice, Irp);
    IoReleaseRemoveLock(&Device->RemoveLock, Irp);
    return Status;
}

/* Sends the request down with a stack location of its own, to be called back. */
static NTSTATUS FilterReadWrite(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PFILTER_DEVICE Device = DeviceObject->DeviceExtension;
    NTSTATUS Status = IoAcquireRemoveLock(&Device->RemoveLock, Irp);

    if (!NT_SUCCESS(Status)) {
        return FilterComplete(Irp, Status, 0);
    }
    if (IoGetCurrentIrpStackLocation(Irp)->MajorFunction == IRP_MJ_READ) {
        InterlockedIncrement((PLONG)&Device->Counts.Reads);
    } else {
        InterlockedIncrement((PLONG)&Device->Counts.Writes);
    }
    IoCopyCurrentIrpStackLocationToNext(Irp);
    IoSetCompletionRoutine(Irp, FilterReadWriteComplete, Device, TRUE, TRUE, TRUE);
    return IoCallDriver(Device->LowerDevice, Irp);
}

/* In any thread, at or below DISPATCH_LEVEL. */
static NTSTATUS FilterReadWriteComplete(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    PFILTER_DEVICE Device = Context;

    UNREFERENCED_PARAMETER(DeviceObject);
    if (Irp->PendingReturned) {
        IoMarkIrpPending(Irp);
    }
    InterlockedIncrement((PLONG)&Device->Counts.Completions);
    if (NT_SUCCESS(Irp->IoStatus.Status)) {
        InterlockedExchangeAdd64((PLONG64)&Device->Counts.Bytes, (LONG64)Irp->IoStatus.Information);
    }
    IoReleaseRemoveLock(&Device->RemoveLock, Irp);
    return STATUS_CONTINUE_COMPLETION;
}

static NTSTATUS FilterDeviceControl(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PFILTER_DEVICE Device = DeviceObject->DeviceExtension;
    PIO_STACK_LOCATION Stack = IoGetCurrentIrpStackLocation(Irp);

    if (Stack->Parameters.DeviceIoControl.IoControlCode != IOCTL_FILTER_GET_COUNTS) {
        InterlockedIncrement((PLONG)&Device->Counts.Controls);
        return FilterPassThrough(DeviceObject, Irp);
    }
    if (Stack->Parameters.DeviceIoControl.OutputBufferLength < sizeof(FILTER_COUNTS)) {
        return FilterComplete(Irp, STATUS_BUFFER_TOO_SMALL, 0);
    }
    *(PFILTER_COUNTS)Irp->AssociatedIrp.SystemBuffer = Device->Counts;
    return FilterComplete(Irp, STATUS_SUCCESS, sizeof(FILTER_COUNTS));
}

INIT_CODE static NTSTATUS FilterAttach(PDRIVER_OBJECT DriverObject, PCWSTR Target)
{
    UNICODE_STRING Name;
    PFILE_OBJECT FileObject;
    PDEVICE_OBJECT Top;
    PDEVICE_OBJECT DeviceObject;
    PFILTER_DEVICE Device;
    NTSTATUS Status;

    RtlInitUnicodeString(&Name, Target);
    Status = IoGetDeviceObjectPointer(&Name, FILE_READ_ATTRIBUTES, &FileObject, &Top);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }

    Status = IoCreateDevice(DriverObject, sizeof(FILTER_DEVICE), NULL, Top->DeviceType, Top->Characteristics, FALSE,
                            &DeviceObject);
    if (NT_SUCCESS(Status)) {
        Device = DeviceObject->DeviceExtension;
        Device->DeviceObject = DeviceObject;
        IoInitializeRemoveLock(&Device->RemoveLock, FILTER_TAG, 0, 0);

        /* Takes over the alignment, and one more stack location than the device below needs. */
        Device->LowerDevice = IoAttachDeviceToDeviceStack(DeviceObject, Top);
        if (Device->LowerDevice == NULL) {
            IoDeleteDevice(DeviceObject);
            Status = STATUS_NO_SUCH_DEVICE;
        } else {
            DeviceObject->Flags |= Device->LowerDevice->Flags & (DO_BUFFERED_IO | DO_DIRECT_IO | DO_POWER_PAGABLE);
            DeviceObject->Flags &= ~DO_DEVICE_INITIALIZING;
            DbgPrint("filter: attached above %wZ\n", &Name);
        }
    }
    ObDereferenceObject(FileObject);
    return Status;
}

static VOID FilterUnload(PDRIVER_OBJECT DriverObject)
{
    while (DriverObject->DeviceObject != NULL) {
        PFILTER_DEVICE Device = DriverObject->DeviceObject->DeviceExtension;

        IoDetachDevice(Device->LowerDevice);
        (VOID)IoAcquireRemoveLock(&Device->RemoveLock, Device);
        IoReleaseRemoveLockAndWait(&Device->RemoveLock, Device);
        DbgPrint("filter: detached after %u reads, %u writes, %u controls, %I64u bytes\n", Device->Counts.Reads,
                 Device->Counts.Writes, Device->Counts.Controls, Device->Counts.Bytes);
        IoDeleteDevice(Device->DeviceObject);
    }
}

INIT_CODE NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    NTSTATUS Status;
    ULONG i;

    UNREFERENCED_PARAMETER(RegistryPath);

    for (i = 0; i <= IRP_MJ_MAXIMUM_FUNCTION; i++) {
        DriverObject->MajorFunction[i] = FilterPassThrough;
    }
    DriverObject->MajorFunction[IRP_MJ_READ] = FilterReadWrite;
    DriverObject->MajorFunction[IRP_MJ_WRITE] = FilterReadWrite;
    DriverObject->MajorFunction[IRP_MJ_DEVICE_CONTROL] = FilterDeviceControl;
    DriverObject->DriverUnload = FilterUnload;

    for (i = 0; i < RTL_NUMBER_OF(FilterTargets); i++) {
        Status = FilterAttach(DriverObject, FilterTargets[i]);
        if (!NT_SUCCESS(Status) && Status != STATUS_OBJECT_NAME_NOT_FOUND) {
            FilterUnload(DriverObject);
            return Status;
        }
    }
    return DriverObject->DeviceObject == NULL ? STATUS_OBJECT_NAME_NOT_FOUND : STATUS_SUCCESS;
}
