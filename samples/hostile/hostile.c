/*
 * hostile: see hostile.h. Never load it into a Windows that you need.
 */
#include <ntddk.h>

#include "hostile.h"

#define HOSTILE_TAG 'tsoH'

/* Thrown away when DriverEntry has returned. */
#define INIT_CODE __attribute__((section("INIT")))

DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD HostileUnload;
static DRIVER_DISPATCH HostileCreateClose;
static DRIVER_DISPATCH HostileDeviceControl;

/* Where results go that the compiler must not throw away. */
static volatile ULONG64 HostileSink;
static volatile ULONG HostileZero;
static const volatile ULONG HostileConstant = 1;

static NTSTATUS HostileComplete(PIRP Irp, NTSTATUS Status)
{
    Irp->IoStatus.Status = Status;
    Irp->IoStatus.Information = 0;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return Status;
}

/* Calls into these two are what a __try protects: see the reason beside -fasync-exceptions in build.mjs. */
DECLSPEC_NOINLINE VOID HostileRead(volatile UCHAR *Address);
DECLSPEC_NOINLINE VOID HostileWrite(volatile UCHAR *Address);

static NTSTATUS HostileTouch(PIRP Irp, BOOLEAN Write)
{
    PIO_STACK_LOCATION Stack = IoGetCurrentIrpStackLocation(Irp);
    NTSTATUS Status = STATUS_SUCCESS;
    volatile UCHAR *Address;

    if (Stack->Parameters.DeviceIoControl.InputBufferLength < sizeof(ULONG64)) {
        return STATUS_INVALID_PARAMETER;
    }
    Address = *(UCHAR **)Irp->AssociatedIrp.SystemBuffer;
    __try {
        if (Write) {
            HostileWrite(Address);
        } else {
            HostileRead(Address);
        }
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        Status = GetExceptionCode();
    }
    return Status;
}

static NTSTATUS HostileSpin(BOOLEAN Raised)
{
    KIRQL OldIrql = PASSIVE_LEVEL;

    if (Raised) {
        KeRaiseIrql(DISPATCH_LEVEL, &OldIrql);
    }
    while (HostileZero == 0) {
        HostileSink++;
    }
    KeLowerIrql(OldIrql);
    return STATUS_SUCCESS;
}

DECLSPEC_NOINLINE static ULONG64 HostileRecurse(ULONG64 Depth)
{
    volatile UCHAR Frame[512];

    Frame[Depth % sizeof(Frame)] = (UCHAR)Depth;
    if (HostileZero != 0) {
        return Depth;           /* never, though the compiler cannot know */
    }
    return HostileRecurse(Depth + 1) + Frame[(Depth + 1) % sizeof(Frame)];
}

