#!/bin/bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Measurements: they measure what was asked for and say it in the same words, refuse what makes no sense before they begin,
# and leave nothing behind. How fast anything is, is no test.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.bash"

# As short as they get.
matmul=(bench matmul --rounds 1 --rotate 1M --rival none)
small=(--shape 96x64 --m 1 --type f32 -t 1)

wrong() {
	local message=$1

	shift
	refuses "$*" 2 "$message" "$@"
}

# keys FILE: the keys of each object in the array of a JSON file, one line an object.
keys() {
	tr -d ' \n' <"$1" | sed 's/.*:\[//; s/},{/\n/g' | sed 's/"\([a-z0-9_]*\)":[^,]*,\{0,1\}/\1 /g' | tr -d '{}[]'
}

lists() {
	local text

	for text in '' 4096 4096x 0x64 64x0 '64x64,' 64x64x64 4294967296x1; do
		wrong "pinpool: bench matmul: --shape: '$text' is not a list it takes (*)" pinpool bench matmul --shape "$text"
	done
	for text in '' 0 -1 x '1,' 1048577; do
		wrong "pinpool: bench matmul: --m: '$text' is not a list it takes (*)" pinpool bench matmul --m "$text"
	done
	for text in '' f64 'f32,' f32,,bf16 i32; do
		wrong "pinpool: bench matmul: --type: '$text' is not a list it takes (*)" pinpool bench matmul --type "$text"
		wrong "pinpool: bench decode: --type: '$text' is not a list it takes (*)" pinpool bench decode --type "$text"
	done
	for text in '' 0 1025 '1,'; do
		wrong "pinpool: bench matmul: --threads: '$text' is not a list it takes (*)" pinpool bench matmul -t "$text"
		wrong "pinpool: bench decode: --threads: '$text' is not a list it takes (*)" pinpool bench decode -t "$text"
	done
	wrong "pinpool: bench matmul: --rival: 'mkl' is not a list it takes (names from openblas, blis, onednn, or none)" \
		pinpool bench matmul --rival mkl
	wrong "pinpool: bench matmul: --activations: 'f16' is not a value it takes (one of f32, bf16)" \
		pinpool bench matmul --activations f16
	wrong "pinpool: bench matmul: --rounds: '0' is not a value it takes (*)" pinpool bench matmul --rounds 0
	wrong "pinpool: bench matmul: --output: 'SPEED' is no column (*)" pinpool bench matmul -o SPEED
	wrong "pinpool: bench matmul: 1 operand too many (see pinpool bench matmul --help)" pinpool bench matmul 4096x4096
	wrong "pinpool: bench decode: --prompt: '-1' is not a value it takes (*)" pinpool bench decode --prompt -1
	wrong "pinpool: bench decode: --type: weights in a pool have the type they have (leave one of them out)" \
		pinpool bench decode --pool a --type f32
	refuses "rows of no whole blocks" 1 "pinpool: bench matmul: Q4_K 96x64: rows of 64 values are no whole blocks (*256)" \
		pinpool "${matmul[@]}" --shape 96x64 --type q4_k
	refuses "more memory than there is" 1 "pinpool: bench matmul: F32 4294967295x4294967295: *" \
		pinpool "${matmul[@]}" --shape 4294967295x4294967295 --type f32
}

