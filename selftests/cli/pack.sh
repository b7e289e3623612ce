#!/bin/bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Packings made, listed, used and dropped; made while a load streams; gone with their pool.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.bash"

# weights FILE: two tensors that can be packed and one that cannot, of bytes that are finite numbers.
weights() {
	local header='{"down":{"dtype":"F32","shape":[96,64],"data_offsets":[0,24576]},'

	header+='"up":{"dtype":"BF16","shape":[40,128],"data_offsets":[24576,34816]},'
	header+='"bias":{"dtype":"F32","shape":[96],"data_offsets":[34816,35200]}}'
	safetensors "$1" "$(printf '%-248s' "$header")" 35200
}

# rates ARGUMENT...: the second line of a product, which says how fast and with what.
rates() {
	pinpool matmul "$@" --threads 1 --repeat 1 2>&1 | sed -n 2p
}

makes() {
	local is

	refuses "a pool that is not there" 1 'pinpool: pack: clitest: no pool of that name (*)' pinpool pack clitest
	prints "an EMPTY pool" "" pinpool create clitest-e 2M
	refuses "is refused" 1 'pinpool: pack: clitest-e: EMPTY (wait until it is READY)' pinpool pack clitest-e
	prints "rm" "" pinpool rm clitest-e
	check "load" pinpool load clitest "$work/weights" --mode 0640
	prints "no packings" "" pinpool pack --list -n
	is=$(pinpool pack clitest --threads 2)
	isa=$(pinpool pack --list clitest -n -o ISA | head -n 1)
	# shellcheck disable=SC2053 # a pattern
	[[ $is == "clitest.$isa: 2 tensors, 34816 bytes, packed "[0-9]*' in '*.???' s, '*.??" GB/s, $isa, 2 threads" ]]
	same "pack says what it made" 0 $?
	same "the list" "clitest down $isa F32 [96,64] current"$'\n'"clitest up $isa BF16 [40,128] current" \
		"$(cells pack --list -n -o BASE,TENSOR,ISA,DTYPE,SHAPE,STATE)"
	same "the list of one pool" $'down\nup' "$(cells pack --list clitest -n -o TENSOR)"
	same "the list of another" "" "$(cells pack --list clitest-b -n)"
	same "a pool of its own" "clitest.$isa READY 0640" "$(cells ls -n -o NAME,STATE,MODE | grep '\.')"
	same "show" $'down F32 [96,64] clitest\nup BF16 [40,128] clitest' \
		"$(cells show "clitest.$isa" -n -o NAME,DTYPE,SHAPE,SOURCE)"
	same "digests are those of the tensors" "$(cells show clitest -n -o NAME,DIGEST | grep -v bias | sort)" \
		"$(cells pack --list -n -o TENSOR,DIGEST)"
	if command -v python3 >/dev/null; then
		same "JSON" "[96, 64] clitest clitest.$isa" "$(pinpool pack --list -J -o SHAPE,BASE,POOL | python3 -c \
			'import json, sys; row = json.load(sys.stdin)["packings"][0]; print(row["shape"], row["base"], row["pool"])')"
	fi
	refuses "once is enough" 1 "pinpool: pack: clitest.$isa: packings of these weights are there already (pinpool pack --drop clitest --isa $isa removes them)" \
		pinpool pack clitest
}

multiplies() {
	# shellcheck disable=SC2053 # patterns
	[[ $(rates clitest down) == *" $isa, 1 thread, packed" ]]
	same "matmul uses a packing" 0 $?
	check "and is right" pinpool matmul clitest down --m 33
	check "so it is with the other" pinpool matmul clitest up --m 3
	[[ $(rates clitest down --unpacked) == *" $isa, 1 thread" ]]
	same "--unpacked does not" 0 $?
	check "and is right" pinpool matmul clitest down --m 33 --unpacked
	[[ $isa != portable ]] || return
	[[ $(rates clitest down --isa portable) == *" portable, 1 thread, unpacked: clitest: has packings for $isa and none for portable" ]]
	same "other kernels say why not" 0 $?
	check "pack for them" pinpool pack clitest down --isa portable
	[[ $(rates clitest down --isa portable) == *" portable, 1 thread, packed" ]]
	same "then they use it" 0 $?
	[[ $(rates clitest up --isa portable) == *" portable, 1 thread" ]]
	same "a tensor that was not packed" 0 $?
	prints "both are listed" $'down\ndown\nup' eval 'cells pack --list clitest -n -o TENSOR | sort'
	prints "drop for some kernels" "" pinpool pack --drop clitest --isa portable
	same "leaves the others" "$isa" "$(cells pack --list clitest -n -o ISA | uniq)"
}

