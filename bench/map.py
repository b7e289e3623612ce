#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
"""What it costs to map, touch and unmap a READY pool of 1 GiB, beside the same on hugetlbfs: instructions, counted in a
VM by bench/vm, so the load of this machine does not matter. What else bench/map measures goes to stderr.

qemu counts each byte that `rep stosb` clears, so a page table is 4,096.

usage: map.py SERIES    as of selftests/vm/fetch-kernel
"""
import sys

import host

OURS, RIVAL = "module", "hugetlbfs"


def explain(series, costs):
    lines = [("map, touch, unmap, for each 2 MiB", "map"), ("the same with MAP_POPULATE", "populate"),
             ("open, mmap, munmap, close: 2 MiB", "attach_small"), ("open, mmap, munmap, close: 1 GiB", "attach_large")]
    print(f"  {series}: instructions", file=sys.stderr)
    for text, key in lines:
        print(f"    {text:36}{OURS} {costs[OURS][key]:6}  {RIVAL} {costs[RIVAL][key]:6}", file=sys.stderr)


def measure(series, name):
    costs = host.program_in_vm(series, "map")
    explain(series, costs)
    ours, rival = costs[OURS]["map"], costs[RIVAL]["map"]
    return [host.row(name, ours, "instructions per 2 MiB, smaller is better", rival, RIVAL, ours / rival)]


def main():
    series = sys.argv[1]
    name = f"kmod.map.{series}"
    host.print_rows([name], lambda: measure(series, name))


if __name__ == "__main__":
    host.run_main(main)
