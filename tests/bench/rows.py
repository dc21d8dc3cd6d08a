# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""The rows of the table: each measures one promise and returns its lines."""
import glob
import json
import os
import statistics
import subprocess
import time

import servers
from bench import (BUILT, CONNECTIONS, PROCESSES, at_least, at_most, first_answer_and_farewell, pgbench,
                   processor_seconds, resident_kb, spread, sysbench)
from bpf import Meter
from bpf import statistics as run_time_statistics
from rows_growth import ROWS as GROWTH_ROWS
from rows_bounds import BOUND_ROWS
from rows_client_memory import ROWS as CLIENT_MEMORY_ROWS
from rows_memory import ROWS as MEMORY_ROWS
from rows_python import ROWS as PYTHON_ROWS
from rows_stacks import ROWS as STACK_ROWS

REPEATS = 5
SWEEPS_SECONDS = 2  # enough for all to be told of
ROUNDS = 3
BUSY_RECORDS = 1_500_000
GUILTY = 1000  # processes
OPEN_OBJECTS = 200_000
CLOSED_STATEMENTS = 100_000
MEGA = 1 << 20
BUDGET_SECONDS = 10
OPEN_HANDLES = 1_000_000
HANDLES_ROOM = 1 << 20  # of the kernel's table
# As distributions name them; the numbers of the tables' goals are for these four.
LIBRARIES = ("libpq.so.*", "libmariadb.so.*", "libsqlite3.so.*", "libhiredis.so.*")
UNBOUND = ("--max-overhead", "100")  # nothing is given up
NO_PROBES = ("--probe-at", "none")


class Spent:
    """The processor time of each transaction, client and server, which other programs on the machine
    disturb less than how many there are in a second.  seconds: how long measure() is at work."""

    def __init__(self, bench, kind, measure, seconds=None):
        self.bench, self.kind, self.measure = bench, kind, measure
        self.seconds = seconds or bench.seconds
        self.of = {False: [], True: []}
        measure()  # warm-up

    def __call__(self, watched):
        before = processor_seconds(self.bench.server(self.kind))
        tps = self.measure()
        after = processor_seconds(self.bench.server(self.kind))
        self.of[watched].append((after - before) / (tps * self.seconds))
        return tps

    def tell(self):
        costs = [on / off for off, on in zip(self.of[False], self.of[True])]
        self.bench.note("processor time of a transaction, client and server: "
                        f"{1e6 * statistics.median(self.of[False]):.1f} us, on / off {spread(costs)}")


def database_ratio(bench, what, kind, measure):
    spent = Spent(bench, kind, measure)
    found = [on / off for off, on in bench.pairs_of(spent)]
    spent.tell()
    return [at_least(what, statistics.median(found), 0.97, spread(found))]


def row_pgbench(bench):
    """pgbench -S -c 1, Unix socket, watched / not"""
    return database_ratio(bench, row_pgbench.__doc__, servers.PostgreSQL, lambda: pgbench(bench, "-c", "1"))


def row_sysbench(bench):
    """sysbench oltp_read_only, MariaDB, watched / not"""
    return database_ratio(bench, row_sysbench.__doc__, servers.MariaDB, lambda: sysbench(bench))


OTHER_TRAFFIC = ("peek", "unix", "tcp", "fresh")


def message_times(bench, meter, loads):
    """One round: {load: ns a message}, each with what measuring costs.  Of a database's load only the
    tracked messages count: its other messages, the server's ends, cost what those of echo do."""
    found = {}
    for mode in OTHER_TRAFFIC:
        ns, runs, _, _ = meter.during(lambda: bench.built("echo", mode, bench.seconds / 2))
        found[mode] = ns / runs
    for name, load in loads.items():
        ns, runs, tracked, _ = meter.during(load)
        found[name] = (ns - (runs - tracked) * found["unix"]) / tracked
        found[f"{name}, all messages"] = ns / runs
    bench.note(", ".join(f"{name} {ns:.0f}" for name, ns in found.items()))
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
        rounds = [message_times(bench, meter, loads) for _ in range(ROUNDS)]
    raw = {name: statistics.median(times[name] for times in rounds) for name in rounds[0]}
    constant = raw["peek"]  # a program that returns at once
    bench.note(f"sockets that are new at each exchange: {raw['fresh'] - constant:.0f} ns")

    def line(what, ns, goal):
        return at_most(f"{row_message.__doc__}, {what}", ns - constant, goal,
                       f"{ns - constant:.0f} ns ({ns:.0f} less {constant:.0f} of measuring)", " ns")

    return [*(line(name, raw[name], 300) for name in loads),
            line("other sockets", max(raw["unix"], raw["tcp"]), 60)]


