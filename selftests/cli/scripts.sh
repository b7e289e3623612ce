#!/bin/bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# The scripts that make the demo's files: what they write loads, and what does not add up is refused.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.bash"

if ! command -v python3 >/dev/null; then
	skip "scripts" "no python3"
	finish
fi
convert=$here/../../scripts/tfjs2safetensors
generate=$here/../../scripts/make-checkpoint

# model WEIGHTS [PATHS]: a model.json with that list, and its shards, 12 and 20 bytes.
model() {
	echo "{\"weightsManifest\":[{\"paths\":${2:-[\"a\",\"b\"]},\"weights\":[$1]}]}" >"$work/model.json"
	printf 'aaaaaaaaaaaa' >"$work/a"
	printf 'bbbbbbbbbbbbbbbbbbbb' >"$work/b"
}

# bad NAME PATTERN: the model is refused with such a line, and no file is left.
bad() {
	rm -f "$work"/out*
	refuses "$1" 1 "tfjs2safetensors: $work/model.json: $2" "$convert" "$work/model.json" "$work/out"
	same "$1: nothing is left" "$work/out*" "$(echo "$work"/out*)"
}

w='{"name":"w","shape":[2,3],"dtype":"float32"}'
s='{"name":"s","shape":[],"dtype":"int32"}'
m='{"name":"m","shape":[4],"dtype":"bool"}'

model "$w,$s,$m"
prints "a model" "$work/out: 3 tensors, 288 bytes" "$convert" "$work/model.json" "$work/out"
model "$w"
bad "shards longer than the tensors" '*32 bytes, their tensors 24'
model "$w,$s,$m,$s"
bad "a name that is there twice" 's: is there twice'
model "$w,$s"',{"name":"m","shape":[5],"dtype":"bool"}'
bad "shards shorter than the tensors" '*32 bytes, their tensors 33'
model "$w,$s"',{"name":"m","shape":[4],"dtype":"complex64"}'
bad "an unknown type" "m: type 'complex64' (*)"
model "$w,$s"',{"name":"m","shape":[-4],"dtype":"bool"}'
bad "a negative extent" 'm: shape *'
model "$w,$s"',{"name":"m","shape":[4],"dtype":"float32","quantization":{"dtype":"uint8"}}'
bad "quantized weights" 'm: is quantized'
model "$w,$s,$m" '["a","../b"]'
bad "a shard outside the folder" "'../b' is no name of a shard"
model "$w,$s,$m" '["a","c"]'
bad "a shard that is not there" '*No such file*'
model ''
bad "no tensors" '*'
echo '{' >"$work/model.json"
bad "no JSON" '*'

loads() {
	model "$w,$s,$m"
	"$convert" "$work/model.json" "$work/out" >/dev/null
	check "a converted model loads" pinpool load clitest "$work/out"
	prints "with its tensors in order" $'w F32 [2,3] 24B\ns I32 [] 4B\nm BOOL [4] 4B' \
		cells show clitest -n -o NAME,DTYPE,SHAPE,SIZE
	pinpool rm clitest
	check "a generated checkpoint loads" pinpool load clitest "$work/pangu"
	prints "with the shapes of a layer" $'[1536,1536]\n[768,1536]\n[6144,1536]\n[1536,6144]' eval \
		'cells show clitest -n -o SHAPE,NAME | sed -n "s/ model.layers.0.*\(q_proj\|k_proj\|up_proj\|down_proj\).*//p"'
	check "of finite numbers: a product is right" pinpool matmul clitest model.layers.0.self_attn.o_proj.weight --m 4 --repeat 1
	pinpool rm clitest
}

check "a small checkpoint" "$generate" "$work/pangu" --limit 80000000
same "it is as small as asked" 1 "$(($(du -bc "$work"/pangu/*.safetensors | tail -n 1 | cut -f 1) < 80000000 + 65536))"
check "the same seed" "$generate" "$work/again" --limit 80000000 --seed 1
check "gives the same files" diff -r "$work/pangu" "$work/again"
refuses "less than a layer is refused" 1 'make-checkpoint: *too few*' "$generate" "$work/none" --limit 1000000
on_backends 48 loads
finish
