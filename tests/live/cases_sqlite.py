# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Rounds `calls` and `sqlite`: programs on SQLite, which has no server, no socket and no wire."""
import os
import shutil
import signal
import time

import records
from ledger import NUMBERS, Ledger
from rounds import Case, Finding
from solo import live

TRANSACTION = ("open-transaction",)
STATEMENTS = ("unclosed-statement", "cache-growth")


def case(sentence, client, **more):
    more.setdefault("slack", None)
    more.setdefault("round", "sqlite")
    more.setdefault("way", "shop.db")
    return Case(f"SQLite: {sentence}", [*client, "{folder}/shop.db"], "sqlite", **more)


def well(sentence, habit, **more):
    return case(f"{sentence} is well", ["lite.py", habit], **more)


def drivers(library, client):
    """A driver of another language: statements with rows pending, kept and let go."""
    return [
        case(f"{library}: statements with rows pending kept leak", [client, "leak"], findings=[
            Finding((*STATEMENTS, "unclosed-cursor"), "leaking", "frequent", sql="from items where name <> ?")],
             also=("unclosed-cursor", *STATEMENTS), counts={"connections.open": (1, 1)}),
        case(f"{library}: statements let go are well", [client, "well"],
             counts={"connections.open": (1, 1), "statements.open": (0, 2)}),
    ]


def large(rows, **more):
    return Finding("unbounded-result", "big", rows=(rows, rows), sql="select i,", **more)


def results():
    """SQLite hands out row after row: who keeps them all, and who does not."""
    kept = [("SQLAlchemy: all()", "results_kept", 200000), ("a cursor into a list", "list_kept", 150000)]
    for program, linked in (("lite_calls", ""), ("lite_static", " by a static copy")):
        env = {"LITE_WAIT": "4"} if linked else {}
        for what, of in (("rows_kept", "finalized"), ("rows_kept_again", "reset")):
            yield case(f"200,000 rows of a statement that is {of} are kept{linked}: they are big", [program, what],
                       findings=[large(200000)], env=env)
        yield case(f"200,000 rows that are passed over four times{linked} are well", [program, "rows_passed"], env=env)
    for how, habit, rows in kept:
        yield case(f"{how}: a large result kept is big", ["lite.py", habit], findings=[large(rows)])
    yield well("rows that are passed over, counted, summed and sorted", "rows_passed")
    yield well("a program that grows beside its rows, which are sorted in memory,", "rows_beside_others")


def better_sqlite3():
    """From npm, with a SQLite of its own in it."""
    def of(sentence, habit, **more):
        return case(f"better-sqlite3: {sentence}", ["better.cjs", habit], env={"LITE_WAIT": "4"}, **more)
    one = {"connections.open": (1, 1), "connections.opened": (1, 2)}
    return [
        of("connections kept leak", "connections_kept", findings=[
            Finding("unclosed-connection", "leaking", "frequent", sql="from items where name <> ?")], also=STATEMENTS),
        of("connections closed are well", "connections_closed", reported=False),
        of("statements kept leak", "statements_kept", findings=[
            Finding(STATEMENTS, "leaking", "frequent", sql="from items where name <> ?")], counts=one),
        of("a large result kept is big", "results_kept", findings=[large(200000)]),
        of("rows that are passed over are well", "results_passed"),
        of("twenty statements for all requests are well", "statements_cached",
           counts=dict(one, **{"statements.open": (20, 21), "statements.prepared": (20, 21)})),
    ]


# ---- what was counted, call by call ---------------------------------------------------------

def calls(what, connections, zombies=0, text=None, program="lite_calls", children=None, told=None, **counts):
    """Runs one part of lite_calls.  counts: object -> (acquired, released, failed); told: objects told of one by one."""
    names = {"connection": "sqlite3", "statement": "sqlite3_stmt", "blob": "sqlite3_blob",
             "backup": "sqlite3_backup", "table": "table of SQLite"}
    wanted = {names[key]: (acquired, released, 0, failed) for key, (acquired, released, failed) in counts.items()}

    def check(run, look):
        book = Ledger(look.recording, run.pid)
        faults = []
        if book.counts() != wanted:
            faults.append(f"counted {book.counts()}, not {wanted}")
        if len(book.open_connections()) != connections:
            faults.append(f"{len(book.open_connections())} connections are open on record, not {connections}")
        alive = {c.id for c in book.open_connections()}
        if sum(f.zombie for f in book.files.values() if f.id in alive) != zombies:
            faults.append(f"zombies: {[f.zombie for f in book.files.values()]}, not {zombies}")
        if told is not None and len(book.handles) != told:
            faults.append(f"{len(book.handles)} objects are told of, not {told}")
        if text and text not in {t.text for t in book.texts.values()}:
            faults.append(f"the last SQL is {[t.text for t in book.texts.values()]}")
        for child in run.client.children:
            if Ledger(look.recording, child).counts() != children:
                faults.append(f"of the child counted {Ledger(look.recording, child).counts()}, not {children}")
        return faults
    linked = " in a static copy" if program != "lite_calls" else ""
    return case(f"calls of {what} are counted exactly{linked}", [program, what], alone=False, check=check, round="calls",
                env={"LITE_WAIT": "3"} if linked else {},
                ends=what == "exit", says_ready=what != "exit")


