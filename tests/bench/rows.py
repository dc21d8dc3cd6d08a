# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""The rows of the table: each measures one promise and returns its lines."""
import os
import statistics
import time

from bench import (CONNECTIONS, PROCESSES, at_least, at_most, first_answer_and_farewell, pgbench,
                   resident_kb, spread, sysbench)
from bpf import Meter
from bpf import statistics as run_time_statistics

REPEATS = 5
BUSY_RECORDS = 1_500_000
OPEN_OBJECTS = 200_000
MEGA = 1 << 20


def ratios(bench, measure):
    measure()  # warm-up
    return [on / off for off, on in bench.pairs_of(measure)]


def row_pgbench(bench):
    """pgbench -S -c 1, Unix socket, watched / not"""
    found = ratios(bench, lambda: pgbench(bench, "-c", "1"))
    return [at_least(row_pgbench.__doc__, statistics.median(found), 0.97, spread(found))]


def row_sysbench(bench):
    """sysbench oltp_read_only, MariaDB, watched / not"""
    found = ratios(bench, lambda: sysbench(bench))
    return [at_least(row_sysbench.__doc__, statistics.median(found), 0.97, spread(found))]


def other_messages(bench, meter, constant):
    """Run time of a message of a socket that is no database's: {kind of traffic: ns}."""
    found = {}
    for mode in ("unix", "tcp", "fresh"):
        ns, runs, _, _ = meter.during(lambda: bench.built("echo", mode, bench.seconds))
        found[mode] = ns / runs
        bench.note(f"echo {mode}: {runs:,} runs, {ns / runs:.0f} ns each, {ns / runs - constant:.0f} net")
    return found


def row_message(bench):
    """BPF time of a message"""
    loads = {"pgbench -S": lambda: pgbench(bench, "-c", "1"),
             "pgbench -S -M prepared": lambda: pgbench(bench, "-c", "1", "-M", "prepared"),
             "sysbench oltp_read_only": lambda: sysbench(bench)}
    for load in loads.values():
        load()  # warm-up, and the servers are up
    with bench.watching() as watch, run_time_statistics():
        meter = Meter(watch.pid)
        ns, runs, _, _ = meter.during(lambda: bench.built("echo", "peek", bench.seconds))
        constant = ns / runs
        bench.note(f"of each run {constant:.0f} ns are the statistics' own (a program that returns at once)")
        others = other_messages(bench, meter, constant)
        lines = []
        for name, load in loads.items():
            ns, runs, tracked, _ = meter.during(load)
            raw = (ns - (runs - tracked) * others["unix"]) / tracked
            bench.note(f"{name}: {runs:,} runs, {ns / runs:.0f} ns each; {tracked:,} tracked, {raw:.0f} ns each")
            lines.append(at_most(f"{row_message.__doc__}, {name}", raw - constant, 300,
                                 f"{raw - constant:.0f} ns ({raw:.0f} with {constant:.0f} of measuring)", " ns"))
    worst = max(others["unix"], others["tcp"])
    lines.append(at_most(f"{row_message.__doc__}, other sockets", worst - constant, 60,
                         f"{worst - constant:.0f} ns ({worst:.0f} with {constant:.0f} of measuring)", " ns"))
    return lines


def row_ring(bench):
    """ring records a second, pgbench -S -c 8 -M prepared"""
    seconds = max(2 * bench.seconds, 8)
    with bench.watching() as watch:
        tps = pgbench(bench, "-c", "8", "-M", "prepared", seconds=seconds)
        report = watch.stop()
    rate = report["cost"]["events"] / seconds
    bench.note(f"{tps:,.0f} transactions a second, {report['cost']['events']} records in {seconds} s, "
               f"lost: {sum(report['losses'].values())}")
    return [at_most(row_ring.__doc__, rate, 50, f"{rate:.1f}")]


def row_syscall(bench):
    """getppid loop, time watched / not"""
    found = [1 / ratio for ratio in ratios(bench, lambda: bench.built("getppid", bench.seconds / 2)[0])]
    return [at_most(row_syscall.__doc__, statistics.median(found), 1.02, spread(found))]


def timed(bench, argv):
    began = time.monotonic()
    process = bench.start(argv)
    status = process.wait(120)
    spent = time.monotonic() - began
    bench.forget(process)
    if status not in (0, 1):
        raise RuntimeError(f"{' '.join(argv)}: status {status}")
    return spent


