#!/bin/bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# SHA-256 on request, lists of digests, and a verification that compares either.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.bash"

sha256() {
	sha256sum | cut -d ' ' -f 1
}

all() {
	local file weight xxh3

	file=$(sha256 <"$work/tiny.safetensors")
	weight=$(tail -c 48 "$work/tiny.safetensors" | head -c 32 | sha256)
	check "load --sha256 all" pinpool load clitest "$work/tiny.safetensors" --sha256 all
	prints "show has that of tensors" "weight $weight" sh -c "'$PINPOOL' show clitest -n -o NAME,SHA256 | grep weight | tr -s ' '"
	prints "and of files" "$file" pinpool show clitest --sources -n -o SHA256
	same "in JSON, too" 1 "$(pinpool show clitest -J -O | grep -c "\"sha256\": \"$weight\"")"
	xxh3=$(pinpool show clitest -n -o DIGEST | head -n 1)
	same "verify --sha256 says how many" "clitest: 3 SHA-256 equal" "$(pinpool verify clitest --sha256 | tail -n 1)"
	check "rm" pinpool rm clitest

	check "load without" pinpool load clitest "$work/tiny.safetensors"
	prints "there is none" "-" pinpool show clitest --sources -n -o SHA256
	refuses "verify --sha256 needs it" 1 'pinpool: verify: clitest: the pool was loaded without SHA-256 (*)' \
		pinpool verify clitest --sha256
	check "rm" pinpool rm clitest

	(cd "$work" && sha256sum tiny.safetensors) >"$work/list"
	echo "$xxh3  weight" >>"$work/list"
	same "load --digests says how many" "clitest: digests of $work/list: 2 equal" \
		"$(pinpool load clitest "$work/tiny.safetensors" --digests "$work/list" | tail -n 1)"
	same "so does a load that attaches" "clitest: digests of $work/list: 2 equal" \
		"$(pinpool load clitest "$work/tiny.safetensors" --digests "$work/list" | tail -n 1)"
	sed "s/^$file/${file//[0-9]/0}/" "$work/list" >"$work/other"
	refuses "which refuses what differs" 1 \
		"pinpool: load: $work/tiny.safetensors: its SHA-256 is $file, $work/other says ${file//[0-9]/0} (fetch the file again)" \
		pinpool load clitest "$work/tiny.safetensors" --digests "$work/other"
	echo "$weight  weight" >"$work/other"
	refuses "and what the pool has no digest to compare with" 1 \
		"pinpool: load: clitest: a pool of this name is READY and holds something else: no SHA-256 of tensor weight (*)" \
		pinpool load clitest "$work/tiny.safetensors" --digests "$work/other"
	prints "the pool stays" "clitest" pinpool ls -n -o NAME
	check "rm" pinpool rm clitest
	sed -i "s/^$file/${file//[0-9]/0}/" "$work/list"
	refuses "one that differs is named, with both" 1 \
		"pinpool: load: $work/tiny.safetensors: its SHA-256 is $file, $work/list says ${file//[0-9]/0} (fetch the file again)" \
		pinpool load clitest "$work/tiny.safetensors" --digests "$work/list"
	prints "nothing is published" "" pinpool ls -n
	echo nonsense >"$work/list"
	refuses "a line that is none" 1 "pinpool: load: $work/list: line 1: is no digest and name (*)" \
		pinpool load clitest "$work/tiny.safetensors" --digests "$work/list"
	echo "$xxh3  other" >"$work/list"
	refuses "a name that is not in the checkpoint" 1 \
		"pinpool: load: $work/list: line 1: the checkpoint has no file and no tensor other (*)" \
		pinpool load clitest "$work/tiny.safetensors" --digests "$work/list"
	refuses "no list" 1 "pinpool: load: $work/none: No such file or directory" \
		pinpool load clitest "$work/tiny.safetensors" --digests "$work/none"
	refuses "no such choice" 2 "pinpool: load: --sha256: 'yes' is not a value it takes (one of none, all, tensors, files)" \
		pinpool load clitest "$work/tiny.safetensors" --sha256 yes
}

tiny "$work/tiny.safetensors"
on_backends 8 all
finish
