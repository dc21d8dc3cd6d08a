# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""The rows that measure what call stacks cost."""
import os
import signal
import statistics
import subprocess
import time

import servers
from bench import at_least, at_most, pgbench, resident_kb, spread
from bpf import Meter
from bpf import statistics as run_time_statistics

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3"  # the distribution's, whose packages are installed
NO_STACKS = ("--no-stacks",)
STORM_PROCESSES = 20  # each may have 100 copied stacks a second
STORM_SECONDS = 60
MAPPINGS = 190
DEEP = ("deep_stack", 16384)  # bytes of stack in use, of which 8 KB are copied
DEEP_CONNECTIONS = 40  # used one after the other, without a pause
COPY_ROUNDS = 5


def family(pid):
    """A process and those it has started."""
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        return [pid, *map(int, children.read().split())]


def spent_by(pid):
    """Processor seconds of a process and those it has started."""
    spent = 0
    for one in family(pid):
        with open(f"/proc/{one}/stat") as stat:
            spent += sum(int(word) for word in stat.read().rpartition(")")[2].split()[11:13])
    return spent / os.sysconf("SC_CLK_TCK")


def resident_of(pid):
    return sum(resident_kb(one, "VmRSS") for one in family(pid))


def stacks_ratio(bench, what, measure):
    """Stacks on against off, both watched."""
    measure(False)  # warm-up
    found = [on / off for off, on in bench.pairs_of(measure, (), NO_STACKS)]
    return [at_least(what, statistics.median(found), 0.97, spread(found))]


def row_pgbench_stacks(bench):
    """pgbench -S -c 1, stacks on / off"""
    return stacks_ratio(bench, row_pgbench_stacks.__doc__, lambda watched: pgbench(bench, "-c", "1"))


def orm_loop(bench):
    """Transactions of a second of processor time."""
    server = bench.server(servers.PostgreSQL)
    url = f"postgresql+psycopg2://app@/postgres?host={server.folder}&port={server.port}"
    text = bench.output([PYTHON, os.path.join(HERE, "orm_loop.py"), str(bench.seconds), url])
    return float(text.split()[0])


def row_orm_stacks(bench):
    """SQLAlchemy, short transactions, stacks on / off"""
    return stacks_ratio(bench, row_orm_stacks.__doc__, lambda watched: orm_loop(bench))


def row_storm(bench):
    """2,000 stacks a second for 60 s, of a core"""
    server = bench.server(servers.PostgreSQL)
    dsn = f"host={server.folder} port={server.port} user=app dbname=postgres"
    with bench.watching("--max-overhead", "100") as watch:
        with bench.at_rest("stack_storm", STORM_PROCESSES, STORM_SECONDS + 10, dsn):
            time.sleep(3)  # what is read first is read once
            spent, grown = spent_by(watch.pid), resident_of(watch.pid)
            time.sleep(STORM_SECONDS)
            spent, grown = spent_by(watch.pid) - spent, resident_of(watch.pid) - grown
            report = watch.stop()
    lost = sum(report["losses"].values())
    bench.note(f"{report['cost']['events'] / STORM_SECONDS:,.0f} records a second, lost {report['losses']}")
    return [at_most(row_storm.__doc__, 100 * spent / STORM_SECONDS, 15, f"{100 * spent / STORM_SECONDS:.1f} %", " %"),
            at_most("of them lost", lost, 0, f"{lost:,}"),
            at_most("growth of resident memory meanwhile", grown / 1024, 8, f"{grown / 1024:.1f} MiB", " MB")]


def named_after(bench, url):
    """Seconds from a leak to the end of a watch that names its line."""
    client = bench.start([PYTHON, os.path.join(HERE, "many_maps.py"), str(MAPPINGS), url], stdout=subprocess.PIPE,
                         stdin=subprocess.PIPE)
    try:
        if client.stdout.readline() != b"ready\n":
            raise RuntimeError("many_maps.py did not get ready")
        with bench.watching("--min-age", "0.1") as watch:
            client.stdin.write(b"go\n")
            client.stdin.flush()
            client.stdout.readline()
            began = time.monotonic()
            time.sleep(0.15)  # older than --min-age
            report = watch.stop()
            spent = time.monotonic() - began
    finally:
        bench.forget(client)
    found = [f["site"] for p in report["processes"] for f in p["findings"] if p["pid"] == client.pid]
    if not any(site and site["file"].endswith("many_maps.py") for site in found):
        raise RuntimeError(f"the line was not named: {found}")
    return spent


def row_first_line(bench):
    """from a leak in a Python process with 190 mappings to the report with its line"""
    server = bench.server(servers.PostgreSQL)
    url = f"host={server.folder} port={server.port} user=app dbname=postgres"
    found = [named_after(bench, url) for _ in range(5)]
    return [at_most(row_first_line.__doc__, statistics.median(found), 0.5, f"{spread(found)} s", " s")]


def copied_times(bench, more):
    """ns of our programs for each transaction of a program with a deep stack, what it takes to wake the reader
    of the ring included, of a few rounds; and how many records there were for each."""
    server = bench.server(servers.PostgreSQL)
    dsn = f"host={server.folder} port={server.port} user=app dbname=postgres"
    times, transactions = [], 0
    with bench.watching(*more) as watch, run_time_statistics():
        meter = Meter(watch.pid)
        for _ in range(COPY_ROUNDS):
            said = []
            ns, _, _, _ = meter.during(lambda: said.extend(bench.built(*DEEP, bench.seconds, DEEP_CONNECTIONS, dsn)))
            times.append(ns / said[0])
            transactions += said[0]
        report = watch.stop()
    return times, report["cost"]["events"] / transactions


def row_copy(bench):
    """copied stack of 8 KB, in the program"""
    (without, few), (with_stacks, records) = copied_times(bench, NO_STACKS), copied_times(bench, ())
    if records < few + 0.95:
        raise RuntimeError(f"only {records:.2f} records for each transaction, {few:.2f} without stacks")
    took = (min(with_stacks) - min(without)) / 1000
    if took <= 0:
        raise RuntimeError("others are too busy beside it")
    bench.note(f"transactions of {spread(without, 0)} ns, with their stacks {spread(with_stacks, 0)}")
    return [at_most(row_copy.__doc__, took, 2, f"{took:.1f} us (a transaction {min(without) / 1000:.1f}, with its stack "
                    f"{min(with_stacks) / 1000:.1f})", " us")]


ROWS = {
    "pgbench-stacks": (row_pgbench_stacks, True),
    "orm-stacks": (row_orm_stacks, True),
    "storm": (row_storm, True),
    "first-line": (row_first_line, True),
    "stack-copy": (row_copy, True),
}
