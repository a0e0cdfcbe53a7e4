/**
 * The I/O manager's numbers: what requests, stack locations, devices and files are marked with.
 *
 * Spelt and valued as in wdm.h and ntifs.h; a test compares them with those headers where they have them.
 */

// IRP_MJ_*: the index of MajorFunction
export const IRP_MJ_CREATE = 0x00;
export const IRP_MJ_CREATE_NAMED_PIPE = 0x01;
export const IRP_MJ_CLOSE = 0x02;
export const IRP_MJ_READ = 0x03;
export const IRP_MJ_WRITE = 0x04;
export const IRP_MJ_QUERY_INFORMATION = 0x05;
export const IRP_MJ_SET_INFORMATION = 0x06;
export const IRP_MJ_QUERY_EA = 0x07;
export const IRP_MJ_SET_EA = 0x08;
export const IRP_MJ_FLUSH_BUFFERS = 0x09;
export const IRP_MJ_QUERY_VOLUME_INFORMATION = 0x0a;
export const IRP_MJ_SET_VOLUME_INFORMATION = 0x0b;
export const IRP_MJ_DIRECTORY_CONTROL = 0x0c;
export const IRP_MJ_FILE_SYSTEM_CONTROL = 0x0d;
export const IRP_MJ_DEVICE_CONTROL = 0x0e;
export const IRP_MJ_INTERNAL_DEVICE_CONTROL = 0x0f;
export const IRP_MJ_SHUTDOWN = 0x10;
export const IRP_MJ_LOCK_CONTROL = 0x11;
export const IRP_MJ_CLEANUP = 0x12;
export const IRP_MJ_CREATE_MAILSLOT = 0x13;
export const IRP_MJ_QUERY_SECURITY = 0x14;
export const IRP_MJ_SET_SECURITY = 0x15;
export const IRP_MJ_POWER = 0x16;
export const IRP_MJ_SYSTEM_CONTROL = 0x17;
export const IRP_MJ_DEVICE_CHANGE = 0x18;
export const IRP_MJ_QUERY_QUOTA = 0x19;
export const IRP_MJ_SET_QUOTA = 0x1a;
export const IRP_MJ_PNP = 0x1b;
export const IRP_MJ_MAXIMUM_FUNCTION = 0x1b;

// IRP_MN_* of IRP_MJ_PNP
export const IRP_MN_START_DEVICE = 0x00;
export const IRP_MN_QUERY_REMOVE_DEVICE = 0x01;
export const IRP_MN_REMOVE_DEVICE = 0x02;
export const IRP_MN_CANCEL_REMOVE_DEVICE = 0x03;
export const IRP_MN_STOP_DEVICE = 0x04;
export const IRP_MN_QUERY_STOP_DEVICE = 0x05;
export const IRP_MN_CANCEL_STOP_DEVICE = 0x06;
export const IRP_MN_QUERY_DEVICE_RELATIONS = 0x07;
export const IRP_MN_QUERY_INTERFACE = 0x08;
export const IRP_MN_QUERY_CAPABILITIES = 0x09;
export const IRP_MN_QUERY_RESOURCES = 0x0a;
export const IRP_MN_QUERY_RESOURCE_REQUIREMENTS = 0x0b;
export const IRP_MN_QUERY_DEVICE_TEXT = 0x0c;
export const IRP_MN_FILTER_RESOURCE_REQUIREMENTS = 0x0d;
export const IRP_MN_READ_CONFIG = 0x0f;
export const IRP_MN_WRITE_CONFIG = 0x10;
export const IRP_MN_EJECT = 0x11;
export const IRP_MN_SET_LOCK = 0x12;
export const IRP_MN_QUERY_ID = 0x13;
export const IRP_MN_QUERY_PNP_DEVICE_STATE = 0x14;
export const IRP_MN_QUERY_BUS_INFORMATION = 0x15;
export const IRP_MN_DEVICE_USAGE_NOTIFICATION = 0x16;
export const IRP_MN_SURPRISE_REMOVAL = 0x17;

