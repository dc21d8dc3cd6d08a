# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""The memory behind what client libraries hand out, against what the programs measure themselves."""
import os
import signal
import time

import records
from cases_objects import recorded
from cases_stacks import disturb
from harness import Client
from rounds import Case, Finding
from solo import live

CLIENT = 2   # enum ev_tier
WINDOWS = 4  # enum ev_memory_flag
JEMALLOC = "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2"
NEAR = 0.1  # of the truth
NEAR_OF = {"PGconn": 0.2, "MYSQL": 0.2}  # of which only the buffers are read


def is_near(figure, truth, near=NEAR):
    return figure is not None and abs(figure - truth) <= near * truth


def holds(cause):
    """The finding's bytes are what the program says it holds."""
    def check(run, look):
        said = [line.split() for line in run.client.said if line.startswith("held ")]
        if not said:
            return ["the client did not say what it holds"]
        truth, objects = int(said[-1][1]), int(said[-1][2])
        found = [f for f in look.process(run.pid)["findings"] if f["cause"] == cause]
        if not found:
            return []  # which is told of already
        bytes_ = found[0]["bytes"]
        if bytes_ is None or not truth:
            return [f"the report says {bytes_} bytes, the program {truth}"]
        each = bytes_ / found[0]["open"], truth / objects
        faults = [] if is_near(each[0], each[1]) else [f"each object holds {each[0]:.0f} bytes, in truth {each[1]:.0f}"]
        if not any(said["code"].startswith("each-uses") for said in found[0]["evidence_codes"]):
            faults.append(f"no evidence says what each holds: {found[0]['evidence']}")
        return faults
    return check


def kept(sentence, client, server, cause, **more):
    """A leaker and its twin."""
    return [
        Case(f"memory: {sentence} kept are told with their bytes", [*client, "leak"], server,
             findings=[Finding(cause, "leaking")], check=holds(cause), **more),
        Case(f"memory: {sentence} freed are well", [*client, "well"], server, **more),
    ]


CASES = (
    kept("results of libpq of one megabyte", ["kept_results", "pq"], "postgresql", "unfreed-result") +
    kept("results of libmariadb", ["kept_results", "my"], "mariadb", "unfreed-result") +
    kept("notifications of PostgreSQL", ["kept_results", "notify"], "postgresql", "unfreed-memory") +
    kept("errors of psycopg2", ["kept_errors.py"], "postgresql", "unfreed-result", driver="psycopg2")
)


def sizes(bench, mode, server, least):
    """Each object's bytes in its record against what malloc gave for it."""
    clients = []

    def run():
        clients.append(bench.client("object_sizes", mode, server=server))
        time.sleep(1.5)

    bench.client("object_sizes", "none", server=server)  # that there is one of that name
    _, found = recorded(bench, "--comm", "object_sizes", during=run)
    bench.shown["said"] = clients[0].said
    told = {name[3]: record for name, record in found.handles.items() if name[0] == clients[0].pid}
    compared = 0
    for words in (line.split(" ", 3) for line in clients[0].said if line.startswith("object ")):
        address, truth, name = int(words[1]), int(words[2]), words[3]
        if name.startswith("small") or not bench.check(address in told, f"{name} was not told of"):
            continue
        compared += 1
        bench.check(is_near(told[address].bytes, truth, NEAR_OF.get(name, NEAR)),
                    f"{name} has {told[address].bytes} bytes, in truth {truth}")
    bench.check(compared >= least, f"only {compared} objects were compared")


@live("memory: the bytes behind each kind of object of libpq are read", group="libpq")
def libpq(bench):
    sizes(bench, "pq", "postgresql", 9)


@live("memory: the bytes behind each kind of object of libmariadb are read", needs=("mariadb",), group="libmariadb")
def libmariadb(bench):
    sizes(bench, "my", "mariadb", 5)


@live("memory: workers that read sizes may die or hang: no size is wrong, and the report says which are missing",
      group="libpq")
def with_workers_that_fail(bench):
    bench.client("object_sizes", "none", server="postgresql")  # that there is one of that name
    for number in (signal.SIGKILL, signal.SIGSTOP):
        clients, struck = [], []

        def run():
            clients.append(bench.client("object_sizes", "pq", server="postgresql"))
            time.sleep(4)

        look, found = recorded(bench, "--comm", "object_sizes", during=run,
                               beside=lambda process: struck.append(disturb(process, number, "dbleak-size")))
        told = {name[3]: record for name, record in found.handles.items() if name[0] == clients[0].pid}
        gaps = [gap["reason"] for gap in look.report["coverage"]["gaps"]]
        said = [(name, int(truth), told[int(address)].bytes) for _, address, truth, name in
                (line.split(" ", 3) for line in clients[0].said if line.startswith("object ")) if int(address) in told]
        missing = [name for name, _, figure in said if figure == records.UNKNOWN]
        bench.shown.update({number.name: {"struck": struck, "seconds": look.seconds, "gaps": gaps, "missing": missing}})
        bench.check(struck and struck[0], f"{number.name}: no worker was met")
        bench.check(len(said) >= 5, f"{number.name}: only {len(said)} objects were told of")
        for name, truth, figure in said:
            bench.check(figure == records.UNKNOWN or is_near(figure, truth, NEAR_OF.get(name, NEAR)),
                        f"{number.name}: {name} has {figure} bytes, in truth {truth}")
        bench.check(not missing or any("bytes are missing" in gap for gap in gaps),
                    f"{number.name}: the bytes of {missing} are missing, and no gap says so, but {gaps}")
        bench.check(look.seconds < 10, f"{number.name}: its end took {look.seconds:.0f} s")


