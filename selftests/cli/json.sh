#!/bin/bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# JSON: valid whatever the names are, and the same columns as the table.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.bash"

if ! command -v python3 >/dev/null; then
	skip "JSON" "no python3"
	finish
fi

# value FILE EXPRESSION: of the document, which is called d.
value() {
	python3 -c 'import json, sys; d = json.load(open(sys.argv[1], encoding="utf-8")); print(eval(sys.argv[2]))' "$@"
}

# columns NAME KEY COMMAND...: the table with all columns and the JSON with all columns have the same ones, in order.
columns() {
	local name=$1 key=$2

	shift 2
	pinpool "$@" -O -J >"$work/json" 2>"$work/err" || fail "$name: JSON" "$(cat "$work/err")"
	same "$name: the keys are the headings" "$(pinpool "$@" -O | head -n 1 | tr -s ' ' '\n' | tr '[:upper:]' '[:lower:]')" \
		"$(value "$work/json" "'\n'.join(d['$key'][0])")"
	same "$name: --help lists them" "$(value "$work/json" "'\n'.join(d['$key'][0])")" \
		"$(pinpool --list columns "$1" | grep -- "${sources:--}\$" | cut -f 1 | tr '[:upper:]' '[:lower:]')"
}

all() {
	local odd='a "quoted" \\name'$'\t''é'

	safetensors "$work/odd"$'\xff' "{\"a \\\"quoted\\\" \\\\\\\\name\\té\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},\
\"scalar\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[24,32]}}" 32
	check "load" pinpool load clitest "$work/odd"$'\xff' --mode 0640
	columns ls pools ls
	columns show tensors show clitest
	same "a shape is an array" "[2, 3]" "$(value "$work/json" "d['tensors'][0]['shape']")"
	same "that of a scalar is empty" "[]" "$(value "$work/json" "d['tensors'][1]['shape']")"
	same "names keep their characters" "$odd" "$(value "$work/json" "d['tensors'][0]['name']")"
	same "sizes are numbers" 24 "$(value "$work/json" "d['tensors'][0]['size']")"
	same "a table escapes what is not printable" 'a "quoted" \\name\x09é' \
		"$(LC_ALL=C.UTF-8 pinpool show clitest -n -o NAME | head -n 1 | sed 's/ *$//')"
	same "a byte that is not UTF-8 in a path becomes U+FFFD" $'odd\xef\xbf\xbd' \
		"$(value "$work/json" "d['tensors'][0]['source'].rsplit('/')[-1].encode()" | python3 -c 'import sys; sys.stdout.buffer.write(eval(sys.stdin.read()))')"
	sources=--sources columns "show --sources" sources show clitest --sources
	pinpool stat clitest -J >"$work/json"
	same "stat NAME has the columns of ls" "$(pinpool --list columns ls | cut -f 1 | tr '[:upper:]' '[:lower:]')" \
		"$(value "$work/json" "'\n'.join(d)")"
	same "yes and no are true and false" "False False" "$(value "$work/json" "d['demand'], d['evictable']" | tr -d '(),')"
	same "a priority is a number" 0 "$(value "$work/json" "d['priority']")"
	same "unknown and none are null" None "$(value "$work/json" "d['node']")"
	same "a mode is text, in octal" 0640 "$(value "$work/json" "d['mode']")"
	same "a time is in nanoseconds" True "$(value "$work/json" "d['created'] > 10**18 and d['committed'] >= d['created']")"
	pinpool stat -J >"$work/json"
	same "stat counts pools" 1 "$(value "$work/json" "d['pools']")"
	check "rm" pinpool rm clitest
}

on_backends 8 all
finish
