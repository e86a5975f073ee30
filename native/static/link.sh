#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# link.sh FOLDER LIBRARY: makes FOLDER/libmemctl_static.a of FOLDER/libmemctl.a, the device, and the parts of .NET's runtime
# that FOLDER/runtime.txt lists. In a program everything shares one name space, so the functions of the C ABI are called
# memctl_mmio_read and so on there, and every other name is local. LIBRARY is libmemctl.so, whose exports are the functions.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
library=$(realpath "$2")
cd "$1"
nm --dynamic --defined-only "$library" | awk '$2 == "T" { sub(/@.*/, "", $3); print $3 }' >functions
sed 's/.*/& memctl_&/' functions >renamed
sed 's/^/memctl_/' functions >kept
gcc -O2 -Wall -Wextra -Werror -fPIC -c -o compat.o "$here/compat.c"
# What the device does not call is left out.
grep -vE '/lib(System\.(Globalization|IO\.Compression|Net\.Security|Security\.Cryptography)|z|brotli)' runtime.txt >needed
# The runtime finds what it starts between these names. Linkers make them, but not all keep what lies there from being collected
# as garbage; as symbols of the sections they do.
for section in __modules __managedcode __unbox; do
	echo "$section 0 : { __start_$section = .; *($section) __stop_$section = .; }"
done >sections
printf 'SECTIONS {\n%s\n}\n' "$(cat sections)" >sections
set --
while IFS= read -r file; do
	set -- "$@" "$file"
done <needed
# shellcheck disable=SC2046 # two words for each function
ld -r -T sections -o whole.o $(sed 's/^/-u /' functions) libmemctl.a compat.o --start-group "$@" --end-group
objcopy --redefine-syms=renamed whole.o
objcopy --keep-global-symbols=kept whole.o
rm -f libmemctl_static.a
ar rcs libmemctl_static.a whole.o
rm -f functions renamed kept needed sections compat.o whole.o
