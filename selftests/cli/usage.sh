#!/bin/bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Wrong command lines: one line that says what is wrong and what would be right, and exit status 2.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.bash"

wrong() {
	local message=$1

	shift
	refuses "$*" 2 "$message" "$@"
}

export PINPOOL_BACKEND=shm PINPOOL_STATE_DIR=$work/none

wrong 'pinpool: a command is missing (see pinpool --help)' pinpool
wrong 'pinpool: --frob: no such option (see pinpool --help)' pinpool --frob
wrong 'pinpool: -x: no such option (see pinpool --help)' pinpool -x ls
wrong 'pinpool: --version: takes no value (see pinpool --help)' pinpool --version=1
wrong "pinpool: --backend: 'disk' is not a value it takes (one of auto, module, hugetlbfs, shm)" pinpool --backend disk ls
wrong 'pinpool: lod: no such command (did you mean load? pinpool --help lists the commands)' pinpool lod
wrong 'pinpool: sohw: no such command (did you mean show? pinpool --help lists the commands)' pinpool sohw
wrong 'pinpool: ver: no such command (did you mean verify? pinpool --help lists the commands)' pinpool ver
wrong 'pinpool: s: no such command (did you mean ls or show or stat or save? pinpool --help lists the commands)' pinpool s
wrong 'pinpool: frobnicate: no such command (pinpool --help lists the commands)' pinpool frobnicate
wrong "pinpool: '': no such command (pinpool --help lists the commands)" pinpool ''
wrong 'pinpool: help: lod: no such command (did you mean load? pinpool --help lists the commands)' pinpool help lod
wrong 'pinpool: bench: a command of it is missing (one of matmul*)' pinpool bench
wrong "pinpool: bench: 'frob' is no command of it (one of matmul*)" pinpool bench frob
wrong "pinpool: help: bench: a command of it is missing (one of matmul*)" pinpool help bench
wrong "pinpool: --list: bench: 'frob' is no command of it (one of matmul*)" pinpool --list options bench frob

wrong 'pinpool: create: NAME is missing (see pinpool create --help)' pinpool create
wrong 'pinpool: create: SIZE is missing (see pinpool create --help)' pinpool create a
wrong 'pinpool: create: 2 operands too many (see pinpool create --help)' pinpool create a 1G b c
wrong 'pinpool: rm: NAME is missing (see pinpool rm --help)' pinpool rm
wrong 'pinpool: ls: 1 operand too many (see pinpool ls --help)' pinpool ls a
wrong 'pinpool: load: PATH is missing (see pinpool load --help)' pinpool load a
wrong 'pinpool: matmul: TENSOR is missing (see pinpool matmul --help)' pinpool matmul a

for size in '' 0 -1 1.5 1. .5G G 1GB 1Gi 1KiBs 1Q 1e9 0x10 ' 1G' '1 G' 99999999999999999999 16E; do
	wrong "pinpool: create: SIZE: '$size' is not a size (bytes, or a size such as 512M, 1.5G, 4GiB)" \
		pinpool create a -- "$size"
done
for mode in '' 0 8 0700 1777 -1 0x1 640a; do
	wrong "pinpool: create: --mode: '$mode' is not a value it takes (octal read and write bits, such as 0640)" \
		pinpool create a 1G --mode "$mode"
done
for size in '' 0 x; do
	wrong "pinpool: resize: SIZE: '$size' is not a size (bytes, or a size such as 512M, 1.5G, 4GiB)" \
		pinpool resize a -- "$size"
done
for policy in '' bind bind: bind:-1 bind:1024 bind:x bind:1x bind:0-1 bind:99999999999999999999 prefer prefer: Bind:0 \
	interleave: interleave:64 interleave:0-64 interleave:1-0 "interleave:0," interleave:,0 interleave:0-1-2 interleave:000 \
	interleaved local; do
	wrong "pinpool: create: --numa: '$policy' is not a value it takes (bind:N, prefer:N, interleave, or interleave:LIST such as 0-1,3)" \
		pinpool create a 1G --numa "$policy"
	wrong "pinpool: load: --numa: '$policy' is not a value it takes (*)" pinpool load a b --numa "$policy"
done
wrong "pinpool: create: --priority: only pools that may go have one (add --evictable)" pinpool create a 1G --priority 1
wrong "pinpool: create: --priority: '2147483648' is not a value it takes (a number from -2147483648 to 2147483647)" \
	pinpool create a 1G --evictable --priority 2147483648
