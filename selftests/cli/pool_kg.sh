#!/bin/bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# A small knowledge graph in a pool, by whichever backend: built, asked by other processes, verified.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.bash"

export TMPDIR=$work

all() {
	printf 'ada\tknows\tcharles\ncharles\tbuilt\tengine\n' >"$work/a.tsv"
	check "build" pinpool kg build -q clitest "$work/a.tsv" --threads 2
	same "it is READY" "READY" "$(cells ls -n -o STATE)"
	prints "another process asks it" $'ada\tknows\tcharles' pinpool kg query clitest '? ? charles'
	prints "and goes on from there" $'0\tada\n1\tcharles\n2\tengine' pinpool kg neighbors clitest ada --hops 2 --out
	check "its digests are equal" pinpool verify clitest
	check "it is sound" pinpool kg stat clitest --check
	prints "and comes back" $'charles\tbuilt\tengine\nada\tknows\tcharles' pinpool kg export clitest
	refuses "it is not built again" 1 'pinpool: kg build: clitest: a pool of this name is READY*' \
		pinpool kg build -q clitest "$work/a.tsv"
	prints "rm" "" pinpool rm clitest
	printf 'ada\tknows\n' >"$work/b.tsv"
	prints "a pool" "" pinpool create clitest 2M
	refuses "a broken file fills none" 1 "pinpool: kg build: $work/b.tsv: line 1, byte 0: *" \
		pinpool kg build -q clitest "$work/b.tsv"
	same "it is EMPTY" "EMPTY" "$(cells ls -n -o STATE)"
	check "and takes a good one" pinpool kg build -q clitest "$work/a.tsv"
	prints "rm" "" pinpool rm clitest
}

on_backends 8 all
finish
