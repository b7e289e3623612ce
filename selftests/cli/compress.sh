#!/bin/bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Compressed checkpoints by the command: the plan that is shown, files and pools, the way back, what leaves nothing.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.bash"

if ! command -v python3 >/dev/null; then
	skip "compress" "no python3 to make files"
	finish
fi

# Matrices with few values, with zeros, of bf16; one that has nothing to gain; a vector.
make_files() {
	python3 - "$work" <<-'EOF'
	import json, os, random, struct, sys

	folder = sys.argv[1]
	random.seed(1)
	normal = lambda n: [random.gauss(0, 0.02) for _ in range(n)]
	tensors = {
	    "few": ("F32", [64, 64], struct.pack("<4096f", *random.choices([0.5, -1, 2], k=4096))),
	    "noise": ("F32", [64, 64], struct.pack("<4096f", *normal(4096))),
	    "sparse": ("F32", [64, 64], struct.pack("<4096f", *[v if random.random() < 0.3 else 0 for v in normal(4096)])),
	    "bias": ("F32", [64], struct.pack("<64f", *normal(64))),
	    "layer": ("BF16", [64, 256], b"".join(struct.pack("<f", v)[2:] for v in normal(64 * 256))),
	}
	def write(name, names, metadata):
	    header, at = {"__metadata__": metadata}, 0
	    for key in names:
	        dtype, shape, data = tensors[key]
	        header[key] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
	        at += len(data)
	    text = json.dumps(header, separators=(",", ":")).encode()
	    text += b" " * (-len(text) % 8)
	    with open(f"{folder}/{name}", "wb") as file:
	        file.write(struct.pack("<Q", len(text)) + text)
	        for key in names:
	            file.write(tensors[key][2])
	write("m.safetensors", ["bias", "few", "noise", "sparse", "layer"], {"format": "pt"})
	os.mkdir(f"{folder}/parts")
	write("parts/model-00001-of-00002.safetensors", ["few", "bias"], {"format": "pt"})
	write("parts/model-00002-of-00002.safetensors", ["layer", "noise", "sparse"], {"format": "pt"})
	files = {key: f"model-0000{1 if key in ['few', 'bias'] else 2}-of-00002.safetensors" for key in tensors}
	with open(f"{folder}/parts/model.safetensors.index.json", "w") as file:
	    json.dump({"weight_map": files}, file)
	EOF
}

m=$work/m.safetensors

# Columns that do not depend on luck.
plan() {
	cells compress "$@" --dry-run -o NAME,DTYPE,SHAPE,CODE,NOTE -n
}

plans() {
	same "a plan" $'bias F32 [64] - no matrix
few F32 [64,64] dictionary16 -
noise F32 [64,64] - no gain
sparse F32 [64,64] bitmask -
layer BF16 [64,256] exponents -' "$(plan "$m" clitest)"
	same "and nothing but it" "" "$(pinpool ls -n -o NAME)"
	same "of some tensors" $'bias F32 [64] - not chosen
few F32 [64,64] dictionary16 -
noise F32 [64,64] - not chosen
sparse F32 [64,64] - not chosen
layer BF16 [64,256] exponents -' "$(plan "$m" clitest --tensor 'l*' --tensor few)"
	same "with a code of one's own" $'bias F32 [64] - no matrix
few F32 [64,64] - no gain
noise F32 [64,64] - no gain
sparse F32 [64,64] sparse -
layer BF16 [64,256] - no gain' "$(plan "$m" clitest --code sparse)"
	same "with an error" "noise F32 [64,64] means16 -" "$(plan "$m" clitest -e 0.12 --tensor noise | grep noise)"
	same "with one that is too small" "noise F32 [64,64] - error 0.0" \
		"$(plan "$m" clitest -e 0.02 --tensor noise --code means16 | grep noise | cut -c 1-29)"
	same "what it comes to" "3 of 5 tensors coded, 80.3 KiB -> " \
		"$(pinpool compress "$m" clitest --dry-run | tail -n 1 | sed 's/-> .*/-> /')"
	same "-J" '{"name":"few","dtype":"F32","shape":[64,64],"size":16384,"code":"dictionary16","error":0.0,"distinct":3,"note":null}' \
		"$(pinpool compress "$m" clitest --dry-run -J | python3 -c '
import json, sys
row = json.load(sys.stdin)["tensors"][1]
keys = ["name", "dtype", "shape", "size", "after", "code", "error", "density", "distinct", "entropy", "note"]
assert list(row) == keys and row["after"] < 3000 and row["density"] == 1, row
for key in ["after", "density", "entropy"]:
    del row[key]
print(json.dumps(row, separators=(",", ":")))')"
}

