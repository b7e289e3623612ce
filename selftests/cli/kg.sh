#!/bin/bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Knowledge graphs by the command: built, asked, written out again, refused, interrupted.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.bash"

export TMPDIR=$work/tmp
mkdir "$TMPDIR"
ex=http://example.org

# Names of one kind, for TSV.
tsv() {
	printf '%s\t%s\t%s\n' ada knows charles ada wrote notes charles built engine charles knows ada \
		ada knows charles "mary shelley" wrote frankenstein
}

# All kinds of terms.
ntriples() {
	cat <<-EOF
		# people
		<$ex/ada> <$ex/knows> <$ex/charles> .
		<$ex/ada> <$ex/name> "Ada"@en .
		<$ex/ada> <$ex/name> "Ada \"the\" Countess\\nof L\\u00f6velace" .
		<$ex/ada> <$ex/born> "1815-12-10"^^<http://www.w3.org/2001/XMLSchema#date> .
		<$ex/ada> <$ex/age> "36"^^<http://www.w3.org/2001/XMLSchema#integer> .
		<$ex/ada> <$ex/age> "036"^^<http://www.w3.org/2001/XMLSchema#integer> .
		<$ex/charles> <$ex/lives> _:house .
		_:house <$ex/in> <$ex/london> .
	EOF
}

build() {
	tsv >"$work/a.tsv"
	check "build" pinpool kg build -q clitest "$work/a.tsv"
	same "stat" "5 1 6 3" "$(pinpool kg stat clitest -o TRIPLES,DUPLICATES,NODES,PREDICATES | tr -dc '0-9\n' | tr '\n' ' ' | sed 's/ $//')"
	prints "stat --predicates" $'built 1\nknows 2\nwrote 2' cells kg stat clitest -n --predicates
	same "stat --names has all nodes" 6 "$(cells kg stat clitest -n --names -o NODES)"
	check "stat --check" pinpool kg stat clitest --check
	check "verify" pinpool verify clitest
	same "show has its sections" 11 "$(pinpool show -n clitest | wc -l)"
	same "and its input" "tsv" "$(cells show -n clitest --sources -o FORMAT)"
}

# Each pattern of a triple and its wildcards.
patterns() {
	local knows=$'ada\tknows\tcharles\ncharles\tknows\tada'

	prints "S P O" $'ada\tknows\tcharles' pinpool kg query clitest 'ada knows charles'
	prints "S P ?" $'ada\twrote\tnotes' pinpool kg query clitest 'ada wrote ?'
	prints "S ? O" $'ada\twrote\tnotes' pinpool kg query clitest 'ada ? notes'
	prints "S ? ?" $'ada\tknows\tcharles\nada\twrote\tnotes' pinpool kg query clitest 'ada ? ?'
	prints "? P O" $'charles\tknows\tada' pinpool kg query clitest '? knows ada'
	prints "? P ?" "$knows" pinpool kg query clitest '?x knows ?y'
	prints "? ? O" $'charles\tbuilt\tengine' pinpool kg query clitest '? ? engine'
	prints "? ? ?" "5" pinpool kg query clitest --count '? ? ?'
	prints "three operands may have blanks" $'mary shelley\twrote\tfrankenstein' \
		pinpool kg query clitest 'mary shelley' wrote '?'
	prints "what nothing matches is nothing" "" pinpool kg query clitest 'ada built engine'
	prints "and none" "0" pinpool kg query clitest --count 'ada built engine'
	prints "--limit" "$(head -n 1 <<<"$knows")" pinpool kg query clitest '? knows ?' --limit 1
	prints "-J" '{"subject":{"type":"name","value":"ada"},"predicate":{"type":"name","value":"wrote"},"object":{"type":"name","value":"notes"}}' \
		pinpool kg query clitest -J 'ada wrote ?'
	prints "-J --count" '{"count":2}' pinpool kg query clitest -J --count '? knows ?'
	refuses "an entity that is not there: names like it" 1 \
		'pinpool: kg query: charlse: no such entity in clitest (did you mean charles?)' \
		pinpool kg query clitest '? ? charlse'
	refuses "a predicate that is not there" 1 'pinpool: kg query: knew: no such predicate in clitest*' \
		pinpool kg query clitest '? knew ?'
	refuses "no pattern" 2 'pinpool: kg query: a term is missing (*)' pinpool kg query clitest 'ada knows'
	refuses "more than one" 2 'pinpool: kg query: *more than three terms*' pinpool kg query clitest 'ada knows charles x'
	refuses "no term" 2 'pinpool: kg query: <x: is no term (*)' pinpool kg query clitest '? ? <x'
	refuses "two operands" 2 'pinpool: kg query: two operands*' pinpool kg query clitest '?' '?'
}

