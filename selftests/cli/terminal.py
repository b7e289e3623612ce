#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
"""A command on a terminal of its own, as a job of a shell that is there too.

usage: terminal.py OUTPUT ROWSxCOLUMNS STEP... -- COMMAND...

Steps, in order, each with ten seconds to come true: `see TEXT` waits until the terminal was given that since the last
step; `type TEXT`; `signal NAME` to the command; `size ROWSxCOLUMNS` gives the terminal another one; `stopped` waits until
the command is, and says whether the terminal is as it was. In the end prints the exit status, or the signal, and whether
the terminal is as it was. What the terminal was given goes to OUTPUT.
"""
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

PATIENCE = 10


def set_size(fd, text):
    rows, columns = map(int, text.split("x"))
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def shell(command, size, say):
    """The shell: says what becomes of its job, and how the terminal is then."""
    set_size(0, size)
    before = termios.tcgetattr(0)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    job = os.fork()
    if job == 0:
        os.setpgid(0, 0)
        os.tcsetpgrp(0, os.getpid())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        os.execvp(command[0], command)
    os.write(say, f"job {job}\n".encode())
    while True:
        _, status = os.waitpid(job, os.WUNTRACED)
        state = "restored" if termios.tcgetattr(0) == before else "changed"
        if os.WIFSTOPPED(status):
            os.write(say, f"stopped {state}\n".encode())
            continue
        code = os.waitstatus_to_exitcode(status)
        os.write(say, f"exit {code} {state}\n".encode())
        os._exit(0)


class Terminal:
    def __init__(self, command, size):
        heard, say = os.pipe()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            shell(command, size, say)
        os.close(say)
        self.heard = heard
        self.output = self.new = b""
        self.said = ""
        self.job = int(self.wait_said("job").split()[1])

    def pump(self):
        for fd in select.select([self.fd, self.heard], [], [], 0.05)[0]:
            try:
                data = os.read(fd, 65536)
            except OSError:
                data = b""
            if fd == self.fd:
                self.output += data
                self.new += data
            else:
                self.said += data.decode()

    def wait(self, done, what):
        end = time.monotonic() + PATIENCE
        while not done():
            if time.monotonic() > end:
                sys.exit(f"waited in vain: {what}")
            self.pump()

    def wait_said(self, word):
        self.wait(lambda: any(line.startswith(word) for line in self.said.splitlines()), word)
        line = next(line for line in self.said.splitlines() if line.startswith(word))
        self.said = self.said.replace(line + "\n", "", 1)
        return line

    def step(self, text):
        word, _, rest = text.partition(" ")
        if word == "see":
            self.wait(lambda: rest.encode() in self.new, text)
        elif word == "stopped":
            print(self.wait_said("stopped"))
        self.new = b""
        if word == "type":
            os.write(self.fd, rest.encode())
        elif word == "signal":
            os.kill(self.job, getattr(signal, "SIG" + rest))
        elif word == "size":
            set_size(self.fd, rest)


def main():
    output, size, rest = sys.argv[1], sys.argv[2], sys.argv[3:]
    end = rest.index("--")
    terminal = Terminal(rest[end + 1:], size)
    try:
        for step in rest[:end]:
            terminal.step(step)
        print(terminal.wait_said("exit"))
        terminal.pump()
    finally:
        try:
            os.kill(terminal.job, signal.SIGKILL)
        except ProcessLookupError:
            pass
        with open(output, "wb") as file:
            file.write(terminal.output)


if __name__ == "__main__":
    main()
