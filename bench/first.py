#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
"""How long after a load is called for its first tensor can be used, in times that a load of this tensor alone takes.

1 GiB on the disk that holds TMPDIR (or /var/tmp), tensors of 32 MiB behind a header of 8 KiB, and beside it a file with
the first of them and a header of that size; both into a pool on huge pages that exists, with digests. Time is that from
the call to the tensor, opening the file and checking its header included. The median of twelve pairs in changing order,
the page cache dropped before each load. The limit is what a load should keep to.
"""
import os
import statistics
import sys

import host
from host import GIB, HUGE

LOADS = 12
FILE_BYTES = GIB
# The first tensor of that, and its header.
FIRST_BYTES = (32 << 20) + (8 << 10)
HEADER_BYTES = 8 << 10
LIMIT = 1.2
HUGE_PAGES = FILE_BYTES // HUGE + 16


def load(path, env, *args):
    host.drop_caches()
    return host.program("load", path, *args, env=env)


def pair(path, alone, env, turn):
    steps = [lambda: load(path, env, "first"), lambda: load(alone, env, "first")]
    if turn % 2:
        one, whole = steps[1](), steps[0]()
    else:
        whole, one = steps[0](), steps[1]()
    print(f"  first tensor after {whole['first_seconds'] * 1e3:.1f} ms, alone {one['first_seconds'] * 1e3:.1f} ms; all at "
          f"{whole['bytes'] / whole['seconds'] / 1e9:.2f} GB/s", file=sys.stderr)
    return whole["first_seconds"] / one["first_seconds"]


def measure():
    with host.Host() as stack:
        stack.huge_pages(HUGE_PAGES)
        env = stack.pools()
        folder = stack.folder(os.environ.get("TMPDIR") or "/var/tmp")
        path, alone = (os.path.join(folder, name) for name in ("model.safetensors", "first.safetensors"))
        host.write_checkpoint(path, FILE_BYTES, header_bytes=HEADER_BYTES)
        host.write_checkpoint(alone, FIRST_BYTES, header_bytes=HEADER_BYTES)
        times = statistics.median(pair(path, alone, env, turn) for turn in range(LOADS))
    return [host.row("first_tensor", times, "of its own read time, smaller is better", limit=LIMIT,
                     limit_share=times / LIMIT)]


def main():
    host.print_rows(["first_tensor"], measure)


if __name__ == "__main__":
    host.run_main(main)
