#!/bin/bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Packing that is interrupted, killed, overtaken or left without room publishes nothing that is not whole, and what it
# leaves is in nobody's way.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.bash"

# Small where memory is (the VM), else large enough that packing has a middle.
if [[ ${PINPOOL_BACKEND-} == module ]]; then mib=48; else mib=128; fi

# start COMMAND...: in the background; $pid is its.
start() {
	# With job control a job does not ignore SIGINT.
	set -m
	"$PINPOOL" "$@" >"$work/out" 2>"$work/err" &
	pid=$!
	set +m
}

# state NAME: of one pool, nothing if there is none.
state() {
	cells ls -n -o NAME,STATE | sed -n "s/^$1 //p"
}

# ends SIGNAL STATUS: sends it to whom `caught` stopped.
ends() {
	local status=0

	kill "-$1" "$pid"
	kill -CONT "$pid" 2>/dev/null
	ended "$pid" || status=$?
	same "SIG$1: exit status $2" "$2" "$status"
	same "SIG$1: nothing on standard output" "" "$(<"$work/out")"
}

# caught COMMAND...: starts one and stops it while packings are LOADING; one that was through before is started again. It
# is looked at only while it is stopped: to look takes longer than to pack where everything is slow.
caught() {
	local races looks step

	for ((races = 0; races < 20; races++)); do
		start "$@"
		for ((looks = 0; looks < 1000; looks++)); do
			for ((step = 0; step < 1000; step++)); do :; done
			kill -STOP "$pid" 2>/dev/null || break
			[[ $(state "$packed") != LOADING ]] || return 0
			kill -CONT "$pid"
		done
		ended "$pid"
		[[ $1 == pack ]] || pinpool rm clitest
		pinpool pack --drop clitest 2>/dev/null
	done
	return 1
}

interrupted_while_packing() {
	local signal pid

	for signal in INT TERM HUP; do
		check "SIG$signal: it is in the middle" caught pack clitest --threads 1
		ends $signal 130
		same "SIG$signal: it says so" "pinpool: pack: clitest: interrupted, nothing was published" "$(<"$work/err")"
		prints "SIG$signal: the pool that it made is gone" "clitest READY" cells ls -n -o NAME,STATE
	done
}

killed_while_packing() {
	local pid

	check "SIGKILL: it is in the middle" caught pack clitest --threads 1
	refuses "meanwhile another one does not pack" 1 "pinpool: pack: $packed: another process is loading it*(*)" \
		pinpool pack clitest
	refuses "nor are they dropped" 1 "pinpool: pack: $packed: is being packed (*)" pinpool pack --drop clitest
	ends KILL 137
	same "SIGKILL: what is left is EMPTY" EMPTY "$(state "$packed")"
	prints "and no packing" "" pinpool pack --list -n
	check "the weights multiply as they are" pinpool matmul clitest w --m 1 --repeat 1
	pinpool pack clitest >"$work/out" 2>"$work/err"
	same "the next one says that it makes them anew" \
		"0 pinpool: pack: $packed: was left EMPTY by one that did not end, and is made anew" "$? $(<"$work/err")"
	same "and does" current "$(cells pack --list -n -o STATE)"
	check "they are right" pinpool matmul clitest w --m 1 --repeat 1
	prints "drop" "" pinpool pack --drop clitest

	check "SIGKILL: it is in the middle" caught pack clitest --threads 1
	ends KILL 137
	prints "rm takes along what is left" "" pinpool rm clitest
	prints "all of it" "" pinpool ls -n
}

# At moments that nobody chose: it is through, or it was not.
interrupted_at_any_time() {
	local signal=$1 delay pid status state odd=
	shift

	for delay in 0 0.01 0.02 0.04 0.08 0.16; do
		status=0
		start "$@"
		sleep $delay
		kill "-$signal" "$pid" 2>/dev/null
		ended "$pid" || status=$?
		state=$(pinpool pack --list clitest -n -o STATE)
		# Whole packings of weights that are EMPTY: killed between the two, of which a load publishes the packings
		# first. Who loads again gets both.
		if [[ $1:$status:$state == load:137:unready ]]; then
			pinpool "$@" >"$work/out" 2>"$work/err" && state=$(pinpool pack --list clitest -n -o STATE)
		fi
		case $status:$state in
		0:current | 130: | 137: | 129: | 143:) ;;
		# Published, and killed before it could say so.
		137:current) ;;
		*) odd+="$status after $delay s: $(cells ls -n -o NAME,STATE | tr '\n' ' ') $(<"$work/err")" ;;
		esac
		[[ $1 == pack ]] || pinpool rm clitest 2>/dev/null
		pinpool pack --drop clitest 2>/dev/null
	done
	same "SIG$signal at any time: $1 publishes all or nothing" "" "$odd"
}

