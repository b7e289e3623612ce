# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
"""What the measurements do to the host, each undone at the end, also after Ctrl-C: huge pages, mounts, loop devices,
folders. Use as a context manager; what is undone is undone in reverse order."""
import contextlib
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

MIB = 1 << 20
GIB = 1 << 30
HUGE = 2 * MIB
NR_HUGEPAGES = "/proc/sys/vm/nr_hugepages"
TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Unavailable(Exception):
    """This user or machine cannot measure it; the text says why."""


def build_dir():
    return os.path.join(TOP, os.environ.get("BUILD", "build"))


def command(*args, **kwargs):
    done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, **kwargs)
    if done.returncode:
        raise Unavailable(f"{' '.join(args)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def undo(*args):
    """A command that takes something away again. A program that was just killed may keep it busy for a while."""
    for _ in range(100):
        done = subprocess.run(args, stderr=subprocess.PIPE, text=True, check=False)
        if not done.returncode:
            return
        time.sleep(0.1)
    print(f"bench: {' '.join(args)}: {done.stderr.strip()}", file=sys.stderr)


def need_root():
    if os.geteuid():
        raise Unavailable("needs root: huge pages, a hugetlbfs mount, a loop device, dropping the page cache")


def need_memory(bytes_needed):
    with open("/proc/meminfo", encoding="ascii") as file:
        available = next(int(line.split()[1]) << 10 for line in file if line.startswith("MemAvailable"))
    if available < bytes_needed:
        raise Unavailable(f"needs {bytes_needed / GIB:.1f} GiB of memory, {available / GIB:.1f} are available")


class Host(contextlib.ExitStack):
    def __enter__(self):
        # A killed benchmark would leave pages and mounts behind: end as by Ctrl-C.
        signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
        return super().__enter__()

    def __exit__(self, *details):
        # A second Ctrl-C must not interrupt the clearing up.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return super().__exit__(*details)

    def folder(self, parent=None):
        path = tempfile.mkdtemp(prefix="pinpool-bench.", dir=parent)
        self.callback(shutil.rmtree, path, ignore_errors=True)
        return path

    def mount(self, kind, source, options):
        path = tempfile.mkdtemp(prefix="pinpool-bench.")
        self.callback(undo, "rmdir", path)
        command("mount", "-t", kind, "-o", options, source, path)
        self.callback(undo, "umount", path)
        return path

    def loop(self, path):
        device = command("losetup", "--show", "-f", "--direct-io=on", path).strip()
        self.callback(undo, "losetup", "-d", device)
        return device

    def huge_pages(self, count, beside=0):
        """Adds to what is there, since somebody else may be using that; so many bytes @beside and some more stay free."""
        need_root()
        need_memory(count * HUGE + beside + GIB)

        def change(by):
            with open(NR_HUGEPAGES, "r+", encoding="ascii") as file:
                before = int(file.read())
                file.seek(0)
                file.write(str(max(before + by, 0)))
                file.flush()
                file.seek(0)
                return int(file.read()) - before

        got = change(count)
        self.callback(change, -got)
        if got < count:
            raise Unavailable(f"the kernel found {got} of {count} huge pages (echo 1 > /proc/sys/vm/compact_memory, "
                              "or free memory)")

    def pools(self):
        """Environment for programs that use the hugetlbfs backend with pools of their own."""
        mount = self.mount("hugetlbfs", "none", "pagesize=2M")
        state = self.folder("/dev/shm")
        return dict(os.environ, PINPOOL_BACKEND="hugetlbfs", PINPOOL_HUGETLBFS_DIR=mount, PINPOOL_STATE_DIR=state)


def drop_caches():
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
        file.write("3")


def program(name, *args, env):
    """Runs one of ours and returns what it printed, an object."""
    done = subprocess.run([os.path.join(build_dir(), "bench", name), *args], stdout=subprocess.PIPE, env=env,
                          check=False)
    if done.returncode:
        sys.exit(f"bench: {name} {' '.join(args)}: failed with status {done.returncode}")
    return json.loads(done.stdout)


def program_in_vm(series, name, *folder):
    """The same in a VM that counts instructions, with the module, on a kernel of this series; see bench/vm."""
    done = subprocess.run([os.path.join(TOP, "bench", "vm"), series, name, *folder], stdout=subprocess.PIPE, text=True,
                          check=False)
    if done.returncode:
        raise Unavailable(f"bench/vm {series} {name}: failed with status {done.returncode}")
    return json.loads(done.stdout)


def write_checkpoint(path, size, name="model.layers.0.mlp.weight", header_bytes=MIB):
    """A safetensors file of exactly @size bytes, bf16 tensors of 32 MiB and a rest, bytes that do not compress. The
    header has @header_bytes or a little more, most of them blanks."""
    shape_row = 4096 * 2
    tensor_bytes = 32 * MIB
    header, offset = {}, 0
    space = size - header_bytes
    while offset < space:
        length = min(tensor_bytes, space - offset) // shape_row * shape_row
        if not length:
            break
        header[f"{name}.{len(header)}"] = {"dtype": "BF16", "shape": [length // shape_row, 4096],
                                           "data_offsets": [offset, offset + length]}
        offset += length
    text = json.dumps(header).encode()
    text += b" " * (size - offset - 8 - len(text))
    block = random.Random(1).randbytes(16 * MIB)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        left = offset
        while left:
            # Another rotation each time, so that no two blocks are equal.
            turn = (left // MIB * 4099) % len(block)
            piece = (block[turn:] + block[:turn])[:left]
            file.write(piece)
            left -= len(piece)
        file.flush()
        os.fsync(file.fileno())
    return next(iter(header))


def row(name, ours=None, unit=None, rival=None, rival_name=None, ratio=None, limit=None, limit_share=None):
    return {"name": name, "ours": ours, "unit": unit, "rival": rival, "rival_name": rival_name, "ratio": ratio,
            "limit": limit, "limit_share": limit_share}


def types(kind):
    """Types of weights and activations of a row: "bf16" or, where activations are not f32, "bf16_bf16"."""
    weights, _, activations = kind.partition("_")
    return (weights, activations) if activations == "bf16" else (kind, "f32")


def type_name(cell):
    """The same of a measured product."""
    return cell["type"] if cell["activations"] == "f32" else cell["type"] + "_" + cell["activations"]


def print_rows(names, measure):
    """Prints the rows that measure() returns, for bench/run; those of @names, empty, if it cannot be measured here."""
    try:
        rows = measure()
    except Unavailable as why:
        print(f"bench: {names[0]}: not measured: {why}", file=sys.stderr)
        rows = [row(name) for name in names]
    print(json.dumps(rows))


def run_main(main):
    """Ctrl-C is no error to be explained by a traceback."""
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
