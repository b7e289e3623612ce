#!/bin/bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Metrics: every line is what the format allows, the figures are those of stat, a file is whole, HTTP answers.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.bash"

if ! command -v python3 >/dev/null; then
	skip "metrics" "no python3"
	finish
fi

# A strict reader of the format: prints NAME{LABELS} VALUE, or says what breaks which rule.
cat >"$work/parse.py" <<'EOF'
import re, sys
text = sys.stdin.read()
assert text.endswith("\n"), "no newline at the end"
helped, types, seen, done, current = set(), {}, set(), set(), None
sample = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\d+(?:\.\d+)?)')
for line in text.splitlines():
    if line.startswith("# "):
        _, kind, name, rest = line.split(" ", 3)
        assert kind in ("HELP", "TYPE") and rest, line
        if kind == "HELP":
            assert name not in helped, "a second HELP: " + line
            helped.add(name)
            done.add(current)
            current = name
        else:
            assert name == current and name not in types and rest in ("gauge", "counter"), line
            types[name] = rest
        continue
    match = sample.fullmatch(line)
    assert match, "no sample: " + line
    name, labels, value = match.groups()
    assert name == current and name in types and name not in done, "not with its family: " + line
    assert name.startswith("pinpool_"), line
    assert (types[name] == "counter") == name.endswith("_total"), line
    assert (name, labels) not in seen, "twice: " + line
    seen.add((name, labels))
    print(f"{name}{{{labels}}} {value}" if labels else f"{name} {value}")
assert helped == set(types) == {name for name, _ in seen}, "a head without samples"
EOF

parse() {
	python3 "$work/parse.py"
}

# of METRIC...: its value in the file.
of() {
	grep -F "$1 " "$work/metrics" | cut -d ' ' -f 2
}

figures() {
	local name want

	pinpool metrics | parse >"$work/metrics" 2>"$work/err"
	same "a host without pools" "" "$(<"$work/err")"
	same "has none" 0 "$(of pinpool_pools)"
	tiny "$work/tiny.safetensors"
	check "pools" eval 'pinpool load clitest-a "$work/tiny.safetensors" && pinpool create clitest.b 4M'
	pinpool metrics | parse >"$work/metrics" 2>"$work/err"
	same "the format" "" "$(<"$work/err")"
	same "the version" 1 "$(of "pinpool_build_info{version=\"0.1.0\",backend=\"$PINPOOL_BACKEND\"}")"
	same "pools" 2 "$(of pinpool_pools)"
	same "bytes in use" "$(pinpool stat -b -o USED | cut -d ' ' -f 2)" "$(of pinpool_used_bytes)"
	same "one state of three" "0 0 1 1 0 0" "$(for name in clitest-a clitest.b; do
		for state in EMPTY LOADING READY; do of "pinpool_pool_state{pool=\"$name\",state=\"$state\"}"; done
	done | tr '\n' ' ' | sed 's/ $//')"
	for name in capacity length; do
		want=$(pinpool stat clitest-a -b -o $name | cut -d ' ' -f 2)
		same "$name" "$want" "$(of "pinpool_pool_${name}_bytes{pool=\"clitest-a\"}")"
	done
	same "a time is in seconds" "$(pinpool stat clitest-a -J -o CREATED | tr -dc 0-9 | sed 's/.........$/.&/')" \
		"$(of 'pinpool_pool_created_timestamp_seconds{pool="clitest-a"}')"
	same "what is not known is missing" 0 "$(grep -c 'committed.*clitest.b\|load_done' "$work/metrics")"
	same "the reserve, node by node" "$(pinpool reserve -n -b 2>/dev/null | tr -s ' ' | sed 's/^ //')" \
		"$(sed -n 's/pinpool_node_reserve_bytes{node="\([0-9]*\)"} \(.*\)/\1 \2/p' "$work/metrics" |
			while read -r node bytes; do echo "$node $bytes $(of "pinpool_node_reserve_free_bytes{node=\"$node\"}")"; done)"
	check "rm" pinpool rm clitest-a clitest.b
}

files() {
	check "a file" eval 'echo old >"$work/pinpool.prom" && (umask 077 && pinpool metrics --output "$work/pinpool.prom")'
	check "has them" eval 'parse <"$work/pinpool.prom" | grep -qx "pinpool_pools 0"'
	same "for everybody" 644 "$(stat -c %a "$work/pinpool.prom")"
	same "and nothing beside it" 1 "$(find "$work" -name 'pinpool.prom*' | wc -l)"
	refuses "a folder that is not there" 1 "pinpool: metrics: $work/no/file: No such file or directory" \
		pinpool metrics -o "$work/no/file"
	mkdir "$work/folder"
	refuses "a folder in its place" 1 "pinpool: metrics: $work/folder: Is a directory" pinpool metrics -o "$work/folder"
	same "leaves nothing beside it" 1 "$(find "$work" -name 'folder*' | wc -l)"
}

# ask METHOD PATH: status and, for what is fine, type and body.
ask() {
	python3 - "$port" "$@" <<-'EOF'
		import http.client, sys
		connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=10)
		connection.request(sys.argv[2], sys.argv[3])
		answer = connection.getresponse()
		body = answer.read().decode()
		print(answer.status, answer.getheader("Content-Type") if answer.status == 200 else answer.getheader("Allow"))
		print(body, end="")
	EOF
}

server() {
	local port pid tries where

	for where in '' 0 65536 x 80x :9750 '[:9750' '::1:9750' 'localhost:9750' '1.2.3:' '[]:9750'; do
		refuses "--listen '$where'" 2 "pinpool: metrics: --listen: '$where' is not a value it takes (a port, or *)" \
			timeout 10 "$PINPOOL" metrics --listen "$where"
	done
	# A port that nobody has now.
	port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	"$PINPOOL" metrics --listen "$port" 2>"$work/err" &
	pid=$!
	for ((tries = 0; tries < 100; tries++)); do
		! ask GET / >/dev/null 2>&1 || break
		sleep 0.05
	done
	ask GET /metrics >"$work/out"
	same "GET /metrics" "200 text/plain; version=0.0.4; charset=utf-8" "$(head -n 1 "$work/out")"
	check "the same text" eval 'sed 1d "$work/out" | parse | grep -qx "pinpool_pools 0"'
	same "HEAD has no body" "200 text/plain; version=0.0.4; charset=utf-8" "$(ask HEAD /metrics)"
	same "another path" "404 None" "$(ask GET / | head -n 1)"
	same "another method" "405 GET, HEAD" "$(ask POST /metrics | head -n 1)"
	refuses "a port that somebody has" 1 "pinpool: metrics: $port: Address already in use" pinpool metrics -l "$port"
	kill -TERM $pid
	wait $pid
	same "SIGTERM ends it well" "0 " "$? $(<"$work/err")"
}

export PINPOOL_BACKEND=shm PINPOOL_STATE_DIR=$work/none
refuses "a file and a port" 2 "pinpool: metrics: --listen: not together with --output (leave one of them out)" \
	pinpool metrics -o a -l 1
unset PINPOOL_BACKEND PINPOOL_STATE_DIR

on_backends 8 figures
PINPOOL_BACKEND=shm on_backends 0 files
PINPOOL_BACKEND=shm on_backends 0 server
finish