neighbors() {
	prints "neighbors" $'out\tbuilt\tengine\nout\tknows\tada\nin\tknows\tada' pinpool kg neighbors clitest charles
	prints "--out" $'out\tbuilt\tengine\nout\tknows\tada' pinpool kg neighbors clitest charles --out
	prints "--in --relation" $'in\tknows\tada' pinpool kg neighbors clitest charles --in --relation knows
	prints "--limit" $'out\tbuilt\tengine' pinpool kg neighbors clitest charles --limit 1
	prints "--hops" $'0\tengine\n1\tcharles\n2\tada' pinpool kg neighbors clitest engine --hops 2
	prints "-J --hops" '{"hops":0,"node":{"type":"name","value":"notes"}}' \
		pinpool kg neighbors clitest notes --hops 3 --out -J
	refuses "more than the limit" 1 'pinpool: kg neighbors: clitest: more nodes*' \
		pinpool kg neighbors clitest ada --hops 2 --limit 2
	refuses "no such node" 1 'pinpool: kg neighbors: nobody: no such entity*' pinpool kg neighbors clitest nobody
}

export_and_back() {
	prints "export of names is TSV" "$(tsv | sort -u | sort -t $'\t' -k2,2 -k1,1)" pinpool kg export clitest
	pinpool kg export clitest >"$work/back.tsv"
	check "builds it again" pinpool kg build -q clitest-b "$work/back.tsv"
	same "the same graph" "$(pinpool kg export clitest | cksum)" "$(pinpool kg export clitest-b | cksum)"
	refuses "names are no N-Triples" 1 'pinpool: kg export: clitest: N-Triples has no plain names*' \
		pinpool kg export clitest --format ntriples
	prints "rm" "" pinpool rm clitest clitest-b

	ntriples >"$work/a.nt"
	check "build of N-Triples" pinpool kg build -q clitest "$work/a.nt"
	prints "a language" "<$ex/ada>	<$ex/name>	\"Ada\"@en" pinpool kg query clitest '? ? "Ada"@en'
	prints "a datatype" "<$ex/ada>	<$ex/age>	\"36\"^^<http://www.w3.org/2001/XMLSchema#integer>" \
		pinpool kg query clitest '? ? "36"^^<http://www.w3.org/2001/XMLSchema#integer>'
	prints "an IRI without its brackets" "_:house	<$ex/in>	<$ex/london>" pinpool kg query clitest "? ? $ex/london"
	prints "a blank node" "_:house	<$ex/in>	<$ex/london>" pinpool kg query clitest '_:house ? ?'
	prints "-J" "{\"subject\":{\"type\":\"iri\",\"value\":\"$ex/ada\"},\"predicate\":{\"type\":\"iri\",\"value\":\"$ex/born\"},\"object\":{\"type\":\"literal\",\"value\":\"1815-12-10\",\"datatype\":\"http://www.w3.org/2001/XMLSchema#date\"}}" \
		pinpool kg query clitest -J "? $ex/born ?"
	pinpool kg export clitest >"$work/b.nt"
	same "export is canonical" "$(ntriples | sed '/^#/d; s/\\u00f6/ö/' | sort)" "$(sort "$work/b.nt")"
	check "builds it again" pinpool kg build -q clitest-b "$work/b.nt"
	same "the same graph, byte for byte" "$(cells stat clitest -o DIGEST)" "$(cells stat clitest-b -o DIGEST)"
	refuses "an end of a line is no TSV" 1 'pinpool: kg export: clitest: TSV has no text with*' \
		sh -c '"$0" kg export clitest --format tsv >/dev/null' "$PINPOOL"
	check "Turtle says the same" pinpool kg build -q clitest-c --format turtle "$work/b.nt"
	same "the same graph" "$(pinpool kg export clitest | cksum)" "$(pinpool kg export clitest-c | cksum)"
	prints "rm" "" pinpool rm clitest clitest-b clitest-c
}

