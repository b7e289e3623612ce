# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# shellcheck shell=bash
#
# What every test that is a script shares: results in TAP, and a folder of its own, $work, that goes at the end. A
# script sources this file, runs its checks and ends with `finish`.

set -u
export LC_ALL=C TZ=UTC
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP
results=0
failures=0
skips=0
label=

echo "TAP version 13"

# Results: `pass NAME`, `fail NAME [DETAIL...]`, `skip NAME REASON`.
pass() {
	results=$((results + 1))
	echo "ok $results $label$1"
}

fail() {
	results=$((results + 1))
	failures=$((failures + 1))
	echo "not ok $results $label$1"
	shift
	(($# == 0)) || printf '%s\n' "$@" | sed 's/^/# /'
}

skip() {
	results=$((results + 1))
	skips=$((skips + 1))
	echo "ok $results $label$1 # SKIP $2"
}

# check NAME COMMAND...: the command succeeds.
check() {
	local name=$1
	shift
	if "$@" >"$work/.out" 2>"$work/.err"; then
		pass "$name"
	else
		fail "$name" "status $?: $*" "$(cat "$work/.out" "$work/.err")"
	fi
}

# same NAME WANT IS: two texts are equal.
same() {
	if [[ $2 == "$3" ]]; then
		pass "$1"
	else
		fail "$1" "want: $2" "is:   $3"
	fi
}

# The plan comes last: a script that ends early has none, and that is a failure.
finish() {
	echo "1..$results"
	((failures == 0)) || exit 1
	((skips < results)) || exit 4
	exit 0
}