static NTSTATUS HostileFreeTwice(VOID)
{
    PVOID Block = ExAllocatePoolWithTag(NonPagedPoolNx, 64, HOSTILE_TAG);

    if (Block == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    ExFreePoolWithTag(Block, HOSTILE_TAG);
    ExFreePoolWithTag(Block, HOSTILE_TAG);
    return STATUS_SUCCESS;
}

static NTSTATUS HostileUseAfterFree(VOID)
{
    volatile ULONG64 *Block = ExAllocatePoolWithTag(NonPagedPoolNx, 16 * PAGE_SIZE, HOSTILE_TAG);

    if (Block == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    ExFreePoolWithTag((PVOID)Block, HOSTILE_TAG);
    *Block = 1;
    return STATUS_SUCCESS;
}

static NTSTATUS HostileOverrun(VOID)
{
    PUCHAR Blocks[2];
    ULONG i;

    for (i = 0; i < 2; i++) {
        Blocks[i] = ExAllocatePoolWithTag(NonPagedPoolNx, 48, HOSTILE_TAG);
        if (Blocks[i] == NULL) {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
    }
    /* Each block's own header lies 16 bytes before it. */
    RtlFillMemory(Blocks[0] - 16, 16, 0xFF);
    RtlFillMemory(Blocks[1] - 16, 16, 0xFF);
    ExFreePoolWithTag(Blocks[1], HOSTILE_TAG);
    ExFreePoolWithTag(Blocks[0], HOSTILE_TAG);
    return STATUS_SUCCESS;
}

static NTSTATUS HostileExecuteData(VOID)
{
    PUCHAR Code = ExAllocatePoolWithTag(NonPagedPoolNx, PAGE_SIZE, HOSTILE_TAG);

    if (Code == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    Code[0] = 0xC3;             /* ret */
    ((VOID(*)(VOID))(ULONG_PTR)Code)();
    ExFreePoolWithTag(Code, HOSTILE_TAG);
    return STATUS_SUCCESS;
}

static NTSTATUS HostileWaitAtDispatch(VOID)
{
    KEVENT Event;
    KIRQL OldIrql;

    KeInitializeEvent(&Event, NotificationEvent, FALSE);
    KeRaiseIrql(DISPATCH_LEVEL, &OldIrql);
    KeWaitForSingleObject(&Event, Executive, KernelMode, FALSE, NULL);
    KeLowerIrql(OldIrql);
    return STATUS_SUCCESS;
}

static NTSTATUS HostileDeviceControl(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    NTSTATUS Status = STATUS_SUCCESS;
    KIRQL OldIrql;

    UNREFERENCED_PARAMETER(DeviceObject);

    switch (IoGetCurrentIrpStackLocation(Irp)->Parameters.DeviceIoControl.IoControlCode) {
    case IOCTL_HOSTILE_READ_NULL:
        HostileRead(NULL);
        break;
    case IOCTL_HOSTILE_READ:
        Status = HostileTouch(Irp, FALSE);
        break;
    case IOCTL_HOSTILE_WRITE:
        Status = HostileTouch(Irp, TRUE);
        break;
    case IOCTL_HOSTILE_DIVIDE:
        HostileSink = HostileSink / HostileZero;
        break;
    case IOCTL_HOSTILE_SPIN:
        Status = HostileSpin(FALSE);
        break;
    case IOCTL_HOSTILE_SPIN_DISPATCH:
        Status = HostileSpin(TRUE);
        break;
    case IOCTL_HOSTILE_COMPLETE_TWICE:
        HostileComplete(Irp, STATUS_SUCCESS);
        break;
    case IOCTL_HOSTILE_NEVER_COMPLETE:
        IoMarkIrpPending(Irp);
        return STATUS_PENDING;
    case IOCTL_HOSTILE_OVERFLOW_STACK:
        HostileSink = HostileRecurse(0);
        break;
    case IOCTL_HOSTILE_LEAVE_RAISED:
        KeRaiseIrql(DISPATCH_LEVEL, &OldIrql);
        break;
    case IOCTL_HOSTILE_FREE_TWICE:
        Status = HostileFreeTwice();
        break;
    case IOCTL_HOSTILE_USE_AFTER_FREE:
        Status = HostileUseAfterFree();
        break;
    case IOCTL_HOSTILE_OVERRUN:
        Status = HostileOverrun();
        break;
    case IOCTL_HOSTILE_WRITE_CONSTANT:
        *(volatile ULONG *)&HostileConstant = 2;
        break;
    case IOCTL_HOSTILE_EXECUTE_DATA:
        Status = HostileExecuteData();
        break;
    case IOCTL_HOSTILE_BREAK:
        __debugbreak();
        break;
    case IOCTL_HOSTILE_FAST_FAIL:
        __asm__ volatile("int $0x29" : : "c"(3 /* FAST_FAIL_CORRUPT_LIST_ENTRY */));
        break;
    case IOCTL_HOSTILE_BUG_CHECK:
        KeBugCheckEx(0x1234, 1, 2, 3, 4);
        break;
    case IOCTL_HOSTILE_RAISE:
        ExRaiseStatus(STATUS_UNSUCCESSFUL);
        break;
    case IOCTL_HOSTILE_WAIT_DISPATCH:
        Status = HostileWaitAtDispatch();
        break;
    case IOCTL_HOSTILE_PENDING_STATUS:
        Status = STATUS_PENDING;
        break;
    default:
        Status = STATUS_INVALID_DEVICE_REQUEST;
        break;
    }
    return HostileComplete(Irp, Status);
}

static NTSTATUS HostileCreateClose(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    return HostileComplete(Irp, STATUS_SUCCESS);
}

static UNICODE_STRING HostileLink = RTL_CONSTANT_STRING(L"\\DosDevices\\Hostile");

static VOID HostileUnload(PDRIVER_OBJECT DriverObject)
{
    IoDeleteSymbolicLink(&HostileLink);
    IoDeleteDevice(DriverObject->DeviceObject);
}

INIT_CODE NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNICODE_STRING Name = RTL_CONSTANT_STRING(L"\\Device\\Hostile");
    PDEVICE_OBJECT DeviceObject;
    NTSTATUS Status;

    UNREFERENCED_PARAMETER(RegistryPath);

    DriverObject->DriverUnload = HostileUnload;
    DriverObject->MajorFunction[IRP_MJ_CREATE] = HostileCreateClose;
    DriverObject->MajorFunction[IRP_MJ_CLOSE] = HostileCreateClose;
    DriverObject->MajorFunction[IRP_MJ_DEVICE_CONTROL] = HostileDeviceControl;

    Status = IoCreateDevice(DriverObject, 0, &Name, FILE_DEVICE_HOSTILE, FILE_DEVICE_SECURE_OPEN, FALSE, &DeviceObject);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Status = IoCreateSymbolicLink(&HostileLink, &Name);
    if (!NT_SUCCESS(Status)) {
        IoDeleteDevice(DeviceObject);
    }
    return Status;
}
