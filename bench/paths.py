#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
"""What it costs to load a file of 512 MiB into a pool of the module by commands to the module, beside the best of the
library's other paths: instructions for each MiB, counted by bench/paths in the VM of bench/vm, so neither the load nor the
disk of this machine matters. All paths go to stderr.

usage: paths.py SERIES    as of selftests/vm/fetch-kernel
"""
import os
import sys

import host
from host import MIB

OURS = "io_uring, commands"
FILE_BYTES = 512 * MIB
HEADER_BYTES = 8 << 10


def load(series):
    with host.Host() as stack:
        folder = stack.folder(os.path.join(host.build_dir(), "bench"))
        # To parse a header of blanks alone would cost ten times what the load does.
        host.write_checkpoint(os.path.join(folder, "model.safetensors"), FILE_BYTES, header_bytes=HEADER_BYTES)
        return host.program_in_vm(series, "paths", folder)


def explain(series, paths):
    print(f"  {series}: instructions per MiB, the median of the loads, the least and the most", file=sys.stderr)
    for path in paths:
        figures = "".join(f"{path[key] * MIB / FILE_BYTES:9.0f}" for key in ("cost", "least", "most"))
        print(f"    {path['io']:24}{path['chunk'] >> 10:4} KiB x {path['depth']:2}{figures}", file=sys.stderr)


def make_row(name, paths):
    """Ours with the requests that the library chooses, the others with those that are best for them."""
    ours = next(path for path in paths if path["io"] == OURS)
    best = min((path for path in paths if path["io"] != OURS), key=lambda path: path["cost"])
    rival_name = f"{best['io']}, {best['chunk'] >> 10} KiB x {best['depth']}"
    return host.row(name, ours["cost"] * MIB / FILE_BYTES, "instructions per MiB, smaller is better",
                    best["cost"] * MIB / FILE_BYTES, rival_name, ours["cost"] / best["cost"])


def measure(series, name):
    paths = load(series)
    explain(series, paths)
    return [make_row(name, paths)]


def main():
    series = sys.argv[1]
    name = "kmod.load.uring_cmd" + ("" if series == "6.1" else f".{series}")
    host.print_rows([name], lambda: measure(series, name))


if __name__ == "__main__":
    host.run_main(main)