// IRP_MN_* of IRP_MJ_POWER
export const IRP_MN_WAIT_WAKE = 0x00;
export const IRP_MN_POWER_SEQUENCE = 0x01;
export const IRP_MN_SET_POWER = 0x02;
export const IRP_MN_QUERY_POWER = 0x03;

// IRP_MN_* of IRP_MJ_SYSTEM_CONTROL
export const IRP_MN_QUERY_ALL_DATA = 0x00;
export const IRP_MN_QUERY_SINGLE_INSTANCE = 0x01;
export const IRP_MN_CHANGE_SINGLE_INSTANCE = 0x02;
export const IRP_MN_CHANGE_SINGLE_ITEM = 0x03;
export const IRP_MN_ENABLE_EVENTS = 0x04;
export const IRP_MN_DISABLE_EVENTS = 0x05;
export const IRP_MN_ENABLE_COLLECTION = 0x06;
export const IRP_MN_DISABLE_COLLECTION = 0x07;
export const IRP_MN_REGINFO = 0x08;
export const IRP_MN_EXECUTE_METHOD = 0x09;
export const IRP_MN_REGINFO_EX = 0x0b;

// IRP_MN_* of IRP_MJ_READ and IRP_MJ_WRITE
export const IRP_MN_NORMAL = 0x00;
export const IRP_MN_DPC = 0x01;
export const IRP_MN_MDL = 0x02;
export const IRP_MN_COMPLETE = 0x04;
export const IRP_MN_COMPRESSED = 0x08;

// IRP_MN_* of file systems
export const IRP_MN_QUERY_DIRECTORY = 0x01;
export const IRP_MN_NOTIFY_CHANGE_DIRECTORY = 0x02;
export const IRP_MN_USER_FS_REQUEST = 0x00;
export const IRP_MN_MOUNT_VOLUME = 0x01;
export const IRP_MN_VERIFY_VOLUME = 0x02;
export const IRP_MN_LOAD_FILE_SYSTEM = 0x03;
export const IRP_MN_LOCK = 0x01;
export const IRP_MN_UNLOCK_SINGLE = 0x02;
export const IRP_MN_UNLOCK_ALL = 0x03;
export const IRP_MN_UNLOCK_ALL_BY_KEY = 0x04;

// IRP.Flags (read-only for drivers)
export const IRP_NOCACHE = 0x00000001;
export const IRP_PAGING_IO = 0x00000002;
export const IRP_MOUNT_COMPLETION = 0x00000002;
export const IRP_SYNCHRONOUS_API = 0x00000004;
export const IRP_ASSOCIATED_IRP = 0x00000008;
export const IRP_BUFFERED_IO = 0x00000010;
export const IRP_DEALLOCATE_BUFFER = 0x00000020;
export const IRP_INPUT_OPERATION = 0x00000040;
export const IRP_SYNCHRONOUS_PAGING_IO = 0x00000040;
export const IRP_CREATE_OPERATION = 0x00000080;
export const IRP_READ_OPERATION = 0x00000100;
export const IRP_WRITE_OPERATION = 0x00000200;
export const IRP_CLOSE_OPERATION = 0x00000400;
export const IRP_DEFER_IO_COMPLETION = 0x00000800;
export const IRP_OB_QUERY_NAME = 0x00001000;
export const IRP_HOLD_DEVICE_QUEUE = 0x00002000;
export const IRP_RETRY_IO_COMPLETION = 0x00004000;
export const IRP_UM_DRIVER_INITIATED_IO = 0x00400000;

// IRP.AllocationFlags
export const IRP_QUOTA_CHARGED = 0x01;
export const IRP_ALLOCATED_MUST_SUCCEED = 0x02;
export const IRP_ALLOCATED_FIXED_SIZE = 0x04;
export const IRP_LOOKASIDE_ALLOCATION = 0x08;

