#!/bin/bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Pools back to files: byte for byte where they were files, well-formed where they were not; whole or not at all.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.bash"

line='clitest: *bytes in *.??? s, *.?? GB/s, '

# saves NAME PATTERN ARGUMENT...: a save prints such a line and nothing else.
saves() {
	local name=$1 pattern=$2 is status=0
	shift 2
	is=$(pinpool save clitest "$@" 2>"$work/.err") || status=$?
	# shellcheck disable=SC2053 # a pattern
	if [[ $status == 0 && $is == $line$pattern && ! -s $work/.err ]]; then
		pass "$name"
	else
		fail "$name" "want: $line$pattern" "is:   $is" "$(cat "$work/.err")"
	fi
}

# The names in a folder, hidden ones too.
names() {
	find "$1" -mindepth 1 -printf '%P\n' | sort
}

# The header of a safetensors file.
header() {
	local length

	length=$(od -An -t u8 -N 8 "$1" | tr -d ' ')
	tail -c +9 "$1" | head -c "$length"
}

single() {
	mkdir "$work/out"
	check "a pool" pinpool load clitest "$work/tiny.safetensors"
	saves "is saved" '2 tensors, 1 file, as loaded' "$work/out/copy"
	check "byte for byte" cmp "$work/tiny.safetensors" "$work/out/copy"
	same "with the permissions of the pool" 600 "$(stat -c %a "$work/out/copy")"
	refuses "not over a file" 1 'pinpool: save: */out/copy: is there already (*--force)' pinpool save clitest "$work/out/copy"
	echo other >"$work/out/copy"
	saves "but with --force" '2 tensors, 1 file, as loaded' "$work/out/copy" --force
	check "byte for byte" cmp "$work/tiny.safetensors" "$work/out/copy"
	ln -s nowhere "$work/out/link"
	refuses "nor over a link" 1 'pinpool: save: */out/link: is there already *' pinpool save clitest "$work/out/link"
	mkfifo "$work/out/fifo"
	refuses "never over a FIFO" 1 'pinpool: save: */out/fifo: *no regular file' pinpool save clitest "$work/out/fifo" --force
	refuses "never over a folder" 1 'pinpool: save: */out: is a directory *' pinpool save clitest "$work/out" --force
	refuses "not where there is no folder" 1 'pinpool: save: */no/such: No such file or directory' pinpool save clitest "$work/no/such"
	same "nothing else was left" $'copy\nfifo\nlink' "$(names "$work/out")"
	same "-J" '{"pool":"clitest","path":"'"$work"'/out/j","bytes":176,"files":1,"tensors":2,"identical":true}' \
		"$(pinpool save clitest "$work/out/j" -J | tr -d ' \n' | sed 's/"seconds":[0-9.]*,//')"
	rm -rf "$work/out"
	prints "rm" "" pinpool rm clitest
}

# To a pipe goes the file and nothing else.
streams() {
	mkdir "$work/out"
	check "a pool" pinpool load clitest "$work/tiny.safetensors"
	prints "to a pipe" "" bash -c '"$0" save clitest - | cat >"$1"' "$PINPOOL" "$work/out/piped"
	check "byte for byte" cmp "$work/tiny.safetensors" "$work/out/piped"
	prints "to a file that is open" "" bash -c '{ echo before; "$0" save clitest -; } >"$1"' "$PINPOOL" "$work/out/open"
	check "from where it is" cmp <(echo before && cat "$work/tiny.safetensors") "$work/out/open"
	prints "some of it" "" bash -c '"$0" save clitest - --tensor bias >"$1"' "$PINPOOL" "$work/out/some"
	same "is a file" '{"bias":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}' "$(header "$work/out/some" | sed 's/ *$//')"
	refuses "no report as well" 2 'pinpool: save: --json: standard output is the file, and takes no report (*)' pinpool save clitest - -J
	same "a file of that name" "clitest" "$(cd "$work/out" && pinpool save clitest ./- | cut -d : -f 1)"
	check "is one" cmp "$work/tiny.safetensors" "$work/out/-"
	refuses "a device that is full" 1 'pinpool: save: standard output: No space left on device' \
		bash -c '"$0" save clitest - >/dev/full' "$PINPOOL"
	same "nothing else was left" $'-\nopen\npiped\nsome' "$(names "$work/out")"
	if command -v script >/dev/null; then
		same "a terminal" "pinpool: save: standard output: is a terminal (send it to a file or a pipe)" \
			"$(script -q -c "'$PINPOOL' save clitest -" /dev/null </dev/null | tr -d '\r')"
	else
		skip "a terminal" "no script(1) here"
	fi
	prints "rm" "" pinpool rm clitest
	zeros "$work/zeros" 64
	check "a pool of 64 MiB" pinpool load clitest "$work/zeros"
	check "to a pipe" bash -c 'set -o pipefail; "$0" save clitest - | cmp - "$1"' "$PINPOOL" "$work/zeros"
	refuses "to one that nobody reads" 0 'pinpool: save: standard output: Broken pipe' \
		bash -c '"$0" save clitest - | head -c 100000 >/dev/null' "$PINPOOL"
	same "its exit status" 1 "$("$PINPOOL" save clitest - 2>/dev/null | :; echo "${PIPESTATUS[0]}")"
	rm -rf "$work/out" "$work/zeros"
	prints "rm" "" pinpool rm clitest
}

