#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
"""How fast a model is multiplied by that is four times as large as the memory that it streams through.

1 GiB of bf16 matrices [4096,4096] on the disk that holds TMPDIR (or /var/tmp), a window of 256 MiB on huge pages, 16 rows
of activations. Three things take turns, in changing order, with the page cache dropped before each: reading through the
window and letting go of what comes (disk), multiplying by the same matrices in a pool that holds them all (memory), and
both at once (window). The limit is the slower of the first two, and the row has the median of the shares of it that were
reached within a turn.
"""
import os
import statistics
import sys

import host
from host import GIB, HUGE, MIB

TURNS = 12
FILE_BYTES = GIB
WINDOW_MIB = FILE_BYTES // MIB // 4
ROWS = 16
# The pool for all of it with its catalog, or the window.
HUGE_PAGES = FILE_BYTES // HUGE + 16


def rate(path, kind, env):
    host.drop_caches()
    done = host.program("window", path, kind, str(WINDOW_MIB), str(ROWS), env=env)
    if done["backend"] != "hugetlbfs":
        raise host.Unavailable(f"not on huge pages: {done}")
    return done["bytes"] / done["seconds"] / 1e9


def measure():
    with host.Host() as stack:
        stack.huge_pages(HUGE_PAGES)
        env = stack.pools()
        path = os.path.join(stack.folder(os.environ.get("TMPDIR") or "/var/tmp"), "model.safetensors")
        host.write_checkpoint(path, FILE_BYTES)
        rates = {"disk": [], "memory": [], "window": []}
        for turn in range(TURNS):
            kinds = list(rates)
            first = turn % len(kinds)
            for kind in kinds[first:] + kinds[:first]:
                rates[kind].append(rate(path, kind, env))
            print(f"  turn {turn + 1}/{TURNS}: " + ", ".join(f"{kind} {got[-1]:.2f}" for kind, got in rates.items()) +
                  " GB/s", file=sys.stderr)
    limits = [min(pair) for pair in zip(rates["disk"], rates["memory"])]
    shares = [ours / limit for ours, limit in zip(rates["window"], limits)]
    return [host.row("window.matmul", statistics.median(rates["window"]), "GB/s", limit=statistics.median(limits),
                     limit_share=statistics.median(shares))]


def main():
    host.print_rows(["window.matmul"], measure)


if __name__ == "__main__":
    host.run_main(main)
