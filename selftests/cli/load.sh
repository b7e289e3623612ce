#!/bin/bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Loading small checkpoints, looking at them, verifying them; every bad input that the command line can name.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.bash"

line='clitest: 176 bytes in *.??? s, *.?? GB/s, *, *B pages, *, xxh3-128 ????????????????????????????????'
verified='clitest: 176 bytes equal, *.??? s, *.?? GB/s, xxh3-128 ????????????????????????????????'

good() {
	local is

	is=$(pinpool load clitest "$work/tiny.safetensors" 2>"$work/err")
	# Where io_uring is switched off, a line says so first.
	sed -i '/^pinpool: load: io_uring: .*; reading with threads$/d' "$work/err"
	# shellcheck disable=SC2053 # a pattern
	if [[ $is == $line && ! -s $work/err ]]; then
		pass "load ends with one line and no bar in a pipe"
	else
		fail "load ends with one line and no bar in a pipe" "want: $line" "is:   $is" "$(cat "$work/err")"
	fi
	same "the line names the backend" 1 "$(grep -c " GB/s, $PINPOOL_BACKEND, " <<<"$is")"
	same "the line has the digest of the pool" "digest: ${is##* }" "$(pinpool stat clitest -o DIGEST)"
	prints "the pool is READY with the file's length" "READY 176" cells ls -n -b -o STATE,LENGTH
	prints "show lists tensors by offset" "\
NAME   DTYPE SHAPE SIZE OFFSET
weight F32   [2,4]  32B    128
bias   F32   [4]    16B    160" pinpool show clitest
	prints "show -o -n for completion" $'weight\nbias' pinpool show -n -o NAME clitest
	prints "show --sources" "$work/tiny.safetensors safetensors 176 0" \
		cells show clitest --sources -n -b -o PATH,FORMAT,SIZE,OFFSET
	same "tensors have digests" 2 "$(pinpool show clitest -n -o DIGEST | grep -cE '^[0-9a-f]{32}$')"
	is=$(pinpool verify clitest)
	# shellcheck disable=SC2053
	[[ $is == $verified ]]
	same "verify says equal and the rate" 0 $?
	refuses "a pool that is READY" 1 'pinpool: load: clitest: *READY (*' \
		pinpool load clitest "$work/tiny.safetensors" --no-attach
	prints "it is untouched" "READY 176" cells ls -n -b -o STATE,LENGTH
	prints "rm" "" pinpool rm clitest
}

options() {
	local io is

	for io in auto uring pread uring-cmd; do
		if [[ $io == uring-cmd && $PINPOOL_BACKEND != module ]]; then
			refuses "--io $io without the module" 1 \
				'pinpool: load: io_uring: *not one of the kernel module*\(use the kernel module)' \
				pinpool load clitest "$work/tiny.safetensors" --io $io
			prints "left nothing" "" pinpool ls -n
			continue
		fi
		is=$(pinpool load clitest "$work/tiny.safetensors" --io $io --chunk 64K --depth 1 2>&1)
		# The VM and some hosts have no io_uring; then a forced method fails and says so.
		if [[ $io == uring && $is == 'pinpool: load: '*io_uring* ]]; then
			skip "--io $io" "$is"
			continue
		fi
		# shellcheck disable=SC2053
		[[ $is == $line ]]
		same "--io $io" 0 $?
		if [[ $io == uring-cmd ]]; then
			same "--io $io is in the line" 1 "$(grep -c ', io_uring, commands, O_DIRECT, ' <<<"$is")"
			same "what the module read is counted" "read: 176" "$(pinpool stat clitest -b -o READ)"
		fi
		check "verify" pinpool verify clitest
		prints "rm" "" pinpool rm clitest
	done
	is=$(pinpool load clitest "$work/tiny.safetensors" --buffered --no-digest -q)
	# shellcheck disable=SC2053
	[[ $is == 'clitest: 176 bytes in '*', page cache, no digest' ]]
	same "--buffered --no-digest are in the line" 0 $?
	prints "the pool has no digest" "digested: -"$'\n'"digest:   -" pinpool stat clitest -o DIGESTED,DIGEST
	refuses "a pool without a digest cannot be verified" 1 'pinpool: verify: clitest: *digest*' pinpool verify clitest
	prints "rm" "" pinpool rm clitest

	pinpool load clitest "$work/tiny.safetensors" --io pread --no-probe -v >/dev/null 2>"$work/err"
	same "-v says that size and number of requests are nobody's" 1 \
		"$(grep -c '^pinpool: load: [0-9]* requests of 1024 KiB by default$' "$work/err")"
	prints "rm" "" pinpool rm clitest
	pinpool load clitest "$work/tiny.safetensors" --io pread --chunk 128K -v >/dev/null 2>"$work/err"
	same "or that they were given" 1 "$(grep -c '^pinpool: load: [0-9]* requests of 128 KiB as given$' "$work/err")"
	prints "rm" "" pinpool rm clitest

	check "--capacity and --mode" pinpool load clitest "$work/tiny.safetensors" --capacity 8M --mode 0644
	prints "are taken" "8388608 0644" cells ls -n -b -o CAPACITY,MODE
	prints "rm" "" pinpool rm clitest
}

