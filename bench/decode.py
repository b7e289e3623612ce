#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
"""Forward passes of whole models from a pool, beside what the machine can do: `pinpool bench decode`, with its rows as
bench/run wants them. decode.SHAPE.TYPE.tT is tokens a second of generation, one at a time, with T threads;
decode.SHAPE.TYPE.prompt.tT those of a prompt of 512. Pools are on hugetlbfs where this user can have the pages.

usage: decode.py [NAME...]    these rows; those of ROWS if there are none
"""
import json
import os
import re
import subprocess
import sys

import host

SHAPES = ["openpangu-embedded-1b", "openpangu-embedded-7b"]
TYPES = ["f32", "bf16", "bf16_bf16", "f16", "q8_0", "q4_0", "q4_k", "q6_k"]
PROMPT = 512
# Weights in all, and bits of each.
WEIGHTS = {"openpangu-embedded-1b": 1.16e9, "openpangu-embedded-7b": 7.6e9}
BITS = {"f32": 32, "bf16": 16, "bf16_bf16": 16, "f16": 16, "q8_0": 8.5, "q4_0": 4.5, "q4_k": 4.5, "q6_k": 6.5625}
NAME = re.compile(r"decode\.([\w-]+)\.(\w+)\.(prompt\.)?t(\d+)$")


def names(shapes, types, threads):
    return [f"decode.{shape}.{kind}.{what}t{count}" for shape in shapes for kind in types for count in threads
            for what in ("", "prompt.")]


# What takes some minutes, and all that there is.
ROWS = names(SHAPES[:1], ["bf16", "bf16_bf16", "q8_0", "q4_0", "q4_k"], [2])
ALL = names(SHAPES, TYPES, [1, 2])


def row(shape, cell):
    what = "" if cell["tokens"] == 1 else "prompt."
    return host.row(f"decode.{shape}.{host.type_name(cell)}.{what}t{cell['threads']}", cell["rate"], "tokens/s",
                    limit=cell["limit"], limit_share=cell["share"])


def pool_environment(stack, shape, kind):
    """Where the pool of such weights can be: the best that this user can have."""
    # Packed they take a little more.
    pages = int(WEIGHTS[shape] * BITS[kind] / 8 * 1.08 / host.HUGE) + 64
    try:
        stack.huge_pages(pages)
        return stack.pools()
    except host.Unavailable as why:
        print(f"bench: decode: not on huge pages: {why}", file=sys.stderr)
        return dict(os.environ)


def run_command(shape, kind, threads, prompt):
    weights, activations = host.types(kind)
    command = [os.path.join(host.build_dir(), "bin", "pinpool"), "bench", "decode", "-v", "-O", "-J", "--shape", shape,
               "--type", weights, "--activations", activations, "--threads", ",".join(str(count) for count in threads),
               "--prompt", str(prompt)]
    with host.Host() as stack:
        done = subprocess.run(command, stdout=subprocess.PIPE, env=pool_environment(stack, shape, kind), check=False)
    if done.returncode:
        print(f"bench: {' '.join(command)}: failed with status {done.returncode}", file=sys.stderr)
        return []
    return [row(shape, cell) for cell in json.loads(done.stdout)["decode"]]


def measure(wanted):
    groups = {}
    for name in wanted:
        shape, kind, prompt, threads = NAME.match(name).groups()
        counts, prompts = groups.setdefault((shape, kind), (set(), set()))
        counts.add(int(threads))
        prompts.add(PROMPT if prompt else 0)
    rows = []
    for (shape, kind), (counts, prompts) in groups.items():
        rows += run_command(shape, kind, sorted(counts), max(prompts))
    return [one for one in rows if one["name"] in wanted]


def main():
    wanted = sys.argv[1:] or ROWS
    for name in wanted:
        if name not in ALL:
            sys.exit(f"bench: {name}: no such row")
    host.print_rows(wanted, lambda: measure(wanted))


if __name__ == "__main__":
    host.run_main(main)