SELECT = "select name from items where price > ? and name <> ?"
CHILD = {"sqlite3": (1, 0, 0, 0), "sqlite3_stmt": (1, 0, 0, 0)}


def every_call(program):
    return [
        calls("open", 6, connection=(15, 9, 0), program=program),
        calls("open_failed", 4, connection=(6, 2, 0), program=program),
        calls("close_busy", 2, connection=(5, 3, 0), statement=(5, 3, 0), text=SELECT, program=program),
        calls("zombies", 3, zombies=3, connection=(5, 5, 0), statement=(10, 7, 0), program=program),
        calls("prepare", 1, connection=(1, 0, 0), statement=(24, 18, 0), text=SELECT, program=program),
        calls("prepare_failed", 1, connection=(1, 0, 0), statement=(0, 0, 12), program=program),
        calls("exec", 1, connection=(1, 0, 0), table=(9, 5, 0), text=SELECT, program=program),
        calls("virtual", 1, connection=(1, 0, 0), statement=(7, 5, 0), program=program),
        calls("cursors", 2, connection=(2, 0, 0), blob=(8, 3, 1), backup=(4, 3, 1), program=program),
        calls("longjmp", 7, connection=(8, 1, 0), statement=(9, 5, 0), program=program),
        calls("threads", 4, connection=(4, 0, 0), statement=(2000, 1960, 0), text=SELECT, program=program),
        calls("fork", 1, connection=(1, 0, 0), statement=(2, 1, 0), children=CHILD, program=program),
        calls("exec_program", 1, connection=(4, 0, 0), statement=(4, 0, 0), program=program),
        calls("exec_inside", 1, connection=(2, 0, 0), statement=(3, 0, 0), program=program),
        calls("many_places", 1, connection=(1, 0, 0), statement=(2048, 0, 0), told=2049, program=program),
        calls("exit", 0, connection=(5, 0, 0), statement=(5, 0, 0), program=program),
    ]


def of_pid_again(run, look):
    """Of two processes with one id each has its own."""
    lives = {}
    for site in Ledger(look.recording, run.client.children[0]).sites.values():
        count = lives.setdefault(site.start_ns, {}).setdefault(site.object, [0, 0])
        count[0] += site.acquired
        count[1] += site.released
    counted = [counts for _, counts in sorted(lives.items())]
    wanted = [{"sqlite3": [2, 0], "sqlite3_stmt": [4, 2]}, {"sqlite3": [1, 0], "sqlite3_stmt": [1, 0]}]
    return [] if counted == wanted else [f"counted {counted}, not {wanted}"]


def of_burst(run, look):
    """What a thousand processes had is counted, though each lived for some milliseconds."""
    total, children = {}, set(run.client.children)
    for site in records.Records(look.recording).sites.values():
        if site.pid not in children:
            continue
        for key, count in ((0, site.acquired), (1, site.released), (2, site.unseen + site.failed)):
            total.setdefault(site.object, [0, 0, 0])[key] += count
    wanted = {"sqlite3": [1000, 0, 0], "sqlite3_stmt": [3000, 2000, 0]}
    return [] if len(children) == 1000 and total == wanted else [f"counted {total} of {len(children)}, not {wanted}"]


def many_names(run, look):
    """Whatever a file was called when it was opened, it is known by its path."""
    book, folder = Ledger(look.recording, run.pid), os.path.join(run.janitor.folder, run.label)
    found = sorted(i.path for i in book.identities.values())
    wanted = sorted([f"{folder}/shop.db"] * 3 + [f"{folder}/link.db", f"{folder}/gone.db", ":memory:", ""] +
                    ["..." + os.path.join(folder, "d" * 120, "e" * 120, "long.db")[-104:]])
    return [] if found == wanted else [f"the files are {found}, not {wanted}"]


def named(name):
    """Opened before the tracer came: the one file it has open is known."""
    def check(run, look):
        book = Ledger(look.recording, run.pid)
        met = [c for c in book.connections.values() if c.flags & NUMBERS["EV_CONN_PRE_EXISTING"]]
        paths = {book.identities[c.id].path for c in met}
        wanted = {os.path.join(run.janitor.folder, run.label, name)}
        return [] if paths == wanted else [f"what was there before leads to {paths}, not {wanted}"]
    return check