// IO_STACK_LOCATION.Control
export const SL_PENDING_RETURNED = 0x01;
export const SL_ERROR_RETURNED = 0x02;
export const SL_INVOKE_ON_CANCEL = 0x20;
export const SL_INVOKE_ON_SUCCESS = 0x40;
export const SL_INVOKE_ON_ERROR = 0x80;

// IO_STACK_LOCATION.Flags
export const SL_KEY_SPECIFIED = 0x01;
export const SL_OVERRIDE_VERIFY_VOLUME = 0x02;
export const SL_WRITE_THROUGH = 0x04;
export const SL_FT_SEQUENTIAL_WRITE = 0x08;
export const SL_FORCE_DIRECT_WRITE = 0x10;
export const SL_REALTIME_STREAM = 0x20;
export const SL_FORCE_ACCESS_CHECK = 0x01;
export const SL_OPEN_PAGING_FILE = 0x02;
export const SL_OPEN_TARGET_DIRECTORY = 0x04;
export const SL_CASE_SENSITIVE = 0x80;
export const SL_EXCLUSIVE_LOCK = 0x02;
export const SL_FAIL_IMMEDIATELY = 0x01;
export const SL_RESTART_SCAN = 0x01;
export const SL_RETURN_SINGLE_ENTRY = 0x02;
export const SL_INDEX_SPECIFIED = 0x04;
export const SL_WATCH_TREE = 0x01;
export const SL_ALLOW_RAW_MOUNT = 0x01;

// DEVICE_OBJECT.Flags
export const DO_VERIFY_VOLUME = 0x00000002;
export const DO_BUFFERED_IO = 0x00000004;
export const DO_EXCLUSIVE = 0x00000008;
export const DO_DIRECT_IO = 0x00000010;
export const DO_MAP_IO_BUFFER = 0x00000020;
export const DO_DEVICE_HAS_NAME = 0x00000040;
export const DO_DEVICE_INITIALIZING = 0x00000080;
export const DO_SYSTEM_BOOT_PARTITION = 0x00000100;
export const DO_LONG_TERM_REQUESTS = 0x00000200;
export const DO_NEVER_LAST_DEVICE = 0x00000400;
export const DO_SHUTDOWN_REGISTERED = 0x00000800;
export const DO_BUS_ENUMERATED_DEVICE = 0x00001000;
export const DO_POWER_PAGABLE = 0x00002000;
export const DO_POWER_INRUSH = 0x00004000;
export const DO_LOW_PRIORITY_FILESYSTEM = 0x00010000;
export const DO_SUPPORTS_TRANSACTIONS = 0x00040000;
export const DO_FORCE_NEITHER_IO = 0x00080000;
export const DO_VOLUME_DEVICE_OBJECT = 0x00100000;
export const DO_SYSTEM_SYSTEM_PARTITION = 0x00200000;
export const DO_SYSTEM_CRITICAL_PARTITION = 0x00400000;
export const DO_DISALLOW_EXECUTE = 0x00800000;
export const DO_DEVICE_TO_BE_RESET = 0x04000000;
export const DO_DAX_VOLUME = 0x10000000;

// DRIVER_OBJECT.Flags
export const DRVO_UNLOAD_INVOKED = 0x0001;
export const DRVO_LEGACY_DRIVER = 0x0002;
export const DRVO_BUILTIN_DRIVER = 0x0004;
export const DRVO_REINIT_REGISTERED = 0x0008;
export const DRVO_INITIALIZED = 0x0010;
export const DRVO_BOOTREINIT_REGISTERED = 0x0020;
export const DRVO_LEGACY_RESOURCES = 0x0040;
export const DRVO_BASE_FILESYSTEM_DRIVER = 0x0400;

