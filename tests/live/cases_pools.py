# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Attached when it has happened: pools that are full, and what looks like them."""
import os
import time

from harness import CLIENTS
from solo import live

MIN_AGE = 3
SECONDS = 4


def line_of(mark, name="pools.py"):
    with open(os.path.join(CLIENTS, name)) as source:
        return [number for number, line in enumerate(source, 1) if line.rstrip().endswith("# " + mark)]


def looked_at(bench, how, seconds=SECONDS, quiet=MIN_AGE, program="pools.py", **endpoint):
    client = bench.client(program, how, **endpoint)
    time.sleep(quiet)
    look = bench.looked(bench.dbleak.watch("-p", client.pid, "--duration", seconds, "--min-age", MIN_AGE))
    return look.process(client.pid) or {"findings": [], "endpoints": [], "verdict": "absent"}


def full(bench, process, waiting, pool, in_transaction=None, tasks=False):
    found = [f for f in process["findings"] if f["cause"] == "unclosed-connection"]
    if not bench.check(len(found) == 1, f"{len(found)} findings of connections, verdict {process['verdict']}"):
        return
    finding, waiters = found[0], found[0]["waiters"] or {}
    bench.check(finding["verdict"] == "stuck", f"verdict {finding['verdict']}")
    bench.check(finding["open"] == 10, f"{finding['open']} of 10 are held")
    bench.check(waiters.get("count") == waiting, f"{waiters.get('count')} of {waiting} threads wait")
    bench.check(waiters.get("pool") == pool, f"they wait in {waiters.get('pool')}")
    bench.check(waiters.get("tasks") == (waiting if tasks else 0), f"{waiters.get('tasks')} of them are tasks")
    lines = line_of("WAITS", "pools_async.py" if tasks else "pools.py")
    bench.check((waiters.get("site") or {}).get("line") in lines, f"they wait at {waiters.get('site')}")
    bench.check(waiters.get("oldest_seconds", 0) >= MIN_AGE, f"for {waiters.get('oldest_seconds')} s")
    bench.check("restart" in (finding["now"] or ""), f"now: {finding['now']}")
    if in_transaction is not None:
        bench.check(finding["in_transaction"] == in_transaction, f"{finding['in_transaction']} inside a transaction")
    saturated = [e["pool"]["saturated"] for e in process["endpoints"] if e["pool"]]
    bench.check(saturated == ["held"], f"pools are {saturated}")


def silent(bench, process, saturated=()):
    bench.check(not process["findings"], f"accused: {[f['evidence'] for f in process['findings']]}")
    bench.check(process["verdict"] in ("ok", "bounded", "unknown"), f"verdict {process['verdict']}")
    seen = [e["pool"]["saturated"] for e in process["endpoints"] if e["pool"]]
    bench.check(seen == list(saturated), f"pools are {seen}")


@live("a full pool of SQLAlchemy is found with its waiters and their line, over TCP")
def kept_tcp(bench):
    full(bench, looked_at(bench, "kept", driver="psycopg2"), 6, "QueuePool")


@live("a full pool of SQLAlchemy is found with its waiters and their line, over a Unix socket")
def kept_unix(bench):
    full(bench, looked_at(bench, "kept", way="unix", driver="psycopg2", seconds=MIN_AGE + 3), 6, "QueuePool")


@live("a full pool of SQLAlchemy is found with MariaDB", needs=("mariadb",))
def kept_mariadb(bench):
    full(bench, looked_at(bench, "kept", server="mariadb", driver="pymysql"), 6, "QueuePool")


@live("a full pool outside of transactions is found")
def autocommit(bench):
    full(bench, looked_at(bench, "autocommit", driver="psycopg2"), 6, "QueuePool", in_transaction=0)


@live("a queue of connections made at home is found by its words")
def queue(bench):
    full(bench, looked_at(bench, "queue", driver="psycopg2"), 6, "a queue of the program")


@live("a pool at work is told as busy, not as a leak")
def busy(bench):
    silent(bench, looked_at(bench, "busy", driver="psycopg2"), ["busy"])


@live("a pool at rest is silent")
def rest(bench):
    silent(bench, looked_at(bench, "rest", driver="psycopg2"))


@live("workers that wait for jobs beside a pool at rest are silent")
def jobs(bench):
    silent(bench, looked_at(bench, "jobs", driver="psycopg2"))


