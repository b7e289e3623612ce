#!/bin/bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Formats besides safetensors, from file to pool: what is shown of them, that holes between tensors do no harm, and that
# what a file says of itself is in the refusal.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.bash"

# bytes NUMBER COUNT: little-endian.
bytes() {
	local i

	for ((i = 0; i < $2; i++)); do
		# shellcheck disable=SC2059 # an escape made here
		printf "\\x$(printf %02x $(($1 >> (8 * i) & 255)))"
	done
}

# npy FILE DESCR SHAPE BYTES: an array, its header padded to 128 bytes.
npy() {
	{
		printf '\x93NUMPY\x01\0\x76\0%-117s\n' "{'descr': '$2', 'fortran_order': False, 'shape': $3, }"
		yes pinpool | head -c "$4"
	} >"$1"
}

# npz FILE METHOD MEMBER...: an archive of those files, each said to be compressed by that method.
npz() {
	local file=$1 method=$2 member size at=0 count=0
	shift 2

	: >"$work/directory"
	: >"$file"
	for member; do
		size=$(wc -c <"$member")
		{
			printf 'PK\x03\x04\x14\0\0\0' && bytes "$method" 2 && bytes 0 8
			bytes "$size" 4 && bytes "$size" 4 && bytes ${#member} 2 && bytes 0 2
			printf %s "$member" && cat "$member"
		} >>"$file"
		{
			printf 'PK\x01\x02\x14\0\x14\0\0\0' && bytes "$method" 2 && bytes 0 8
			bytes "$size" 4 && bytes "$size" 4 && bytes ${#member} 2 && bytes 0 12 && bytes $at 4
			printf %s "$member"
		} >>"$work/directory"
		at=$(wc -c <"$file")
		count=$((count + 1))
	done
	cat "$work/directory" >>"$file"
	{
		printf 'PK\x05\x06' && bytes 0 4 && bytes $count 2 && bytes $count 2
		bytes "$(wc -c <"$work/directory")" 4 && bytes "$at" 4 && bytes 0 2
	} >>"$file"
}

# loads NAME PATH SOURCES TENSORS: what show says of the pool of that path; its content is that of one file.
loads() {
	check "$1" pinpool load clitest "$2"
	prints "$1: sources" "$3" cells show clitest --sources -n -b -o PATH,FORMAT,SIZE,OFFSET
	prints "$1: tensors" "$4" cells show clitest -n -b -o NAME,DTYPE,SHAPE,SIZE,OFFSET
	same "$1: every tensor has a digest" "$(wc -l <<<"$4")" "$(pinpool show clitest -n -o DIGEST | grep -cE '^[0-9a-f]{32}$')"
	check "$1: verify" pinpool verify clitest
	prints "$1: rm" "" pinpool rm clitest
}

all() {
	loads "an array" x.npy "$folder/x.npy npy 152 0" "x F32 [2,3] 24 128"
	loads "an archive" a.npz "$folder/a.npz npz $(wc -c <a.npz) 0" "x F32 [2,3] 24 163
y I8 [] 1 350"
	refuses "one that is compressed" 1 \
		'pinpool: load: c.npz: tensor x.npy: is compressed, * (save with numpy.savez() instead of numpy.savez_compressed())' \
		pinpool load clitest c.npz
	loads "a raw file with holes" a.raw.json "$folder/w.bin raw 5000000 0" "q Q8_0 [2,64] 136 7
t F16 [1000000] 2000000 2500001"
	loads "two raw files" b.raw.json "$folder/v.bin raw 10 0
$folder/w.bin raw 5000000 4096" "v U8 [10] 10 0
w U8 [4] 4 4101"
	refuses "a raw file that is too short" 1 'pinpool: load: w.bin: tensor t: its 6000000 bytes from offset 0 on end beyond its file, which has 5000000' \
		pinpool load clitest c.raw.json
	prints "no pool is left" "" pinpool ls -n
}

cd "$work" || exit
folder=$(pwd -P)
npy x.npy '<f4' '(2, 3)' 24
npy y.npy '|i1' '()' 1
npz a.npz 0 x.npy y.npy
npz c.npz 8 x.npy
yes pinpool | head -c 5000000 >w.bin
yes pinpool | head -c 10 >v.bin
raw='{"format":"pinpool-raw","version":1,"file":"w.bin","tensors":'
echo "$raw"'[{"name":"t","dtype":"F16","shape":[1000000],"offset":2500001},{"name":"q","dtype":"Q8_0","shape":[2,64],"offset":7}]}' >a.raw.json
echo "$raw"'[{"name":"w","dtype":"U8","shape":[4],"offset":5},{"name":"v","dtype":"U8","shape":[10],"offset":0,"file":"v.bin"}]}' >b.raw.json
echo "$raw"'[{"name":"t","dtype":"U8","shape":[6000000],"offset":0}]}' >c.raw.json
on_backends 16 all
finish
