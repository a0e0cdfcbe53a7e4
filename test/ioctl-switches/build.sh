#!/bin/sh
# Rebuilds switches.json: flat images of switches.c by clang (for Windows) and gcc, each loaded at 0x140000000.
set -e
cd "$(dirname "$0")"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for n in 1 2 3 4 5 6 7 8 9 10 11; do
  for level in O0 O1 O2 Os; do
    clang --target=x86_64-pc-windows-msvc -$level -fno-stack-protector -mno-sse -ffreestanding -DSWITCH=$n -c switches.c -o "$out/c.obj"
    lld-link /nologo /subsystem:native /nodefaultlib /entry:dispatch /dynamicbase:no /base:0x140000000 /Brepro \
      /out:"$out/$n-clang-$level.exe" "$out/c.obj"
    gcc -$level -fPIC -fno-stack-protector -mgeneral-regs-only -mabi=ms -fcf-protection=none -fno-asynchronous-unwind-tables \
      -ffreestanding -DSWITCH=$n -c switches.c -o "$out/g.o"
    ld -e dispatch -Ttext=0x140001000 --no-relax -nostdlib -o "$out/$n-gcc-$level.elf" "$out/g.o"
  done
done
python3 - "$out" > switches.json <<'PYTHON'
import base64, json, os, struct, sys
BASE = 0x140000000
def pe(data):
    at = struct.unpack_from('<I', data, 0x3c)[0]
    count, optional = struct.unpack_from('<H', data, at + 6)[0], struct.unpack_from('<H', data, at + 20)[0]
    entry = struct.unpack_from('<I', data, at + 24 + 16)[0]
    for i in range(count):
        size, rva, raw, offset = struct.unpack_from('<IIII', data, at + 24 + optional + 40 * i + 8)
        yield rva, data[offset:offset + min(size, raw)], size
    yield entry, None, 0
def elf(data):
    entry, offset = struct.unpack_from('<QQ', data, 24)
    size, count = struct.unpack_from('<HH', data, 54)
    for i in range(count):
        kind, _, at, address, _, filed, memory, _ = struct.unpack_from('<IIQQQQQQ', data, offset + size * i)
        if kind == 1 and address >= BASE: yield address - BASE, data[at:at + filed], memory
    yield entry - BASE, None, 0
images = []
names = [name for name in os.listdir(sys.argv[1]) if name.endswith(('.exe', '.elf'))]
for name in sorted(names, key=lambda name: (int(name.split('-')[0]), name)):
    data = open(os.path.join(sys.argv[1], name), 'rb').read()
    *sections, (entry, _, _) = (pe if name.endswith('.exe') else elf)(data)
    parts = [[rva, base64.b64encode(body.rstrip(b'\0')).decode()] for rva, body, size in sections if size]
    number, compiler, level = name.split('.')[0].split('-')
    images.append({'switch': int(number), 'compiler': compiler, 'level': level, 'entry': entry, 'sections': parts})
print('[\n' + ',\n'.join(json.dumps(image, separators=(',', ':')) for image in images) + '\n]')
PYTHON
(cd ../.. && npx biome format --write test/ioctl-switches/switches.json)
