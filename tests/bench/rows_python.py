# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""The rows that measure what Python frames cost."""
import os
import statistics

import servers
from bench import at_least, at_most, spread
from bpf import Meter
from bpf import statistics as run_time_statistics
from rows_stacks import HERE, NO_STACKS, PYTHON

DEPTHS = {20: 3, 50: 8}  # frames: microseconds
ROUNDS = 5


def transaction_times(bench, more):
    """{depth: ns of our programs for each transaction}, the least of a few rounds: others' work on the
    machine only adds to it."""
    server = bench.server(servers.PostgreSQL)
    dsn = f"host={server.folder} port={server.port} user=app dbname=postgres"
    found = {depth: [] for depth in DEPTHS}
    with bench.watching(*more) as watch, run_time_statistics():
        meter = Meter(watch.pid)
        for _ in range(ROUNDS):
            for depth in DEPTHS:
                said = []
                ns, _, _, _ = meter.during(lambda: said.append(bench.output(
                    [PYTHON, os.path.join(HERE, "deep_loop.py"), str(depth), str(bench.seconds), dsn])))
                found[depth].append(ns / int(said[0]))
    return {depth: min(times) for depth, times in found.items()}


def row_walk(bench):
    """Python walk in the program"""
    without, with_stacks = transaction_times(bench, NO_STACKS), transaction_times(bench, ())
    lines = []
    for depth, goal in DEPTHS.items():
        took = (with_stacks[depth] - without[depth]) / 1000
        lines.append(at_most(f"{row_walk.__doc__}, depth {depth}", took, goal,
                             f"{took:.1f} us (a transaction {without[depth] / 1000:.1f}, with its stack "
                             f"{with_stacks[depth] / 1000:.1f})", " us"))
    return lines


def row_names(bench):
    """warm Python stacks named a second, 20 frames"""
    found = [bench.built("python", bench.seconds / 2)[0] for _ in range(ROUNDS)]
    return [at_least(row_names.__doc__, statistics.median(found), 50_000, spread(found))]


ROWS = {
    "python-walk": (row_walk, True),
    "python-names": (row_names, True),
}
