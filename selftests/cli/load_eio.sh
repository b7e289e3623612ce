#!/bin/bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# A device with a bad block, made by device mapper: a load that needs the block ends with the block's name and publishes
# nothing, one that does not need it works, and so does everything when the block can be read again.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.bash"

mib=16
map=clitest-eio
# In sectors. In the middle of a disk that the file fills for the most part.
bad=$(((8 << 11) + 1000))
bytes=$((4 << 20))
loop=
modules=()

# In the VM this script brings them itself, and takes them away: what they keep in memory is no pool's.
need_modules() {
	local module

	for module in loop dm-mod; do
		if [[ -e /modules/$module.ko ]]; then
			insmod "/modules/$module.ko" && modules=("$module" "${modules[@]}")
		else
			modprobe -q "$module"
		fi
	done
	dmsetup version >/dev/null 2>&1
}

drop_disk() {
	local module

	umount "$work/disk" 2>/dev/null
	[[ ! $loop ]] || dmsetup remove --noudevsync "$map"
	[[ ! $loop ]] || losetup -d "$loop"
	loop=
	for module in "${modules[@]}"; do
		rmmod "$module"
	done
	modules=()
}
trap 'drop_disk; cleanup' EXIT

# The whole of the loop device, and the same but for one block.
good_table() {
	echo "0 $((mib << 11)) linear $loop 0"
}

bad_table() {
	echo "0 $bad linear $loop 0"
	echo "$bad 8 error"
	echo "$((bad + 8)) $(((mib << 11) - bad - 8)) linear $loop $((bad + 8))"
}

# become TABLE: from now on the disk is that, and nothing is remembered of what was read from it.
become() {
	"$1" | dmsetup reload $map --noudevsync && dmsetup resume $map --noudevsync && echo 3 >/proc/sys/vm/drop_caches
}

make_disk() {
	local device

	truncate -s ${mib}M "$work/image"
	loop=$(losetup -f)
	losetup "$loop" "$work/image" || { loop= && return 1; }
	good_table | dmsetup create $map --noudevsync || return
	# There may be nobody who makes other names.
	device=/dev/dm-$(dmsetup info -c --noheadings -o minor $map)
	mke2fs -F -b 4096 "$device" >/dev/null 2>&1 && mkdir "$work/disk" && mount -t ext2 "$device" "$work/disk"
}

# Three tensors, of which one has the bad block; ${names[@]} become the others and then that one.
make_file() {
	local header name at=0 i

	header='{'
	for name in first second third; do
		header+="\"$name\":{\"dtype\":\"U8\",\"shape\":[$bytes],\"data_offsets\":[$at,$((at += bytes))]},"
	done
	safetensors "$file" "${header%,}}" "$at"
	header=$((8 + ${#header}))
	sync
	become bad_table
	# What the kernel gives up at.
	offset=$(head -c 100000000 "$file" 2>/dev/null | wc -c)
	i=$(((offset - header) / bytes))
	names=(first second third)
	damaged=${names[i]}
	unset "names[i]"
}

eio() {
	local io paths='auto uring pread' want="pinpool: load: $file: offset $offset: Input/output error, in tensor $damaged"

	[[ $PINPOOL_BACKEND != module ]] || paths+=' uring-cmd'
	become bad_table
	for io in $paths; do
		refuses "$io: file, block and tensor are named" 1 "$want" pinpool load clitest "$file" --io "$io"
		prints "$io: nothing is published" "" pinpool ls -n
	done
	refuses "through the page cache" 1 "$want" pinpool load clitest "$file" --buffered
	refuses "that tensor alone" 1 "$want" pinpool load clitest "$file" --tensor "$damaged"
	check "the others alone" pinpool load clitest "$file" --tensor "${names[@]:0:1}"
	prints "are there" "${names[*]:0:1}" pinpool show clitest -n -o NAME
	prints "rm" "" pinpool rm clitest
	prints "an EMPTY pool" "" pinpool create clitest 16M
	refuses "is given up" 1 "$want" pinpool load clitest "$file"
	prints "EMPTY" "clitest EMPTY" cells ls -n -o NAME,STATE
	become good_table
	check "when the block can be read the file is loaded" pinpool load clitest "$file"
	check "whole" pinpool verify clitest
	check "and saved again" pinpool save clitest "$work/copy"
	check "is the file" cmp "$file" "$work/copy"
	rm -f "$work/copy"
	prints "rm" "" pinpool rm clitest
}

file=$work/disk/model.safetensors
if [[ $(id -u) != 0 ]]; then
	skip "a bad block" "needs root for a device of its own"
elif ! command -v dmsetup >/dev/null || ! need_modules; then
	skip "a bad block" "no device mapper here"
elif ! make_disk; then
	fail "a disk" "loop device: ${loop:-none}"
else
	make_file
	check "the bad block is one of the file" test "$offset" -lt "$(stat -c %s "$file")"
	on_backends 24 eio
fi
finish
