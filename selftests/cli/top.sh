#!/bin/bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Watching: tables and lines of JSON one after another, a terminal that is as it was whatever ends it, how far a load is.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.bash"

wrong() {
	local message=$1

	shift
	refuses "$*" 2 "$message" "$@"
}

export PINPOOL_BACKEND=shm PINPOOL_STATE_DIR=$work/none
for delay in '' 0 0.09 -1 3601 x 1x nan; do
	wrong "pinpool: top: --delay: '$delay' is not a value it takes (seconds, such as 0.5, from 0.1 to 3600)" \
		pinpool top -d "$delay"
done
wrong "pinpool: top: --iterations: '0' is not a value it takes (*)" pinpool top -n 0
wrong "pinpool: top: --sort: 'size' is not a value it takes (one of name, capacity, mappings, faults, rate, done)" \
	pinpool top -s size
wrong "pinpool: top: --output: 'SPEED' is no column (*)" pinpool top -o SPEED
unset PINPOOL_BACKEND PINPOOL_STATE_DIR

# Standard input that is JSON, one object a line: prints what the expression is of the list of them, which is called d.
value() {
	python3 -c 'import json, sys; d = [json.loads(line) for line in sys.stdin]; print(eval(sys.argv[1]))' "$1"
}

lines() {
	same "a host without pools" "NAME STATE CAPACITY" "$(pinpool top -n 1 -d 0.1 -o NAME,STATE,CAPACITY | sed -n 2p)"
	check "pools" eval 'pinpool create clitest-a 2M && pinpool create clitest-b 6M && pinpool create clitest-c 4M'
	prints "a table of them, twice" $'NAME CAPACITY\nclitest-a 2M\nclitest-b 6M\nclitest-c 4M\n\nNAME CAPACITY\nclitest-a 2M\nclitest-b 6M\nclitest-c 4M' \
		eval 'cells top -n 2 -d 0.1 -o NAME,CAPACITY | grep -v "^[0-9][0-9]:"'
	prints "the largest first" $'clitest-b\nclitest-c\nclitest-a' \
		eval 'cells top -n 1 -d 0.1 -o NAME -s capacity | grep "^clitest"'
	check "a line about all of them" eval "pinpool top -n 1 -d 0.1 | head -n 1 |
		grep -qE '^[0-9]{2}:[0-9]{2}:[0-9]{2}  3 pools, 0 loading at 0B/s; $PINPOOL_BACKEND: [0-9.]+M used, [0-9.]+[BKMGT] free\$'"
	pinpool top -n 3 -d 0.1 -J -O >"$work/out"
	same "JSON: a line each time" 3 "$(wc -l <"$work/out")"
	same "with the time" True "$(value 'd[0]["time"] > 10**18 and d[0]["time"] + 10**8 <= d[1]["time"]' <"$work/out")"
	same "and a key for each column" "$(pinpool --list columns top | cut -f 1 | tr '[:upper:]\n' '[:lower:] ')" \
		"$(value '" ".join(d[0]["pools"][0]) + " "' <"$work/out")"
	refuses "nobody reads" 1 "pinpool: top: standard output: No space left on device" \
		bash -c '"$0" top -d 0.1 >/dev/full' "$PINPOOL"
	"$PINPOOL" top -d 0.1 >"$work/out" &
	pid=$!
	sleep 0.5
	kill -TERM $pid
	wait $pid
	same "SIGTERM ends it" 130 $?
	check "rm" pinpool rm clitest-a clitest-b clitest-c
}

