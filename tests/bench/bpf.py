# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""What the kernel tells of the BPF programs of a running dbleak: run time, runs, counters."""
import contextlib
import ctypes
import json
import os
import platform
import re
import shutil
import subprocess
import time

SYS_BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
BPF_ENABLE_STATS = 32
BPFTOOL = shutil.which("bpftool", path="/usr/sbin:/usr/local/sbin:/usr/bin")
# The programs that run at each message, by door; the kernel cuts names at 15 letters.
MESSAGE_PROGRAMS = {"socket_sent", "socket_received", "tcp_sent", "tcp_received", "tcp_received_no",
                    "unix_sent", "unix_received"}
START_SECONDS = 10  # in which a watch has loaded them, on a busy machine
TRACKED, OTHER = 9, 10  # COUNTER_MESSAGES, COUNTER_OTHER_MESSAGES of bpf/settings.h


@contextlib.contextmanager
def statistics():
    """Run-time statistics for all programs while inside.  The sysctl is not touched; the kernel ends
    them with the descriptor, whatever becomes of us."""
    attributes = ctypes.create_string_buffer(4)  # type: run time
    fd = ctypes.CDLL(None, use_errno=True).syscall(SYS_BPF, BPF_ENABLE_STATS, attributes, 4)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "cannot enable run-time statistics")
    try:
        yield
    finally:
        os.close(fd)


def described(kind, number):
    return json.loads(subprocess.check_output([BPFTOOL, "-j", kind, "show", "id", str(number)]))


def descriptors(pid):
    """The fdinfo of each BPF program and map that a process holds, as dictionaries."""
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        try:
            with open(f"/proc/{pid}/fdinfo/{fd}") as info:
                facts = dict(re.findall(r"^(\w+):\s*(\S+)", info.read(), re.M))
        except FileNotFoundError:
            continue  # it was open for a moment only
        if "prog_type" in facts or "map_type" in facts:
            yield facts


class Meter:
    """Reads the cost of one dbleak; `at_rest` says the loads were idle when it was read."""

    def __init__(self, pid):
        self.pid = pid
        deadline = time.monotonic() + START_SECONDS
        while not self.find() and time.monotonic() < deadline:
            time.sleep(0.1)
        if not self.programs:
            raise RuntimeError(f"process {pid} has loaded no program for messages in {START_SECONDS} s")

    def find(self):
        """Its programs for messages and its counters, once they are loaded."""
        held = list(descriptors(self.pid))
        self.programs = {f["prog_id"] for f in held if "run_time_ns" in f and
                         described("prog", f["prog_id"]).get("name") in MESSAGE_PROGRAMS}
        self.counters = next((f["map_id"] for f in held if "map_id" in f and
                              described("map", f["map_id"]).get("name") == "counters"), None)
        return self.programs and self.counters

    def read(self):
        """(ns, runs, tracked messages, other messages) so far."""
        ns = runs = 0
        for facts in descriptors(self.pid):
            if facts.get("prog_id") in self.programs:
                ns += int(facts["run_time_ns"])
                runs += int(facts["run_cnt"])
        dump = json.loads(subprocess.check_output([BPFTOOL, "-j", "map", "dump", "id", self.counters]))
        counts = {item["formatted"]["key"]: sum(cpu["value"] for cpu in item["formatted"]["values"])
                  for item in dump}
        return ns, runs, counts[TRACKED], counts[OTHER]

    def during(self, load):
        """The same four, of what load() did alone."""
        before = self.read()
        load()
        return tuple(after - was for after, was in zip(self.read(), before))
