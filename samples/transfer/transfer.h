/*
 * transfer: what an application and the driver agree on.
 *
 * The driver has three devices, alike but for their method of reading and writing:
 *
 *     \Device\TransferBuffered   DO_BUFFERED_IO      \\.\TransferBuffered
 *     \Device\TransferDirect     DO_DIRECT_IO        \\.\TransferDirect
 *     \Device\TransferNeither    neither flag        \\.\TransferNeither
 *
 * Each device has a store of TRANSFER_STORE_BYTES. When the driver loads, all of it is filled: byte i is
 * TRANSFER_PATTERN(i). Everything below is per device.
 *
 *   READ   the first min(Length, bytes in the store) bytes of the store; Information says how many.
 *   WRITE  the store's contents become the bytes written (the store then holds that many bytes).
 *          More than TRANSFER_STORE_BYTES: STATUS_INVALID_BUFFER_SIZE, nothing stored.
 *
 * Byte offsets are ignored. A raw user address is only used inside __try after a probe; what is caught becomes the
 * request's status, with Information 0. An MDL that cannot be mapped gives STATUS_INSUFFICIENT_RESOURCES.
 *
 * READ, WRITE and the first five IOCTLs are the *data requests*; the others are *control requests*, which look at data
 * requests or steer them. A control request whose input is too short is refused with STATUS_INVALID_PARAMETER, one
 * whose output is too short with STATUS_BUFFER_TOO_SMALL. An unknown code is refused with
 * STATUS_INVALID_DEVICE_REQUEST.
 */
#pragma once

#define FILE_DEVICE_TRANSFER 0x8E00
#define TRANSFER_STORE_BYTES 0x10000
#define TRANSFER_PATTERN(i)  ((UCHAR)((i) * 31 + ((i) >> 8) * 17 + 7))

/* Data requests: one for each METHOD, with codes far apart, and a METHOD_NEITHER one that builds its own MDLs. */

/* Output: the input's bytes in reverse order, as far as they fit; Information says how many. Output shorter than the
   input: STATUS_BUFFER_OVERFLOW, a warning, with as many bytes as fit. */
#define IOCTL_TRANSFER_REVERSE_BUFFERED CTL_CODE(FILE_DEVICE_TRANSFER, 0x801, METHOD_BUFFERED, FILE_ANY_ACCESS)

/* The store's contents become the second buffer's bytes (a WRITE through METHOD_IN_DIRECT), each XORed with the first
   byte of the first buffer, if there is one. Information: how many. Too long: as for WRITE. */
#define IOCTL_TRANSFER_PUT_IN_DIRECT CTL_CODE(FILE_DEVICE_TRANSFER, 0x842, METHOD_IN_DIRECT, FILE_WRITE_ACCESS)

/* The second buffer becomes the store's bytes, as for READ, each XORed with the first byte of the first buffer. */
#define IOCTL_TRANSFER_GET_OUT_DIRECT CTL_CODE(FILE_DEVICE_TRANSFER, 0x9A3, METHOD_OUT_DIRECT, FILE_READ_ACCESS)

/* As REVERSE_BUFFERED, through the raw pointers. Input and output may overlap: the input is captured first. */
#define IOCTL_TRANSFER_REVERSE_NEITHER CTL_CODE(FILE_DEVICE_TRANSFER, 0xB04, METHOD_NEITHER, FILE_ANY_ACCESS)

/* As REVERSE_NEITHER, but through MDLs that the driver builds, locks and maps itself. */
#define IOCTL_TRANSFER_REVERSE_OWN_MDL CTL_CODE(FILE_DEVICE_TRANSFER, 0xC05, METHOD_NEITHER, FILE_ANY_ACCESS)

/* Control requests: consecutive codes, all METHOD_BUFFERED. */

/* Output: TRANSFER_VIEW, what the driver saw of the latest data request to this device (zeros if there was none). */
#define IOCTL_TRANSFER_LAST_VIEW CTL_CODE(FILE_DEVICE_TRANSFER, 0x810, METHOD_BUFFERED, FILE_ANY_ACCESS)