refusals() {
	refuses "no bound" 2 "pinpool: compress: --max-error: 'x' is no number *" pinpool compress "$m" clitest -e x
	refuses "a negative one" 2 "pinpool: compress: --max-error: '-1' is no number *" pinpool compress "$m" clitest --max-error=-1
	refuses "no such code" 1 "pinpool: compress: morse: no such code *" pinpool compress "$m" clitest --code morse
	refuses "one that loses bits" 1 "pinpool: compress: means16: loses bits*" pinpool compress "$m" clitest --code means16
	refuses "no such tensor" 1 "pinpool: compress: x\\*: no tensor of * has such a name *" \
		pinpool compress "$m" clitest --tensor 'x*'
	refuses "no such source" 1 "pinpool: compress: nowhere: no such pool, and no such file *" pinpool compress nowhere clitest
	refuses "no such file" 1 "pinpool: compress: ./nowhere: No such file *" pinpool compress ./nowhere clitest
	refuses "no name for a pool" 1 "pinpool: compress: a b: is no pool name *" pinpool compress "$m" "a b"
	refuses "no such column" 2 "pinpool: compress: *" pinpool compress "$m" clitest -o COLOUR
}

# quiet WORD...: a compression that says nothing on standard error; its report.
quiet() {
	pinpool compress "$@" -n -o NAME | tail -n 1
	return "${PIPESTATUS[0]}"
}

ways() {
	mkdir "$work/out"
	same "into a pool" "clitest: bytes in s, GB/s of the source, 3 of 5 tensors coded" \
		"$(quiet "$m" clitest | sed 's/ [0-9.]* bytes/ bytes/; s/ [0-9.]* s,/ s,/; s/ [0-9.]* GB/ GB/')"
	same "which says so" $'few F32 [64,64] 16K dictionary 0.00000
sparse F32 [64,64] 16K bitmask 0.00000
layer BF16 [64,256] 32K exponents 0.00000' \
		"$(cells show clitest -n -o NAME,DTYPE,SHAPE,BEFORE,CODE,ERROR | grep -E '^(few|layer|sparse)' | sort -t ' ' -k 2,2r -k 1,1)"
	same "and what it comes to" "3 of 5 tensors coded, 80.3 KiB -> " "$(pinpool show clitest | tail -n 1 | sed 's/-> .*/-> /')"
	same "in columns of its own" "NAME DTYPE SHAPE SIZE BEFORE CODE ERROR OFFSET" "$(cells show clitest | head -n 1)"
	check "its content is as published" pinpool verify clitest
	for tensor in few layer noise sparse; do
		check "a product by $tensor" pinpool matmul clitest $tensor --m 3 --repeat 1
	done
	same "is one by its code" "w BF16 as exponents" "$(pinpool matmul clitest layer --m 3 --repeat 1 | grep -o 'w BF16 as [a-z]*')"
	check "into a file" quiet "$m" "$work/out/c.safetensors"
	check "which the pool is saved as" pinpool save clitest "$work/out/saved"
	check "byte for byte" cmp "$work/out/c.safetensors" "$work/out/saved"
	refuses "not over a file" 1 'pinpool: compress: */c.safetensors: is there already (*--force)' \
		pinpool compress "$m" "$work/out/c.safetensors"
	check "but with --force" quiet "$m" "$work/out/c.safetensors" --force
	refuses "not over a pool" 1 'pinpool: compress: clitest: a pool of this name is READY *' pinpool compress "$m" clitest
	check "and back" quiet --decompress clitest "$work/out/back.safetensors"
	check "byte for byte" cmp "$m" "$work/out/back.safetensors"
	check "and back from the file" quiet --decompress "$work/out/c.safetensors" clitest-b
	check "which is saved as the first" pinpool save clitest-b "$work/out/b"
	check "byte for byte" cmp "$m" "$work/out/b"
	check "the file is loaded" pinpool load clitest-c "$work/out/c.safetensors"
	same "as what it is" "$(pinpool show clitest -o NAME,CODE,DIGEST)" "$(pinpool show clitest-c -o NAME,CODE,DIGEST)"
	check "a folder of parts" quiet "$work/parts" clitest-d
	same "is the same" "$(pinpool show clitest -n -o NAME,CODE,DIGEST | sort)" \
		"$(pinpool show clitest-d -n -o NAME,CODE,DIGEST | sort)"
	check "rm" pinpool rm clitest clitest-b clitest-c clitest-d
	rm -rf "$work/out"
}

