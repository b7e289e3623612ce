#!/bin/bash
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# GGUF files: loaded unchanged, listed with their metadata, multiplied by, packed; parts of a split one, and damaged ones.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.bash"

if ! command -v python3 >/dev/null; then
	skip "gguf" "no python3 to make files"
	finish
fi

# model.gguf; x.npy, [2,64], and the product of both with q8 as text, each beside the sum of its magnitudes; parts; files that break a rule.
make_files() {
	python3 - "$work" <<-'EOF'
		import math, os, struct, sys

		work = sys.argv[1]
		WIDTHS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}

		def text(value):
		    raw = value if isinstance(value, bytes) else value.encode()
		    return struct.pack("<Q", len(raw)) + raw

		def value(kind, what):
		    if kind == 8:
		        return text(what)
		    if kind == 9:
		        element, items = what
		        return struct.pack("<IQ", element, len(items)) + b"".join(value(element, item) for item in items)
		    return struct.pack("<" + WIDTHS[kind], what)

		def gguf(path, keys, tensors, version=3):
		    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(keys))
		    for key, kind, what in keys:
		        head += text(key) + struct.pack("<I", kind) + value(kind, what)
		    data = b""
		    for name, shape, kind, raw in tensors:
		        data += bytes(-len(data) % 32)
		        head += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *reversed(shape), kind, len(data))
		        data += raw
		    head += bytes(-len(head) % 32)
		    os.makedirs(os.path.dirname(path), exist_ok=True)
		    with open(path, "wb") as file:
		        file.write(head + data)

		scales = [0.5, 2.0, 0.25, 1.0, 4.0, 0.125]
		codes = [[(7 * row + 3 * column) % 255 - 127 for column in range(64)] for row in range(3)]
		q8 = b"".join(struct.pack("<e32b", scales[2 * row + part], *codes[row][32 * part:32 * part + 32])
		              for row in range(3) for part in range(2))
		x = [[(2 * i + j) % 5 - 2 for j in range(64)] for i in range(2)]
		with open(work + "/want", "w") as file:
		    for row in x:
		        for n in range(3):
		            products = [a * codes[n][k] * scales[2 * n + k // 32] for k, a in enumerate(row)]
		            print(sum(products), sum(map(abs, products)), file=file)
		header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 64), }".ljust(117) + "\n"
		with open(work + "/x.npy", "wb") as file:
		    file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() +
		               struct.pack("<128f", *[v for row in x for v in row]))

		keys = [("general.architecture", 8, "llama"), ("general.name", 8, "a\nname"), ("llama.block_count", 4, 32),
		        ("rope.scale", 6, 1e-5), ("largest", 10, 2**64 - 1), ("lowest", 11, -2**63), ("wide", 12, math.nan),
		        ("yes", 7, True), ("long", 8, "\u00f6" * 200), ("raw", 8, b"a\xff\0b"),
		        ("nested", 9, (9, [(4, [1, 2]), (8, ["x"])])), ("none", 9, (5, [])),
		        ("tokens", 9, (8, [f"token {i}" for i in range(150000)]))]
		gguf(work + "/model.gguf", keys,
		     [("q8", [3, 64], 8, q8), ("f32", [2, 4], 0, bytes(32)), ("iq2", [2, 256], 16, bytes(range(132)))])
		gguf(work + "/old.gguf", keys[:2], [("w", [2, 4], 0, bytes(32))], 2)
		for i in range(2):
		    split = [("split.no", 2, i), ("split.count", 2, 2), ("split.tensors.count", 5, 2)]
		    gguf(f"{work}/parts/m-{i + 1:05}-of-00002.gguf", split + keys[:1], [(f"w{i}", [2, 4], 0, bytes([i]) * 32)])
		gguf(work + "/bad/type.gguf", [], [("w", [2, 4], 31, bytes(64))])
		gguf(work + "/bad/rows.gguf", [], [("w", [2, 33], 8, bytes(96))])
		gguf(work + "/bad/first.gguf", [], [], 1)
		gguf(work + "/bad/long.gguf", [("k", 8, "")], [])
		with open(work + "/bad/long.gguf", "r+b") as file:
		    file.seek(24 + 9 + 4)
		    file.write(struct.pack("<Q", 1 << 60))
	EOF
}

# The product that the command wrote is the wanted one; activations that were rounded to 8 bits make it differ a little.
near() {
	python3 - "$work" <<-'EOF'
		import struct, sys

		data = open(sys.argv[1] + "/y.npy", "rb").read()
		is_ = struct.unpack_from("<6f", data, 10 + struct.unpack("<H", data[8:10])[0])
		for got, line in zip(is_, open(sys.argv[1] + "/want"), strict=True):
		    want, magnitude = map(float, line.split())
		    assert abs(got - want) <= 0.01 * magnitude, (got, want, magnitude)
	EOF
}

# The content of a pool, through its file.
content() {
	local length

	length=$(pinpool stat "$1" -b -o LENGTH)
	length=${length#length: }
	case $PINPOOL_BACKEND in
	shm) head -c "$length" "$PINPOOL_STATE_DIR/$1" ;;
	hugetlbfs) head -c "$length" "$PINPOOL_HUGETLBFS_DIR/$1" ;;
	module) head -c "$length" "/dev/pinpool/$1" ;;
	esac
}

