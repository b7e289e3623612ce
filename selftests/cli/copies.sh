#!/bin/bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# No byte is copied twice: what calls do to the file during a load, seen by strace. A ring is given places in the pool and
# brings all data, so that beside it only the header is read; threads read each byte once, to its place in the pool.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.bash"

# All that can bring bytes of a file into memory, by its path.
calls=read,pread64,readv,preadv,preadv2,mmap,sendfile,splice,copy_file_range
mib=4
bytes=$(((mib << 20) + 4096))
chunk=$((64 << 10))

# traced PATH: loads the file so, and fails if this host does not. The calls are in $work/calls then.
traced() {
	strace -f -qq -e raw=all -e trace=$calls -P "$work/zeros" -o "$work/calls" \
		"$PINPOOL" load clitest "$work/zeros" --io "$1" --chunk $chunk >"$work/out" 2>"$work/err" || return
	"$PINPOOL" rm clitest
}

# Bytes that the calls brought. A call that others ran beside is in two lines, the second of which has its result.
brought() {
	local sum=0 result

	while read -r result; do
		sum=$((sum + result))
	done < <(grep -v 'mmap(' "$work/calls" | sed -n 's/.* = \(0x[0-9a-f]*\|[0-9]*\)$/\1/p')
	echo $sum
}

# Where the places of chunks in memory are, each less its place in the file: one number, if the file as a whole is there.
# Reads of less than a chunk are of the header, the file's kind and the like.
destinations() {
	local memory size offset

	sed -n 's/.*pread64(0x[0-9a-f]*, \(0x[0-9a-f]*\), \(0x[0-9a-f]*\), \(0x[0-9a-f]*\|0\)[) ].*/\1 \2 \3/p' "$work/calls" |
		while read -r memory size offset; do
			((size < chunk)) || echo $((memory - offset))
		done | sort -u
}

# Mappings of the file, but for those in which the library looks for what is in the page cache: MAP_SHARED | MAP_NORESERVE.
mappings() {
	grep 'mmap(' "$work/calls" | grep -vc ', 0x4001, '
}

paths() {
	local path header=

	for path in fixed uring; do
		if ! traced $path; then
			skip "$path: bytes of the header only" "$(<"$work/err")"
			continue
		fi
		header=$(brought)
		# The header; its block by direct I/O, to see whether that works; 8 bytes of length, 4 to tell the format.
		same "$path: calls bring bytes of the header only" yes "$( ((header > 4096 - 8 && header < 16384)) && echo yes || echo "$header")"
		same "$path: none of which are a chunk" "" "$(destinations)"
		same "$path: the file is not mapped" 0 "$(mappings)"
	done
	check "threads: load" traced pread
	if [[ $header ]]; then
		same "threads: calls bring each byte once, beside the header" $((header + bytes)) "$(brought)"
	else
		skip "threads: calls bring each byte once, beside the header" "no path to compare with"
	fi
	same "threads: each byte to its place in one range of memory" 1 "$(destinations | wc -l)"
	same "threads: chunk by chunk" $((bytes / chunk)) "$(grep -cE "pread64\(0x[0-9a-f]+, 0x[0-9a-f]+, $(printf '%#x' $chunk)," "$work/calls")"
	same "threads: the file is not mapped" 0 "$(mappings)"
}

if ! strace -qq -e trace=none true 2>/dev/null; then
	skip "copies" "strace is not installed, or may not trace here"
	finish
fi
zeros "$work/zeros" $mib
on_backends 8 paths
finish