/* No buffers. The next data request to this device is *kept*: marked pending, cancellable, until RELEASE, its
   cancellation, or the CLEANUP of its handle (both STATUS_CANCELLED). STATUS_DEVICE_BUSY if one is kept already. */
#define IOCTL_TRANSFER_KEEP_NEXT CTL_CODE(FILE_DEVICE_TRANSFER, 0x811, METHOD_BUFFERED, FILE_ANY_ACCESS)

/* Input: TRANSFER_COMPLETION. The next data request to this device has its whole data buffer (see PEEK) filled with
   Fill, unless the buffer is only to be read (WRITE, PUT_IN_DIRECT), and completes with Status and Information. */
#define IOCTL_TRANSFER_COMPLETE_NEXT CTL_CODE(FILE_DEVICE_TRANSFER, 0x812, METHOD_BUFFERED, FILE_ANY_ACCESS)

/* Output: the first bytes of the kept request's data buffer, read now, in the process that sends PEEK: the system
   buffer, the MDL's system mapping, or the raw user address (READ, WRITE: UserBuffer; METHOD_NEITHER: UserBuffer).
   Information: min(output length, its length). What reading a raw address raises is PEEK's status.
   STATUS_NOT_FOUND if no request is kept. */
#define IOCTL_TRANSFER_PEEK CTL_CODE(FILE_DEVICE_TRANSFER, 0x813, METHOD_BUFFERED, FILE_ANY_ACCESS)

/* Input: bytes that are stored at the start of the kept request's data buffer, as far as they fit. Information: 0.
   Otherwise as PEEK. */
#define IOCTL_TRANSFER_POKE CTL_CODE(FILE_DEVICE_TRANSFER, 0x814, METHOD_BUFFERED, FILE_ANY_ACCESS)

/* Input: TRANSFER_COMPLETION (Fill is not used). The kept request is completed, in the thread that sends RELEASE. */
#define IOCTL_TRANSFER_RELEASE CTL_CODE(FILE_DEVICE_TRANSFER, 0x815, METHOD_BUFFERED, FILE_ANY_ACCESS)

typedef struct _TRANSFER_COMPLETION {
    ULONG Status;
    ULONG Information;     /* the driver completes with the lesser of this and the data buffer's length */
    ULONG Fill;            /* low byte */
} TRANSFER_COMPLETION, *PTRANSFER_COMPLETION;

typedef struct _TRANSFER_VIEW {
    /* The request. */
    ULONG MajorFunction;        /* 0x00 */
    ULONG IoControlCode;        /* 0x04  0 for READ and WRITE */
    ULONG InputBufferLength;    /* 0x08  WRITE: Length */
    ULONG OutputBufferLength;   /* 0x0C  READ: Length */
    /* Its buffers, as the IRP names them. */
    ULONG64 SystemBuffer;       /* 0x10 */
    ULONG64 MdlAddress;         /* 0x18 */
    ULONG64 UserBuffer;         /* 0x20 */
    ULONG64 Type3InputBuffer;   /* 0x28  IOCTLs only, else 0 */
    /* The MDL's contents; zeros without one. */
    ULONG64 MdlVirtualAddress;  /* 0x30  MmGetMdlVirtualAddress */
    ULONG64 MdlSystemAddress;   /* 0x38  MmGetSystemAddressForMdlSafe */
    ULONG64 MdlFirstFrame;      /* 0x40  MmGetMdlPfnArray()[0] */
    ULONG MdlByteCount;         /* 0x48 */
    ULONG MdlFlags;             /* 0x4C  before it was mapped */
    /* In which context the driver was called. */
    ULONG IrpFlags;             /* 0x50 */
    ULONG Irql;                 /* 0x54 */
    ULONG RequestorMode;        /* 0x58 */
    ULONG StackCount;           /* 0x5C */
    ULONG64 Process;            /* 0x60  PsGetCurrentProcess */
    ULONG64 Thread;             /* 0x68  PsGetCurrentThread */
    ULONG64 IrpThread;          /* 0x70  Irp->Tail.Overlay.Thread */
    ULONG64 DeviceObject;       /* 0x78 */
} TRANSFER_VIEW, *PTRANSFER_VIEW; /* 0x80 */
