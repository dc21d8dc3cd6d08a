# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Round `habits`: statements, results, the corners of both protocols, and what only looks guilty."""
import os

from cases_busy import pgbench_tables
from cases_connections import MY4, MY6, MYU, PG4, PG6, PGU, PY4, PY6, PYU, WAYS
from rounds import Case, Finding

STATEMENTS = ("unclosed-statement", "cache-growth")


def case(sentence, client, who, **more):
    library, server, way, driver = who
    more.setdefault("slack", 0)
    return Case(f"{sentence}, {library} over {WAYS[way]}", client, server, way, driver, round="habits", **more)


def pq(way):
    return "libpq", "postgresql", way, None


def my(way):
    return "libmariadb", "mariadb", way, None


def leak(cause=STATEMENTS, sql=None, line=None):
    return [Finding(cause, "leaking", "frequent", sql=sql, line=line)]


ONE = {"sockets": (1, 1)}
KEPT = {"statements.prepared": (200, 20000), "statements.open": (200, 20000)}

STATEMENT_CASES = [
    case("pg: a name for each query leaks statements", ["pg_named.js", "distinct"], ("npm", "postgresql", "tcp4", None),
         findings=leak("unclosed-statement", "select id from items", "client.query("), counts=KEPT, **ONE),
    case("pg: one name for all queries is well", ["pg_named.js", "same"], ("npm", "postgresql", "tcp6", None),
         counts={"statements.prepared": (1, 1)}, **ONE),
    case("mysql2: execute with values pasted in leaks statements", ["mysql2_execute.js", "distinct"],
         ("npm", "mariadb", "tcp4", None), findings=leak(sql="select ?", line="execute('select ' + i"), counts=KEPT,
         **ONE),
    case("mysql2: execute with values bound is well", ["mysql2_execute.js", "same"], ("npm", "mariadb", "unix", None),
         counts={"statements.prepared": (1, 1)}, **ONE),
    case("named statements kept leak", ["pq_statements", "leak"], pq("tcp4"), findings=leak(sql="name <> ?"),
         counts=KEPT, **ONE),
    case("named statements deallocated are well", ["pq_statements", "deallocate"], pq("tcp6"),
         counts={"statements.open": (0, 1)}, **ONE),
    case("a statement cache of 100 is well", ["pq_statements", "lru"], pq("unix"),
         counts={"statements.open": (99, 101)}, **ONE),
    case("a fixed set of 20 statements is well", ["pq_statements", "reuse"], pq("tcp4"),
         counts={"statements.prepared": (20, 20), "statements.open": (20, 20)}, **ONE),
    case("SQL's PREPARE without DEALLOCATE leaks", ["pq_statements", "sql-leak"], pq("unix"), findings=leak(),
         counts=KEPT, **ONE),
    case("SQL's PREPARE with DEALLOCATE is well", ["pq_statements", "sql-close"], pq("tcp4"),
         counts={"statements.open": (0, 10)}, **ONE),
    case("unnamed statements are well", ["pq_statements", "unnamed"], pq("tcp6"),
         counts={"statements.open": (0, 1)}, **ONE),
    case("mysql_stmt_init without close leaks", ["my_statements", "leak"], my("unix"), findings=leak(sql="name <> ?"),
         counts=KEPT, **ONE),
    case("statements with a cursor at the server kept leak", ["my_statements", "cursor-leak"], my("tcp4"),
         findings=[Finding((*STATEMENTS, "unclosed-cursor"), "leaking", "frequent", sql="name <> ?")],
         also=(*STATEMENTS, "unclosed-cursor"), counts=KEPT, **ONE),
    case("statements with a cursor at the server read and closed are well", ["my_statements", "cursor-close"],
         my("unix"), counts={"statements.open": (0, 1)}, **ONE),
    case("mysql_stmt_close after each use is well", ["my_statements", "close"], my("tcp4"),
         counts={"statements.open": (0, 1)}, **ONE),
    case("a statement cache of 100 is well", ["my_statements", "lru"], my("tcp6"),
         counts={"statements.open": (99, 101)}, **ONE),
    case("one statement for all is well", ["my_statements", "reuse"], my("unix"),
         counts={"statements.prepared": (1, 1)}, **ONE),
    case("SQL's PREPARE without DEALLOCATE leaks", ["my_statements", "sql-leak"], my("tcp4"), findings=leak(), **ONE),
    case("SQL's PREPARE with DEALLOCATE is well", ["my_statements", "sql-close"], my("tcp6"),
         counts={"statements.open": (0, 1)}, **ONE),
]