def message_time(bench, dbleak, load):
    """Of a tracked message under a load, with the messages of the server's end at what they cost."""
    with bench.watching(dbleak=dbleak) as watch, run_time_statistics():
        ns, _, tracked, _ = Meter(watch.pid).during(load)
    return ns / tracked


def row_message_before(bench):
    """BPF time of a message, pgbench -S, to that of the program given with --before"""
    if not bench.before:
        bench.note("skipped: --before names no program to compare with")
        return []
    load = lambda: pgbench(bench, "-c", "1")  # noqa: E731
    load()  # warm-up, and the server is up
    found = []
    for number in range(bench.pairs):
        first, second = (bench.before, bench.dbleak) if number % 2 else (bench.dbleak, bench.before)
        spent = {program: message_time(bench, program, load) for program in (first, second)}
        found.append(spent[bench.dbleak] / spent[bench.before])
        bench.note(f"pair {number + 1}: before {spent[bench.before]:.0f}, now {spent[bench.dbleak]:.0f}, "
                   f"ratio {found[-1]:.3f}")
    return [at_most(row_message_before.__doc__, statistics.median(found), 0.85, spread(found))]


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
    """getppid loop, processor time watched / not"""
    bench.built("getppid", 1)  # warm-up
    pairs = bench.pairs_of(lambda watched: bench.built("getppid", bench.seconds / 2)[0])
    found = [off / on for off, on in pairs]
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
    path, records = recording(bench, "closings", CLOSED_STATEMENTS)
    closing = records / bench.built("replay", path)[0]
    os.unlink(path)
    bench.note(f"{CLOSED_STATEMENTS:,} statements of {CLOSED_STATEMENTS // 10:,} connections that then close at once: "
               f"{closing:,.0f} records a second")
    lines = [at_least(row_replay.__doc__, statistics.median(found), 1_000_000, spread(found, 0))]
    for kind in ("connections", "statements"):
        size = model_bytes(bench, kind)
        lines.append(at_most(f"model memory for each of {OPEN_OBJECTS:,} open {kind}", size, 300,
                             f"{size:.0f} bytes", " bytes"))
    return lines


def row_guilty(bench):
    """report of 1,000 guilty processes"""
    path, _ = recording(bench, "guilty", GUILTY)
    blamed = subprocess.run([bench.dbleak, "report", "--json", path], capture_output=True, check=False)
    found = json.loads(blamed.stdout)["summary"]["leaking"]
    if found != GUILTY:
        raise RuntimeError(f"{found} of {GUILTY} processes are leaking")
    lines = []
    for words, options in (("", ()), (", all of each (-v)", ("-v",))):
        took = [timed(bench, [bench.dbleak, "report", *options, path]) for _ in range(REPEATS)]
        lines.append(at_most(row_guilty.__doc__ + words, statistics.median(took), 0.2, f"{spread(took)} s", " s"))
    took = [timed(bench, [bench.dbleak, "report", "--json", path]) for _ in range(REPEATS)]
    bench.note(f"as JSON, {len(blamed.stdout) / MEGA:.1f} MiB: {spread(took)} s")
    os.unlink(path)
    return lines


def library_files(*more):
    """One file for each library, the newest."""
    found = []
    for name in (*LIBRARIES, *more):
        files = sorted({os.path.realpath(path) for folder in ("/usr/lib/*-linux-gnu", "/usr/lib64", "/usr/lib")
                        for path in glob.glob(os.path.join(folder, name))})
        if not files:
            raise RuntimeError(f"{name} is not installed")
        found.append(files[-1])
    return found


def row_attach(bench):
    """attach to 4 libraries mapped by 300 processes"""
    files = library_files()
    with bench.at_rest("mappers", PROCESSES, *files):
        with bench.watching() as watch:
            report = watch.stop()
        pairs = [(first_answer_and_farewell(bench), first_answer_and_farewell(bench, *NO_PROBES))
                 for _ in range(max(REPEATS, bench.pairs))]
    there = [one for one in report["coverage"]["libraries"] if os.path.realpath(one["path"]) in files]
    attach, detach = ([on[i] - off[i] for on, off in pairs] for i in range(2))
    bench.note(f"{len(there)} libraries with {sum(one['probes'] for one in there)} probes; start to the first answer "
               f"{spread([on[0] for on, _ in pairs])} s, without library probes {spread([off[0] for _, off in pairs])} s")
    if {os.path.realpath(one["path"]) for one in there} != set(files):
        raise RuntimeError(f"probed are only {', '.join(one['path'] for one in there)}")
    return [at_most(row_attach.__doc__, statistics.median(attach), 0.3, f"{spread(attach)} s", " s"),
            at_most("detach from them", statistics.median(detach), 0.1, f"{spread(detach)} s", " s")]


