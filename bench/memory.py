#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
"""How much memory a process needs to load a model, beyond the pool: the most that was resident at any time, by the
kernel's word (VmHWM), which does not count huge pages of hugetlbfs and so not the pool. The program and its libraries
are in it.

A model of 4 GiB (load.memory) and one of 64 MiB (load.memory.small), on the disk that holds TMPDIR (or /var/tmp), with
tensors of 32 MiB; each loaded by the first path that works here and by threads, with XXH3, and with the SHA-256 of
everything. A row has the most of these. The limit is what the project promises, 64 MiB.
"""
import os
import sys

import host
import load
from host import GIB, HUGE, MIB

SIZES = {"load.memory": 4 * GIB, "load.memory.small": 64 * MIB}
# enum pinpool_io, enum pinpool_sha256.
LOADS = [["io=0"], ["io=0", "sha256=1"], ["io=3"], ["io=3", "sha256=1"]]
LIMIT_MIB = 64.0
HUGE_PAGES = max(SIZES.values()) // HUGE + 16


def peak(path, env, args):
    done = host.program("load", path, *args, env=env)
    if done["backend"] != "hugetlbfs":
        raise host.Unavailable(f"the pool would be in it: {done}")
    mib = done["peak_kib"] / 1024
    print(f"  {done['bytes'] >> 20} MiB, {done['io']}, {' '.join(args[1:]) or 'digest'}: {mib:.1f} MiB", file=sys.stderr)
    return mib


def measure():
    rows = []
    with host.Host() as stack:
        stack.huge_pages(HUGE_PAGES)
        env = stack.pools()
        folder = stack.folder(load.disk(sum(SIZES.values()) + GIB))
        for name, size in SIZES.items():
            path = os.path.join(folder, name)
            host.write_checkpoint(path, size)
            most = max(peak(path, env, args) for args in LOADS)
            os.unlink(path)
            rows.append(host.row(name, most, "MiB", limit=LIMIT_MIB, limit_share=most / LIMIT_MIB))
    return rows


def main():
    host.print_rows(list(SIZES), measure)


if __name__ == "__main__":
    host.run_main(main)
