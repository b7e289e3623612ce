#!/bin/bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# A load that is interrupted or killed publishes nothing.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.bash"

# Small where memory is (the VM), else large enough that a load takes long.
if [[ ${PINPOOL_BACKEND-} == module ]]; then mib=128; else mib=512; fi

# How it reads.
method=pread

# caught: starts a load, slowed down so that it has a middle, and stops it while it is LOADING.
caught() {
	local tries

	# With job control a job does not ignore SIGINT.
	set -m
	"$PINPOOL" load clitest "$work/zeros" --io $method --chunk 64K --depth 1 >"$work/out" 2>"$work/err" &
	pid=$!
	set +m
	for ((tries = 0; tries < 3000; tries++)); do
		[[ $(pinpool ls -n -o STATE) != *LOADING* ]] || break
		kill -0 "$pid" 2>/dev/null || return
		sleep 0.005
	done
	kill -STOP "$pid" 2>/dev/null && [[ $(pinpool ls -n -o STATE) == LOADING ]]
}

# interrupted SIGNAL STATUS [CAPACITY]: sends the signal to a load in the middle of its work, into a pool that exists
# if its capacity is given. A load that was through before it was seen is started again.
interrupted() {
	local pid status=0 races

	for ((races = 0; races < 20; races++)); do
		caught && break
		kill -CONT "$pid" 2>/dev/null
		ended "$pid"
		pinpool rm clitest
		[[ -z ${3-} ]] || pinpool create clitest "$3"
	done
	same "SIG$1: it is in the middle" LOADING "$(pinpool ls -n -o STATE)"
	kill "-$1" "$pid"
	kill -CONT "$pid" 2>/dev/null
	ended "$pid" || status=$?
	same "SIG$1: exit status $2" "$2" "$status"
	same "SIG$1: nothing on standard output" "" "$(<"$work/out")"
	same "SIG$1: nothing is READY" "" "$(pinpool ls -n -o STATE | grep -v EMPTY)"
}

all() {
	local signal

	for signal in INT TERM HUP; do
		interrupted $signal 130
		same "SIG$signal: it says so" "pinpool: load: clitest: interrupted, nothing was published" "$(<"$work/err")"
		same "SIG$signal: the pool that it made is gone" "" "$(pinpool ls -n)"
	done

	if [[ $PINPOOL_BACKEND == module ]]; then
		method=uring-cmd
		interrupted INT 130
		same "with commands to the module: it says so" "pinpool: load: clitest: interrupted, nothing was published" \
			"$(<"$work/err")"
		same "with commands to the module: the pool that it made is gone" "" "$(pinpool ls -n)"
		method=pread
	fi

	prints "an EMPTY pool of that name" "" pinpool create clitest $((mib + 8))M
	interrupted INT 130 $((mib + 8))M
	prints "is EMPTY again" "clitest EMPTY" pinpool ls -n -o NAME,STATE
	interrupted KILL 137 $((mib + 8))M
	prints "and EMPTY after SIGKILL" "clitest EMPTY" pinpool ls -n -o NAME,STATE
	check "and can be loaded" pinpool load clitest "$work/tiny"
	prints "to READY" "clitest READY" pinpool ls -n -o NAME,STATE
	prints "rm" "" pinpool rm clitest
}

tiny "$work/tiny"
zeros "$work/zeros" $mib
on_backends $((mib / 2 + 16)) all
finish