wrong "pinpool: evictable: --priority: only pools that may go have one (leave one of them out)" \
	pinpool evictable a --off --priority 1
wrong "pinpool: reserve: SIZE is missing (see pinpool reserve --help)" pinpool reserve 0
wrong "pinpool: reserve: 1 operand too many (see pinpool reserve --help)" pinpool reserve 0 1G x
for node in '' -1 x 1x 2147483648 99999999999999999999; do
	wrong "pinpool: reserve: NODE: '$node' is not a NUMA node (a number, as pinpool reserve lists them)" \
		pinpool reserve -- "$node" 1G
done
wrong "pinpool: reserve: SIZE: '1Q' is not a size (bytes, or a size such as 512M, 1.5G, 4GiB)" pinpool reserve 0 1Q
wrong "pinpool: create: --owner: no user 'no such' (getent passwd lists them)" pinpool create a 1G --owner 'no such'
wrong "pinpool: create: --group: no group '-1' (getent group lists them)" pinpool create a 1G --group -1
wrong "pinpool: create: --owner: no user '4294967295' (getent passwd lists them)" pinpool create a 1G --owner 4294967295

wrong "pinpool: load: --io: 'mmap' is not a value it takes (one of auto, fixed, uring, pread, uring-cmd)" pinpool load --io mmap a b
wrong 'pinpool: load: --io: needs a value (see pinpool load --help)' pinpool load a b --io
wrong "pinpool: load: --depth: '1025' is not a value it takes (a number from 1 to 1024)" pinpool load a b --depth 1025
wrong "pinpool: load: --chunk: '0' is not a value it takes (*)" pinpool load a b --chunk 0
wrong "pinpool: load: --chunk: larger than 16M (see pinpool load --help)" pinpool load a b --chunk 8G

wrong "pinpool: ls: --output: 'NAEM' is no column (see pinpool ls --help)" pinpool ls -o NAME,NAEM
wrong "pinpool: ls: --output: '' is no column (see pinpool ls --help)" pinpool ls -o NAME,
wrong "pinpool: ls: --output: '' is no column (see pinpool ls --help)" pinpool ls -o ''
wrong "pinpool: show: --output: 'PATH' is no column (see pinpool show --help)" pinpool show a -o PATH
wrong "pinpool: show: --output: 'DTYPE' is no column (see pinpool show --help)" pinpool show a --sources -o DTYPE

wrong "pinpool: matmul: --m: '0' is not a value it takes (a number from 1 to 1048576)" pinpool matmul a b --m 0
wrong "pinpool: matmul: --isa: 'sse' is not a value it takes (one of auto, portable, avx2, avx512, avx512-vnni, neon, avx512-bf16)" pinpool matmul a b --isa sse
wrong "pinpool: matmul: --x: *--m*" pinpool matmul a b --x f --m 3
wrong 'pinpool: pack: NAME is missing (see pinpool pack --help)' pinpool pack
wrong 'pinpool: pack: --list: not together with --drop (leave one of them out)' pinpool pack --list --drop a
wrong 'pinpool: pack: --all: only with --drop, and without --isa (see pinpool pack --help)' pinpool pack a --all
wrong 'pinpool: pack: --all: only with --drop, and without --isa (see pinpool pack --help)' \
	pinpool pack --drop a --all --isa avx2
wrong 'pinpool: pack: only NAME with --list and --drop*' pinpool pack --drop a b
wrong 'pinpool: pack: only NAME with --list and --drop*' pinpool pack --list a b
for option in -J -b -n -O '-o BASE'; do
	# shellcheck disable=SC2086 # words
	wrong 'pinpool: pack: options for a table are only for --list (see pinpool pack --help)' pinpool pack a $option
done
wrong 'pinpool: load: --pack: needs digests, not together with --no-digest (leave one of them out)' \
	pinpool load a b --pack --no-digest
wrong 'pinpool: save: PATH is missing (see pinpool save --help)' pinpool save a
mapfile -t many < <(printf -- '--tensor=%d\n' {0..64})
wrong 'pinpool: save: --tensor: given more than 64 times (use patterns)' pinpool save a b "${many[@]}"
wrong 'pinpool: --list: nonsense: nothing to list (*)' pinpool --list nonsense

prints "--version" "pinpool 0.1.0" pinpool --version
# shellcheck disable=SC2016
refuses "a full disk behind standard output is a failure" 1 'pinpool: standard output: No space left on device' \
	bash -c '"$0" --help >/dev/full' "$PINPOOL"
finish