CALLS = every_call("lite_calls") + every_call("lite_static") + [
    case("two processes with one id, one after the other, are two", ["lite_calls", "pid_again"], alone=False,
         check=of_pid_again, round="calls"),
    case("a burst of a thousand short processes is counted exactly", ["lite_calls", "burst"], alone=False,
         check=of_burst, round="calls"),
]

CASES = [
    case("files of many names are known by their paths", ["lite.py", "places"], check=many_names, alone=False),
    case("sessions kept leak connections", ["lite.py", "sessions_kept"], findings=[
        Finding("unclosed-connection", "leaking", "frequent", sql="from items where name <> ?")], also=TRANSACTION),
    well("a session closed after each request", "sessions_closed", reported=False),
    case("a connection left on one path of four leaks sporadically", ["lite.py", "now_and_then"], findings=[
        Finding("unclosed-connection", "leaking", "sporadic")],
         counts={"connections.closed": (20, 1000)}),
    well("a pool of five at work and at rest", "pool"),
    case("cursors with pending rows kept leak", ["lite.py", "cursors_kept"], findings=[
        Finding(("unclosed-statement", "unclosed-cursor"), "leaking", "frequent", sql="from items where name <> ?")],
         also=("unclosed-cursor", "unclosed-statement")),
    well("a cursor closed before its end", "cursors_closed"),
    case("a reader left open lets the log grow", ["lite.py", "reader_left"], findings=[
        Finding("wal-growth", ("leaking", "stuck"), sql="from items")], also=("unclosed-cursor",)),
    well("a reader that ended", "reader_closed"),
    case("a transaction left open is stuck", ["lite.py", "transaction"], findings=[
        Finding("open-transaction", "stuck", "one-time", sql="update items set price")]),
    well("a short transaction again and again, with a write-ahead log", "transactions_wal"),
    well("a short transaction again and again, with a journal", "transactions_delete"),
    case("distinct texts in a cache without bound leak", ["lite.py", "texts_kept"], findings=[
        Finding("cache-growth", "leaking", "frequent", sql="select name from items")]),
    *drivers("DBD::SQLite", "lite.pl"),
    *drivers("PDO of PHP", "lite.php"),
    *better_sqlite3(),
    *results(),
    well("a stream of distinct texts in a cache of 128", "texts"),
    well("a connection for each request", "short_lived", reported=False),
    well("one connection for all requests", "one_connection"),
    well("a stream of 600,000 rows", "stream"),
    well("a database in memory for each test", "memory", way=":memory:"),
    *[case(f"a transaction left open {how} is known by its lock", [program, what], before=before, findings=[
        Finding("open-transaction", "stuck")], gap="file lock", placed=False)
      for how, program, what, before in (
          ("before the tracer came", "lite_calls", "transaction", True),
          ("before the tracer came, with a write-ahead log,", "lite_calls", "transaction_wal", True),
          ("in a program without symbols", "lite_stripped", "transaction", False))],
    case("a transaction known by its lock is the same when the library is met", ["lite.py", "transaction_again"],
         before=True, findings=[Finding("open-transaction", "stuck", "one-time", sql="update items set price")],
         counts={"connections.open": (1, 1), "connections.pre_existing": (1, 1), "transactions.open": (1, 1)},
         gap="file lock", placed=False),
    case("transactions that end are well in a program without symbols", ["lite_stripped", "transactions"],
         reported=False, says_ready=True),
    well("a connection that was there before the tracer", "cursors_closed", before=True, check=named("shop.db")),
]


@live("SQLite: calls are counted exactly beside a tracer that probes other instructions", needs=("sqlite",), group="sqlite")
def beside_another(bench):
    other = bench.dbleak.start("watch", "--json", "--duration", 60, "--probe-at=entry")
    bench.dbleak.wait_watching(other)
    copy, ran = bench.file("shop.db"), []
    shutil.copy(bench.servers["sqlite"].file, copy)

    def run():
        time.sleep(2)
        ran.append(bench.client("lite_calls", "exec", copy, server="sqlite"))
        time.sleep(2)
    look = bench.looked(bench.dbleak.watch("--duration", 9, "--max-overhead", 100, during=run))
    other.send_signal(signal.SIGINT)
    bench.dbleak.finish(other)
    counted = Ledger(look.recording, ran[0].pid).counts()
    bench.check(counted == {"sqlite3": (1, 0, 0, 0), "table of SQLite": (9, 5, 0, 0)}, f"counted {counted}")
