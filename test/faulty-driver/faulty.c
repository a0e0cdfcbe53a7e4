/*
 * faulty: a driver that does wrong on request, for the tests of `check`.
 *
 * Its I/O control codes are below. What it does when it loads depends on the name under which it is loaded:
 *
 *     faulty       two devices, one of them with both I/O flags, and a symbolic link; unloading leaves the second behind
 *     entry-fails  DriverEntry returns STATUS_DEVICE_CONFIGURATION_ERROR
 *     entry-stops  DriverEntry writes through a NULL pointer
 *     pnp          sets AddDevice and makes no device
 *     stays        has no DriverUnload, and behaves
 */
#include <ntddk.h>

#define FAULTY_CODE(n, method) CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800 + (n), method, FILE_ANY_ACCESS)

#define IOCTL_FAULTY_GOOD       FAULTY_CODE(0, METHOD_BUFFERED)   /* succeeds */
#define IOCTL_FAULTY_READ_NULL  FAULTY_CODE(1, METHOD_BUFFERED)   /* reads its input, also when there is none */
#define IOCTL_FAULTY_IRQL       FAULTY_CODE(2, METHOD_BUFFERED)   /* stops at DISPATCH_LEVEL, whatever the input */
#define IOCTL_FAULTY_SPIN       FAULTY_CODE(3, METHOD_NEITHER)    /* 4096 bytes of output: never returns */
#define IOCTL_FAULTY_FORGET     FAULTY_CODE(4, METHOD_OUT_DIRECT) /* 64 bytes of output: never completes */
#define IOCTL_FAULTY_LAST       FAULTY_CODE(0x100, METHOD_IN_DIRECT) /* succeeds */

DRIVER_INITIALIZE DriverEntry;

static volatile ULONG FaultySum;
static PDEVICE_OBJECT FaultyDevices[2];
static UNICODE_STRING FaultyLink = RTL_CONSTANT_STRING(L"\\DosDevices\\Faulty");

static __attribute__((noinline)) void FaultyReadInput(PULONG Input)
{
    FaultySum += *Input;
}

static __attribute__((noinline)) void FaultyStop(void)
{
    KIRQL Irql;

    KeRaiseIrql(DISPATCH_LEVEL, &Irql);
    FaultySum += *(volatile ULONG *)(ULONG_PTR)0xFFFFF90012345678;
    KeLowerIrql(Irql);
}

static __attribute__((noinline)) void FaultySpin(void)
{
    for (;;) {
        FaultySum++;
    }
}

static NTSTATUS FaultyComplete(PIRP Irp, NTSTATUS Status, ULONG_PTR Information)
{
    Irp->IoStatus.Status = Status;
    Irp->IoStatus.Information = Information;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return Status;
}

static NTSTATUS FaultyDeviceControl(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PIO_STACK_LOCATION Stack = IoGetCurrentIrpStackLocation(Irp);
    ULONG Output = Stack->Parameters.DeviceIoControl.OutputBufferLength;

    UNREFERENCED_PARAMETER(DeviceObject);
    switch (Stack->Parameters.DeviceIoControl.IoControlCode) {
    case IOCTL_FAULTY_GOOD:
    case IOCTL_FAULTY_LAST:
        return FaultyComplete(Irp, STATUS_SUCCESS, 0);
    case IOCTL_FAULTY_READ_NULL:
        FaultyReadInput(Irp->AssociatedIrp.SystemBuffer);
        return FaultyComplete(Irp, STATUS_SUCCESS, 0);
    case IOCTL_FAULTY_IRQL:
        FaultyStop();
        return FaultyComplete(Irp, STATUS_SUCCESS, 0);
    case IOCTL_FAULTY_SPIN:
        if (Output == 4096) {
            FaultySpin();
        }
        return FaultyComplete(Irp, STATUS_INVALID_PARAMETER, 0);
    case IOCTL_FAULTY_FORGET:
        if (Output == 64) {
            IoMarkIrpPending(Irp);
            return STATUS_PENDING;
        }
        return FaultyComplete(Irp, STATUS_INVALID_PARAMETER, 0);
    default:
        return FaultyComplete(Irp, STATUS_INVALID_DEVICE_REQUEST, 0);
    }
}

static NTSTATUS FaultyCreateClose(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    DbgPrint("faulty: %s\n", IoGetCurrentIrpStackLocation(Irp)->MajorFunction == IRP_MJ_CREATE ? "open" : "close");
    return FaultyComplete(Irp, STATUS_SUCCESS, 0);
}

static VOID FaultyUnload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    IoDeleteDevice(FaultyDevices[0]);
}

static NTSTATUS FaultyAddDevice(PDRIVER_OBJECT DriverObject, PDEVICE_OBJECT PhysicalDeviceObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    UNREFERENCED_PARAMETER(PhysicalDeviceObject);
    return STATUS_SUCCESS;
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    static const UNICODE_STRING Names[2] = {
        RTL_CONSTANT_STRING(L"\\Device\\Faulty"),
        RTL_CONSTANT_STRING(L"\\Device\\FaultyBoth"),
    };
    ULONG Length = RegistryPath->Length / sizeof(WCHAR);
    WCHAR Last = RegistryPath->Buffer[Length - 1], Before = RegistryPath->Buffer[Length - 2];
    ULONG Devices = Last == 'y' ? 2 : 1, i;
    NTSTATUS Status = STATUS_SUCCESS;

    DriverObject->MajorFunction[IRP_MJ_CREATE] = FaultyCreateClose;
    DriverObject->MajorFunction[IRP_MJ_CLOSE] = FaultyCreateClose;
    DriverObject->MajorFunction[IRP_MJ_DEVICE_CONTROL] = FaultyDeviceControl;
    if (Last == 's' && Before == 'l') {         /* entry-fails */
        return STATUS_DEVICE_CONFIGURATION_ERROR;
    }
    if (Last == 's' && Before == 'p') {         /* entry-stops */
        *(volatile ULONG *)(ULONG_PTR)8 = 1;
    }
    if (Last == 'p') {                          /* pnp */
        DriverObject->DriverExtension->AddDevice = FaultyAddDevice;
        return STATUS_SUCCESS;
    }
    if (Last == 'y') {                          /* faulty */
        DriverObject->DriverUnload = FaultyUnload;
    }
    for (i = 0; i < Devices && NT_SUCCESS(Status); i++) {
        Status = IoCreateDevice(DriverObject, 0, (PUNICODE_STRING)&Names[i], FILE_DEVICE_UNKNOWN, 0, FALSE, &FaultyDevices[i]);
    }
    if (NT_SUCCESS(Status)) {
        FaultyDevices[0]->Flags |= DO_BUFFERED_IO;
        if (Devices == 2) {
            FaultyDevices[1]->Flags |= DO_BUFFERED_IO | DO_DIRECT_IO;
        }
        Status = IoCreateSymbolicLink(&FaultyLink, (PUNICODE_STRING)&Names[0]);
    }
    return Status;
}