products() {
	local columns

	columns=$(pinpool --list columns bench matmul | cut -f 1)
	prints "a product of each" \
		$'f32 96 64 1 1\nf32 96 64 3 1\nf32 32 128 1 1\nf32 32 128 3 1\nq8_0 96 64 1 1\nq8_0 96 64 3 1\nq8_0 32 128 1 1\nq8_0 32 128 3 1' \
		cells "${matmul[@]}" --shape 96x64,32x128 --m 1,3 --type f32,q8_0 -t 1 -n -o TYPE,N,K,M,THREADS
	prints "threads" $'1\n2' cells "${matmul[@]}" --shape 96x64 --m 1 --type bf16 -t 1,2 -n -o THREADS
	prints "packed" yes cells "${matmul[@]}" "${small[@]}" -n -o PACKED
	prints "as they lie" no cells "${matmul[@]}" "${small[@]}" --unpacked -n -o PACKED
	prints "both" $'no\nyes' cells "${matmul[@]}" "${small[@]}" --packed --unpacked -n -o PACKED
	prints "the bytes of the weights" "24576 - 24576 yes" \
		eval 'cells "${matmul[@]}" "${small[@]}" --packed --unpacked -n -b -o BYTES,PACKCOST | tr "\n" " " | sed "s/ [0-9.]* $/ yes/"'
	prints "every type" $'f32\nbf16\nf16\nf8_e4m3\nf8_e5m2\ni8\nq8_0\nq4_0\nq4_k\nq6_k' \
		cells "${matmul[@]}" --shape 32x256 --m 2 -t 1 --type f32,bf16,f16,f8_e4m3,f8_e5m2,i8,q8_0,q4_0,q4_k,q6_k -n -o TYPE
	prints "activations of bf16" $'bf16 bf16\nf32 bf16\nq8_0 bf16' \
		cells "${matmul[@]}" "${small[@]}" --type bf16,f32,q8_0 --activations bf16 -n -o TYPE,ACTIVATIONS
	prints "whose limit is measured where it counts" $'yes no\nno yes' eval \
		'cells "${matmul[@]}" "${small[@]}" --type bf16,q8_0 --activations bf16 -n -o BF16,INT8 | sed "s/[0-9.]\+/yes/g; s/-/no/g"'
	prints "and of f32 without being asked" f32 cells "${matmul[@]}" "${small[@]}" --type bf16 -n -o ACTIVATIONS
	prints "without rivals" "- - -" cells "${matmul[@]}" "${small[@]}" -n -o RIVAL,RATIO,WRONG
	prints "forced kernels" "portable" cells "${matmul[@]}" "${small[@]}" --isa portable -n -o ISA
	check "JSON" eval 'pinpool "${matmul[@]}" "${small[@]}" -O -J >"$work/out"'
	same "has a key for each column" "$(tr 'A-Z\n' 'a-z ' <<<"$columns")" "$(keys "$work/out")"
	check "figures are numbers" grep -qE '"share": [0-9.e-]+,' "$work/out"
	# Where a product is wrong, every command that checks fails; here: within the budget, and not without any error.
	check "the error is a share of the budget" grep -qE '"error": 0\.[0-9e-]+,' "$work/out"
	pinpool "${matmul[@]}" "${small[@]}" --m 1,2 -v >/dev/null 2>"$work/err"
	same "-v announces each row" 2 "$(grep -c '^pinpool: bench matmul: f32 96x64 m [12], packed, 1 thread: ' "$work/err")"
}

rivals() {
	local name package

	while read -r name package; do
		if pinpool bench matmul --rounds 1 --rotate 1M "${small[@]}" --m 1,5 -t 1,2 --rival "$name" -n -o RIVAL,WRONG,M \
			>"$work/out" 2>"$work/err"; then
			same "$name is measured" "$name - 1
$name - 5
$name - 1
$name - 5" "$(tr -s ' ' <"$work/out" | sed 's/^ //')"
		else
			same "$name is asked for and missing" \
				"pinpool: bench matmul: $name: is not installed (package $package)" "$(<"$work/err")"
		fi
	done <<-'EOF'
		openblas libopenblas0-pthread
		blis libblis4-pthread
		onednn libdnnl2
	EOF
}