@live("memory: the pages that SQLite connections keep are read", needs=("sqlite",), group="hiredis")
def sqlite(bench):
    sizes(bench, "lite", "sqlite", 3)


@live("memory: the bytes behind replies of Redis are read", needs=("redis",), group="hiredis")
def redis(bench):
    sizes(bench, "redis", "redis", 3)


def of_library(recording, pid, object_):
    """(taken bytes, held bytes or None, error, flags) of one library in one process, in the client tier."""
    last = {}
    for name, record in records.read(recording):
        if name == "memory_site" and record.pid == pid and record.tier == CLIENT and record.object == object_:
            last[record.site] = record
    known = [record for record in last.values() if record.held_bytes != records.UNKNOWN]
    return (sum(record.taken_bytes for record in last.values()), known[-1].held_bytes if known else None,
            known[-1].error_bytes if known else 0, max((record.flags for record in last.values()), default=0))


def start(bench, argv, preload=""):
    client = Client(bench.janitor, argv, dict(bench.endpoint("postgresql"), LD_PRELOAD=preload))
    bench.clients.append(client)
    client.wait_ready()
    return client


def watched(bench, argv, *options, seconds=5, preload=""):
    """The look, the client, stopped before its end, and what it said last."""
    bench.client(argv[0], "none")  # that there is one of that name
    found = []

    def run():
        found.append(start(bench, argv, preload))
        time.sleep(seconds)
        os.kill(found[0].pid, signal.SIGSTOP)

    look, _ = recorded(bench, "--heap", "client", "--comm", argv[0], *options, during=run)
    said = [line.split() for line in found[0].said if line.startswith("held ")]
    os.kill(found[0].pid, signal.SIGCONT)
    return look, found[0], said[-1]


@live("memory: what libpq holds by its own calls is counted exactly where the budget allows", group="libpq")
def calls_all(bench):
    look, client, said = watched(bench, ["kept_blocks", "leak"], "--max-overhead", 100, seconds=3)
    _, held, error, flags = of_library(look.recording, client.pid, "libpq")
    bench.check(said[2] == "1", "the program came to another result")
    bench.check(is_near(held, int(said[1])), f"libpq holds {held} bytes, in truth {said[1]}")
    bench.check(not flags & WINDOWS and not error, f"it was seen in windows: {flags}, {error}")


@live("memory: what libpq holds is reckoned up from windows, within the error it is told with", group="libpq")
def calls_in_windows(bench):
    look, client, said = watched(bench, ["kept_blocks", "leak"], "--max-overhead", 1, seconds=8)
    _, held, error, flags = of_library(look.recording, client.pid, "libpq")
    truth = int(said[1])
    bench.check(said[2] == "1", "the program came to another result")
    bench.check(held is not None and abs(held - truth) <= max(3 * error, NEAR * truth),
                f"libpq holds {held} bytes, give or take {error}, in truth {truth}")
    bench.check(error < truth, f"the error, {error}, is more than there is, {truth}")
    bench.check(flags & WINDOWS, "it was not seen in windows")


@live("memory: a program that frees what libpq gives it holds nothing of it", group="libpq")
def calls_freed(bench):
    look, client, _ = watched(bench, ["kept_blocks", "well"], "--max-overhead", 100, seconds=2)
    taken, held, _, _ = of_library(look.recording, client.pid, "libpq")
    bench.check(taken > 1000000 and held is not None and held < 100000,
                f"libpq took {taken} bytes and holds {held}")
    findings = (look.process(client.pid) or {}).get("findings", [])
    bench.check(not findings, f"it is accused: {findings}")


@live("memory: with another allocator what libpq takes is counted, and what it holds is not known", group="libpq",
      without=lambda: None if os.path.exists(JEMALLOC) else "jemalloc")
def calls_jemalloc(bench):
    look, client, _ = watched(bench, ["kept_blocks", "leak"], "--max-overhead", 100, seconds=2, preload=JEMALLOC)
    taken, held, _, _ = of_library(look.recording, client.pid, "libpq")
    bench.check(taken > 1000000 and held is None, f"libpq took {taken} bytes and holds {held}")
    gaps = [gap["reason"] for gap in look.report["coverage"]["gaps"] if gap["pid"] == client.pid]
    bench.check(any("allocator" in gap for gap in gaps), f"no gap says so: {gaps}")