whole() {
	check "load" pinpool load clitest "$work/model.gguf"
	same "the pool has the bytes of the file" "$(sha256sum <"$work/model.gguf")" "$(content clitest | sha256sum)"
	prints "its format" gguf cells show clitest --sources -n -o FORMAT
	prints "tensors, outermost extent first" $'q8 Q8_0 [3,64] 204\nf32 F32 [2,4] 32\niq2 IQ2_XXS [2,256] 132' \
		cells show clitest -n -b -o NAME,DTYPE,SHAPE,SIZE
	same "tensors have digests" 3 "$(pinpool show clitest -n -o DIGEST | grep -cE '^[0-9a-f]{32}$')"
	check "verify" pinpool verify clitest
	check "product with a block type" pinpool matmul clitest q8 --x "$work/x.npy" --out "$work/y.npy"
	check "is right" near
	refuses "product with a block type without kernels" 1 'pinpool: matmul: clitest: iq2: its type is IQ2_XXS (*)' \
		pinpool matmul clitest iq2
	check "pack what can be packed" pinpool pack clitest --isa portable
	prints "that is two" $'clitest f32\nclitest q8' cells pack clitest --list -n -o BASE,TENSOR
	prints "rm" "" pinpool rm clitest
}

values() {
	local json

	check "load" pinpool load clitest "$work/model.gguf"
	prints "metadata" "\
general.architecture string - llama
general.name string - a\\x0aname
largest u64 - 18446744073709551615
llama.block_count u32 - 32
long string - $(printf 'ö%.0s' {1..31})...
lowest i64 - -9223372036854775808
nested array 2 [[1, 2], [\"x\"]]
none i32 0 []
raw string - a\\xff\\0b
rope.scale f32 - 1e-05
tokens string 150000 [\"token 0\", \"token 1\", \"token 2\", \"token 3\", ...]
wide f64 - nan
yes bool - true" eval 'LC_ALL=C.UTF-8 cells show clitest --metadata -n'
	same "and where it came from" "$work/model.gguf" "$(pinpool show clitest --metadata -n -o SOURCE | sort -u)"
	json=$(pinpool show clitest --metadata -J | python3 -c '
import json, sys

values = {entry["key"]: entry for entry in json.load(sys.stdin)["metadata"]}
for key in "general.name", "largest", "lowest", "nested", "none", "raw", "rope.scale", "wide", "yes":
    print(key, values[key]["type"], values[key]["count"], json.dumps(values[key]["value"]))
print(len(values["long"]["value"]), len(values["tokens"]["value"]), values["tokens"]["value"][149999])')
	same "JSON has all of it" "\
general.name string None \"a\\nname\"
largest u64 None \"18446744073709551615\"
lowest i64 None -9223372036854775808
nested array 2 [[1, 2], [\"x\"]]
none i32 0 []
raw string None \"a\\ufffd\\u0000b\"
rope.scale f32 None 1e-05
wide f64 None null
yes bool None true
200 150000 token 149999" "$json"
	refuses "two tables at once" 2 'pinpool: show: --metadata: *' pinpool show clitest --metadata --sources
	prints "rm" "" pinpool rm clitest
	tiny "$work/tiny.safetensors"
	check "a file that says nothing" pinpool load clitest "$work/tiny.safetensors"
	prints "has no metadata" "KEY TYPE COUNT VALUE" pinpool show clitest --metadata
	prints "rm" "" pinpool rm clitest
	safetensors "$work/pt.safetensors" '{"__metadata__":{"format":"pt"}}' 0
	check "a safetensors file" pinpool load clitest "$work/pt.safetensors"
	prints "has metadata, too" "format string - pt" cells show clitest --metadata -n
	prints "rm" "" pinpool rm clitest
}

parts() {
	check "a part stands for all" pinpool load clitest "$work/parts/m-00002-of-00002.gguf"
	prints "whose tensors are there" $'w0\nw1' cells show clitest -n -o NAME
	prints "two sources" $'m-00001-of-00002.gguf\nm-00002-of-00002.gguf' \
		eval 'pinpool show clitest --sources -n -o PATH | sed "s|.*/||"'
	check "verify" pinpool verify clitest
	prints "rm" "" pinpool rm clitest
	check "so does their folder" pinpool load clitest "$work/parts"
	prints "rm" "" pinpool rm clitest
	cp "$work/old.gguf" "$work/blob"
	check "version 2, under another name" pinpool load clitest "$work/blob"
	prints "rm" "" pinpool rm clitest
}

# bad NAME PATTERN PATH: that file is refused with such a line about it, and no pool is left.
bad() {
	refuses "$1" 1 "pinpool: load: *$2*" pinpool load clitest "$3"
	[[ -z $(pinpool ls -n) ]] || fail "$1: no pool is left" "$(pinpool ls)"
}

bad_files() {
	local d=$work/bad

	bad "a type that the format has given up" "type.gguf: *tensor w: type 31 is none*" "$d/type.gguf"
	bad "rows that are no whole blocks" "rows.gguf: *tensor w: *no whole blocks of Q8_0*" "$d/rows.gguf"
	bad "version 1" "first.gguf: GGUF version 1*" "$d/first.gguf"
	bad "a string of 2^60 bytes" "long.gguf: *key k: *the file ends at*" "$d/long.gguf"
	head -c -1 "$work/model.gguf" >"$d/cut.gguf"
	bad "a file that ends early" "cut.gguf: *tensor*" "$d/cut.gguf"
	rm -f "$d"/m-*
	cp "$work/parts/m-00001-of-00002.gguf" "$d/m-00001-of-00002.gguf"
	bad "a part that is missing" "m-00002-of-00002.gguf: part 2 of 2 does not exist*" "$d/m-00001-of-00002.gguf"
	cp "$d/m-00001-of-00002.gguf" "$d/m-00002-of-00002.gguf"
	bad "a part under another's name" "m-00002-of-00002.gguf: has split.no 0*" "$d/m-00001-of-00002.gguf"
}

all() {
	whole
	values
	parts
	bad_files
}

make_files
on_backends 16 all
finish