// DEVOBJ_EXTENSION.ExtensionFlags
export const DOE_UNLOAD_PENDING = 0x0001;
export const DOE_DELETE_PENDING = 0x0002;
export const DOE_REMOVE_PENDING = 0x0004;
export const DOE_REMOVE_PROCESSED = 0x0008;
export const DOE_START_PENDING = 0x0010;
export const DOE_DEFAULT_SD_PRESENT = 0x0800;

// DeviceType, also of CTL_CODE
export const FILE_DEVICE_BEEP = 0x01;
export const FILE_DEVICE_CD_ROM = 0x02;
export const FILE_DEVICE_CD_ROM_FILE_SYSTEM = 0x03;
export const FILE_DEVICE_CONTROLLER = 0x04;
export const FILE_DEVICE_DATALINK = 0x05;
export const FILE_DEVICE_DFS = 0x06;
export const FILE_DEVICE_DISK = 0x07;
export const FILE_DEVICE_DISK_FILE_SYSTEM = 0x08;
export const FILE_DEVICE_FILE_SYSTEM = 0x09;
export const FILE_DEVICE_INPORT_PORT = 0x0a;
export const FILE_DEVICE_KEYBOARD = 0x0b;
export const FILE_DEVICE_MAILSLOT = 0x0c;
export const FILE_DEVICE_MIDI_IN = 0x0d;
export const FILE_DEVICE_MIDI_OUT = 0x0e;
export const FILE_DEVICE_MOUSE = 0x0f;
export const FILE_DEVICE_MULTI_UNC_PROVIDER = 0x10;
export const FILE_DEVICE_NAMED_PIPE = 0x11;
export const FILE_DEVICE_NETWORK = 0x12;
export const FILE_DEVICE_NETWORK_BROWSER = 0x13;
export const FILE_DEVICE_NETWORK_FILE_SYSTEM = 0x14;
export const FILE_DEVICE_NULL = 0x15;
export const FILE_DEVICE_PARALLEL_PORT = 0x16;
export const FILE_DEVICE_PHYSICAL_NETCARD = 0x17;
export const FILE_DEVICE_PRINTER = 0x18;
export const FILE_DEVICE_SCANNER = 0x19;
export const FILE_DEVICE_SERIAL_MOUSE_PORT = 0x1a;
export const FILE_DEVICE_SERIAL_PORT = 0x1b;
export const FILE_DEVICE_SCREEN = 0x1c;
export const FILE_DEVICE_SOUND = 0x1d;
export const FILE_DEVICE_STREAMS = 0x1e;
export const FILE_DEVICE_TAPE = 0x1f;
export const FILE_DEVICE_TAPE_FILE_SYSTEM = 0x20;
export const FILE_DEVICE_TRANSPORT = 0x21;
export const FILE_DEVICE_UNKNOWN = 0x22;
export const FILE_DEVICE_VIDEO = 0x23;
export const FILE_DEVICE_VIRTUAL_DISK = 0x24;
export const FILE_DEVICE_WAVE_IN = 0x25;
export const FILE_DEVICE_WAVE_OUT = 0x26;
export const FILE_DEVICE_8042_PORT = 0x27;
export const FILE_DEVICE_NETWORK_REDIRECTOR = 0x28;
export const FILE_DEVICE_BATTERY = 0x29;
export const FILE_DEVICE_BUS_EXTENDER = 0x2a;
export const FILE_DEVICE_MODEM = 0x2b;
export const FILE_DEVICE_VDM = 0x2c;
export const FILE_DEVICE_MASS_STORAGE = 0x2d;
export const FILE_DEVICE_SMB = 0x2e;
export const FILE_DEVICE_KS = 0x2f;
export const FILE_DEVICE_CHANGER = 0x30;
export const FILE_DEVICE_SMARTCARD = 0x31;
export const FILE_DEVICE_ACPI = 0x32;
export const FILE_DEVICE_DVD = 0x33;
export const FILE_DEVICE_FULLSCREEN_VIDEO = 0x34;
export const FILE_DEVICE_DFS_FILE_SYSTEM = 0x35;
export const FILE_DEVICE_DFS_VOLUME = 0x36;
export const FILE_DEVICE_SERENUM = 0x37;
export const FILE_DEVICE_TERMSRV = 0x38;
export const FILE_DEVICE_KSEC = 0x39;
export const FILE_DEVICE_FIPS = 0x3a;
export const FILE_DEVICE_INFINIBAND = 0x3b;
export const FILE_DEVICE_VMBUS = 0x3e;
export const FILE_DEVICE_CRYPT_PROVIDER = 0x3f;
export const FILE_DEVICE_WPD = 0x40;
export const FILE_DEVICE_BLUETOOTH = 0x41;
export const FILE_DEVICE_MT_COMPOSITE = 0x42;
export const FILE_DEVICE_MT_TRANSPORT = 0x43;
export const FILE_DEVICE_BIOMETRIC = 0x44;
export const FILE_DEVICE_PMI = 0x45;
export const FILE_DEVICE_EHSTOR = 0x46;
export const FILE_DEVICE_DEVAPI = 0x47;
export const FILE_DEVICE_GPIO = 0x48;
export const FILE_DEVICE_USBEX = 0x49;
export const FILE_DEVICE_CONSOLE = 0x50;
export const FILE_DEVICE_NFP = 0x51;
export const FILE_DEVICE_SYSENV = 0x52;
export const FILE_DEVICE_VIRTUAL_BLOCK = 0x53;
export const FILE_DEVICE_POINT_OF_SERVICE = 0x54;
export const FILE_DEVICE_STORAGE_REPLICATION = 0x55;
export const FILE_DEVICE_TRUST_ENV = 0x56;
export const FILE_DEVICE_UCM = 0x57;
export const FILE_DEVICE_UCMTCPCI = 0x58;
export const FILE_DEVICE_PERSISTENT_MEMORY = 0x59;
export const FILE_DEVICE_NVDIMM = 0x5a;
export const FILE_DEVICE_HOLOGRAPHIC = 0x5b;
export const FILE_DEVICE_SDFXHCI = 0x5c;
export const FILE_DEVICE_UCMUCSI = 0x5d;

