#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
"""How long a new process takes to attach to a READY pool and to have a tensor in hand, whatever the pool's size.

The file is removed before the first attach, so nobody can read it. Pools of 64 MiB and of 2 GiB, twenty processes
each; the row has the slower median. The limit is what attaching should keep to: 10 ms.
"""
import os
import statistics
import sys

import host
from host import GIB, HUGE, MIB

SIZES = [64 * MIB, 2 * GIB]
PROCESSES = 20
LIMIT_MS = 10.0
HUGE_PAGES = sum(SIZES) // HUGE + 2 * len(SIZES) + 8
# Catalog aside, what a process may read: lists of mounts, states of pools.
READ_MAX = 1 * MIB


def attach(name, tensor, env):
    done = host.program("attach", name, tensor, env=env)
    if done["bytes_read"] > READ_MAX:
        sys.exit(f"bench: attach: the process read {done['bytes_read']} bytes")
    return done["seconds"] * 1e3


def measure(stack, size):
    env = stack.pools()
    path = os.path.join(stack.folder(), "model.safetensors")
    tensor = host.write_checkpoint(path, size)
    host.program("load", path, "pool=bench-attach", env=env)
    os.unlink(path)
    times = [attach("bench-attach", tensor, env) for _ in range(PROCESSES)]
    print(f"  {size >> 20} MiB: median {statistics.median(times):.3f} ms, most {max(times):.3f} ms", file=sys.stderr)
    return statistics.median(times)


def measure_all():
    with host.Host() as stack:
        stack.huge_pages(HUGE_PAGES)
        slowest = max(measure(stack, size) for size in SIZES)
    return [host.row("attach.ms", slowest, "ms", limit=LIMIT_MS, limit_share=slowest / LIMIT_MS)]


def main():
    host.print_rows(["attach.ms"], measure_all)


if __name__ == "__main__":
    host.run_main(main)
