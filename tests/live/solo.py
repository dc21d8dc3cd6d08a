# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Tests that need a run of dbleak of their own: functions that are told what they may use."""
import os
from dataclasses import dataclass

from harness import Client, environment

TESTS = []


@dataclass
class Test:
    name: str
    run: object
    needs: set
    group: str   # tests of one group run one after the other, groups side by side
    without: object


class Skip(Exception):
    """The machine lacks what the test needs."""


def live(sentence, needs=("postgresql",), group=None, without=lambda: None):
    """Registers a test.  `without` returns what is missing on this machine, if anything."""
    def register(run):
        TESTS.append(Test(sentence, run, set(needs), group or run.__module__, without))
        return run
    return register


class Bench:
    """What a test works with; it is cleared when the test ends."""

    def __init__(self, servers, janitor, dbleak):
        self.servers, self.janitor, self.dbleak = servers, janitor, dbleak
        self.faults, self.clients, self.afterwards = [], [], []
        self.shown = {}

    def check(self, true, sentence):
        if not true:
            self.faults.append(sentence)
        return bool(true)

    def endpoint(self, server="postgresql", way="tcp4", **more):
        return environment(self.servers[server].endpoint(way, **more))

    def client(self, *argv, server="postgresql", way="tcp4", wait=True, **more):
        client = Client(self.janitor, list(argv), self.endpoint(server, way, **more))
        self.clients.append(client)
        if wait and not client.wait_ready():
            raise RuntimeError(f"{' '.join(argv)} did not get ready: {client.errors[-3:]}")
        return client

    def looked(self, look, status=None):
        """Takes over what is wrong with any report, and checks how it ended."""
        self.faults += look.trouble
        self.shown.update(status=look.status, stderr=look.err[-1500:], report=look.report)
        if status is not None:
            self.check(look.status == status, f"exit status {look.status}, not {status}: {look.err.strip()[-300:]}")
        return look

    def one_sentence(self, look, *words):
        """It could not look: status 2, nothing on standard output, a sentence on standard error."""
        self.shown.update(status=look.status, stdout=look.out[-500:], stderr=look.err[-1500:])
        self.check(look.status == 2, f"exit status {look.status}, not 2")
        self.check(look.err.startswith("dbleak: "), f"standard error begins with {look.err[:200]!r}")
        for word in words:
            self.check(word.lower() in look.err.lower(), f"standard error does not say {word!r}: {look.err[:300]!r}")

    def file(self, name):
        return self.dbleak.path(name)

    def private(self, path):
        if self.check(os.path.exists(path), f"{os.path.basename(path)} was not written"):
            mode = os.stat(path).st_mode & 0o777
            self.check(mode == 0o600, f"{os.path.basename(path)} has mode {mode:o}, not 600")

    def clear(self):
        for tidy in reversed(self.afterwards):
            tidy()
        self.janitor.end(*(client.process for client in self.clients))


def run_test(test, servers, janitor, dbleak):
    """(faults, what to show)"""
    bench = Bench(servers, janitor, dbleak)
    try:
        test.run(bench)
    except Skip:
        raise
    except Exception as trouble:
        bench.faults.append(f"{type(trouble).__name__}: {trouble}")
    finally:
        try:
            bench.clear()
        except Exception as trouble:
            bench.faults.append(f"afterwards: {type(trouble).__name__}: {trouble}")
    return bench.faults, bench.shown
