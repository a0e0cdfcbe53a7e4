#!/bin/sh
# Rebuilds faulty.sys. Needs clang, lld, llvm and mingw-w64-x86-64-dev.
set -e
cd "$(dirname "$0")"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
include=/usr/x86_64-w64-mingw32/include
cat > "$out/ntoskrnl.def" <<DEF
LIBRARY ntoskrnl.exe
EXPORTS
    DbgPrint
    IoCreateDevice
    IoCreateSymbolicLink
    IoDeleteDevice
    IofCompleteRequest
DEF
llvm-dlltool -m i386:x86-64 -d "$out/ntoskrnl.def" -l "$out/ntoskrnl.lib"
clang --target=x86_64-w64-mingw32 -std=gnu11 -O2 -Wall -Wextra -Werror -Wno-sign-compare -Wno-multichar -ffreestanding -ffunction-sections \
  -fms-extensions -fasynchronous-unwind-tables -gdwarf-4 -gline-tables-only -gno-column-info -fshort-wchar -mno-stack-arg-probe \
  -D_WIN32_WINNT=0x0A00 -DNTDDI_VERSION=0x0A000000 -D_AMD64_ "-fdebug-prefix-map=$PWD=." -isystem $include -isystem $include/ddk \
  -c faulty.c -o "$out/faulty.o"
lld-link /driver /entry:DriverEntry /subsystem:native,10.00 /nodefaultlib /dynamicbase /nxcompat /timestamp:0 /debug:dwarf /lldmingw \
  /force:multiple /opt:ref /out:faulty.sys "$out/faulty.o" "$out/ntoskrnl.lib"
chmod 644 faulty.sys