existing() {
	prints "an EMPTY pool" "" pinpool create clitest 4M --mode 0640
	check "is loaded" pinpool load clitest "$work/tiny.safetensors"
	prints "and keeps its mode and capacity" "READY 0640 4194304" cells ls -n -b -o STATE,MODE,CAPACITY
	prints "rm" "" pinpool rm clitest

	zeros "$work/zeros" 6
	prints "an EMPTY pool that is too small" "" pinpool create clitest 4M
	refuses "is refused" 1 'pinpool: load: clitest: *(*)' pinpool load clitest "$work/zeros"
	prints "and stays EMPTY" "EMPTY 0" cells ls -n -b -o STATE,LENGTH
	refuses "verify of a pool that is not READY" 1 'pinpool: verify: clitest: *' pinpool verify clitest
	refuses "show of a pool that is not READY" 1 'pinpool: show: clitest: *' pinpool show clitest
	refuses "matmul of a pool that is not READY" 1 'pinpool: matmul: clitest: *' pinpool matmul clitest weight
	prints "rm" "" pinpool rm clitest
}

# bad NAME PATTERN PATH: that file is refused with such a line about it, and no pool is left.
bad() {
	refuses "$1" 1 "pinpool: load: *$2*" pinpool load clitest "$3"
	[[ -z $(pinpool ls -n) ]] || fail "$1: no pool is left" "$(pinpool ls)"
}

bad_files() {
	local d=$work/bad

	mkdir -p "$d/empty" "$d/shards"
	bad "a file that is not there" "missing: *No such file*" "$d/missing"
	bad "a directory without a checkpoint" "empty*safetensors*" "$d/empty"
	[[ -p $d/fifo ]] || mkfifo "$d/fifo"
	bad "a FIFO" "fifo*" "$d/fifo"
	bad "a device" "/dev/null*" /dev/null
	: >"$d/nothing"
	bad "an empty file" "nothing*" "$d/nothing"
	head -c 175 "$work/tiny.safetensors" >"$d/short"
	bad "a file that ends early" "short*" "$d/short"
	{ cat "$work/tiny.safetensors" && echo; } >"$d/long"
	bad "a file with more than its tensors" "long*" "$d/long"
	printf '\377\377\377\377\377\377\377\377{}' >"$d/length"
	bad "a header longer than the file" "length*" "$d/length"
	safetensors "$d/json" '{"weight":' 0
	bad "a header that is no JSON" "json*" "$d/json"
	safetensors "$d/dtype" '{"w":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}}' 4
	bad "an unknown type: the tensor is named" "dtype*w*F33*" "$d/dtype"
	safetensors "$d/shape" '{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}' 4
	bad "a shape that disagrees with the offsets: the tensor is named" "shape*w*" "$d/shape"
	echo '{"weight_map":{"w":"gone.safetensors"}}' >"$d/shards/model.safetensors.index.json"
	bad "an index that names a missing shard" "gone.safetensors*" "$d/shards"
	cp "$work/tiny.safetensors" "$d/new"$'\n'"line"
	refuses "a newline in a file's name stays one line" 1 'pinpool: load: *no\\x0asuch*' pinpool load clitest "$d/no"$'\n'"such"

	if ! as_other test -x "$PINPOOL"; then
		skip "a file that may not be read" "no user nobody or alice who can run $PINPOOL, or not root"
		return
	fi
	cp "$work/tiny.safetensors" "$d/secret"
	chmod 600 "$d/secret"
	refuses "a file that may not be read" 1 'pinpool: load: *secret*ermission*' as_other "$PINPOOL" load clitest "$d/secret"
	prints "left nothing" "" pinpool ls -n
}

# IEC units: one decimal, rounded, and the next unit where that makes 1024.
sizes() {
	local bytes header='' at=0

	for bytes in 0 1 1023 1024 1075 1076 1536 10189 1023948 1023949 1048063 1048064 1048575 1048576 1153434; do
		header+="${header:+,}\"t$bytes\":{\"dtype\":\"U8\",\"shape\":[$bytes],\"data_offsets\":[$at,$((at + bytes))]}"
		at=$((at + bytes))
	done
	safetensors "$work/sizes" "{$header}" $at
	check "tensors of many sizes" pinpool load clitest "$work/sizes"
	prints "sizes in IEC units" "\
0B t0
1B t1
1023B t1023
1K t1024
1K t1075
1.1K t1076
1.5K t1536
10K t10189
999.9K t1023948
1000K t1023949
1023.5K t1048063
1023.5K t1048064
1M t1048575
1M t1048576
1.1M t1153434" cells show clitest -n -o SIZE,NAME
	prints "rm" "" pinpool rm clitest
}

all() {
	good
	sizes
	options
	existing
	bad_files
}

tiny "$work/tiny.safetensors"
on_backends 16 all
finish
