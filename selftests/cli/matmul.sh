#!/bin/bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# Products of tensors in a pool: right, checked, reproducible; .npy files read and written strictly.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.bash"

if ! command -v python3 >/dev/null; then
	skip "matmul" "no python3 to make tensors and .npy files"
	finish
fi

# A checkpoint with tensors of every kind that matters here; x.npy, [3,4]; and Y = X * W^T as text.
make_files() {
	python3 - "$work" <<-'EOF'
		import json, struct, sys

		work = sys.argv[1]
		w = [[(5 * i + 3 * j) % 7 - 3 for j in range(4)] for i in range(5)]
		x = [[(2 * i + j) % 5 - 2 for j in range(4)] for i in range(3)]
		flat = [v for row in w for v in row]
		parts = {
		    "f32": ("F32", [5, 4], struct.pack("<20f", *flat)),
		    "f16": ("F16", [5, 4], struct.pack("<20e", *flat)),
		    "bf16": ("BF16", [5, 4], b"".join(struct.pack("<f", v)[2:] for v in flat)),
		    "vector": ("F32", [4], struct.pack("<4f", 1, 2, 3, 4)),
		    "cube": ("F32", [1, 5, 4], struct.pack("<20f", *flat)),
		    "ints": ("I32", [5, 4], struct.pack("<20i", *flat)),
		    "none": ("F32", [0, 4], b""),
		    "nan": ("F32", [2, 4], struct.pack("<8f", 1, 2, 3, 4, float("nan"), float("inf"), 0, 1)),
		    "wide": ("F32", [3, 1000], struct.pack("<3000f", *[(i * 7919 % 2003) / 1000 - 1 for i in range(3000)])),
		    "tall": ("F32", [200000, 16], b"\0\0\x80\x3f" * 3200000),
		}
		header, data = {}, b""
		for name, (dtype, shape, raw) in parts.items():
		    header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
		    data += raw
		text = json.dumps(header).encode()
		with open(work + "/w.safetensors", "wb") as f:
		    f.write(struct.pack("<Q", len(text)) + text + data)

		def npy(name, version, header, payload):
		    text = header.encode()
		    length = struct.pack("<H" if version == 1 else "<I", len(text))
		    with open(f"{work}/{name}.npy", "wb") as f:
		        f.write(b"\x93NUMPY" + bytes([version, 0]) + length + text + payload)

		xs = struct.pack("<12f", *[v for row in x for v in row])
		good = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }"
		npy("x", 1, good + "    \n", xs)
		npy("x2", 2, good + "\n", xs)
		npy("x3", 3, '{"shape":(3,4),"descr":"<f4","fortran_order":False}\n', xs)
		npy("row", 1, good.replace("(3, 4)", "(4,)") + "\n", xs[:16])
		npy("version", 4, good + "\n", xs)
		npy("nodict", 1, "hello\n", xs)
		npy("twice", 1, good.replace("}", "'descr': '<f4'}") + "\n", xs)
		npy("missing", 1, "{'descr': '<f4', 'shape': (3, 4), }\n", xs)
		npy("extra", 1, good.replace("}", "'more': 1}") + "\n", xs)
		npy("noline", 1, good, xs)
		npy("f64", 1, good.replace("<f4", "<f8") + "\n", xs * 2)
		npy("big", 1, good.replace("<f4", ">f4") + "\n", xs)
		npy("fortran", 1, good.replace("False", "True") + "\n", xs)
		npy("scalar", 1, good.replace("(3, 4)", "()") + "\n", xs[:4])
		npy("cube", 1, good.replace("(3, 4)", "(1, 3, 4)") + "\n", xs)
		npy("tuple", 1, good.replace("(3, 4)", "(3)") + "\n", xs[:12])
		npy("zero", 1, good.replace("(3, 4)", "(0, 4)") + "\n", b"")
		npy("overflow", 1, good.replace("(3, 4)", "(4611686018427387904, 4)") + "\n", xs)
		npy("huge", 1, good.replace("(3, 4)", "(99999999999999999999999, 4)") + "\n", xs)
		npy("short", 1, good + "\n", xs[:-1])
		npy("long", 1, good + "\n", xs + b"\0")
		npy("columns", 1, good.replace("(3, 4)", "(4, 3)") + "\n", xs)
		with open(work + "/cut.npy", "wb") as f:
		    f.write(b"\x93NUMPY\x01\x00\xff\xff{'descr'")
		with open(work + "/text.npy", "w") as f:
		    f.write("1 2 3\n")
		with open(work + "/want", "w") as f:
		    for row in x:
		        print(*[sum(a * b for a, b in zip(row, col)) for col in w], file=f)
	EOF
}