def row_points(bench):
    """dear functions whose chosen probe point is 4 times cheaper than the entry"""
    found, ends = {}, []
    for _ in range(ROUNDS):
        text = bench.output([os.path.join(BUILT, "prices"), *library_files("libssl.so.*")])
        first, *rows = map(str.split, text.splitlines())
        ends.append((float(first[2]), float(first[3])))
        for symbol, delta, entry, point in rows:
            found.setdefault(symbol, []).append((float(entry), float(point)) if int(delta) else None)
    prices = {symbol: [statistics.median(times) for times in zip(*rounds)] for symbol, rounds in found.items() if all(rounds)}
    cheaper = [symbol for symbol, (entry, point) in prices.items() if entry >= 4 * point]
    part = 100 * len(cheaper) / len(found)
    bench.note("{} functions begin dear; a hit at their entry {} ns, at the chosen point {} ns".format(
        len(found), *(spread(numbers, 0) for numbers in zip(*prices.values()))))
    bench.note("a hit at a return instruction {} ns; a return probe adds {} ns to a hit at the entry".format(
        *(spread(numbers, 0) for numbers in zip(*ends))))
    bench.note("no cheaper point: " + (", ".join(sorted(set(found) - set(cheaper))) or "none"))
    return [at_least(row_points.__doc__, part, 80, f"{part:.0f} % ({len(cheaper)} of {len(found)})")]


def probed_ratio(bench, what, goal, measure, *options):
    """Library probes on against off, both watched.  The cost that the reports tell is told beside it."""
    reports = []
    found = [on / off for off, on in bench.pairs_of(measure, options, NO_PROBES, reports)]
    cost = [report["cost"]["cpu_percent"] for report in reports]
    hits = [sum(one["hits"] for one in report["coverage"]["libraries"]) for report in reports]
    down = sum(report["cost"]["stepped_down"] for report in reports)
    bench.note(f"by the reports: {spread(cost, 1)} % of a CPU, {spread(hits, 0)} hits, {down} of {len(reports)} stepped down")
    if not all(hits) or not all(cost):
        raise RuntimeError("a report tells of no hits or of no cost")
    return [at_least(what, statistics.median(found), goal, spread(found))]


def probed_database(bench, what, goal, kind, measure, *options, seconds=None):
    spent = Spent(bench, kind, measure, seconds)
    lines = probed_ratio(bench, what, goal, spent, *options)
    spent.tell()
    return lines


def within_budget(bench):
    """How long to measure where the budget holds on average: what may be spent at once is spent at
    the start."""
    return max(BUDGET_SECONDS, bench.seconds)


def row_pgbench_probes(bench):
    """pgbench -S -c 1, library probes on / off"""
    def measure(seconds=None):
        return pgbench(bench, "-c", "1", seconds=seconds)
    longer = within_budget(bench)
    return [*probed_database(bench, row_pgbench_probes.__doc__, 0.90, servers.PostgreSQL, measure, *UNBOUND),
            *probed_database(bench, f"the same within the default budget, {longer} s", 0.97, servers.PostgreSQL,
                             lambda: measure(longer), seconds=longer)]


def row_sysbench_probes(bench):
    """sysbench oltp_read_write without prepared statements, MariaDB, library probes on / off"""
    def measure():
        return sysbench(bench, script="oltp_read_write", options=("--db-ps-mode=disable",))
    return probed_database(bench, row_sysbench_probes.__doc__, 0.90, servers.MariaDB, measure, *UNBOUND)


def row_lite(bench):
    """SQLite prepare, step, finalize, library probes on / off"""
    path = os.path.join(bench.folder, "loop.db")

    longer = within_budget(bench)

    def measure(watched, seconds=bench.seconds):
        return bench.built("lite_loop", seconds, path)[0]
    measure(False)  # warm-up
    return [*probed_ratio(bench, row_lite.__doc__, 0.90, measure, *UNBOUND),
            *probed_ratio(bench, f"the same within the default budget, {longer} s", 0.97,
                          lambda watched: measure(watched, longer))]