BIG = {"findings": [Finding("unbounded-result", "big", sql="from items", rows=(200_000, 200_000))], "sockets": (1, 1)}


RESULT_CASES = [
    case("all() over 200,000 rows is big, its rows exact", ["fetch.py", "all", "2"], PG4, **BIG),
    case("all() over 200,000 rows is big, its rows exact", ["fetch.py", "all", "2"], PY4, **BIG),
    case("all() over 200,000 rows is big, its rows exact", ["fetch.py", "all", "2"], MYU, **BIG),
    case("page by page is well", ["fetch.py", "pages", "2"], PGU, **ONE),
    case("page by page is well", ["fetch.py", "pages", "2"], MY4, **ONE),
    case("a stream of 200,000 rows is well", ["fetch.py", "stream", "1"], PG6, **ONE),
    case("a stream of 200,000 rows is well", ["fetch.py", "stream", "1"], PY6, **ONE),
    case("a stream of 200,000 rows is well", ["fetch.py", "stream", "1"], MY6, **ONE),
]

CURSOR = "unclosed-cursor"


def left_in_transaction(run, look):
    """The open transaction tells of the cursor in it."""
    evidence = [said["code"] for finding in look.process(run.pid)["findings"] for said in finding["evidence_codes"]]
    return [] if "cursor-left-open-too" in evidence else [f"no cursor in {evidence}"]


CURSOR_CASES = [
    case("cursors WITH HOLD forgotten leak", ["cursors.py", "kept"], PG4,
         findings=[Finding(CURSOR, "leaking", "frequent")], **ONE),
    case("cursors WITH HOLD never closed leak", ["cursors.py", "kept3"], ("psycopg", "postgresql", "unix", "psycopg"),
         findings=[Finding(CURSOR, "leaking", "frequent")], also=("unfreed-result", "unfreed-memory"), **ONE),
    case("cursors WITH HOLD declared outside of transactions leak, on a connection from before the tracer",
         ["cursors.py", "auto"], PG4, before=True, findings=[Finding(CURSOR, "leaking", "frequent")]),
    case("a few cursors WITH HOLD left open for long are stuck", ["cursors.py", "few"], PG6,
         findings=[Finding(CURSOR, "stuck", "sporadic")], **ONE),
    case("cursors that are closed are well", ["cursors.py", "closed"], PGU, slack=None, **ONE),
    case("600,000 rows through a cursor are well", ["cursors.py", "stream"], PG4, slack=None, **ONE),
    case("600,000 rows through a cursor WITH HOLD are well", ["cursors.py", "hold"], PGU, slack=None, **ONE),
    case("a cursor left in its transaction is evidence", ["cursors.py", "plain"], PG6,
         findings=[Finding("open-transaction", "stuck", "one-time")], check=left_in_transaction, **ONE),
]

PENDING = [Finding("open-transaction", "stuck", "one-time")]

PROTOCOL_CASES = [
    case("COPY in and out is well", ["pq_wire", "copy"], pq("unix"), slack=None, **ONE),
    case("a pipeline with a transaction inside is well", ["pq_wire", "pipeline"], pq("tcp4"), **ONE),
    case("a pipeline that leaves its transaction open is stuck", ["pq_wire", "pending"], pq("tcp6"), findings=PENDING,
         counts={"connections.in_transaction": (1, 1)}, **ONE),
    case("queries cancelled again and again are well", ["pq_wire", "cancel"], pq("tcp4"), slack=None, sockets=(1, 2)),
    case("an SQL cursor read to its end is well", ["pq_wire", "cursor"], pq("tcp6"), slack=None, **ONE),
    case("multi-statements with a transaction inside are well", ["my_wire", "multi"], my("tcp4"), **ONE),
    case("a multi-statement that leaves its transaction open is stuck", ["my_wire", "pending"], my("tcp6"),
         findings=PENDING, counts={"connections.in_transaction": (1, 1)}, **ONE),
    case("LOAD DATA LOCAL is well", ["my_wire", "load"], my("unix"), slack=None, **ONE),
    case("a server-side cursor is well", ["my_wire", "cursor"], my("tcp6"), slack=None,
         counts={"statements.open": (0, 1)}, **ONE),
    case("change of user and reset of the connection are well", ["my_wire", "change"], my("unix"), slack=None, **ONE),
]


