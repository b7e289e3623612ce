#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
"""How fast a checkpoint of four files with an index is loaded, beside the same tensors in one file.

1 GiB on the disk that holds TMPDIR (or /var/tmp), in one file, and the same tensors a quarter to a file, into a pool on
huge pages that exists, without digests. Both take turns, in changing order, with the page cache dropped before each; the
figure is the median of the ratios within a turn.
"""
import json
import os
import struct

import host
import load
from host import GIB, HUGE, MIB

TURNS = 12
SHARDS = 4
FILE_BYTES = GIB
# A header and less than a block more for each file, and the catalog.
CAPACITY_MIB = FILE_BYTES // MIB + 8
HUGE_PAGES = CAPACITY_MIB * MIB // HUGE + 16


def write_shard(path, header, whole, data, blanks):
    """Those tensors of the file @whole, whose data begins at @data, with a header as long as @blanks makes it."""
    first = min(tensor["data_offsets"][0] for tensor in header.values())
    last = max(tensor["data_offsets"][1] for tensor in header.values())
    moved = {name: tensor | {"data_offsets": [place - first for place in tensor["data_offsets"]]}
             for name, tensor in header.items()}
    text = json.dumps(moved).encode().ljust(blanks)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        whole.seek(data + first)
        left = last - first
        while left:
            left -= file.write(whole.read(min(left, 16 * MIB)))
        file.flush()
        os.fsync(file.fileno())


def write_shards(folder, path):
    """The tensors of a file in SHARDS others, in their order. Returns the path of their index."""
    index = {"weight_map": {}}
    with open(path, "rb") as whole:
        length = struct.unpack("<Q", whole.read(8))[0]
        header = json.loads(whole.read(length))
        names = list(header)
        for shard in range(SHARDS):
            some = names[len(names) * shard // SHARDS:len(names) * (shard + 1) // SHARDS]
            file = f"model-{shard + 1:05}-of-{SHARDS:05}.safetensors"
            write_shard(os.path.join(folder, file), {name: header[name] for name in some}, whole, 8 + length,
                        length // SHARDS)
            index["weight_map"] |= dict.fromkeys(some, file)
    path = os.path.join(folder, "model.safetensors.index.json")
    with open(path, "w", encoding="ascii") as file:
        json.dump(index, file)
    return path


def measure():
    with host.Host() as stack:
        stack.huge_pages(HUGE_PAGES)
        env = stack.pools()
        folder = stack.folder(load.disk(2 * FILE_BYTES + GIB))
        single = os.path.join(folder, "model.safetensors")
        host.write_checkpoint(single, FILE_BYTES)
        index = write_shards(folder, single)
        room = f"capacity={CAPACITY_MIB}"
        runs = load.take_turns(TURNS, {
            "single": lambda turn: load.ours(single, env, "no_digest", room),
            "sharded": lambda turn: load.ours(index, env, "no_digest", room)})
    return [host.row("load.sharded", load.median_rate(runs["sharded"]), "GB/s", load.median_rate(runs["single"]),
                     "the same tensors in one file", load.median_ratio(runs["sharded"], runs["single"]))]


def main():
    host.print_rows(["load.sharded"], measure)


if __name__ == "__main__":
    host.run_main(main)
