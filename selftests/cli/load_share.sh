#!/bin/bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# The same checkpoint asked for twice is loaded once; something else of that name is refused.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.bash"

# Small where memory is (the VM), else large enough that a load takes long.
if [[ ${PINPOOL_BACKEND-} == module ]]; then mib=64; else mib=128; fi

attached='clitest: attached, * bytes that are there already, *.??? s, *, * pages, xxh3-128 *'

# stopped: starts a load and stops it while it is LOADING; one that was through before it was seen is started again.
stopped() {
	local tries races

	for ((races = 0; races < 20; races++)); do
		"$PINPOOL" load clitest "$work/zeros" --io pread --chunk 64K --depth 1 >"$work/first" 2>&1 &
		first=$!
		for ((tries = 0; tries < 3000; tries++)); do
			[[ $(pinpool ls -n -o STATE) != *LOADING* ]] || break
			kill -0 $first 2>/dev/null || break
			sleep 0.005
		done
		if kill -STOP $first 2>/dev/null && [[ $(pinpool ls -n -o STATE) == LOADING ]]; then
			return
		fi
		kill -CONT $first 2>/dev/null
		wait $first
		pinpool rm clitest
	done
	fail "a load in the middle of its work"
}

# waiting FILE: starts a load of that and gives it time to find the other.
waiting() {
	"$PINPOOL" load clitest "$1" >"$work/second" 2>&1 &
	second=$!
	sleep 0.5
	same "the second load waits" LOADING "$(kill -0 $second && pinpool ls -n -o STATE)"
}

# is_attached NAME FILE
is_attached() {
	# shellcheck disable=SC2053 # a pattern
	[[ $(<"$2") == $attached ]]
	same "$1" 0 $?
}

all() {
	local first second status

	check "load" pinpool load clitest "$work/zeros"
	pinpool load clitest "$work/zeros" >"$work/second" 2>&1
	is_attached "the same again is attached to" "$work/second"
	pinpool load clitest "$work/zeros" --attach-digest >"$work/second" 2>&1
	is_attached "and after comparing digests" "$work/second"
	refuses "not with --no-attach" 1 'pinpool: load: clitest: *READY (*' pinpool load clitest "$work/zeros" --no-attach
	refuses "a file of another path" 1 'pinpool: load: clitest: *something else: path */zeros, not */tiny (*' \
		pinpool load clitest "$work/tiny"
	refuses "another selection" 1 'pinpool: load: clitest: *something else: *selection* (*' \
		pinpool load clitest "$work/zeros" --rank 0 --of 2 --rows zeros
	touch -d @1 "$work/zeros"
	refuses "a file that was written to" 1 'pinpool: load: clitest: *something else: */zeros: mtime * (*' \
		pinpool load clitest "$work/zeros"
	refuses "both options" 2 'pinpool: load: --no-attach: *' pinpool load clitest "$work/zeros" --no-attach --attach-digest
	prints "rm" "" pinpool rm clitest

	stopped
	waiting "$work/zeros"
	kill -CONT $first
	status=0
	wait $first || status=$?
	same "the first ends well" 0 $status
	wait $second || status=$?
	same "so does the second" 0 $status
	is_attached "which is attached" "$work/second"
	prints "rm" "" pinpool rm clitest

	stopped
	waiting "$work/zeros"
	kill -KILL $first
	wait $first 2>/dev/null
	status=0
	wait $second || status=$?
	same "the first is killed, the second loads" "0 1" "$status $(grep -c 'GB/s' "$work/second")"
	prints "to READY" "clitest READY" pinpool ls -n -o NAME,STATE
	prints "rm" "" pinpool rm clitest

	stopped
	zeros "$work/new" $mib
	mv "$work/new" "$work/zeros"
	waiting "$work/zeros"
	kill -CONT $first
	status=0
	wait $first || status=$?
	same "the file is replaced, the first fails" "1 1" "$status $(grep -c 'was replaced during the load' "$work/first")"
	status=0
	wait $second || status=$?
	same "the second loads the new one" "0 1" "$status $(grep -c 'GB/s' "$work/second")"
	prints "rm" "" pinpool rm clitest

	stopped
	waiting "$work/zeros"
	kill -TERM $second
	status=0
	wait $second || status=$?
	same "waiting is interrupted" "130 pinpool: load: clitest: interrupted, nothing was published" \
		"$status $(<"$work/second")"
	same "the first goes on" LOADING "$(pinpool ls -n -o STATE)"
	kill -CONT $first
	wait $first
	prints "to READY" "clitest READY" pinpool ls -n -o NAME,STATE
	prints "rm" "" pinpool rm clitest
}

tiny "$work/tiny"
zeros "$work/zeros" $mib
on_backends $((mib / 2 + 16)) all
finish
