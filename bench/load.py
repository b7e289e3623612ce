#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
"""How fast a checkpoint gets into a resident huge-page pool, beside fio reading the same file.

usage: load.py cold|fast

cold: 4 GiB in four files on the disk that holds TMPDIR (or /var/tmp). fast: 1 GiB on ext4 on a loop device over
huge-page tmpfs, where the cost of the reader shows rather than that of the storage. Disks of virtual machines change
their speed within a minute, so fio and loads with and without digest, and with packings, take turns, in changing order,
and the figure is the median of the ratios within a turn. fio runs with io_uring, O_DIRECT, registered files and buffers,
on huge pages, with the best of four settings, found first in the same run. The page cache is dropped before each
reading.

A device that copies, as the loop device and the disks of most virtual machines do, is faster into memory that is in
cache: fio with 8 MiB of buffers, which it overwrites again and again, is up to half as fast again as fio with buffers
for all of the file, and a load has to keep what it reads. So each row has the latter, measured in the same turns, as
its limit.
"""
import json
import os
import statistics
import subprocess
import sys

import host
from host import GIB, HUGE, MIB

TURNS = 12
FILE_BYTES = GIB
SETTINGS = [("1M", 8), ("1M", 32), ("4M", 8), ("4M", 32)]
# As much memory as the file, each byte in its own place.
ROOMY = ("1M", FILE_BYTES // MIB)
# The pool with its catalog and the one with packings, or fio's buffers, and some for what the kernel rounds up.
HUGE_PAGES = 2 * FILE_BYTES // HUGE + 64


def fio(path, block, depth):
    host.drop_caches()
    output = host.command(
        "fio", "--name=read", f"--filename={path}", "--readonly", "--rw=read", f"--bs={block}", f"--iodepth={depth}",
        "--ioengine=io_uring", "--direct=1", "--fixedbufs=1", "--registerfiles=1", "--mem=mmaphuge",
        f"--hugepage-size={HUGE}", f"--size={FILE_BYTES}", "--output-format=json")
    return json.loads(output[output.index("{"):])["jobs"][0]["read"]["bw_bytes"] / 1e9


def ours(path, env, *args):
    host.drop_caches()
    done = host.program("load", path, *args, env=env)
    if not done["direct"] or done["backend"] != "hugetlbfs":
        raise host.Unavailable(f"the load went another way: {done}")
    print(f"  {' '.join(args) or 'digest':10} {done['bytes'] / done['seconds'] / 1e9:6.2f} GB/s, {done['io']}, "
          f"{done['depth']} x {done['chunk'] >> 10} KiB; pool made in {done['create_seconds']:.2f} s", file=sys.stderr)
    return done["bytes"] / done["seconds"] / 1e9


def best_setting(paths):
    """The setting with the best median of three, each round over all of them."""
    rates = {setting: [] for setting in SETTINGS}
    for turn in range(3):
        for setting in SETTINGS:
            rates[setting].append(fio(paths[turn % len(paths)], *setting))
    for (block, depth), got in rates.items():
        print(f"  fio bs={block} iodepth={depth}: {statistics.median(got):.2f} GB/s", file=sys.stderr)
    return max(SETTINGS, key=lambda setting: statistics.median(rates[setting]))


def measure(name, paths, env):
    setting = best_setting(paths)
    rates = {"fio": [], "plain": [], "digest": [], "pack": [], "limit": []}
    for turn in range(TURNS):
        path = paths[turn % len(paths)]
        steps = [("fio", lambda: fio(path, *setting)), ("plain", lambda: ours(path, env, "no_digest")),
                 ("digest", lambda: ours(path, env)), ("pack", lambda: ours(path, env, "pack")),
                 ("limit", lambda: fio(path, *ROOMY))]
        first = turn % len(steps)
        for step, work in steps[first:] + steps[:first]:
            rates[step].append(work())
        print(f"  turn {turn + 1}/{TURNS}: " +
              ", ".join(f"{step} {got[-1]:.2f}" for step, got in rates.items()) + " GB/s", file=sys.stderr)
    version = host.command("fio", "--version").strip()
    rival_name = f"{version}, io_uring, direct, fixed buffers, bs={setting[0]} iodepth={setting[1]}"
    packed = host.row(name + ".pack", statistics.median(rates["pack"]), "GB/s", statistics.median(rates["digest"]),
                      "the same load without packings", median_ratio(rates["pack"], rates["digest"]))
    return [rate_row(row_name, rates, step, rival_name)
            for row_name, step in ((name, "plain"), (name + ".digest", "digest"))] + [packed]


def median_ratio(ours_rates, other_rates):
    return statistics.median(mine / other for mine, other in zip(ours_rates, other_rates))


def rate_row(name, rates, step, rival_name):
    row = host.row(name, statistics.median(rates[step]), "GB/s", statistics.median(rates["fio"]), rival_name,
                   median_ratio(rates[step], rates["fio"]))
    row["limit"] = statistics.median(rates["limit"])
    row["limit_share"] = median_ratio(rates[step], rates["limit"])
    return row


def cold(stack):
    parent = os.environ.get("TMPDIR") or "/var/tmp"
    free = os.statvfs(parent)
    if free.f_bavail * free.f_frsize < 5 * GIB:
        raise host.Unavailable(f"needs 5 GiB on the disk of {parent} (TMPDIR names another)")
    folder = stack.folder(parent)
    paths = [os.path.join(folder, f"model-{i}.safetensors") for i in range(4)]
    for path in paths:
        host.write_checkpoint(path, FILE_BYTES)
    return paths


def fast(stack):
    image_bytes = FILE_BYTES + 128 * MIB
    host.need_memory(image_bytes + HUGE_PAGES * HUGE + GIB)
    tmpfs = stack.mount("tmpfs", "none", f"huge=always,size={image_bytes + 16 * MIB}")
    image = os.path.join(tmpfs, "disk")
    with open(image, "wb") as file:
        file.truncate(image_bytes)
    device = stack.loop(image)
    host.command("mkfs.ext4", "-q", "-F", "-O", "^has_journal", "-m", "0", device)
    folder = stack.mount("ext4", device, "noatime")
    path = os.path.join(folder, "model.safetensors")
    host.write_checkpoint(path, FILE_BYTES)
    return [path]


def measure_on(name, make_files):
    with host.Host() as stack:
        host.need_root()
        host.need_memory(HUGE_PAGES * HUGE + GIB)
        stack.huge_pages(HUGE_PAGES)
        return measure(name, make_files(stack), stack.pools())


def main():
    kinds = {"cold": cold, "fast": fast}
    if len(sys.argv) != 2 or sys.argv[1] not in kinds:
        sys.exit("usage: load.py cold|fast")
    name = "load." + sys.argv[1]
    host.print_rows([name, name + ".digest", name + ".pack"], lambda: measure_on(name, kinds[sys.argv[1]]))


if __name__ == "__main__":
    host.run_main(main)
