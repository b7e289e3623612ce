#!/bin/bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Traces: JSON whatever becomes of the load, with every chunk submitted, completed and digested, in this order.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.bash"

if ! command -v python3 >/dev/null; then
	skip "traces" "no python3"
	finish
fi

# events FILE [failed]: the document is a trace, and the events of each chunk are in order; of a load that failed, those
# that there are. Prints how many chunks were read, and files.
events() {
	python3 - "$@" <<'END'
import json, sys

events = json.load(open(sys.argv[1], encoding="utf-8"))
rows = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
chunks = {"read": {}, "digest": {}}
last = {}
for event in events:
    if event["ph"] != "X":
        continue
    assert rows[event["tid"]].split()[0] == event["name"], event
    assert event["ts"] >= last.get(event["tid"], 0) - 0.001, event
    last[event["tid"]] = event["ts"] + event["dur"]
    if event["name"] in chunks:
        of = chunks[event["name"]]
        assert event["args"]["chunk"] not in of, event
        of[event["args"]["chunk"]] = event
for number, digest in chunks["digest"].items():
    read = chunks["read"][number]
    assert read["dur"] >= 0 and read["ts"] + read["dur"] <= digest["ts"] + 0.001 and digest["dur"] >= 0, (read, digest)
    assert read["args"] == digest["args"], (read, digest)
if len(sys.argv) == 2:
    assert set(chunks["read"]) == set(chunks["digest"]) == set(range(len(chunks["read"])))
print(len(chunks["read"]), *sorted({event["args"]["file"].rsplit("/")[-1] for event in events if event["ph"] == "X"}))
END
}

all() {
	local io seconds

	# A name that is no UTF-8 and has a quote.
	cp --sparse=always "$work/zeros" "$work/a\"b"$'\xff'
	for io in auto pread; do
		check "$io: load" pinpool load clitest "$work/a\"b"$'\xff' --io $io --chunk 64K --trace "$work/trace"
		prints "$io: every chunk is submitted, completed, digested" $'65 a"b\xef\xbf\xbd' events "$work/trace"
		check "rm" pinpool rm clitest
	done
	check "with SHA-256" pinpool load clitest "$work/zeros" --sha256 all --trace "$work/trace"
	same "SHA-256 has rows" 1 "$(grep -c '"name":"sha256 0"' "$work/trace")"
	check "it is a trace" events "$work/trace"
	check "rm" pinpool rm clitest

	echo "0123456789abcdef0123456789abcdef  zeros" >"$work/list"
	refuses "a load that fails" 1 'pinpool: load: *other: tensor zeros: its XXH3-128 is *' \
		pinpool load clitest "$work/other" --digests "$work/list" --trace "$work/trace"
	check "has a whole trace" events "$work/trace"
	refuses "a load that does not begin" 1 'pinpool: load: *' pinpool load clitest "$work/nothing" --trace "$work/trace"
	prints "has an empty one" 0 events "$work/trace"

	# On any machine some of these are interrupted on the way.
	for seconds in 0.02 0.05 0.1; do
		timeout --foreground -s INT $seconds "$PINPOOL" load clitest "$work/large" --chunk 64K --depth 1 --io pread \
			--trace "$work/trace" >"$work/out" 2>"$work/err"
		check "a load interrupted after $seconds s has a whole trace" events "$work/trace" failed
		[[ -z $(pinpool ls -n) ]] || check "rm" pinpool rm clitest
	done

	refuses "a trace that cannot be made: nothing is loaded" 1 'pinpool: load: */none/trace: No such file or directory' \
		pinpool load clitest "$work/zeros" --trace "$work/none/trace"
	prints "nothing is there" "" pinpool ls -n
	if [[ -w /dev/full ]]; then
		pinpool load clitest "$work/zeros" --trace /dev/full >"$work/out" 2>"$work/err"
		same "a full disk is said, and the load published" "1 1" \
			"$? $(grep -c '^pinpool: load: /dev/full: the trace is not whole: ' "$work/err")"
		prints "the pool is READY" READY cells ls -n -o STATE
		check "rm" pinpool rm clitest
	fi
}

zeros "$work/zeros" 4
zeros "$work/large" 64
zeros "$work/other" 4
on_backends 40 all
finish
