#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
"""How fast a checkpoint gets into a resident huge-page pool, beside fio reading the same file.

usage: load.py cold|fast

cold: 4 GiB in four files on the disk that holds TMPDIR (or /var/tmp). fast: 1 GiB on ext4 on a loop device over
huge-page tmpfs, where the cost of the reader shows rather than that of the storage. Disks of virtual machines change
their speed within a minute, so fio and loads without digests, with XXH3, with SHA-256 besides, and with packings, take
turns, in changing order, and the figure is the median of the ratios within a turn. fio runs with io_uring, O_DIRECT, registered files and buffers,
on huge pages, with the best of four settings, found first in the same run. The page cache is dropped before each
reading.

A device that copies, as the loop device and the disks of most virtual machines do, is faster into memory that is in
cache: fio with 8 MiB of buffers, which it overwrites again and again, is up to half as fast again as fio with buffers
for all of the file, and a load has to keep what it reads. So each row has the latter, measured in the same turns, as
its limit.

.cpu is processor seconds for 1e9 bytes, of all threads, of the load without digests and of fio, from the first request to
the end; what the kernel does for them in threads of its own, as for the loop device, is in neither.
"""
import json
import os
import statistics
import sys

import host
from host import GIB, HUGE, MIB

TURNS = 12
FILE_BYTES = GIB
SETTINGS = [("1M", 8), ("1M", 32), ("4M", 8), ("4M", 32)]
# As much memory as the file, each byte in its own place.
ROOMY = ("1M", FILE_BYTES // MIB)
# enum pinpool_sha256: of tensors. One file is one chain of digests, which one core follows.
SHA256 = "sha256=2"
PARTS = ["", ".xxh3", ".sha256", ".pack", ".cpu"]
# The pool with its catalog and the one with packings, or fio's buffers, and some for what the kernel rounds up.
HUGE_PAGES = 2 * FILE_BYTES // HUGE + 64


class Run:
    """One reading of a file: 1e9 bytes a second, and processor seconds for as many."""
    def __init__(self, count, seconds, cpu_seconds):
        self.rate = count / seconds / 1e9
        self.cpu = cpu_seconds / count * 1e9


def fio(path, block, depth):
    """By fio's own word, so without its start."""
    host.drop_caches()
    output = host.command(
        "fio", "--name=read", f"--filename={path}", "--readonly", "--rw=read", f"--bs={block}", f"--iodepth={depth}",
        "--ioengine=io_uring", "--direct=1", "--fixedbufs=1", "--registerfiles=1", "--mem=mmaphuge",
        f"--hugepage-size={HUGE}", f"--size={FILE_BYTES}", "--output-format=json")
    job = json.loads(output[output.index("{"):])["jobs"][0]
    read = job["read"]
    # Processor time is in percent of the whole run, milliseconds.
    cpu_seconds = (job["usr_cpu"] + job["sys_cpu"]) * job["job_runtime"] * 1e-5
    return Run(read["io_bytes"], read["io_bytes"] / read["bw_bytes"], cpu_seconds)


def ours(path, env, *args):
    host.drop_caches()
    done = host.program("load", path, *args, env=env)
    if not done["direct"] or done["backend"] != "hugetlbfs":
        raise host.Unavailable(f"the load went another way: {done}")
    run = Run(done["bytes"], done["seconds"], done["cpu_seconds"])
    print(f"  {' '.join(args) or 'digest':10} {run.rate:6.2f} GB/s, {run.cpu:.3f} s/GB, {done['io']}, "
          f"{done['depth']} x {done['chunk'] >> 10} KiB; pool made in {done['create_seconds']:.2f} s", file=sys.stderr)
    return run


def best_setting(paths):
    """The setting with the best median of three, each round over all of them."""
    rates = {setting: [] for setting in SETTINGS}
    for turn in range(3):
        for setting in SETTINGS:
            rates[setting].append(fio(paths[turn % len(paths)], *setting).rate)
    for (block, depth), got in rates.items():
        print(f"  fio bs={block} iodepth={depth}: {statistics.median(got):.2f} GB/s", file=sys.stderr)
    return max(SETTINGS, key=lambda setting: statistics.median(rates[setting]))


def take_turns(turns, steps):
    """Runs of each step, a dict of functions that are given the number of the turn. Who comes first changes."""
    runs = {step: [] for step in steps}
    order = list(steps)
    for turn in range(turns):
        first = turn % len(order)
        for step in order[first:] + order[:first]:
            runs[step].append(steps[step](turn))
        print(f"  turn {turn + 1}/{turns}: " + ", ".join(f"{step} {got[-1].rate:.2f}" for step, got in runs.items()) +
              " GB/s", file=sys.stderr)
    return runs


def median_rate(runs):
    return statistics.median(run.rate for run in runs)


def median_ratio(runs, others):
    return statistics.median(run.rate / other.rate for run, other in zip(runs, others))


def measure(name, paths, env):
    setting = best_setting(paths)

    def load(*args):
        return lambda turn: ours(paths[turn % len(paths)], env, *args)

    def read(*args):
        return lambda turn: fio(paths[turn % len(paths)], *args)

    runs = take_turns(TURNS, {"fio": read(*setting), "plain": load("no_digest"), "xxh3": load(), "sha256": load(SHA256),
                              "pack": load("pack"), "limit": read(*ROOMY)})
    version = host.command("fio", "--version").strip()
    rival = f"{version}, io_uring, direct, fixed buffers, bs={setting[0]} iodepth={setting[1]}"
    return [rate_row(name, runs, "plain", rival), rate_row(name + ".xxh3", runs, "xxh3", rival),
            rate_row(name + ".sha256", runs, "sha256", rival + "; ours with the SHA-256 of each tensor, on all cores"),
            host.row(name + ".pack", median_rate(runs["pack"]), "GB/s", median_rate(runs["xxh3"]),
                     "the same load without packings", median_ratio(runs["pack"], runs["xxh3"])),
            cpu_row(name + ".cpu", runs, rival)]


def rate_row(name, runs, step, rival_name):
    row = host.row(name, median_rate(runs[step]), "GB/s", median_rate(runs["fio"]), rival_name,
                   median_ratio(runs[step], runs["fio"]))
    row["limit"] = median_rate(runs["limit"])
    row["limit_share"] = median_ratio(runs[step], runs["limit"])
    return row


def cpu_row(name, runs, rival_name):
    return host.row(name, statistics.median(run.cpu for run in runs["plain"]), "s/GB",
                    statistics.median(run.cpu for run in runs["fio"]), rival_name,
                    statistics.median(run.cpu / other.cpu for run, other in zip(runs["plain"], runs["fio"])))


def disk(bytes_needed):
    """A folder on the disk to read from."""
    parent = os.environ.get("TMPDIR") or "/var/tmp"
    free = os.statvfs(parent)
    if free.f_bavail * free.f_frsize < bytes_needed:
        raise host.Unavailable(f"needs {bytes_needed / GIB:.0f} GiB on the disk of {parent} (TMPDIR names another)")
    return parent


def cold(stack):
    folder = stack.folder(disk(5 * GIB))
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
        stack.huge_pages(HUGE_PAGES)
        return measure(name, make_files(stack), stack.pools())


def main():
    kinds = {"cold": cold, "fast": fast}
    if len(sys.argv) != 2 or sys.argv[1] not in kinds:
        sys.exit("usage: load.py cold|fast")
    name = "load." + sys.argv[1]
    host.print_rows([name + part for part in PARTS], lambda: measure_on(name, kinds[sys.argv[1]]))


if __name__ == "__main__":
    host.run_main(main)