# A rival that is what it looks like, and one whose product is wrong.
fake_rival() {
	local fake=${FAKE_LIBRARIES-$here/../../build/selftests/cli/fake}

	if [[ ! -e $fake/libblis.so.4 ]]; then
		skip "a rival that is wrong" "no $fake/libblis.so.4 (make -C selftests/cli builds it)"
		return
	fi
	local beside=(bench matmul --rounds 1 --rotate 1M "${small[@]}" --m '1,3' --rival blis)
	export LD_LIBRARY_PATH=$fake
	prints "a rival that is right" $'1 blis BLIS fake -\n3 blis BLIS fake -' \
		cells "${beside[@]}" -n -o M,RIVAL,BESIDE,WRONG
	check "and is faster or slower" eval 'pinpool "${beside[@]}" -n -o RATIO,BLIS_RATIO,BLIS | grep -qE "^ *[0-9.]+ +[0-9.]+ +[0-9.]+$"'
	export FAKE_BLIS_WRONG=1
	pinpool "${beside[@]}" -n -o M,RIVAL,RATIO,BLIS,WRONG >"$work/out" 2>"$work/err"
	same "a rival that is wrong does not count" $'0 1 - - - blis\n3 - - - blis' "$? $(tr -s ' ' <"$work/out" | sed 's/^ //')"
	same "and is named" \
		$'pinpool: bench matmul: BLIS fake is wrong at f32 96x64 m 1: it does not count\npinpool: bench matmul: BLIS fake is wrong at f32 96x64 m 3: it does not count' \
		"$(<"$work/err")"
	prints "a type that it does not have" "- -" cells "${beside[@]}" --m 1 --type bf16 -n -o RIVAL,WRONG
	unset FAKE_BLIS_WRONG LD_LIBRARY_PATH
}

plots() {
	# A PATH without gnuplot, but the command is found by its own path.
	refuses "a plot without gnuplot" 1 "pinpool: bench matmul: gnuplot: is not installed (package gnuplot-nox)" \
		env PATH="$work/none" "$PINPOOL" "${matmul[@]}" "${small[@]}" --plot "$work/plot.png"
	mkdir -p "$work/bin"
	printf '#!/bin/sh\nexit 3\n' >"$work/bin/gnuplot"
	chmod +x "$work/bin/gnuplot"
	refuses "a gnuplot that does not run" 1 "pinpool: bench matmul: gnuplot: does not run (*)" \
		env PATH="$work/bin:$PATH" "$PINPOOL" "${matmul[@]}" "${small[@]}" --plot "$work/plot.png"
	# shellcheck disable=SC2016 # for that shell
	printf '#!/bin/sh\n[ "$1" = --version ] || exec cat\n' >"$work/bin/gnuplot"
	check "a picture" eval 'PATH=$work/bin:$PATH pinpool "${matmul[@]}" "${small[@]}" --plot "$work/plot.png" >/dev/null'
	same "in its file" "set terminal png" "$(head -n 1 "$work/plot.png" | cut -d ' ' -f 1-3)"
	check "of the cell" grep -q '^"f32 96x64 m1 t1 packed" [0-9.]* NaN NaN NaN$' "$work/plot.png"
	PATH=$work/bin:$PATH pinpool "${matmul[@]}" "${small[@]}" --plot - -n -o M >"$work/out"
	same "as text behind the table" $'1\nset terminal dumb' "$(tr -d ' ' <"$work/out" | head -n 2 | sed 's/setterminal/set terminal /; s/size.*//')"
	PATH=$work/bin:$PATH pinpool "${matmul[@]}" "${small[@]}" --plot "$work/no/plot.png" >/dev/null 2>"$work/err"
	same "a picture that cannot be written" "1 pinpool: bench matmul: $work/no/plot.png: No such file or directory" "$? $(<"$work/err")"
}

model() {
	cat >"$work/config.json" <<-'EOF'
		{"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1,
		 "intermediate_size": 96, "vocab_size": 50, "tie_word_embeddings": true}
	EOF
	refuses "no such model" 1 "pinpool: bench decode: no-such: No such file or directory (a config.json, or one of *)" \
		pinpool bench decode --shape no-such
	echo '{"hidden_size": 64}' >"$work/part.json"
	refuses "a part of a model" 1 "pinpool: bench decode: $work/part.json: num_hidden_layers is missing (*)" \
		pinpool bench decode --shape "$work/part.json"
	echo '{' >"$work/part.json"
	refuses "no JSON" 1 "pinpool: bench decode: $work/part.json: line *" pinpool bench decode --shape "$work/part.json"
}

