#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
"""Knowledge graphs: what two real ones take, what a question costs, how fast one is built.

WordNet is Debian's wordnet-base, without its glosses: 806,811 triples. The packages of Debian are those that apt knows
(scripts/debian-graph); the first run keeps a copy in the cache, so that later ones measure the same. Pools are on tmpfs.
Questions are by `pinpool kg bench`, median of three processes; the limit of bytes and times is what a graph should keep to.
A build is of the packages, from the page cache, by two threads, in turns with serd alone reading the file on one: the
limit is what two of those would read.
"""
import json
import os
import statistics
import subprocess
import sys

import host

NAMES = ["kg.wordnet.bytes_per_triple", "kg.wordnet.open", "kg.wordnet.sp", "kg.wordnet.po", "kg.wordnet.edge",
         "kg.wordnet.compact", "kg.debian.bytes_per_triple", "kg.debian.edge", "kg.debian.compact", "kg.build"]
WORDNET = "/usr/share/wordnet"
PROCESSES = 3
BUILDS = 5
THREADS = 2
LIMIT_BYTES = 5.0
LIMIT_COMPACT = 4.0
LIMIT_OPEN_NS = 5e6
LIMIT_NS = 1000.0
LIMIT_EDGE_NS = 20.0
# Fewer packages are no archive: apt's lists are missing.
LEAST_BYTES = 10 << 20


def pinpool(*args, env, **kwargs):
    return host.command(os.path.join(host.build_dir(), "bin", "pinpool"), *args, env=env, **kwargs)


def debian_graph():
    """The pinned copy."""
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "pinpool")
    path = os.path.join(cache, "debian.nt")
    if not os.path.exists(path):
        os.makedirs(cache, exist_ok=True)
        with open(path + ".new", "wb") as file:
            subprocess.run([os.path.join(host.TOP, "scripts", "debian-graph")], stdout=file, check=False)
        if os.path.getsize(path + ".new") < LEAST_BYTES:
            os.unlink(path + ".new")
            raise host.Unavailable("apt knows too few packages (apt-get update)")
        os.rename(path + ".new", path)
    return path


def build_wordnet(env, folder):
    if not os.path.exists(os.path.join(WORDNET, "data.noun")):
        raise host.Unavailable(f"no {WORDNET} (package wordnet-base)")
    pinpool("kg", "build", "-q", "bench-all", WORDNET, env=env)
    path = os.path.join(folder, "wordnet.tsv")
    with open(path, "w", encoding="utf-8") as file:
        for line in pinpool("kg", "export", "--format", "tsv", "bench-all", env=env).splitlines(True):
            if "\tgloss\t" not in line:
                file.write(line)
    pinpool("kg", "build", "-q", "bench-wordnet", path, env=env)
    return path


def measure_graph(name, env):
    runs = [json.loads(pinpool("kg", "bench", "-J", name, env=env)) for _ in range(PROCESSES)]
    medians = {key: statistics.median(run[key] for run in runs)
               for key in ("triples", "bytes_per_triple", "name_bytes", "open_ns", "sp_ns", "po_ns", "edge_ns")}
    print(f"  {name}: " + ", ".join(f"{key} {value:.2f}" for key, value in medians.items()), file=sys.stderr)
    return medians


def compact(graph, path, env):
    """A row of the bytes that a triple takes at least."""
    pinpool("kg", "build", "-q", "--compact", "bench-compact", path, env=env)
    info = json.loads(pinpool("kg", "stat", "-J", "bench-compact", env=env))
    pinpool("rm", "bench-compact", env=env)
    value = info["triple_bytes"] / info["triples"]
    return host.row(f"kg.{graph}.compact", value, "bytes a triple, smaller is better", limit=LIMIT_COMPACT,
                    limit_share=value / LIMIT_COMPACT)


def wordnet(env, folder):
    path = build_wordnet(env, folder)
    found = measure_graph("bench-wordnet", env)
    limits = {"bytes_per_triple": ("bytes", LIMIT_BYTES), "open_ns": ("ns", LIMIT_OPEN_NS), "sp_ns": ("ns", LIMIT_NS),
              "po_ns": ("ns", LIMIT_NS), "edge_ns": ("ns", LIMIT_EDGE_NS)}
    return [host.row(f"kg.wordnet.{key.removesuffix('_ns')}", found[key], f"{unit}, smaller is better", limit=limit,
                     limit_share=found[key] / limit) for key, (unit, limit) in limits.items()] + [
                         compact("wordnet", path, env)]


def build_rate(path, env):
    said = pinpool("kg", "build", "-q", "--threads", str(THREADS), "bench-debian", path, env=env)
    rate = float(said.split(" triples/s")[0].split()[-1])
    pinpool("rm", "bench-debian", env=env)
    return rate


def debian(env):
    path = debian_graph()
    ours, serd = [], []
    # Once, for the page cache.
    build_rate(path, env)
    for turn in range(BUILDS):
        if turn % 2:
            serd.append(float(host.command(os.path.join(host.build_dir(), "bench", "kg"), path, "1")))
        ours.append(build_rate(path, env))
        if not turn % 2:
            serd.append(float(host.command(os.path.join(host.build_dir(), "bench", "kg"), path, "1")))
        print(f"  {ours[-1] / 1e6:.2f} M triples/s, serd alone {serd[-1] / 1e6:.2f}", file=sys.stderr)
    pinpool("kg", "build", "-q", "bench-debian", path, env=env)
    found = measure_graph("bench-debian", env)
    rate, alone = statistics.median(ours), statistics.median(serd)
    return [host.row("kg.debian.bytes_per_triple", found["bytes_per_triple"], "bytes, smaller is better",
                     limit=LIMIT_BYTES, limit_share=found["bytes_per_triple"] / LIMIT_BYTES),
            host.row("kg.debian.edge", found["edge_ns"], "ns, smaller is better", limit=LIMIT_EDGE_NS,
                     limit_share=found["edge_ns"] / LIMIT_EDGE_NS),
            compact("debian", path, env),
            host.row("kg.build", rate / 1e6, "M triples/s", limit=THREADS * alone / 1e6,
                     limit_share=rate / (THREADS * alone))]


def measure():
    rows = {name: host.row(name) for name in NAMES}
    with host.Host() as stack:
        state = stack.folder("/dev/shm")
        env = dict(os.environ, PINPOOL_BACKEND="shm", PINPOOL_STATE_DIR=state)
        for part in (lambda: wordnet(env, stack.folder()), lambda: debian(env)):
            try:
                rows |= {row["name"]: row for row in part()}
            except host.Unavailable as why:
                print(f"bench: kg: not measured: {why}", file=sys.stderr)
    return list(rows.values())


def main():
    host.print_rows(NAMES, measure)


if __name__ == "__main__":
    host.run_main(main)
