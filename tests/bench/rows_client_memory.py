# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""The rows that measure the client tier: what libraries take of the heap by their own calls."""
import mmap
import os
import statistics
import struct
import subprocess
import time

import records
import servers
from bench import at_least, at_most, pgbench, spread

HERE = os.path.dirname(os.path.abspath(__file__))
CLIENT, GROWTH = ("--heap", "client"), ("--heap", "growth")
BUDGET_SECONDS = 10  # of a run within the budget
CLIENT_TIER = 2      # enum ev_tier
FIRST_SECONDS = 4    # of the watch that do not count: it begins
LOOK_SECONDS = 0.02
TOLD_SECONDS = 0.1   # the parts of one telling are not further apart


def row_client_budget(bench):
    """pgbench -S -c 1, --heap client within the default budget / --heap growth, 10 s"""
    def measure(watched):
        return pgbench(bench, "-c", "1", seconds=BUDGET_SECONDS)
    pgbench(bench, "-c", "1")  # warm-up
    found = [on / off for off, on in bench.pairs_of(measure, CLIENT, GROWTH)]
    return [at_least(row_client_budget.__doc__, statistics.median(found), 0.97, spread(found))]


def told_of(path):
    """[(seconds, blocks, bytes)] that libpq took so far, whenever that was told: in parts, which only together are
    all of it."""
    last, found = {}, []
    for name, record in records.read(path):
        if name == "memory_site" and record.tier == CLIENT_TIER and record.object == "libpq":
            last[record.site] = record
            if found and record.ns / 1e9 - found[-1][0] < TOLD_SECONDS:
                found.pop()
            found.append((record.ns / 1e9, sum(r.taken for r in last.values()),
                          sum(r.taken_bytes for r in last.values())))
    return found


def counted_by(path, process):
    """The same, as the preloaded counter has it, while the process runs."""
    while not os.path.exists(path) or os.path.getsize(path) < 16:
        time.sleep(LOOK_SECONDS)
    found = []
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 16, prot=mmap.PROT_READ) as counters:
        while process.poll() is None:
            found.append((time.clock_gettime(time.CLOCK_BOOTTIME), *struct.unpack("QQ", counters[:])))
            time.sleep(LOOK_SECONDS)
    return found


def at(series, when, which):
    """A figure at that time, between the two that were seen around it."""
    before = series[0]
    for one in series:
        if one[0] >= when:
            part = (when - before[0]) / (one[0] - before[0]) if one[0] > before[0] else 0
            return before[which] + part * (one[which] - before[which])
        before = one
    return before[which]


def one_estimate(bench, counter):
    """What was told of the calls and of the bytes, each by what was counted."""
    number = next(bench.numbers)
    recording, counts = (os.path.join(bench.folder, f"calls-{number}.{ending}") for ending in ("rec", "count"))
    server = bench.server(servers.PostgreSQL)
    load = bench.start([f"{server.bin}/pgbench", "-h", server.folder, "-p", str(server.port), "-U", "app", "-n", "-S",
                        "-c", "1", "-T", str(BUDGET_SECONDS + FIRST_SECONDS + 2), "pgbench"], stderr=subprocess.DEVNULL,
                       env=dict(os.environ, LD_PRELOAD=counter, LIBPQ_CALLS=counts))
    watch = bench.start([bench.dbleak, "watch", *CLIENT, "-p", str(load.pid), "--record", recording,
                         "--duration", str(BUDGET_SECONDS + FIRST_SECONDS)], stderr=subprocess.DEVNULL)
    counted = counted_by(counts, load)
    bench.forget(load)
    watch.wait(30)
    bench.forget(watch)
    told = told_of(recording)
    inside = [one[0] for one in told if told[0][0] + FIRST_SECONDS / 2 <= one[0] <= counted[-1][0]]
    first, last = inside[0], inside[-1]
    return [(at(told, last, which) - at(told, first, which)) / (at(counted, last, which) - at(counted, first, which))
            for which in (1, 2)]


def row_client_estimate(bench):
    """blocks and bytes that libpq takes, pgbench -S -c 1, told within the default budget / counted"""
    counter = os.path.join(bench.folder, "libpq_calls.so")
    bench.output(["gcc", "-O2", "-shared", "-fPIC", "-o", counter, os.path.join(HERE, "preload", "libpq_calls.c")])
    pgbench(bench, "-c", "1")  # fills the database
    found = [one_estimate(bench, counter) for _ in range(max(3, bench.pairs // 3))]
    for blocks, bytes_ in found:
        bench.note(f"told / counted: blocks {blocks:.3f}, bytes {bytes_:.3f}")
    off = [max(abs(one - 1) for one in pair) for pair in found]
    return [at_most("error of that estimate, " + row_client_estimate.__doc__, statistics.median(off), 0.1,
                    spread(off))]


ROWS = {
    "client-budget": (row_client_budget, True),
    "client-estimate": (row_client_estimate, True),
}