drops() {
	prints "drop" "" pinpool pack --drop clitest
	refuses "again" 1 "pinpool: pack: clitest: no packings for $isa (pinpool pack --list shows what there is)" \
		pinpool pack --drop clitest
	refuses "all of none" 1 'pinpool: pack: clitest: no packings (pinpool pack --list shows what there is)' \
		pinpool pack --drop clitest --all
	check "pack by a pattern" pinpool pack clitest 'd*'
	same "packs what it matches" down "$(cells pack --list -n -o TENSOR)"
	prints "drop all" "" pinpool pack --drop clitest --all
	prints "no packings" "" pinpool pack --list -n
	refuses "no such tensor" 1 'pinpool: pack: nope: clitest holds no such tensor, *' pinpool pack clitest down nope
	refuses "one dimension" 1 'pinpool: pack: bias: cannot be packed: it has not two dimensions, *' pinpool pack clitest bias
	prints "nothing is left of them" "" pinpool pack --list -n
	check "a pool with the name" pinpool load "clitest.$isa" "$work/tiny"
	refuses "keeps it" 1 "pinpool: pack: clitest.$isa: has the name that the packings would have, *" pinpool pack clitest
	prints "rm" "" pinpool rm "clitest.$isa"
}

goes_with_its_pool() {
	check "pack" pinpool pack clitest
	check "another pool" pinpool load clitest-b "$work/weights"
	check "packed, too" pinpool pack clitest-b
	prints "rm takes packings along" "" pinpool rm clitest
	same "and leaves the others" "clitest-b"$'\n'"clitest-b.$isa" "$(cells ls -n -o NAME)"
	prints "rm of both by name" "" pinpool rm clitest-b "clitest-b.$isa"
	prints "leaves nothing" "" pinpool ls -n
}

streams() {
	local is

	is=$(pinpool load clitest "$work/weights" --pack)
	same "load --pack says two things" 2 "$(wc -l <<<"$is")"
	# shellcheck disable=SC2053 # a pattern
	[[ $(sed -n 2p <<<"$is") == "clitest.$isa: 2 tensors, 34816 bytes, packed "*" GB/s, $isa, "*' thread'* ]]
	same "the second of packings" 0 $?
	same "which are current" current "$(cells pack --list clitest -n -o STATE | uniq)"
	check "and right" pinpool matmul clitest up
	[[ $(rates clitest up) == *", packed" ]]
	same "when used" 0 $?
	refuses "not into a pool that is READY" 1 'pinpool: load: clitest: a pool of this name is READY (*)' \
		pinpool load clitest "$work/weights" --pack --no-attach
	same "the same again is attached to, packings too" 1 "$(pinpool load clitest "$work/weights" --pack | wc -l)"
	same "packings stay" current "$(cells pack --list clitest -n -o STATE | uniq)"
	prints "rm" "" pinpool rm clitest
	refuses "nothing to pack" 1 'pinpool: load: clitest: holds no tensor that can be packed' \
		pinpool load clitest "$work/vector" --pack
	prints "publishes nothing" "" pinpool ls -n
	refuses "a name that leaves no room" 1 "pinpool: load: clitest-$(printf %053d 0): no room for .$isa behind the name, 63 characters in all (*)" \
		pinpool load "clitest-$(printf %053d 0)" "$work/weights" --pack
}

at_once() {
	local pid first=0 second=0

	check "load" pinpool load clitest "$work/weights"
	pinpool pack clitest >"$work/first" 2>&1 &
	pid=$!
	pinpool pack clitest >"$work/second" 2>&1 || second=$?
	wait "$pid" || first=$?
	same "of two at once one makes them" 1 $((first + second))
	same "which are current" current "$(cells pack --list clitest -n -o STATE | uniq)"
	prints "rm" "" pinpool rm clitest
}

foreign() {
	check "load" pinpool load clitest "$work/weights" --mode 0644
	as_other true
	if [[ $? == 99 ]]; then
		skip "packed by another user" "needs root and a user without rights"
	else
		refuses "nobody packs for others" 1 'pinpool: pack: *' as_other "$PINPOOL" pack clitest
		prints "nor leaves anything" clitest pinpool ls -n -o NAME
	fi
	prints "rm" "" pinpool rm clitest
}

all() {
	makes
	multiplies
	drops
	goes_with_its_pool
	streams
	at_once
	foreign
}

weights "$work/weights"
tiny "$work/tiny"
safetensors "$work/vector" "$(printf '%-120s' '{"bias":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}')" 16
on_backends 16 all
finish
