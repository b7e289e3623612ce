#!/bin/bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Every parser, on inputs that it accepts and for a few seconds on what a fuzzer makes of them. A finding is a failure and
# says where the input lies.
#
# usage: parsers.sh [TARGET...]
# environment: OUTPUT, FUZZ_TARGETS (from make), FUZZ_SECONDS (for each target), FUZZ_CORPUS (a folder for what was found
#              to be new, kept for the next time)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../tap.bash"

top=$(cd "$(dirname "$0")/../.." && pwd)
: "${OUTPUT:=$top/build/selftests/fuzz}"
findings=$OUTPUT/findings
seconds=${FUZZ_SECONDS:-4}
targets=("$@")
# Where a file is written for each input. What a crash leaves there goes with it.
TMPDIR=$(mktemp -d /dev/shm/pinpool-fuzz.XXXXXX) || exit
export TMPDIR
trap 'rm -rf "$work" "$TMPDIR"' EXIT
((${#targets[@]})) || read -ra targets <<<"${FUZZ_TARGETS:?make -C selftests/fuzz run_tests}"

# A call that allocates more than this, or takes longer, is a finding, too.
limits=(-rss_limit_mb=1024 -malloc_limit_mb=256 -timeout=10)

# fuzz TARGET NAME ARGUMENT...: the fuzzer ends well.
fuzz() {
	local target=$1 name=$2 log=$work/log
	shift 2
	if "$OUTPUT/fuzz_$target" "${limits[@]}" -artifact_prefix="$findings/$target-" -print_final_stats=1 "$@" >"$log" 2>&1; then
		pass "$name"
	else
		fail "$name" "$(tail -n 40 "$log")" "$(sed -n "s|.*Test unit written to |the input: |p" "$log")"
	fi
	sed -n 's/^stat::number_of_executed_units: */# inputs: /p' "$log"
}

mkdir -p "$findings"
check "inputs to start from" "$(dirname "$0")/seeds" "$work/seeds" "$OUTPUT/../../bin/pinpool"
for target in "${targets[@]}"; do
	corpus=${FUZZ_CORPUS:-$work/corpus}/$target
	mkdir -p "$corpus"
	check "$target: there are some" test -n "$(ls "$work/seeds/$target" 2>/dev/null)"
	fuzz "$target" "$target: those" -runs=0 "$work/seeds/$target"
	fuzz "$target" "$target: what becomes of them in $seconds s" -max_total_time="$seconds" -max_len=4096 "$corpus" "$work/seeds/$target"
done
finish