# A product as text, read from the file that the command wrote, strictly.
read_npy() {
	python3 - "$1" <<-'EOF'
		import ast, struct, sys

		data = open(sys.argv[1], "rb").read()
		assert data[:8] == b"\x93NUMPY\x01\x00"
		end = 10 + struct.unpack("<H", data[8:10])[0]
		assert end % 64 == 0 and data[end - 1:end] == b"\n"
		header = ast.literal_eval(data[10:end].decode())
		assert header["descr"] == "<f4" and header["fortran_order"] is False
		m, n = header["shape"]
		values = struct.unpack(f"<{m * n}f", data[end:])
		for i in range(m):
		    print(*[f"{v:g}" for v in values[i * n:(i + 1) * n]])
	EOF
}

right() {
	local tensor file isa

	for tensor in f32 f16 bf16; do
		check "product with $tensor" pinpool matmul clitest $tensor --x "$work/x.npy" --out "$work/y.npy"
		same "is right" "$(<"$work/want")" "$(read_npy "$work/y.npy")"
	done
	for file in x2 x3; do
		check "$file.npy" pinpool matmul clitest f32 --x "$work/$file.npy" --out "$work/y.npy"
		same "is right" "$(<"$work/want")" "$(read_npy "$work/y.npy")"
	done
	check "one dimension" pinpool matmul clitest f32 --x "$work/row.npy" --out "$work/y.npy"
	same "is one row" "$(head -n 1 "$work/want")" "$(read_npy "$work/y.npy")"
	for isa in portable auto; do
		check "--isa $isa, one thread" pinpool matmul clitest wide --m 7 --isa $isa --threads 1 --out "$work/$isa.npy"
	done
	check "the same seed" pinpool matmul clitest wide --m 7 --out "$work/again.npy" --repeat 1
	check "gives the same product" cmp "$work/auto.npy" "$work/again.npy"
	check "another seed" pinpool matmul clitest wide --m 7 --out "$work/other.npy" --seed 2
	if cmp -s "$work/auto.npy" "$work/other.npy"; then fail "gives another"; else pass "gives another"; fi
	check "NaN and infinities are what the reference gives" pinpool matmul clitest nan --m 5
}

lines() {
	local is

	is=$(pinpool matmul clitest wide --m 7 --threads 2 --isa portable --repeat 3)
	same "the product" 'clitest: wide: y[7,3] = x[7,1000] * w[3,1000]^T, w F32, x random' "$(sed -n 1p <<<"$is")"
	# shellcheck disable=SC2053
	[[ $(sed -n 2p <<<"$is") == *.???' ms (best of 3), '*.??' GFLOP/s, '*.??' GB/s of weights, portable, 2 threads' ]]
	same "the rates" 0 $?
	# shellcheck disable=SC2053
	[[ $(sed -n 3p <<<"$is") == 'checked 3 of 3 columns against the reference: error at most '*' of the sum of magnitudes, budget 6e-05' ]]
	same "the check" 0 $?
	same "no more" 3 "$(wc -l <<<"$is")"
	is=$(pinpool matmul clitest tall --m 512 --repeat 1)
	same "a large product is checked on a sample" 'checked 16384 of 200000 columns' "$(sed -n 's/ against.*//; 3p' <<<"$is")"
}

