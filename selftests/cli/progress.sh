#!/bin/bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# The progress bar: on a terminal only, within its width, gone at the end.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.bash"

if ! command -v script >/dev/null; then
	skip "progress" "no script(1) for a terminal (package bsdutils)"
	finish
fi
export PINPOOL

# on_terminal COLUMNS COMMAND: what a terminal of that width gets, with carriage returns as newlines.
on_terminal() {
	TERM=${term-xterm} script -qec "stty cols $1; $2" /dev/null </dev/null | tr '\r' '\n'
}

# Bars in standard input, without the sequence that clears the rest of the line.
bars() {
	sed 's/\x1b\[K$//' | grep -E ' of 256M .* GB/s .* left(  [0-9]+/[0-9]+ .*)?$'
}

load='"$PINPOOL" load clitest "$work/zeros" --io pread --chunk 64K --depth 1'
export work

all() {
	on_terminal 80 "$load" >"$work/out"
	bars <"$work/out" >"$work/bars"
	check "there are bars" test -s "$work/bars"
	same "each says how far, how fast, how long and which tensor" "" "$(grep -vE \
		'^clitest +[0-9]+% \[=*>? *\] +[0-9.]+[BKM] of 256M +[0-9.]+ GB/s +[0-9]+:[0-9]{2} left  1/1 zeros$' \
		"$work/bars")"
	same "none is wider than the terminal" "" "$(grep -E '.{80}' "$work/bars")"
	same "it is taken away before the report" 1 \
		"$(grep -v '^$' "$work/out" | tail -n 1 | grep -c $'^\x1b\\[Kclitest: .* bytes in .* GB/s')"
	"$PINPOOL" rm clitest

	on_terminal 40 "$load" >"$work/out"
	same "a narrow terminal gets figures only" 0 "$(grep -c '\[=' "$work/out")"
	same "within its width" "" "$(bars <"$work/out" | grep -E '.{40}')"
	"$PINPOOL" rm clitest

	on_terminal 80 "$load -q" >"$work/out"
	same "-q: no bar" "" "$(bars <"$work/out")"
	"$PINPOOL" rm clitest

	term=dumb on_terminal 80 "$load" >"$work/out"
	same "a dumb terminal gets none" "" "$(bars <"$work/out")"
	"$PINPOOL" rm clitest

	on_terminal 80 "$load 2>\"\$work/err\"" >"$work/out"
	same "no terminal on standard error: none" "" "$(cat "$work/out" "$work/err" | tr '\r' '\n' | bars)"

	on_terminal 80 '"$PINPOOL" verify clitest | cat' >"$work/out"
	same "a pipe gets the report only" 1 "$(sed 's/.*\x1b\[K//' "$work/out" | grep -c '^clitest: .* bytes equal')"
	"$PINPOOL" rm clitest
}

# The size on the bar is that of the file, which has a header too: 256 MiB and 4 KiB print as 256M.
zeros "$work/zeros" 256
on_backends 136 all
finish