def called(bench, how):
    """It begins once it is watched."""
    go = bench.file("go")
    client = bench.client("pools.py", how, go, driver="psycopg2")
    look = bench.looked(bench.dbleak.watch("-p", client.pid, "--duration", MIN_AGE + 6, "--min-age", MIN_AGE,
                                           during=lambda: open(go, "w").close()))
    return look.process(client.pid) or {"findings": [], "endpoints": [], "verdict": "absent"}


@live("a transaction across a slow call names the other end")
def call(bench):
    found = [f for f in called(bench, "call")["findings"] if f["cause"] == "open-transaction"]
    if not bench.check(len(found) == 1, f"{len(found)} open transactions were found"):
        return
    holder = found[0]["holder"] or {}
    bench.check(holder.get("state") == "waiting", f"the holder is {holder.get('state')}")
    bench.check((holder.get("waits_for") or "").startswith("127.0.0.1:"), f"it waits for {holder.get('waits_for')}")
    bench.check((holder.get("site") or {}).get("line") in line_of("CALLS"), f"at {holder.get('site')}")


@live("a transaction across a quick call is silent")
def short(bench):
    silent(bench, called(bench, "short"))


@live("200 waiting threads are all seen")
def many(bench):
    full(bench, looked_at(bench, "many", driver="psycopg2"), 200, "QueuePool")


def full_of_tasks(bench, how, pool, holders=10, **more):
    process = looked_at(bench, how, program="pools_async.py", seconds=MIN_AGE + 5, **more)
    full(bench, process, 6, pool, tasks=True)
    for finding in process["findings"]:
        lines = [(t["count"], t["tasks"]) for t in finding["threads"]
                 if t["site"]["line"] in line_of("HOLDS", "pools_async.py")]
        bench.check(lines == ([(holders, True)] if holders else []), f"tasks: {finding['threads']}")
        bench.check(not finding["holder"], f"the event loop is called a holder: {finding['holder']}")


@live("a full pool of SQLAlchemy's async engine is found with its tasks and their line")
def tasks_kept(bench):
    full_of_tasks(bench, "kept", "QueuePool", driver="psycopg2")


@live("tasks that wait with a time limit beside a heartbeat are found")
def tasks_limited(bench):
    full_of_tasks(bench, "limited", "QueuePool", driver="psycopg2")


@live("a full pool of asyncpg is found with its tasks")
def tasks_asyncpg(bench):
    full_of_tasks(bench, "asyncpg", "asyncpg.Pool", driver="psycopg2")


@live("a full async pool of psycopg is found with its tasks")
def tasks_psycopg(bench):
    full_of_tasks(bench, "psycopg", "psycopg_pool", driver="psycopg2")


@live("a full pool of aiopg is found with its tasks")
def tasks_aiopg(bench):
    full_of_tasks(bench, "aiopg", "aiopg.Pool", driver="psycopg2")


@live("a full pool of aiomysql is found with its tasks", needs=("mariadb",))
def tasks_aiomysql(bench):
    full_of_tasks(bench, "aiomysql", "aiomysql.Pool", server="mariadb", driver="pymysql")


@live("an asyncio queue of connections made at home is found by its words")
def tasks_queue(bench):
    full_of_tasks(bench, "queue", "a queue of the program", holders=0, driver="psycopg2")


@live("an asyncio semaphore of connections made at home is found by its words")
def tasks_semaphore(bench):
    full_of_tasks(bench, "semaphore", "a queue of the program", driver="psycopg2")


@live("an async pool at work is told as busy, not as a leak")
def tasks_busy(bench):
    silent(bench, looked_at(bench, "busy", program="pools_async.py", seconds=MIN_AGE + 5, driver="psycopg2"),
           ["busy"])


@live("an async pool at rest is silent")
def tasks_rest(bench):
    silent(bench, looked_at(bench, "rest", program="pools_async.py", driver="psycopg2"))


@live("an async pool at rest with tasks of its own is silent")
def tasks_psycopg_rest(bench):
    silent(bench, looked_at(bench, "psycopg-rest", program="pools_async.py", driver="psycopg2"))


@live("tasks that wait for jobs beside an async pool at rest are silent")
def tasks_jobs(bench):
    silent(bench, looked_at(bench, "jobs", program="pools_async.py", driver="psycopg2"))