def program(name):
    """A client program of PostgreSQL's that may not be on the path."""
    return f"/usr/lib/postgresql/{sorted(os.listdir('/usr/lib/postgresql'))[-1]}/bin/{name}" \
        if os.path.isdir("/usr/lib/postgresql") else name


def pooled(run, look):
    """The pooler itself is not accused, nor are its clients."""
    faults = []
    pooler = look.process(run.server.process.pid)
    if pooler is None:
        faults.append("the pooler is not in the report")
    elif pooler["findings"]:
        faults.append(f"the pooler is {pooler['verdict']}: {[f['cause'] for f in pooler['findings']]}")
    return faults


WAITING_CASES = [
    case("a query longer than the minimum age is well", ["at_work.py", "sleep"], PG4, slack=None, **ONE),
    case("a query longer than the minimum age is well", ["at_work.py", "sleep"], PYU, slack=None, **ONE),
    case("a slow stream is well", ["at_work.py", "stream"], PGU, slack=None, **ONE),
    case("a slow stream is well", ["at_work.py", "stream"], MY4, slack=None, **ONE),
    case("a slow stream is well", ["at_work.py", "stream"], PY6, slack=None, **ONE),
    case("LISTEN and wait is well", ["at_work.py", "listen"], PG6, **ONE),
    Case("a physical replication connection is well", [program("pg_receivewal"), "-D", "{folder}"], round="habits",
         way="tcp4", says_ready=False, slack=None, sockets=(1, 1)),
    Case("a logical replication connection is well", [program("pg_recvlogical"), "-d", "shop", "--slot=news", "--start",
         "-f", "/dev/null"], round="habits", way="tcp6", says_ready=False, slack=None, sockets=(1, 1)),
    case("a pool of five at work, quiet, at work is well", ["pool.py"], PG4, slack=None, sockets=(5, 5)),
    case("a pool of five at work, quiet, at work is well", ["pool.py"], MYU, slack=None, sockets=(5, 5)),
    case("a pool of ten that fills at start is well", ["pool_fill.py"], PG6, slack=0, sockets=(10, 10)),
    case("a pool of ten that fills at start is well", ["pool_fill.py"], PY4, slack=0, sockets=(10, 10)),
    case("five persistent connections are well", ["persistent.py", "php"], PG4, slack=None, sockets=(5, 5)),
    case("five persistent connections are well", ["persistent.py", "php"], MY6, slack=None, sockets=(5, 5)),
    case("a connection for each of twenty threads is well", ["persistent.py", "workers"], PGU, slack=None,
         sockets=(20, 20)),
    case("a connection for each of twenty threads is well", ["persistent.py", "workers"], PY4, slack=None,
         sockets=(20, 20)),
    Case("a pooler with idle server connections is well", ["pgbench", "-n", "-S", "-c", "12", "-T", "3", "shop"],
         "pgbouncer", round="habits", says_ready=False, ends=True, slack=None, check=pooled, prepare=pgbench_tables),
    case("nonsense from a hostile client is survived", ["hostile.py", "bytes"], PG4, slack=None,
         verdict=("ok", "bounded", "unknown")),
    case("nonsense from a hostile client is survived", ["hostile.py", "bytes"], PY6, slack=None,
         verdict=("ok", "bounded", "unknown"), reported=False),
]

CASES = STATEMENT_CASES + RESULT_CASES + CURSOR_CASES + PROTOCOL_CASES + WAITING_CASES