// DEVICE_OBJECT.Characteristics
export const FILE_REMOVABLE_MEDIA = 0x00000001;
export const FILE_READ_ONLY_DEVICE = 0x00000002;
export const FILE_FLOPPY_DISKETTE = 0x00000004;
export const FILE_WRITE_ONCE_MEDIA = 0x00000008;
export const FILE_REMOTE_DEVICE = 0x00000010;
export const FILE_DEVICE_IS_MOUNTED = 0x00000020;
export const FILE_VIRTUAL_VOLUME = 0x00000040;
export const FILE_AUTOGENERATED_DEVICE_NAME = 0x00000080;
export const FILE_DEVICE_SECURE_OPEN = 0x00000100;
export const FILE_CHARACTERISTIC_PNP_DEVICE = 0x00000800;
export const FILE_CHARACTERISTIC_TS_DEVICE = 0x00001000;
export const FILE_CHARACTERISTIC_WEBDAV_DEVICE = 0x00002000;
export const FILE_CHARACTERISTIC_CSV = 0x00010000;
export const FILE_DEVICE_ALLOW_APPCONTAINER_TRAVERSAL = 0x00020000;
export const FILE_PORTABLE_DEVICE = 0x00040000;

// Access to files (DesiredAccess)
export const FILE_READ_DATA = 0x00000001;
export const FILE_LIST_DIRECTORY = 0x00000001;
export const FILE_WRITE_DATA = 0x00000002;
export const FILE_ADD_FILE = 0x00000002;
export const FILE_APPEND_DATA = 0x00000004;
export const FILE_ADD_SUBDIRECTORY = 0x00000004;
export const FILE_READ_EA = 0x00000008;
export const FILE_WRITE_EA = 0x00000010;
export const FILE_EXECUTE = 0x00000020;
export const FILE_TRAVERSE = 0x00000020;
export const FILE_DELETE_CHILD = 0x00000040;
export const FILE_READ_ATTRIBUTES = 0x00000080;
export const FILE_WRITE_ATTRIBUTES = 0x00000100;
export const FILE_ALL_ACCESS = 0x001f01ff;
export const FILE_GENERIC_READ = 0x00120089;
export const FILE_GENERIC_WRITE = 0x00120116;
export const FILE_GENERIC_EXECUTE = 0x001200a0;