# fails NAME STATUS PATTERN COMMAND...: after its plan, with one line of error.
fails() {
	local name=$1 want=$2 pattern=$3 is status=0
	shift 3
	is=$("$@" 2>&1 >"$work/.out") || status=$?
	# shellcheck disable=SC2053 # a pattern
	if [[ $status == "$want" && $is == $pattern && $is != *$'\n'* ]]; then
		pass "$name"
	else
		fail "$name" "$*" "want: status $want, $pattern" "is:   status $status, $is"
	fi
}

# caught: starts a compression and stops it while its pool is LOADING.
caught() {
	local tries

	# With job control a job does not ignore SIGINT.
	set -m
	"$PINPOOL" compress "$work/large.safetensors" clitest >"$work/plan" 2>"$work/err" &
	pid=$!
	set +m
	for ((tries = 0; tries < 3000; tries++)); do
		[[ $(pinpool ls -n -o STATE) != *LOADING* ]] || break
		kill -0 "$pid" 2>/dev/null || return
		sleep 0.002
	done
	kill -STOP "$pid" 2>/dev/null && [[ $(pinpool ls -n -o STATE) == LOADING ]]
}

# One that was through before it was seen is started again.
catch() {
	local races

	for ((races = 0; races < 20; races++)); do
		caught && break
		kill -CONT "$pid" 2>/dev/null
		ended "$pid"
		pinpool rm clitest
	done
	same "it is in the middle" LOADING "$(pinpool ls -n -o STATE)"
}

failures() {
	local pid status=0

	mkdir "$work/out"
	fails "a pool too small says what is needed" 1 \
		'pinpool: compress: clitest: the pool holds 4096 bytes, the codes and their catalog need * (give a capacity of at least *)' \
		pinpool compress "$m" clitest --capacity 4096
	same "and is gone" "" "$(pinpool ls -n -o NAME)"
	fails "a file too large for the user" 1 'pinpool: compress: */out/c.safetensors: File too large*' \
		bash -c 'ulimit -f 8; exec "$0" compress "$1" "$2"' "$PINPOOL" "$m" "$work/out/c.safetensors"
	same "is gone" "" "$(ls -A "$work/out")"
	# 64 MiB of zeros.
	safetensors "$work/large.safetensors" \
		"$(printf '%-4088s' '{"zeros":{"dtype":"F32","shape":[4096,4096],"data_offsets":[0,67108864]}}')" 0
	truncate -s $((67108864 + 4096)) "$work/large.safetensors"
	catch
	fails "two at once: the second has to wait" 1 'pinpool: compress: clitest: *' pinpool compress "$m" clitest
	kill -INT "$pid"
	kill -CONT "$pid"
	ended "$pid" || status=$?
	same "interrupted: its status" 130 "$status"
	same "interrupted: its words" "pinpool: compress: clitest: interrupted, nothing was published" "$(<"$work/err")"
	same "interrupted: nothing is left" "" "$(pinpool ls -n -o NAME)"
	catch
	kill -KILL "$pid"
	kill -CONT "$pid" 2>/dev/null
	ended "$pid"
	same "killed: nothing is READY" "" "$(pinpool ls -n -o STATE | grep -v EMPTY)"
	check "and the next one takes its place" quiet "$work/large.safetensors" clitest
	check "rm" pinpool rm clitest
	rm -rf "$work/out"
}

all() {
	plans
	refusals
	ways
	failures
}

check "files" make_files
on_backends 24 all
finish