some() {
	mkdir "$work/out"
	check "a pool" pinpool load clitest "$work/tiny.safetensors"
	saves "a tensor is saved" '1 tensor, 1 file, new header' "$work/out/some" --tensor 'b*'
	same "its header" '{"bias":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}' "$(header "$work/out/some" | sed 's/ *$//')"
	same "is padded" 0 "$(($(header "$work/out/some" | wc -c) % 8))"
	check "its bytes" cmp <(tail -c 16 "$work/tiny.safetensors") <(tail -c 16 "$work/out/some")
	saves "patterns that match all" '2 tensors, 1 file, as loaded' "$work/out/all" --tensor bias --tensor 'w*t'
	refuses "a pattern that matches none" 1 'pinpool: save: clitest: no tensor matches x (*)' \
		pinpool save clitest "$work/out/none" --tensor bias --tensor x
	prints "rm" "" pinpool rm clitest
	check "what was saved" pinpool load clitest "$work/out/some"
	prints "can be loaded" "bias F32 [4] 16" cells show clitest -n -b -o NAME,DTYPE,SHAPE,SIZE
	same "nothing else was left" $'all\nsome' "$(names "$work/out")"
	rm -rf "$work/out"
	prints "rm" "" pinpool rm clitest
}

# One of the tensors is called as a file of another format would be: types are mixed, widest first.
other_formats() {
	mkdir "$work/out"
	head -c 200 <(yes pinpool) >"$work/w.bin"
	cat >"$work/a.raw.json" <<-'END'
		{"format":"pinpool-raw","version":1,"file":"w.bin","tensors":[
		 {"name":"bytes","dtype":"U8","shape":[3],"offset":1},
		 {"name":"z","dtype":"F64","shape":[2],"offset":8},
		 {"name":"half","dtype":"F16","shape":[3],"offset":101},
		 {"name":"y","dtype":"F64","shape":[],"offset":24},
		 {"name":"block","dtype":"Q8_0","shape":[1,32],"offset":110}]}
	END
	check "a pool of a raw file" pinpool load clitest "$work/a.raw.json"
	refuses "with blocks" 1 'pinpool: save: tensor block: its Q8_0 is none that safetensors has (*)' \
		pinpool save clitest "$work/out/raw"
	saves "without" '4 tensors, 1 file, new header' "$work/out/raw" --tensor '[!b]*' --tensor bytes
	same "its header: wider types first, and names in order" '{"y":{"dtype":"F64","shape":[],"data_offsets":[0,8]},"z":{"dtype":"F64","shape":[2],"data_offsets":[8,24]},"half":{"dtype":"F16","shape":[3],"data_offsets":[24,30]},"bytes":{"dtype":"U8","shape":[3],"data_offsets":[30,33]}}' \
		"$(header "$work/out/raw" | sed 's/ *$//')"
	check "its bytes" cmp <(
		for part in 24,8 8,16 101,6 1,3; do tail -c +$((${part%,*} + 1)) "$work/w.bin" | head -c "${part#*,}"; done
	) <(tail -c 33 "$work/out/raw")
	prints "rm" "" pinpool rm clitest
	same "nothing else was left" raw "$(names "$work/out")"
	rm -rf "$work/out"
}

