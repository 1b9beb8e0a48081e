#!/usr/bin/env bash
# Builds the disk image of the test guest: tools/guest.sh FILE
set -euo pipefail
source=$(cd "$(dirname "$0")" && pwd)/guest.s
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
as --32 -o "$work/guest.o" "$source"
ld -m elf_i386 -Ttext 0x7c00 --oformat binary -o "$work/guest.img" "$work/guest.o"
truncate -s 1M "$work/guest.img"
cat "$work/guest.img" >"$1"
