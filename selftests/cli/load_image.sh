#!/bin/bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# A pool of one file is that file: programs that read, seek, size by seeking and map it work on the pool's node, and know
# nothing of pools. With the module only: without it a pool has no node, and its file has more than the content.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.bash"

node=/dev/pinpool/clitest

sum() {
	sha256sum "$1" | cut -d ' ' -f 1
}

# Reading and seeking, on a file that ends within the second page.
plain() {
	local file=$work/image.safetensors bytes=3000000 size

	safetensors "$file" "{\"text\":{\"dtype\":\"U8\",\"shape\":[$bytes],\"data_offsets\":[0,$bytes]}}" $bytes
	size=$(wc -c <"$file")
	check "a file becomes a pool" pinpool load clitest "$file"
	same "sha256sum" "$(sum "$file")" "$(sum $node)"
	same "wc -c" "$size" "$(wc -c <$node)"
	check "cmp" cmp "$file" $node
	check "cp" cp $node "$work/copy"
	check "makes a copy" cmp "$file" "$work/copy"
	same "tail -c, from the end" "$(tail -c 1001 "$file" | sum -)" "$(tail -c 1001 $node | sum -)"
	same "tail -c, to the end" "$(tail -c +2097153 "$file" | sum -)" "$(tail -c +2097153 $node | sum -)"
	check "dd over the border of two pages" dd if=$node of="$work/part" bs=1000 skip=2097 count=3
	same "reads it" "$(tail -c +2097001 "$file" | head -c 3000 | sum -)" "$(sum "$work/part")"
	same "dd beyond the end reads nothing" 0 "$(dd if=$node bs=1M skip=4 2>/dev/null | wc -c)"
	check "and nobody writes" eval "! dd if=/dev/zero of=$node bs=1 count=1 conv=notrunc 2>/dev/null"
	check "verify" pinpool verify clitest
	check "save" pinpool save clitest "$work/saved"
	check "makes the file" cmp "$file" "$work/saved"
	rm -f "$file" "$work/copy" "$work/part" "$work/saved"
	prints "rm" "" pinpool rm clitest
}

# npy FILE: an array of floats, [[0, 1, 2], [3, 4, 5]].
npy() {
	local header="{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"

	{
		printf '\x93NUMPY\x01\0\x76\0%-117s\n' "$header"
		printf '\0\0\0\0\0\0\x80\x3f\0\0\0\x40\0\0\x40\x40\0\0\x80\x40\0\0\xa0\x40'
	} >"$1"
}

# Mapping, by numpy.
mapped() {
	local disk=/mnt/.numpy python

	if [[ ! -d $disk ]]; then
		skip "numpy maps a pool" "no numpy in this VM"
		return
	fi
	python="env LD_LIBRARY_PATH=$disk/lib/x86_64-linux-gnu PYTHONDONTWRITEBYTECODE=1 $disk/usr/bin/python3"
	npy "$work/array.npy"
	check "an array becomes a pool" pinpool load clitest "$work/array.npy"
	prints "numpy.load() maps it" "memmap (2, 3) float32 [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]" $python -c "
import numpy
array = numpy.load('$node', mmap_mode='r')
print(type(array).__name__, array.shape, array.dtype, array.ravel().tolist())"
	# Without a shape, it takes all that there is: it sizes the file by seeking.
	prints "numpy.memmap() sizes it" "(6,) 15.0" $python -c "
import numpy
array = numpy.memmap('$node', dtype='<f4', mode='r', offset=$(pinpool show clitest -n -b -o OFFSET | tr -d ' '))
print(array.shape, array.sum())"
	prints "numpy.fromfile() reads it" "[4.0, 5.0]" $python -c "
import numpy
print(numpy.fromfile('$node', dtype='<f4', offset=144).tolist())"
	refuses "and nobody maps it to write" 0 '*rror*' $python -c "
import numpy, sys
try:
    numpy.memmap('$node', dtype='<f4', mode='r+')
except OSError as error:
    print(error.__class__.__name__, error.strerror, file=sys.stderr)"
	rm -f "$work/array.npy"
	prints "rm" "" pinpool rm clitest
}

if [[ ${PINPOOL_BACKEND-} != module ]]; then
	skip "pools as files" "needs the module"
	finish
fi
on_backends 0 plain
on_backends 0 mapped
finish