# A load that is stopped in its middle, after it has said how far it is.
loading() {
	local pid tries done='' zeros=$work/zeros

	set -m
	for ((tries = 0; tries < 20; tries++)); do
		"$PINPOOL" load clitest "$zeros" --io pread --chunk 64K --depth 1 >/dev/null 2>&1 &
		pid=$!
		while kill -0 $pid 2>/dev/null && [[ $(pinpool ls -n -o STATE) != LOADING ]]; do :; done
		sleep 0.15
		kill -STOP $pid 2>/dev/null
		pinpool top -n 1 -d 0.1 -J -O >"$work/out"
		done=$(value 'next((p["done"] for p in d[0]["pools"] if p["done"] is not None), "")' <"$work/out")
		[[ ! $done ]] || break
		kill -CONT $pid 2>/dev/null
		ended "$pid"
		pinpool rm clitest 2>/dev/null
	done
	set +m
	same "how far a load is, of all of it" "True $((4096 + (512 << 20)))" \
		"$(value '0 < d[0]["pools"][0]["loaded"] < d[0]["pools"][0]["total"], d[0]["pools"][0]["total"]' <"$work/out" | tr -d '(),')"
	same "in percent" True \
		"$(value 'abs(d[0]["pools"][0]["loaded"] / d[0]["pools"][0]["total"] - d[0]["pools"][0]["done"] / 100) < 1e-3' <"$work/out")"
	same "one that stands still has no end" "0 None" "$(value 'd[0]["pools"][0]["rate"], d[0]["pools"][0]["left"]' <"$work/out" | tr -d '(),')"
	kill -CONT $pid
	ended "$pid"
	same "READY is no load" "None None" "$(pinpool top -n 1 -d 0.1 -J -O | value 'd[0]["pools"][0]["loaded"], d[0]["pools"][0]["done"]' | tr -d '(),')"
	check "rm" pinpool rm clitest
}

# on_terminal NAME WANT STEP...: top on a terminal of 24 lines, and what is said of it.
on_terminal() {
	local name=$1 want=$2

	shift 2
	same "$name" "$want" "$(TERM=xterm python3 "$here/terminal.py" "$work/out" 24x100 "$@" -- "$PINPOOL" top -d 60 2>&1)"
}

terminal() {
	check "pools" eval 'pinpool create clitest-a 2M && pinpool create clitest-b 4M'
	on_terminal "q quits" "exit 0 restored" 'see clitest-b' 'type q'
	check "from a screen of its own" grep -qF $'\x1b[?1049h' "$work/out"
	on_terminal "Ctrl-C" "exit 130 restored" 'see clitest-b' $'type \x03'
	on_terminal "SIGTERM" "exit 130 restored" 'see clitest-b' 'signal TERM'
	on_terminal "SIGHUP" "exit 130 restored" 'see clitest-b' 'signal HUP'
	on_terminal "stopped and going on" $'stopped restored\nexit 0 restored' \
		'see clitest-b' 'signal TSTP' stopped 'signal CONT' 'see clitest-b' 'type q'
	on_terminal "Ctrl-Z" $'stopped restored\nexit 0 restored' 'see clitest-b' $'type \x1a' stopped 'signal CONT' 'see clitest-b' 'type q'
	on_terminal "another size" "exit 0 restored" 'see clitest-b' 'size 10x40' 'see NAME' 'type q'
	# Who goes on after a stop draws the whole screen again.
	on_terminal "the key to sort by capacity" $'stopped restored\nexit 0 restored' \
		'see d done' 'type c' 'see 4' 'signal TSTP' stopped 'signal CONT' 'see d done' 'type q'
	same "has the largest first" clitest-b "$(tr -d '\r\n' <"$work/out" | sed 's/.*?1049h//' | grep -oE 'clitest-[ab]' | head -n 1)"
	on_terminal "a few lines only" "exit 0 restored" 'see clitest-b' 'size 3x40' 'see NAME' 'type q'
	check "a pool goes" eval 'PINPOOL_STATE_DIR=$PINPOOL_STATE_DIR pinpool rm clitest-b'
	check "a damaged one is left out" eval 'pinpool create clitest-b 2M && printf x >"$(echo "$PINPOOL_STATE_DIR"/clitest-b:*)"'
	on_terminal "without a message on the screen" "exit 0 restored" 'see clitest-a' 'type q'
	same "none at all" 0 "$(grep -c 'is damaged' "$work/out")"
	check "rm" pinpool rm clitest-a clitest-b
	same "a terminal that nobody knows" "exit 1 restored" \
		"$(TERM=no-such python3 "$here/terminal.py" "$work/out" 24x80 -- "$PINPOOL" top)"
	same "is refused" "pinpool: top: terminal: no description of a terminal of this kind (set TERM, or pipe the output through cat)" \
		"$(tr -d '\r' <"$work/out")"
}

if ! command -v python3 >/dev/null; then
	skip "looks at pools" "no python3"
	finish
fi
zeros "$work/zeros" 512
on_backends 6 lines
PINPOOL_BACKEND=shm on_backends 0 loading
PINPOOL_BACKEND=shm on_backends 0 terminal
finish