bad() {
	local file

	refuses "a tensor that is not there" 1 'pinpool: matmul: clitest: nope: no such tensor (pinpool show clitest lists them)' \
		pinpool matmul clitest nope
	refuses "one dimension" 1 'pinpool: matmul: clitest: vector: it has 1 dimension (*)' pinpool matmul clitest vector
	refuses "three dimensions" 1 'pinpool: matmul: clitest: cube: it has 3 dimensions (*)' pinpool matmul clitest cube
	refuses "integers" 1 'pinpool: matmul: clitest: ints: its type is I32 (*)' pinpool matmul clitest ints
	refuses "no elements" 1 'pinpool: matmul: clitest: none: it has no elements' pinpool matmul clitest none
	for file in version nodict twice missing extra noline f64 big fortran scalar cube tuple zero overflow huge short long \
		columns cut text absent; do
		refuses "$file.npy" 1 "pinpool: matmul: $work/$file.npy: *" pinpool matmul clitest f32 --x "$work/$file.npy"
	done
	mkfifo "$work/fifo" 2>/dev/null
	refuses "a FIFO as activations" 1 "pinpool: matmul: $work/fifo: not a regular file" pinpool matmul clitest f32 --x "$work/fifo"
	refuses "a directory as activations" 1 "pinpool: matmul: $work: is a directory" pinpool matmul clitest f32 --x "$work"
	rm -f "$work/no/y.npy"
	pinpool matmul clitest f32 --out "$work/no/y.npy" >/dev/null 2>"$work/err"
	same "a product that cannot be written" "1 pinpool: matmul: $work/no/y.npy: No such file or directory" "$? $(<"$work/err")"
	check "a product into the void" pinpool matmul clitest f32 --out /dev/null
	[[ -c /dev/null ]]
	same "leaves the void alone" 0 $?
}

# Through less memory than the tensor has, straight out of the file.
window() {
	local is tensor

	for tensor in tall wide bf16; do
		check "$tensor in a pool" pinpool matmul clitest $tensor --m 3 --out "$work/pool.npy" --repeat 1
		check "$tensor streamed" pinpool matmul --window 2M "$work/w.safetensors" $tensor --m 3 --out "$work/window.npy"
		check "gives the same product" cmp "$work/pool.npy" "$work/window.npy"
	done
	is=$(pinpool matmul --window 3M "$work/w.safetensors" tall --m 2 --repeat 2)
	same "says of what" "$work/w.safetensors: tall: y[2,200000] = x[2,16] * w[200000,16]^T, w F32, x random" "$(sed -n 1p <<<"$is")"
	same "and through how much" "streamed through 4 MiB" "$(sed -n '2s/.*, //p' <<<"$is")"
	same "a large product is checked on a sample" 'checked 200000 of 200000 columns' "$(sed -n 's/ against.*//; 3p' <<<"$is")"
	same "nothing is left of it" clitest "$(pinpool ls -n -o NAME | tr -d ' ')"
	refuses "a tensor that is not in the file" 1 'pinpool: matmul: nope: the checkpoint has no such tensor' \
		pinpool matmul --window 2M "$work/w.safetensors" nope
	refuses "one dimension" 1 "pinpool: matmul: $work/w.safetensors: vector: it has 1 dimension (*)" \
		pinpool matmul --window 2M "$work/w.safetensors" vector
	refuses "no elements" 1 "pinpool: matmul: $work/w.safetensors: none: it has no elements" \
		pinpool matmul --window 2M "$work/w.safetensors" none
	refuses "no file" 1 "pinpool: matmul: $work/none: No such file or directory" pinpool matmul --window 2M "$work/none" f32
	refuses "packings" 2 'pinpool: matmul: --unpacked: there are no packings with --window (*)' \
		pinpool matmul --window 2M --unpacked "$work/w.safetensors" f32
	refuses "no size" 2 'pinpool: matmul: --window: *' pinpool matmul --window some "$work/w.safetensors" f32
}

all() {
	check "load" pinpool load clitest "$work/w.safetensors"
	right
	lines
	bad
	window
	check "rm" pinpool rm clitest
}

make_files
on_backends 20 all
finish