# A checkpoint of that model: bytes of a text are finite numbers.
checkpoint() {
	local header='' at=0 name n k

	while read -r name n k; do
		header+=",\"model.$name.weight\":{\"dtype\":\"BF16\",\"shape\":[$n,$k],\"data_offsets\":[$at,$((at + 2 * n * k))]}"
		((at += 2 * n * k))
	done <<-EOF
		layers.0.self_attn.q_proj 64 64
		layers.0.self_attn.k_proj 32 64
		layers.0.self_attn.v_proj 32 64
		layers.0.self_attn.o_proj 64 64
		layers.0.mlp.gate_proj 96 64
		layers.0.mlp.up_proj $1 64
		layers.0.mlp.down_proj 64 96
		embed_tokens 50 64
	EOF
	safetensors "$work/model.safetensors" "$(printf '%-4088s' "{${header#,}}")" $at
}

decode=(bench decode --shape "$work/config.json" --rounds 1 -t 1)

passes() {
	local bytes=$((64 * 64 * 2 + 2 * 32 * 64 + 2 * 96 * 64 + 64 * 96 + 50 * 64)) columns

	prints "a token and a prompt" "f32 1 1 $((4 * bytes))
f32 1 7 $((4 * bytes))
q8_0 1 1 $((bytes / 32 * 34))
q8_0 1 7 $((bytes / 32 * 34))" \
		cells "${decode[@]}" --prompt 7 --type f32,q8_0 -n -b -o TYPE,THREADS,TOKENS,BYTES
	prints "packed" $'yes\nyes\nyes' cells "${decode[@]}" --prompt 0 --type f32,i8,q4_0 -n -o PACKED
	prints "as they lie" $'no\nno\nno' cells "${decode[@]}" --prompt 0 --type f32,i8,q4_0 --unpacked -n -o PACKED
	prints "activations of bf16" $'bf16 1\nbf16 7' \
		cells "${decode[@]}" --prompt 7 --type bf16 --activations bf16 -n -o ACTIVATIONS,TOKENS
	prints "no prompt" "1" cells "${decode[@]}" --prompt 0 --type bf16 -n -o TOKENS
	columns=$(pinpool --list columns bench decode | cut -f 1)
	check "JSON" eval 'pinpool "${decode[@]}" --prompt 0 --type f32 -O -J >"$work/out"'
	same "has a key for each column" "$(tr 'A-Z\n' 'a-z ' <<<"$columns")" "$(keys "$work/out")"
	refuses "a model of no whole blocks" 1 "pinpool: bench decode: model: rows of 64 values are no whole blocks of Q4_K (*256)" \
		pinpool "${decode[@]}" --type q4_k
	same "leaves no pool" "" "$(pinpool ls -n)"

	checkpoint 96
	check "load" pinpool load clitest "$work/model.safetensors"
	prints "from a pool" "bf16 1 $((2 * bytes)) no" \
		cells "${decode[@]}" --pool clitest --prompt 0 -n -b -o TYPE,TOKENS,BYTES,PACKED
	same "which stays" clitest "$(pinpool ls -n -o NAME)"
	packed_passes "$bytes"
	sed -i 's/true/false/' "$work/config.json"
	refuses "a checkpoint without a head" 1 "pinpool: bench decode: lm_head.weight: no such tensor (*)" \
		pinpool "${decode[@]}" --pool clitest
	sed -i 's/false/true/' "$work/config.json"
	check "rm" pinpool rm clitest
	checkpoint 95
	check "load another" pinpool load clitest "$work/model.safetensors"
	refuses "a checkpoint of another model" 1 \
		"pinpool: bench decode: model.layers.0.mlp.up_proj.weight: has another shape (the model has ?96,64?)" \
		pinpool "${decode[@]}" --pool clitest
	check "rm" pinpool rm clitest
	refuses "no such pool" 1 "pinpool: bench decode: clitest: *" pinpool "${decode[@]}" --pool clitest
	interrupted INT 0 130
	interrupted TERM 0.5 130
	# Long after the pool was filled, also in a slow VM.
	interrupted KILL 3 137
}

# Packings beside the pool are used where they fit, and what is not is said.
packed_passes() {
	local from=("${decode[@]}" --pool clitest --prompt 3 -n -o 'TOKENS,PACKED,UNPACKED,ISA') isa bytes=$1

	check "pack a part" pinpool pack clitest '*.mlp.*'
	isa=$(pinpool pack --list -n -o ISA | head -n 1)
	pinpool "${from[@]}" >"$work/out" 2>"$work/err"
	same "a part of the matrices is packed" "1 no 5 $isa 3 no 5 $isa" "$(tr -s ' \n' ' ' <"$work/out" | sed 's/^ //; s/ $//')"
	same "which is said" "pinpool: bench decode: clitest.$isa: model.embed_tokens.weight was not packed: 5 of 8 matrices are multiplied as they lie (pinpool pack --list shows those that were)" \
		"$(<"$work/err")"
	check "drop" pinpool pack --drop clitest
	check "pack" pinpool pack clitest
	prints "packings are used" "1 yes 0 $isa"$'\n'"3 yes 0 $isa" cells "${from[@]}"
	check "JSON" eval 'pinpool "${decode[@]}" --pool clitest --prompt 0 -J >"$work/out"'
	check "says so" grep -q '"packed": true' "$work/out"
	prints "the bytes are those of the weights" $((2 * bytes)) \
		cells "${decode[@]}" --pool clitest --prompt 0 -n -b -o BYTES
	prints "unless they are not wanted" "1 no 8 $isa"$'\n'"3 no 8 $isa" cells "${from[@]}" --unpacked
	check "JSON" eval 'pinpool "${decode[@]}" --pool clitest --prompt 0 -J --unpacked >"$work/out"'
	check "says so" grep -q '"packed": false' "$work/out"
	if [[ $isa != portable ]]; then
		PINPOOL_ISA=portable pinpool "${from[@]}" >"$work/out" 2>"$work/err"
		same "packings for other kernels are not used" "1 no 8 portable 3 no 8 portable" \
			"$(tr -s ' \n' ' ' <"$work/out" | sed 's/^ //; s/ $//')"
		same "which is said" "pinpool: bench decode: clitest: has packings for $isa and none for portable: 8 of 8 matrices are multiplied as they lie (make them with pinpool pack)" \
			"$(<"$work/err")"
		check "pack for them" pinpool pack clitest --isa portable
		prints "then they are" "1 yes 0 portable"$'\n'"3 yes 0 portable" env PINPOOL_ISA=portable "$BASH" -c \
			'"$@" | tr -s " " | sed "s/^ //"' - "$PINPOOL" "${from[@]}"
	fi
	check "drop all" pinpool pack --drop clitest --all
}

# start COMMAND...: starts a measurement that takes very long; $pid is its.
start() {
	rm -f "$work/out" "$work/err"
	# With job control a job does not ignore SIGINT.
	set -m
	"$PINPOOL" "$@" >"$work/out" 2>"$work/err" &
	pid=$!
	set +m
}

# at_work: the library's first message, with -v, says that it is.
at_work() {
	local tries

	for ((tries = 0; tries < 6000; tries++)); do
		[[ ! -s $work/err ]] || return 0
		sleep 0.01
	done
	return 1
}

# interrupted SIGNAL SECONDS STATUS: sends it after so long, at the beginning or in the middle.
interrupted() {
	local pid status=0

	start "${decode[@]}" --type f32 --rounds 100000 -v
	check "SIG$1 after $2 s: it is at work" at_work
	sleep "$2"
	kill "-$1" "$pid"
	ended "$pid" || status=$?
	same "SIG$1 after $2 s: exit status" "$3" "$status"
	same "SIG$1 after $2 s: no row" "" "$(<"$work/out")"
	same "SIG$1 after $2 s: no pool is left" "" "$(pinpool ls -n)"
}

interrupted_products() {
	local pid status=0

	start "${matmul[@]}" "${small[@]}" --rounds 1000
	sleep 1
	kill -INT "$pid"
	ended "$pid" || status=$?
	same "SIGINT: exit status of products" 130 "$status"
}

lists
products
rivals
fake_rival
plots
interrupted_products
model
on_backends 8 passes
finish