errors() {
	printf 'a\tr\tb\na\tr\n' >"$work/bad.tsv"
	printf '<%s/a> <%s/b> "c" .\n<%s/a> <%s/b> c .\n' $ex $ex $ex $ex >"$work/bad.nt"
	refuses "TSV: line and byte" 1 "pinpool: kg build: $work/bad.tsv: line 2, byte 6: 2 of 3 names*" \
		pinpool kg build clitest "$work/bad.tsv"
	refuses "N-Triples: line and byte" 1 "pinpool: kg build: $work/bad.nt: line 2, byte 9*: expected*" \
		pinpool kg build clitest "$work/bad.nt"
	refuses "a long line" 1 "pinpool: kg build: -: line 1, byte 0: the line is longer than 65536 bytes \(*--max-line*)" \
		sh -c 'tr "\0" x </dev/zero | head -c 1000000 | "$0" kg build clitest - --format tsv --max-line 64K' "$PINPOOL"
	refuses "no format" 1 "pinpool: kg build: $work/tmp/..: *" pinpool kg build clitest "$work/tmp/.."
	refuses "no file" 1 "pinpool: kg build: $work/none.nt: No such file*" pinpool kg build clitest "$work/none.nt"
	refuses "no triple" 1 "pinpool: kg build: /dev/null: no triple" pinpool kg build clitest /dev/null --format tsv
	refuses "little memory" 1 'pinpool: kg build: memory: is too little*' pinpool kg build clitest "$work/a.nt" --memory 1M
	refuses "no folder for temporary files" 1 'pinpool: kg build: /nonexistent: No such file*' \
		sh -c 'seq 200000 | sed "s/.*/&\tr\tname & that is not short/" | "$0" kg build clitest - --format tsv --memory 48M --tmp /nonexistent' "$PINPOOL"
	prints "nothing was published" "" pinpool ls -n
	refuses "too small: what is needed" 1 \
		'pinpool: kg build: clitest: a pool of 4096 bytes is too small*\(give a capacity of at least *)' \
		pinpool kg build clitest "$work/a.nt" --capacity 4096
	tiny "$work/tiny.safetensors"
	check "a checkpoint" pinpool load -q clitest "$work/tiny.safetensors"
	refuses "is no graph" 1 'pinpool: kg query: clitest: holds no graph (*)' pinpool kg query clitest '? ? ?'
	refuses "and READY" 1 'pinpool: kg build: clitest: a pool of this name is READY (*)' \
		pinpool kg build clitest "$work/a.nt"
	refuses "no pool" 1 'pinpool: kg stat: clitest-x: *' pinpool kg stat clitest-x
	prints "rm" "" pinpool rm clitest
}

# begin: a build that waits for more of its input.
begin() {
	rm -f "$work/pipe"
	mkfifo "$work/pipe"
	set -m
	"$PINPOOL" kg build clitest "$work/pipe" --format tsv --memory 48M >"$work/out" 2>"$work/err" &
	pid=$!
	set +m
	exec 3>"$work/pipe"
	seq 100000 | sed 's/.*/&\tr\tsome name & that takes room/' >&3
}

interrupt() {
	local pid signal status

	for signal in INT TERM; do
		begin
		kill -$signal "$pid"
		status=0
		ended "$pid" || status=$?
		exec 3>&-
		same "SIG$signal: exit status" 130 "$status"
		same "SIG$signal: it says so" "pinpool: kg build: clitest: interrupted, nothing was published" "$(<"$work/err")"
		prints "SIG$signal: no pool" "" pinpool ls -n
		same "SIG$signal: no temporary files" "" "$(ls -A "$TMPDIR")"
	done
	begin
	kill -KILL "$pid"
	ended "$pid"
	exec 3>&-
	prints "SIGKILL: no pool" "" pinpool ls -n
	same "SIGKILL: no temporary files" "" "$(ls -A "$TMPDIR")"
	# A pipe that nobody writes to.
	mkfifo "$work/silent"
	set -m
	"$PINPOOL" kg build clitest "$work/silent" --format tsv >"$work/out" 2>"$work/err" &
	pid=$!
	set +m
	sleep 0.3
	kill -INT "$pid"
	status=0
	ended "$pid" || status=$?
	same "interrupted while it opens a pipe" "130 pinpool: kg build: clitest: interrupted, nothing was published" \
		"$status $(<"$work/err")"
	# Two at once: one is first, and the other says so.
	begin
	check "another build is faster" pinpool kg build -q clitest "$work/a.nt"
	exec 3>&-
	status=0
	ended "$pid" || status=$?
	same "the slower one fails" "1 pinpool: kg build: clitest: a pool of this name is READY" \
		"$status $(sed 's/ (.*//' "$work/err")"
	same "and leaves what is there" 8 "$(pinpool kg query clitest --count '? ? ?')"
	prints "rm" "" pinpool rm clitest
}

all() {
	build
	patterns
	neighbors
	export_and_back
	errors
	interrupt
}

PINPOOL_BACKEND=shm
on_backends 0 all
refuses "no headings of what has none" 2 'pinpool: kg stat: --noheadings: only with *' pinpool kg stat x -n
refuses "a wrong format" 2 'pinpool: kg build: --format: *' pinpool kg build x y --format xml
finish
