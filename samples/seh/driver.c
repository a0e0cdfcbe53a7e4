/*
 * seh: one device, one IOCTL, which runs a case and returns its log.
 */
#include <ntddk.h>

#include "cases.h"
#include "seh.h"

static const WCHAR DeviceName[] = L"\\Device\\Seh";
static const WCHAR LinkName[] = L"\\DosDevices\\Seh";

static DRIVER_UNLOAD SehUnload;
static DRIVER_DISPATCH SehCreateClose;
static DRIVER_DISPATCH SehDeviceControl;

static NTSTATUS SehComplete(PIRP Irp, NTSTATUS Status, ULONG_PTR Information)
{
    Irp->IoStatus.Status = Status;
    Irp->IoStatus.Information = Information;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return Status;
}

static NTSTATUS SehCreateClose(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    return SehComplete(Irp, STATUS_SUCCESS, 0);
}

static NTSTATUS SehDeviceControl(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PIO_STACK_LOCATION Stack = IoGetCurrentIrpStackLocation(Irp);
    PULONG Buffer = Irp->AssociatedIrp.SystemBuffer;
    SEH_LOG Log;
    NTSTATUS Status;
    ULONG Length;

    UNREFERENCED_PARAMETER(DeviceObject);
    if (Stack->Parameters.DeviceIoControl.IoControlCode != IOCTL_SEH_RUN) {
        return SehComplete(Irp, STATUS_INVALID_DEVICE_REQUEST, 0);
    }
    if (Stack->Parameters.DeviceIoControl.InputBufferLength < sizeof(ULONG)) {
        return SehComplete(Irp, STATUS_INVALID_PARAMETER, 0);
    }
    Status = SehRun(Buffer[0], &Log);
    if (!NT_SUCCESS(Status)) {
        return SehComplete(Irp, Status, 0);
    }
    Length = Log.Count * sizeof(ULONG);
    if (Stack->Parameters.DeviceIoControl.OutputBufferLength < Length) {
        return SehComplete(Irp, STATUS_BUFFER_TOO_SMALL, 0);
    }
    RtlCopyMemory(Buffer, Log.Entries, Length);
    return SehComplete(Irp, STATUS_SUCCESS, Length);
}

static VOID SehUnload(PDRIVER_OBJECT DriverObject)
{
    UNICODE_STRING Link;

    RtlInitUnicodeString(&Link, LinkName);
    IoDeleteSymbolicLink(&Link);
    IoDeleteDevice(DriverObject->DeviceObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNICODE_STRING Name;
    UNICODE_STRING Link;
    PDEVICE_OBJECT DeviceObject;
    NTSTATUS Status;

    UNREFERENCED_PARAMETER(RegistryPath);
    RtlInitUnicodeString(&Name, DeviceName);
    RtlInitUnicodeString(&Link, LinkName);
    Status = IoCreateDevice(DriverObject, 0, &Name, FILE_DEVICE_SEH, FILE_DEVICE_SECURE_OPEN, FALSE, &DeviceObject);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Status = IoCreateSymbolicLink(&Link, &Name);
    if (!NT_SUCCESS(Status)) {
        IoDeleteDevice(DeviceObject);
        return Status;
    }
    DriverObject->MajorFunction[IRP_MJ_CREATE] = SehCreateClose;
    DriverObject->MajorFunction[IRP_MJ_CLOSE] = SehCreateClose;
    DriverObject->MajorFunction[IRP_MJ_DEVICE_CONTROL] = SehDeviceControl;
    DriverObject->DriverUnload = SehUnload;
    return STATUS_SUCCESS;
}
