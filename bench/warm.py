#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
"""How fast a checkpoint that is in the page cache gets into a resident huge-page pool, beside copying as many bytes and
other ways to get it into memory: `pinpool bench load --warm`, twelve rounds, with its rows as bench/run wants them.

1 GiB on the disk that holds TMPDIR (or /var/tmp), into a pool on huge pages that exists, without digests. The limit is
memcpy by one thread between huge pages. load.warm stands beside it, load.warm.cp, .mmap and .read beside those.
"""
import json
import os
import subprocess
import sys

import host
import load
from host import GIB, HUGE, MIB

ROUNDS = 12
FILE_BYTES = GIB
# By the end of the row's name.
RIVALS = {"cp": "cp to tmpfs", "mmap": "mmap, copied into huge pages", "read": "read() of 1 MiB into huge pages"}
NAMES = ["load.warm"] + ["load.warm." + way for way in RIVALS]
# The pool and its catalog, what mmap and read copy into, what memcpy copies into.
HUGE_PAGES = (2 * FILE_BYTES + 256 * MIB) // HUGE + 32


def run_command(path, env):
    command = [os.path.join(host.build_dir(), "bin", "pinpool"), "bench", "load", path, "--warm", "--no-digest", "-v",
               "--rounds", str(ROUNDS), "--rival", ",".join(RIVALS), "-O", "-J"]
    done = subprocess.run(command, stdout=subprocess.PIPE, env=env, check=False)
    if done.returncode:
        sys.exit(f"bench: {' '.join(command)}: failed with status {done.returncode}")
    return {cell["way"]: cell for cell in json.loads(done.stdout)["loads"]}


def measure():
    with host.Host() as stack:
        # The file in the page cache, and cp's.
        stack.huge_pages(HUGE_PAGES, 2 * FILE_BYTES)
        env = stack.pools()
        path = os.path.join(stack.folder(load.disk(FILE_BYTES + GIB)), "model.safetensors")
        host.write_checkpoint(path, FILE_BYTES)
        cells = run_command(path, env)
    rate, limit = cells["pinpool"]["rate"], cells["memcpy"]
    return [host.row(name, rate, "GB/s", cells[way]["rate"], what, cells[way]["ratio"], limit["rate"], limit["ratio"])
            for name, way, what in zip(NAMES, ["memcpy", *RIVALS], ["memcpy between huge pages", *RIVALS.values()])]


def main():
    host.print_rows(NAMES, measure)


if __name__ == "__main__":
    host.run_main(main)
