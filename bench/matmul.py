#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
"""Matrix products beside OpenBLAS, BLIS and oneDNN and beside what the machine can do: `pinpool bench matmul`, with its
rows as bench/run wants them. A row is called matmul.TYPE.NxK.mM.tT, T the number of threads, with weights packed for the
kernels; with .unpacked behind it, as they lie in a checkpoint. Where memory is the limit, figures are GB/s of weights,
else GFLOP/s.

usage: matmul.py [NAME...]    these rows; those of ROWS if there are none
"""
import json
import os
import re
import subprocess
import sys

import host

SHAPES = ["1536x1536", "4096x4096", "11008x4096", "4096x11008"]
SQUARES = ["512", "1024", "2048", "4096"]
TYPES = ["f32", "bf16", "bf16_bf16", "f16", "f8_e4m3", "f8_e5m2", "i8", "q8_0", "q4_0", "q4_k", "q6_k"]
HEIGHTS = [1, 4, 16, 64, 512]
THREADS = [1, 2]
WAYS = ["", ".unpacked"]
ROUNDS = 11
# Weights, packings of ours and of a rival, each 512 MiB and a copy, and activations.
HUGE_PAGES = 1100
NAME = re.compile(r"matmul\.(\w+)\.(\d+x\d+)\.m(\d+)\.t(\d+)(\.unpacked)?$")


def names(types, shapes, heights, ways=("",)):
    return [f"matmul.{kind}.{shape}.m{m}.t{threads}{way}" for kind in types for shape in shapes for m in heights
            for threads in THREADS for way in ways]


def squares(sizes, ways=("",)):
    return [name for n in sizes for name in names(["f32"], [f"{n}x{n}"], [n], ways)]


# What fits in some ten minutes, and all that there is.
ROWS = squares(["2048"]) + names(["f32", "bf16", "bf16_bf16", "i8", "q8_0", "q4_0", "q4_k", "q6_k"], ["4096x4096"],
                                 [1, 16, 512])
ALL = squares(SQUARES, WAYS) + names(TYPES, SHAPES, HEIGHTS, WAYS)


def row(cell):
    """A row of the command's JSON as one of ours."""
    name = "matmul.{0}.{n}x{k}.m{m}.t{threads}".format(host.type_name(cell), **cell)
    name += "" if cell["packed"] else ".unpacked"
    streams = cell["bound"] == "bandwidth"
    # GB/s of weights for each GFLOP/s of this product.
    factor = cell["gbs"] / cell["gflops"] if streams else 1
    rival = cell[cell["rival"]] * factor if cell["rival"] else None
    return host.row(name, cell["gflops"] * factor, "GB/s" if streams else "GFLOP/s", rival, cell["beside"], cell["ratio"],
                    cell["limit"] * factor, cell["share"])


def groups(wanted):
    """Lists of rows that one run of the command measures: those with the same weights."""
    found = {}
    for name in wanted:
        kind, shape, m, threads, unpacked = NAME.match(name).groups()
        found.setdefault((kind, shape, "--unpacked" if unpacked else "--packed"), []).append((int(m), int(threads)))
    return found


def run_command(kind, shape, way, cells):
    weights, activations = host.types(kind)
    command = [os.path.join(host.build_dir(), "bin", "pinpool"), "bench", "matmul", "-v", "-O", "-J", way,
               "--rounds", str(ROUNDS), "--type", weights, "--activations", activations, "--shape", shape,
               "--m", ",".join(str(m) for m in sorted({m for m, _ in cells})),
               "--threads", ",".join(str(threads) for threads in sorted({threads for _, threads in cells}))]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        print(f"bench: {' '.join(command)}: failed with status {done.returncode}", file=sys.stderr)
        return []
    return [row(cell) for cell in json.loads(done.stdout)["matmul"]]


def measure(wanted):
    rows = []
    with host.Host() as stack:
        try:
            stack.huge_pages(HUGE_PAGES)
        except host.Unavailable as why:
            print(f"bench: matmul: on transparent huge pages: {why}", file=sys.stderr)
        for (kind, shape, way), cells in groups(wanted).items():
            rows += run_command(kind, shape, way, cells)
    return [one for one in rows if one["name"] in wanted]


def main():
    wanted = sys.argv[1:] or ROWS
    for name in wanted:
        if name not in ALL:
            sys.exit(f"bench: {name}: no such row")
    host.print_rows(wanted, lambda: measure(wanted))


if __name__ == "__main__":
    host.run_main(main)