removed_while_packing() {
	local pid status=0

	check "it is in the middle" caught pack clitest --threads 1
	prints "rm of the weights" "" pinpool rm clitest
	kill -CONT "$pid"
	ended "$pid" || status=$?
	same "is seen by who packs them" "1 pinpool: pack: clitest: was removed while it was packed" "$status $(<"$work/err")"
	prints "nothing is left" "" pinpool ls -n

	check "load" pinpool load clitest "$work/weights"
	check "it is in the middle" caught pack clitest --threads 1
	prints "rm of the packings" "" pinpool rm "$packed"
	kill -CONT "$pid"
	status=0
	ended "$pid" || status=$?
	same "is seen, too" "1 pinpool: pack: $packed: was removed while it was made (pack again)" "$status $(<"$work/err")"
	prints "the weights stay" clitest pinpool ls -n -o NAME
}

dropped_while_used() {
	local pid status=0 tries

	check "pack" pinpool pack clitest
	start matmul clitest w --m 1 --repeat 60 --threads 1
	# Mapped once and for all before the first product.
	for ((tries = 0; tries < 6000; tries++)); do
		[[ $(grep -c "$packed\|pinpool-$packed" "/proc/$pid/maps" 2>/dev/null) == 0 ]] || break
		kill -0 "$pid" 2>/dev/null || break
	done
	prints "drop" "" pinpool pack --drop clitest
	kill -0 "$pid" 2>/dev/null
	same "while they are in use" 0 $?
	ended "$pid" || status=$?
	same "who uses them goes on" "0 packed" "$status $(sed -n '2s/.*, //p' "$work/out")"
	same "and is right" 1 "$(grep -c '^checked ' "$work/out")"
	prints "nothing is left" clitest pinpool ls -n -o NAME
}

loads_that_pack() {
	local pid

	check "load --pack: it is in the middle" caught load clitest "$work/weights" --pack --io pread --chunk 64K --depth 1
	ends INT 130
	same "it says so" "pinpool: load: clitest: interrupted, nothing was published" "$(<"$work/err")"
	prints "nothing is left" "" pinpool ls -n
	check "load --pack: it is in the middle" caught load clitest "$work/weights" --pack --io pread --chunk 64K --depth 1
	ends KILL 137
	same "SIGKILL: nothing is READY" "" "$(pinpool ls -n -o STATE | grep READY)"
	check "the next load packs" pinpool load clitest "$work/weights" --pack
	same "to the end" current "$(cells pack --list -n -o STATE)"
	check "right" pinpool matmul clitest w --m 1 --repeat 1
	prints "rm" "" pinpool rm clitest

	check "load --pack: it is in the middle" caught load clitest "$work/weights" --pack --io pread --chunk 64K --depth 1
	prints "rm of the weights" "" pinpool rm clitest
	kill -CONT "$pid"
	ended "$pid"
	same "is seen" "1 pinpool: load: clitest: was removed while it was loaded" "$? $(<"$work/err")"
	prints "nothing is left" "" pinpool ls -n
}

# Room for the weights and not for their packings.
without_room() {
	if [[ $PINPOOL_BACKEND != shm ]] ||
		! mount -t tmpfs -o size=$((mib + mib / 2))M none "$PINPOOL_STATE_DIR" 2>/dev/null; then
		skip "no room for packings" "needs a tmpfs of its own"
		return
	fi
	check "load" pinpool load clitest "$work/weights"
	refuses "no room for packings" 1 \
		"pinpool: pack: $PINPOOL_STATE_DIR: * MiB needed, * MiB free on this tmpfs (mount *)" pinpool pack clitest
	prints "the weights stay" "clitest READY" cells ls -n -o NAME,STATE
	prints "rm" "" pinpool rm clitest
	refuses "nor beside a load" 1 "pinpool: load: $PINPOOL_STATE_DIR: * MiB needed, * MiB free on this tmpfs (mount *)" \
		pinpool load clitest "$work/weights" --pack
	prints "nothing is left" "" pinpool ls -n
	same "nothing at all" "" "$(ls "$PINPOOL_STATE_DIR")"
	umount "$PINPOOL_STATE_DIR"
}

all() {
	local packed

	check "load" pinpool load clitest "$work/weights"
	check "pack" pinpool pack clitest
	packed=$(pinpool pack --list -n -o POOL | tr -d ' ')
	prints "drop" "" pinpool pack --drop clitest
	interrupted_while_packing
	interrupted_at_any_time INT pack clitest
	interrupted_at_any_time KILL pack clitest
	killed_while_packing
	check "load" pinpool load clitest "$work/weights"
	removed_while_packing
	dropped_while_used
	prints "rm" "" pinpool rm clitest
	loads_that_pack
	interrupted_at_any_time INT load clitest "$work/weights" --pack
	interrupted_at_any_time KILL load clitest "$work/weights" --pack
	without_room
}

rows=$((mib * 64))
safetensors "$work/weights" \
	"$(printf '%-4088s' "{\"w\":{\"dtype\":\"F32\",\"shape\":[$rows,4096],\"data_offsets\":[0,$((mib << 20))]}}")" 0
truncate -s $(((mib << 20) + 4096)) "$work/weights"
on_backends $((mib + 16)) all
finish