def row_snapshot(bench):
    """snapshot, 300 processes, 10,000 connections"""
    with bench.crowd():
        found = [timed(bench, [bench.dbleak, "snapshot"]) for _ in range(REPEATS)]
    return [at_most(row_snapshot.__doc__, statistics.median(found), 0.3, f"{spread(found)} s", " s")]


def row_start(bench):
    """start to the first answer, all attached"""
    starts, ends = zip(*(first_answer_and_farewell(bench) for _ in range(REPEATS)))
    with bench.crowd():
        crowded = [first_answer_and_farewell(bench) for _ in range(REPEATS)]
    bench.note("with {:,} connections: start {} s, interrupt to exit {} s".format(
        CONNECTIONS, *(spread(numbers) for numbers in zip(*crowded))))
    return [at_most(row_start.__doc__, statistics.median(starts), 0.5, f"{spread(starts)} s", " s"),
            at_most("interrupt to exit, report printed", statistics.median(ends), 0.3, f"{spread(ends)} s", " s")]


def recording(bench, kind, count):
    path = os.path.join(bench.folder, f"{kind}.recording")
    return path, bench.built("make_recording", path, kind, count)[0]


def model_bytes(bench, kind):
    """Resident bytes of the model for each object of that kind that is open."""
    path, _ = recording(bench, kind, OPEN_OBJECTS)
    grown = bench.built("replay", path)[1]
    os.unlink(path)
    return grown / OPEN_OBJECTS


def row_replay(bench):
    """replay, records a second"""
    path, records = recording(bench, "busy", BUSY_RECORDS)
    found = [records / timed(bench, [bench.dbleak, "report", path]) for _ in range(REPEATS)]
    alone = [records / bench.built("replay", path)[0] for _ in range(REPEATS)]
    size = os.path.getsize(path)
    os.unlink(path)
    bench.note(f"{records:,.0f} records, {size / MEGA:.0f} MiB; without judge and report "
               f"{spread(alone, 0)} records a second")
    bench.note(f"bytes of a statement with a text of its own: {model_bytes(bench, 'texts'):.0f}")
    lines = [at_least(row_replay.__doc__, statistics.median(found), 1_000_000, spread(found, 0))]
    for kind in ("connections", "statements"):
        size = model_bytes(bench, kind)
        lines.append(at_most(f"model memory for each of {OPEN_OBJECTS:,} open {kind}", size, 300,
                             f"{size:.0f} bytes", " bytes"))
    return lines


def memory_kb(*names):
    with open("/proc/meminfo") as lines:
        found = dict(line.split()[:2] for line in lines)
    return {name: int(found[name + ":"]) for name in names}


def row_memory(bench):
    """resident memory of watch, report included, 10,000 connections"""
    names = ("Slab", "Percpu", "VmallocUsed")
    with bench.crowd():
        time.sleep(1)
        before = memory_kb(*names)
        with bench.watching() as watch:
            time.sleep(max(bench.seconds, 4))
            grown = {name: kb - before[name] for name, kb in memory_kb(*names).items()}
            working = resident_kb(watch.pid, "VmRSS") / 1024
            report = watch.stop()
    shown = sum(e["connections"]["open"] for p in report["processes"] for e in p["endpoints"])
    kernel = report["cost"]["kernel_bytes"] / MEGA
    most = watch.peak_kb / 1024
    bench.note(f"{shown:,} connections in the report of {PROCESSES} processes; at work {working:.1f} MiB, "
               f"{report['cost']['rss_bytes'] / MEGA:.1f} MiB by its own account")
    bench.note("the kernel's memory grew by " + ", ".join(f"{name} {kb / 1024:.1f} MiB" for name, kb in grown.items()))
    return [at_most(row_memory.__doc__, most, 40, f"{most:.1f} MiB", " MB"),
            at_most("kernel maps, by its own account", kernel, 64, f"{kernel:.1f} MiB", " MB")]


ROWS = {  # in the order of the table: name -> (measures, needs servers)
    "pgbench": (row_pgbench, True),
    "sysbench": (row_sysbench, True),
    "message": (row_message, True),
    "ring": (row_ring, True),
    "syscall": (row_syscall, False),
    "snapshot": (row_snapshot, False),
    "start": (row_start, False),
    "replay": (row_replay, False),
    "memory": (row_memory, False),
}