// ShareAccess
export const FILE_SHARE_READ = 0x01;
export const FILE_SHARE_WRITE = 0x02;
export const FILE_SHARE_DELETE = 0x04;

// CreateDisposition, and what became of it (IoStatus.Information of IRP_MJ_CREATE)
export const FILE_SUPERSEDE = 0;
export const FILE_OPEN = 1;
export const FILE_CREATE = 2;
export const FILE_OPEN_IF = 3;
export const FILE_OVERWRITE = 4;
export const FILE_OVERWRITE_IF = 5;
export const FILE_SUPERSEDED = 0;
export const FILE_OPENED = 1;
export const FILE_CREATED = 2;
export const FILE_OVERWRITTEN = 3;
export const FILE_EXISTS = 4;
export const FILE_DOES_NOT_EXIST = 5;

// CreateOptions
export const FILE_DIRECTORY_FILE = 0x00000001;
export const FILE_WRITE_THROUGH = 0x00000002;
export const FILE_SEQUENTIAL_ONLY = 0x00000004;
export const FILE_NO_INTERMEDIATE_BUFFERING = 0x00000008;
export const FILE_SYNCHRONOUS_IO_ALERT = 0x00000010;
export const FILE_SYNCHRONOUS_IO_NONALERT = 0x00000020;
export const FILE_NON_DIRECTORY_FILE = 0x00000040;
export const FILE_CREATE_TREE_CONNECTION = 0x00000080;
export const FILE_COMPLETE_IF_OPLOCKED = 0x00000100;
export const FILE_NO_EA_KNOWLEDGE = 0x00000200;
export const FILE_OPEN_REMOTE_INSTANCE = 0x00000400;
export const FILE_RANDOM_ACCESS = 0x00000800;
export const FILE_DELETE_ON_CLOSE = 0x00001000;
export const FILE_OPEN_BY_FILE_ID = 0x00002000;
export const FILE_OPEN_FOR_BACKUP_INTENT = 0x00004000;
export const FILE_NO_COMPRESSION = 0x00008000;
export const FILE_OPEN_REQUIRING_OPLOCK = 0x00010000;
export const FILE_DISALLOW_EXCLUSIVE = 0x00020000;
export const FILE_SESSION_AWARE = 0x00040000;
export const FILE_RESERVE_OPFILTER = 0x00100000;
export const FILE_OPEN_REPARSE_POINT = 0x00200000;
export const FILE_OPEN_NO_RECALL = 0x00400000;
export const FILE_OPEN_FOR_FREE_SPACE_QUERY = 0x00800000;

// FileAttributes
export const FILE_ATTRIBUTE_READONLY = 0x0001;
export const FILE_ATTRIBUTE_HIDDEN = 0x0002;
export const FILE_ATTRIBUTE_SYSTEM = 0x0004;
export const FILE_ATTRIBUTE_DIRECTORY = 0x0010;
export const FILE_ATTRIBUTE_ARCHIVE = 0x0020;
export const FILE_ATTRIBUTE_DEVICE = 0x0040;
export const FILE_ATTRIBUTE_NORMAL = 0x0080;
export const FILE_ATTRIBUTE_TEMPORARY = 0x0100;
export const FILE_ATTRIBUTE_SPARSE_FILE = 0x0200;
export const FILE_ATTRIBUTE_REPARSE_POINT = 0x0400;
export const FILE_ATTRIBUTE_COMPRESSED = 0x0800;
export const FILE_ATTRIBUTE_OFFLINE = 0x1000;
export const FILE_ATTRIBUTE_NOT_CONTENT_INDEXED = 0x2000;
export const FILE_ATTRIBUTE_ENCRYPTED = 0x4000;