def row_switch(bench):
    """round trip over a pipe of processes that map the libraries, processor time watched / not"""
    files = library_files()
    bench.built("pingpong", 1, *files)  # warm-up
    found = [off / on for off, on in bench.pairs_of(lambda watched: bench.built("pingpong", bench.seconds, *files)[0])]
    return [at_most(row_switch.__doc__, statistics.median(found), 1.02, spread(found))]


def held_handles(bench, count):
    """A watched process holds so many results: its report, and by how many bytes slabs and the cost
    that dbleak tells have grown."""
    with bench.watching(*UNBOUND) as watch:
        before = memory_kb("SUnreclaim")
        with bench.at_rest("handles", count) as holder:
            time.sleep(SWEEPS_SECONDS)
            slabs = (memory_kb("SUnreclaim")["SUnreclaim"] - before["SUnreclaim"]) * 1024
            report = watch.stop()
    process = next((one for one in report["processes"] if one["pid"] == holder.pid), None)
    if not process:
        raise RuntimeError("the holder of results is not in the report")
    told = [one for one in process["findings"] if one["resource"] == "result"]
    return report, slabs, sum(one["acquired"] for one in told)


def row_handles(bench):
    """kernel memory of each of 1,000,000 open results"""
    with bench.watching(*UNBOUND) as watch:
        empty = watch.stop()["cost"]["kernel_bytes"]
    report, slabs, told = held_handles(bench, OPEN_HANDLES)
    lost = sum(report["losses"].values())
    each, own = slabs / OPEN_HANDLES, (report["cost"]["kernel_bytes"] - empty) / OPEN_HANDLES
    bench.note(f"{told:,} told of, {lost:,} lost; {own:.0f} bytes each by its own account")
    over = HANDLES_ROOM + 100_000
    report, _, full_told = held_handles(bench, over)
    # Room that others took makes the lost more, and never fewer.
    missed = max(0, OPEN_HANDLES - told - lost) + max(0, over - full_told - report["losses"]["map_full"])
    bench.note(f"of {over:,}: {full_told:,} told of, {report['losses']['map_full']:,} lost for want of room and told")
    return [at_most(row_handles.__doc__, each, 200, f"{each:.0f} bytes", " bytes"),
            at_most(f"of them, and of {over:,}, neither counted nor said to be lost", missed, 0, f"{missed:,}")]


def memory_kb(*names):
    with open("/proc/meminfo") as lines:
        found = dict(line.split()[:2] for line in lines)
    return {name: int(found[name + ":"]) for name in names}


def row_memory(bench):
    """resident memory of watch, report included, 10,000 connections"""
    names = ("SUnreclaim", "SReclaimable", "Percpu", "VmallocUsed")
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


def row_native(bench):
    """native stacks unwound and named a second, warm, both sides on one core"""
    program = os.path.join(os.path.dirname(BUILT), "unit", "programs", "stack-O2")
    runs = [bench.built("native", program, bench.seconds) for _ in range(ROUNDS)]
    first, rate, frames, size, resident = (statistics.median(column) for column in zip(*runs))
    bench.note(f"{frames:.0f} frames, {size:.0f} bytes; the first one, with libc's lines, took {first:.0f} ms; "
               f"the worker has {resident:.0f} MB resident")
    return [at_least(row_native.__doc__, rate, 20_000, f"{rate:,.0f}")]


ROWS = {  # in the order of the table: name -> (measures, needs servers)
    "pgbench": (row_pgbench, True),
    "sysbench": (row_sysbench, True),
    "message": (row_message, True),
    "message-before": (row_message_before, True),
    "ring": (row_ring, True),
    "syscall": (row_syscall, False),
    "snapshot": (row_snapshot, False),
    "start": (row_start, False),
    "replay": (row_replay, False),
    "guilty": (row_guilty, False),
    "memory": (row_memory, False),
    "attach": (row_attach, False),
    "points": (row_points, False),
    "pgbench-probes": (row_pgbench_probes, True),
    "sysbench-probes": (row_sysbench_probes, True),
    "sqlite-probes": (row_lite, False),
    "switch": (row_switch, False),
    "handles": (row_handles, False),
    **CLIENT_MEMORY_ROWS,
    **STACK_ROWS,
    **PYTHON_ROWS,
    **GROWTH_ROWS,
    **MEMORY_ROWS,
    "native": (row_native, False),
    **BOUND_ROWS,
}
