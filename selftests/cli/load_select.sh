#!/bin/bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Loading some tensors, parts of tensors, and in the order of layers; what of that is refused.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.bash"

# model FILE: two layers of a small transformer, the second one first.
model() {
	local header='' at=0 name shape bytes

	while read -r name shape bytes; do
		header+="${header:+,}\"$name\":{\"dtype\":\"F32\",\"shape\":[$shape],\"data_offsets\":[$at,$((at + bytes))]}"
		at=$((at + bytes))
	done <<-END
		lm_head.weight 8,4 128
		model.layers.1.mlp.down_proj.weight 4,6 96
		model.layers.1.mlp.up_proj.weight 6,4 96
		model.layers.0.mlp.down_proj.weight 4,6 96
		model.layers.0.norm.weight 4 16
		model.embed_tokens.weight 8,4 128
	END
	safetensors "$1" "{$header}" $at
}

# content TENSOR: its bytes, in hexadecimal.
content() {
	local offset size

	read -r offset size < <(cells show clitest -n -b -o NAME,OFFSET,SIZE | grep "^$1 " | cut -d ' ' -f 2-)
	od -An -v -tx1 -j "$offset" -N "$size" "$(pool_file)" | tr -d ' \n'
}

pool_file() {
	case $PINPOOL_BACKEND in
	module) echo /dev/pinpool/clitest ;;
	hugetlbfs) echo "$work/copy" ;;
	*) ls "$PINPOOL_STATE_DIR"/clitest ;;
	esac
}

# A file of hugetlbfs is read by the command only.
loaded() {
	[[ $PINPOOL_BACKEND != hugetlbfs ]] || cat "$PINPOOL_HUGETLBFS_DIR/clitest" >"$work/copy"
}

all() {
	local is whole rank

	check "all of it" pinpool load clitest "$work/model"
	loaded
	whole=$(content model.layers.0.mlp.down_proj.weight)
	prints "rm" "" pinpool rm clitest

	for rank in 0 1; do
		check "rank $rank of 2, in order of layers" pinpool load clitest "$work/model" --rank $rank --of 2 --order layer
		prints "what there is of rank $rank" "\
model.embed_tokens.weight [4,4] rows $((rank * 4)) to $((rank * 4 + 4)) of 8
model.layers.0.mlp.down_proj.weight [4,3] columns $((rank * 3)) to $((rank * 3 + 3)) of 6
model.layers.0.norm.weight [4]
model.layers.1.mlp.down_proj.weight [4,3] columns $((rank * 3)) to $((rank * 3 + 3)) of 6
model.layers.1.mlp.up_proj.weight [3,4] rows $((rank * 3)) to $((rank * 3 + 3)) of 6
lm_head.weight [4,4] rows $((rank * 4)) to $((rank * 4 + 4)) of 8" slices
		loaded
		is=$(content model.layers.0.mlp.down_proj.weight)
		same "columns of rank $rank" "$(columns "$whole" $((rank * 24)))" "$is"
		check "verify" pinpool verify clitest
		prints "rm" "" pinpool rm clitest
	done

	check "by pattern" pinpool load clitest "$work/model" --tensor '*.norm.*' --tensor lm_head.weight
	prints "only those are there" $'lm_head.weight\nmodel.layers.0.norm.weight' pinpool show clitest -n -o NAME
	prints "the file is longer than what is there of it" "$(stat -c %s "$work/model") -" \
		cells show clitest --sources -n -b -o LENGTH,DIGEST
	prints "rm" "" pinpool rm clitest
	check "cut by patterns" pinpool load clitest "$work/model" --rank 2 --of 3 --rows '*up_proj*' --columns '*down_proj*'
	prints "those are, others are whole" "\
lm_head.weight [8,4]
model.layers.1.mlp.down_proj.weight [4,2] columns 4 to 6 of 6
model.layers.1.mlp.up_proj.weight [2,4] rows 4 to 6 of 6
model.layers.0.mlp.down_proj.weight [4,2] columns 4 to 6 of 6
model.layers.0.norm.weight [4]
model.embed_tokens.weight [8,4]" slices
	prints "rm" "" pinpool rm clitest

	safetensors "$work/fused" '{"l.0.gate_up_proj.weight":{"dtype":"U8","shape":[8,2],"data_offsets":[0,16]}}' 16
	check "what is fused" pinpool load clitest "$work/fused" --rank 1 --of 2
	prints "is cut part by part" "l.0.gate_up_proj.weight [4,2] rows 2 to 4, 6 to 8 of 8" slices
	prints "rm" "" pinpool rm clitest
	safetensors "$work/fused" '{"l.0.qkv_proj.weight":{"dtype":"U8","shape":[8,2],"data_offsets":[0,16]}}' 16
	refuses "what lies nobody knows how" 1 'pinpool: load: */fused: tensor l.0.qkv_proj.weight: how *is not known (*config.json*)' \
		pinpool load clitest "$work/fused" --rank 1 --of 2
	refuses "a name that there is not" 1 'pinpool: load: gone: *no tensor*' \
		pinpool load clitest "$work/model" --tensor lm_head.weight --tensor gone
	refuses "what does not divide" 1 'pinpool: load: */model: tensor lm_head.weight: *8 rows*3 ranks (*)' \
		pinpool load clitest "$work/model" --rank 0 --of 3
	refuses "a rank without their number" 2 'pinpool: load: --rank: *--of*' pinpool load clitest "$work/model" --rank 0
	refuses "a number without a rank" 2 'pinpool: load: --of: *--rank*' pinpool load clitest "$work/model" --of 2
	refuses "a rank that is none of them" 2 'pinpool: load: --rank: there are 2 ranks*' \
		pinpool load clitest "$work/model" --rank 2 --of 2
	refuses "a cut without ranks" 2 'pinpool: load: --rows: *' pinpool load clitest "$work/model" --rows '*'
	refuses "an order that is none" 2 'pinpool: load: --order: *file, layer*' \
		pinpool load clitest "$work/model" --order size
	prints "left nothing" "" pinpool ls -n
}

# Blanks between words, none at the end.
slices() {
	cells show clitest -n -o NAME,SHAPE,SLICE | sed 's/ -$//'
}

# columns HEX FROM: of four rows of 48 digits, 24 from there on.
columns() {
	local row

	for row in 0 1 2 3; do
		printf %s "${1:row * 48 + $2:24}"
	done
}

model "$work/model"
on_backends 16 all
finish