// FILE_OBJECT.Flags
export const FO_FILE_OPEN = 0x00000001;
export const FO_SYNCHRONOUS_IO = 0x00000002;
export const FO_ALERTABLE_IO = 0x00000004;
export const FO_NO_INTERMEDIATE_BUFFERING = 0x00000008;
export const FO_WRITE_THROUGH = 0x00000010;
export const FO_SEQUENTIAL_ONLY = 0x00000020;
export const FO_CACHE_SUPPORTED = 0x00000040;
export const FO_NAMED_PIPE = 0x00000080;
export const FO_STREAM_FILE = 0x00000100;
export const FO_MAILSLOT = 0x00000200;
export const FO_GENERATE_AUDIT_ON_CLOSE = 0x00000400;
export const FO_DIRECT_DEVICE_OPEN = 0x00000800;
export const FO_FILE_MODIFIED = 0x00001000;
export const FO_FILE_SIZE_CHANGED = 0x00002000;
export const FO_CLEANUP_COMPLETE = 0x00004000;
export const FO_TEMPORARY_FILE = 0x00008000;
export const FO_DELETE_ON_CLOSE = 0x00010000;
export const FO_OPENED_CASE_SENSITIVE = 0x00020000;
export const FO_HANDLE_CREATED = 0x00040000;
export const FO_FILE_FAST_IO_READ = 0x00080000;
export const FO_RANDOM_ACCESS = 0x00100000;
export const FO_FILE_OPEN_CANCELLED = 0x00200000;
export const FO_VOLUME_OPEN = 0x00400000;
export const FO_REMOTE_ORIGIN = 0x01000000;
export const FO_DISALLOW_EXCLUSIVE = 0x02000000;
export const FO_SKIP_COMPLETION_PORT = 0x02000000;
export const FO_SKIP_SET_EVENT = 0x04000000;
export const FO_SKIP_SET_FAST_IO = 0x08000000;

// FILE_INFORMATION_CLASS, as far as devices are asked
export const FileDirectoryInformation = 1;
export const FileBasicInformation = 4;
export const FileStandardInformation = 5;
export const FileInternalInformation = 6;
export const FileEaInformation = 7;
export const FileAccessInformation = 8;
export const FileNameInformation = 9;
export const FileRenameInformation = 10;
export const FileDispositionInformation = 13;
export const FilePositionInformation = 14;
export const FileModeInformation = 16;
export const FileAlignmentInformation = 17;
export const FileAllInformation = 18;
export const FileAllocationInformation = 19;
export const FileEndOfFileInformation = 20;
export const FilePipeInformation = 23;
export const FileNetworkOpenInformation = 34;
export const FileCompletionInformation = 30;
export const FileIoCompletionNotificationInformation = 41;
export const FileIoPriorityHintInformation = 43;

// FS_INFORMATION_CLASS
export const FileFsVolumeInformation = 1;
export const FileFsLabelInformation = 2;
export const FileFsSizeInformation = 3;
export const FileFsDeviceInformation = 4;
export const FileFsAttributeInformation = 5;

// METHOD_*: bits 0 and 1 of an I/O control code
export const METHOD_BUFFERED = 0;
export const METHOD_IN_DIRECT = 1;
export const METHOD_OUT_DIRECT = 2;
export const METHOD_NEITHER = 3;

// RequiredAccess: bits 14 and 15
export const FILE_ANY_ACCESS = 0x00;
export const FILE_SPECIAL_ACCESS = 0x00;
export const FILE_READ_ACCESS = 0x01;
export const FILE_WRITE_ACCESS = 0x02;

