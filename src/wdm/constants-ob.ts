/**
 * Numbers of the object manager, of access rights and of the registry, spelt and valued as in wdm.h.
 */

// OBJECT_ATTRIBUTES.Attributes
export const OBJ_INHERIT = 0x0002;
export const OBJ_PERMANENT = 0x0010;
export const OBJ_EXCLUSIVE = 0x0020;
export const OBJ_CASE_INSENSITIVE = 0x0040;
export const OBJ_OPENIF = 0x0080;
export const OBJ_OPENLINK = 0x0100;
export const OBJ_KERNEL_HANDLE = 0x0200;
export const OBJ_FORCE_ACCESS_CHECK = 0x0400;
export const OBJ_IGNORE_IMPERSONATED_DEVICEMAP = 0x0800;
export const OBJ_DONT_REPARSE = 0x1000;
export const OBJ_VALID_ATTRIBUTES = 0x1ff2;

// Standard access rights
export const DELETE = 0x00010000;
export const READ_CONTROL = 0x00020000;
export const WRITE_DAC = 0x00040000;
export const WRITE_OWNER = 0x00080000;
export const SYNCHRONIZE = 0x00100000;
export const STANDARD_RIGHTS_REQUIRED = 0x000f0000;
export const STANDARD_RIGHTS_READ = 0x00020000;
export const STANDARD_RIGHTS_WRITE = 0x00020000;
export const STANDARD_RIGHTS_EXECUTE = 0x00020000;
export const STANDARD_RIGHTS_ALL = 0x001f0000;
export const SPECIFIC_RIGHTS_ALL = 0x0000ffff;
export const ACCESS_SYSTEM_SECURITY = 0x01000000;
export const MAXIMUM_ALLOWED = 0x02000000;
export const GENERIC_READ = 0x80000000;
export const GENERIC_WRITE = 0x40000000;
export const GENERIC_EXECUTE = 0x20000000;
export const GENERIC_ALL = 0x10000000;

// Rights of the object types
export const DIRECTORY_QUERY = 0x00000001;
export const DIRECTORY_TRAVERSE = 0x00000002;
export const DIRECTORY_CREATE_OBJECT = 0x00000004;
export const DIRECTORY_CREATE_SUBDIRECTORY = 0x00000008;
export const DIRECTORY_ALL_ACCESS = 0x000f000f;
export const SYMBOLIC_LINK_QUERY = 0x00000001;
export const SYMBOLIC_LINK_ALL_ACCESS = 0x000f0001;
export const EVENT_QUERY_STATE = 0x00000001;
export const EVENT_MODIFY_STATE = 0x00000002;
export const EVENT_ALL_ACCESS = 0x001f0003;
export const SEMAPHORE_QUERY_STATE = 0x00000001;
export const SEMAPHORE_MODIFY_STATE = 0x00000002;
export const SEMAPHORE_ALL_ACCESS = 0x001f0003;
export const MUTANT_QUERY_STATE = 0x00000001;
export const MUTANT_ALL_ACCESS = 0x001f0001;
export const THREAD_ALL_ACCESS = 0x001fffff;
export const PROCESS_ALL_ACCESS = 0x001fffff;
export const KEY_QUERY_VALUE = 0x00000001;
export const KEY_SET_VALUE = 0x00000002;
export const KEY_CREATE_SUB_KEY = 0x00000004;
export const KEY_ENUMERATE_SUB_KEYS = 0x00000008;
export const KEY_NOTIFY = 0x00000010;
export const KEY_CREATE_LINK = 0x00000020;
export const KEY_READ = 0x00020019;
export const KEY_WRITE = 0x00020006;
export const KEY_ALL_ACCESS = 0x000f003f;

// DuplicateOptions
export const DUPLICATE_CLOSE_SOURCE = 0x01;
export const DUPLICATE_SAME_ACCESS = 0x02;
export const DUPLICATE_SAME_ATTRIBUTES = 0x04;

// Registry value types
export const REG_NONE = 0;
export const REG_SZ = 1;
export const REG_EXPAND_SZ = 2;
export const REG_BINARY = 3;
export const REG_DWORD = 4;
export const REG_DWORD_BIG_ENDIAN = 5;
export const REG_LINK = 6;
export const REG_MULTI_SZ = 7;
export const REG_RESOURCE_LIST = 8;
export const REG_FULL_RESOURCE_DESCRIPTOR = 9;
export const REG_RESOURCE_REQUIREMENTS_LIST = 10;
export const REG_QWORD = 11;

// RTL_QUERY_REGISTRY_TABLE.Flags and RelativeTo
export const RTL_QUERY_REGISTRY_SUBKEY = 0x00000001;
export const RTL_QUERY_REGISTRY_TOPKEY = 0x00000002;
export const RTL_QUERY_REGISTRY_REQUIRED = 0x00000004;
export const RTL_QUERY_REGISTRY_NOVALUE = 0x00000008;
export const RTL_QUERY_REGISTRY_NOEXPAND = 0x00000010;
export const RTL_QUERY_REGISTRY_DIRECT = 0x00000020;
export const RTL_QUERY_REGISTRY_DELETE = 0x00000040;
export const RTL_QUERY_REGISTRY_TYPECHECK = 0x00000100;
export const RTL_REGISTRY_ABSOLUTE = 0;
export const RTL_REGISTRY_SERVICES = 1;
export const RTL_REGISTRY_CONTROL = 2;
export const RTL_REGISTRY_WINDOWS_NT = 3;
export const RTL_REGISTRY_DEVICEMAP = 4;
export const RTL_REGISTRY_USER = 5;
export const RTL_REGISTRY_HANDLE = 1073741824;
export const RTL_REGISTRY_OPTIONAL = 2147483648;