shards() {
	local d=$work/shards

	mkdir "$d"
	safetensors "$d/m-1.safetensors" '{"__metadata__":{"format":"pt"},"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"U8","shape":[2],"data_offsets":[3,5]}}' 5
	safetensors "$d/m-2.safetensors" '{"__metadata__":{"format":"pt"},"c":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}' 8
	echo '{"weight_map":{"a":"m-1.safetensors","b":"m-1.safetensors","c":"m-2.safetensors"}}' >"$d/model.safetensors.index.json"
	check "a pool of two files" pinpool load clitest "$d"
	saves "is saved in a folder" '3 tensors, 3 files, as loaded' "$work/out"
	same "the files" $'m-1.safetensors\nm-2.safetensors\nmodel.safetensors.index.json' "$(names "$work/out")"
	check "the first, byte for byte" cmp "$d/m-1.safetensors" "$work/out/m-1.safetensors"
	check "the second" cmp "$d/m-2.safetensors" "$work/out/m-2.safetensors"
	same "the index" '{"metadata":{"total_size":13},"weight_map":{"a":"m-1.safetensors","b":"m-1.safetensors","c":"m-2.safetensors"}}' \
		"$(tr -d ' \n' <"$work/out/model.safetensors.index.json")"
	refuses "not over those" 1 'pinpool: save: */out/m-1.safetensors: is there already (*)' pinpool save clitest "$work/out"
	rm "$work/out/m-1.safetensors"
	refuses "nor over one of them" 1 'pinpool: save: */out/m-2.safetensors: is there already (*)' pinpool save clitest "$work/out"
	same "which leaves nothing new" $'m-2.safetensors\nmodel.safetensors.index.json' "$(names "$work/out")"
	echo other >"$work/out/m-2.safetensors"
	saves "but with --force" '3 tensors, 3 files, as loaded' "$work/out" --force
	check "byte for byte" cmp "$d/m-2.safetensors" "$work/out/m-2.safetensors"
	prints "rm" "" pinpool rm clitest
	check "what was saved" pinpool load clitest "$work/out"
	prints "can be loaded" $'a\nb\nc' pinpool show clitest -n -o NAME
	: >"$work/file"
	refuses "a file where the folder would be" 1 'pinpool: save: */file: *no directory (*)' pinpool save clitest "$work/file" --force
	refuses "files are no stream" 1 'pinpool: save: standard output: the pool is 2 files and this takes one (*)' pinpool save clitest -
	saves "some of it is one file" '2 tensors, 1 file, new header' "$work/one" --tensor a --tensor c
	same "with the metadata of both" '{"__metadata__":{"format":"pt"},"c":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}}' \
		"$(header "$work/one" | sed 's/ *$//')"
	rm -rf "$work/out" "$work/one" "$d"
	prints "rm" "" pinpool rm clitest
}

# broken_off SIGNAL STATUS FOLDER [--force]: a save is sent the signal in the middle of its work, told by its open file,
# and leaves nothing. One that was through before it was seen starts again.
broken_off() {
	local signal=$1 folder=$3 before status tries

	before=$(names "$folder")
	for ((tries = 0; tries < 50; tries++)); do
		set -m
		"$PINPOOL" save clitest "$folder/a" "${@:4}" >"$work/.out" 2>"$work/.err" &
		set +m
		until [[ $(readlink /proc/$!/fd/*) == *"$folder/"* ]] || ! kill -0 $! 2>/dev/null; do :; done
		kill "-$signal" $! 2>/dev/null
		status=0
		ended "$!" || status=$?
		[[ $status == 0 ]] || break
		[[ $before ]] && echo other >"$folder/a" || rm -f "$folder/a"
	done
	same "SIG$signal: exit status" "$2" "$status"
	same "SIG$signal: nothing is left" "$before" "$(names "$folder")"
}

failures() {
	local shm

	mkdir "$work/out"
	refuses "a pool that is not there" 1 'pinpool: save: clitest: no pool of that name *' pinpool save clitest "$work/out/a"
	prints "an EMPTY pool" "" pinpool create clitest 2M
	refuses "is refused" 1 'pinpool: save: clitest: *' pinpool save clitest "$work/out/a"
	prints "rm" "" pinpool rm clitest
	zeros "$work/zeros" 64
	check "a pool of 64 MiB" pinpool load clitest "$work/zeros"
	refuses "a limit on the size of files" 1 'pinpool: save: */out/a: File too large' \
		bash -c 'ulimit -f 1024 && "$0" save clitest "$1"' "$PINPOOL" "$work/out/a"
	same "leaves nothing" "" "$(names "$work/out")"
	if [[ $(id -u) == 0 ]] && mount -t tmpfs -o size=8m none "$work/out" 2>/dev/null; then
		refuses "a full disk" 1 'pinpool: save: */out/a: No space left on device' pinpool save clitest "$work/out/a"
		same "leaves nothing" "" "$(names "$work/out")"
		umount "$work/out"
	else
		skip "a full disk" "needs root for a mount of its own"
	fi

	broken_off INT 130 "$work/out"
	same "SIGINT: it says so" "pinpool: save: $work/out/a: interrupted, nothing was saved" "$(<"$work/.err")"
	# There files have no name until they are whole, so that nobody needs to clean up.
	shm=$(mktemp -d /dev/shm/pinpool-test.XXXXXX)
	broken_off KILL 137 "$shm"
	echo other >"$shm/a"
	broken_off KILL 137 "$shm" --force
	same "SIGKILL: what was there is" other "$(<"$shm/a")"
	rm -rf "$shm"
	rm -rf "$work/out" "$work/zeros"
	prints "rm" "" pinpool rm clitest
}

all() {
	single
	streams
	some
	other_formats
	shards
	failures
}

tiny "$work/tiny.safetensors"
on_backends 40 all
finish