// Priority boosts for IoCompleteRequest
export const IO_NO_INCREMENT = 0;
export const IO_CD_ROM_INCREMENT = 1;
export const IO_DISK_INCREMENT = 1;
export const IO_KEYBOARD_INCREMENT = 6;
export const IO_MAILSLOT_INCREMENT = 2;
export const IO_MOUSE_INCREMENT = 6;
export const IO_NAMED_PIPE_INCREMENT = 2;
export const IO_NETWORK_INCREMENT = 2;
export const IO_PARALLEL_INCREMENT = 1;
export const IO_SERIAL_INCREMENT = 2;
export const IO_SOUND_INCREMENT = 8;
export const IO_VIDEO_INCREMENT = 1;
export const EVENT_INCREMENT = 1;
export const SEMAPHORE_INCREMENT = 1;

// Types of I/O objects (their Type field)
export const IO_TYPE_ADAPTER = 1;
export const IO_TYPE_CONTROLLER = 2;
export const IO_TYPE_DEVICE = 3;
export const IO_TYPE_DRIVER = 4;
export const IO_TYPE_FILE = 5;
export const IO_TYPE_IRP = 6;
export const IO_TYPE_MASTER_ADAPTER = 7;
export const IO_TYPE_OPEN_PACKET = 8;
export const IO_TYPE_TIMER = 9;
export const IO_TYPE_VPB = 10;
export const IO_TYPE_ERROR_LOG = 11;
export const IO_TYPE_ERROR_MESSAGE = 12;
export const IO_TYPE_DEVICE_OBJECT_EXTENSION = 13;

// WORK_QUEUE_TYPE
export const CriticalWorkQueue = 0;
export const DelayedWorkQueue = 1;
export const HyperCriticalWorkQueue = 2;
export const NormalWorkQueue = 3;

// IO_ALLOCATION_ACTION: what an AdapterControl or ControllerControl routine returns
export const KeepObject = 1;
export const DeallocateObject = 2;
export const DeallocateObjectKeepRegisters = 3;

/** 'IRP_MJ_READ', by major function. */
export const IRP_MJ_NAMES: readonly string[] = [
  'IRP_MJ_CREATE',
  'IRP_MJ_CREATE_NAMED_PIPE',
  'IRP_MJ_CLOSE',
  'IRP_MJ_READ',
  'IRP_MJ_WRITE',
  'IRP_MJ_QUERY_INFORMATION',
  'IRP_MJ_SET_INFORMATION',
  'IRP_MJ_QUERY_EA',
  'IRP_MJ_SET_EA',
  'IRP_MJ_FLUSH_BUFFERS',
  'IRP_MJ_QUERY_VOLUME_INFORMATION',
  'IRP_MJ_SET_VOLUME_INFORMATION',
  'IRP_MJ_DIRECTORY_CONTROL',
  'IRP_MJ_FILE_SYSTEM_CONTROL',
  'IRP_MJ_DEVICE_CONTROL',
  'IRP_MJ_INTERNAL_DEVICE_CONTROL',
  'IRP_MJ_SHUTDOWN',
  'IRP_MJ_LOCK_CONTROL',
  'IRP_MJ_CLEANUP',
  'IRP_MJ_CREATE_MAILSLOT',
  'IRP_MJ_QUERY_SECURITY',
  'IRP_MJ_SET_SECURITY',
  'IRP_MJ_POWER',
  'IRP_MJ_SYSTEM_CONTROL',
  'IRP_MJ_DEVICE_CHANGE',
  'IRP_MJ_QUERY_QUOTA',
  'IRP_MJ_SET_QUOTA',
  'IRP_MJ_PNP',
];

/** 'METHOD_BUFFERED', by the two low bits of an I/O control code. */
export const METHOD_NAMES: readonly string[] = [
  'METHOD_BUFFERED',
  'METHOD_IN_DIRECT',
  'METHOD_OUT_DIRECT',
  'METHOD_NEITHER',
];
