# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""The memory behind what client libraries hand out, against what the programs measure themselves."""
import time

from cases_objects import recorded
from rounds import Case, Finding
from solo import live

NEAR = 0.1  # of the truth
NEAR_OF = {"PGconn": 0.2}  # of which only the buffers are read


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
        if not any("hold" in line for line in found[0]["evidence"]):
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
    _, records = recorded(bench, "--comm", "object_sizes", during=run)
    bench.shown["said"] = clients[0].said
    told = {name[3]: record for name, record in records.handles.items() if name[0] == clients[0].pid}
    compared = 0
    for words in (line.split(" ", 3) for line in clients[0].said if line.startswith("object ")):
        address, truth, name = int(words[1]), int(words[2]), words[3]
        if name.startswith("small") or not bench.check(address in told, f"{name} was not told of"):
            continue
        compared += 1
        bench.check(is_near(told[address].bytes, truth, NEAR_OF.get(name, NEAR)),
                    f"{name} has {told[address].bytes} bytes, in truth {truth}")
    bench.check(compared >= least, f"only {compared} objects were compared")


@live("memory: the bytes behind each kind of object of libpq are read", lane="libpq")
def libpq(bench):
    sizes(bench, "pq", "postgresql", 9)


@live("memory: the bytes behind each kind of object of libmariadb are read", needs=("mariadb",), lane="libmariadb")
def libmariadb(bench):
    sizes(bench, "my", "mariadb", 4)


@live("memory: the pages that SQLite connections keep are read", needs=("sqlite",), lane="hiredis")
def sqlite(bench):
    sizes(bench, "lite", "sqlite", 3)


@live("memory: the bytes behind replies of Redis are read", needs=("redis",), lane="hiredis")
def redis(bench):
    sizes(bench, "redis", "redis", 3)
