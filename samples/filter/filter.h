/*
 * filter: what an application and the driver agree on.
 *
 * When it loads, the driver attaches one unnamed device above each of transfer's devices that exists; with none, it
 * refuses to load with STATUS_OBJECT_NAME_NOT_FOUND. A filter's device takes over the flags, the type, the
 * characteristics and the alignment of the device below, so the I/O manager treats the stack as it treated the device.
 *
 * READ and WRITE go down with a copy of the stack location and a completion routine; everything else with
 * IoSkipCurrentIrpStackLocation, but for the one IOCTL below, which the filter answers itself.
 */
#pragma once

#define FILE_DEVICE_FILTER 0x8E01

/* Output: FILTER_COUNTS of the filter's device that the handle leads to. STATUS_BUFFER_TOO_SMALL if it does not fit. */
#define IOCTL_FILTER_GET_COUNTS CTL_CODE(FILE_DEVICE_FILTER, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS)

typedef struct _FILTER_COUNTS {
    ULONG Reads;           /* 0x00  sent down */
    ULONG Writes;          /* 0x04  sent down */
    ULONG Controls;        /* 0x08  IRP_MJ_DEVICE_CONTROL sent down */
    ULONG Completions;     /* 0x0C  READs and WRITEs seen by the completion routine */
    ULONG64 Bytes;         /* 0x10  the sum of their IoStatus.Information where they succeeded */
} FILTER_COUNTS, *PFILTER_COUNTS; /* 0x18 */
