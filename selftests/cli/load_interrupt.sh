#!/bin/bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# A load that is interrupted or killed publishes nothing.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.bash"

# Small where memory is (the VM), else large enough that a load takes long.
if [[ ${PINPOOL_BACKEND-} == module ]]; then mib=128; else mib=512; fi

# interrupted SIGNAL STATUS: sends the signal to a load in the middle of its work. It is made slow, so that there is a
# middle, and stopped once it is LOADING, so that it cannot finish before the signal comes.
interrupted() {
	local pid status=0 tries

	# With job control a job does not ignore SIGINT.
	set -m
	"$PINPOOL" load clitest "$work/zeros" --io pread --chunk 64K --depth 1 >"$work/out" 2>"$work/err" &
	pid=$!
	set +m
	for ((tries = 0; tries < 3000; tries++)); do
		[[ $(pinpool ls -n -o STATE) != *LOADING* ]] || break
		sleep 0.005
	done
	kill -STOP "$pid"
	same "SIG$1: it is in the middle" LOADING "$(pinpool ls -n -o STATE)"
	kill "-$1" "$pid"
	kill -CONT "$pid"
	wait -f "$pid" 2>/dev/null || status=$?
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

	prints "an EMPTY pool of that name" "" pinpool create clitest $((mib + 8))M
	interrupted INT 130
	prints "is EMPTY again" "clitest EMPTY" pinpool ls -n -o NAME,STATE
	interrupted KILL 137
	prints "and EMPTY after SIGKILL" "clitest EMPTY" pinpool ls -n -o NAME,STATE
	check "and can be loaded" pinpool load clitest "$work/tiny"
	prints "to READY" "clitest READY" pinpool ls -n -o NAME,STATE
	prints "rm" "" pinpool rm clitest
}

tiny "$work/tiny"
zeros "$work/zeros" $mib
on_backends $((mib / 2 + 16)) all
finish
