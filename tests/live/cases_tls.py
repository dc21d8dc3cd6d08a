# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Round `veiled`: what is found without TLS is found with it, read at the TLS library."""
import json
import os
import time

from cases_connections import LEAK, OPENED, SQL, TRANSACTION, many
from harness import CLIENTS, command_of
from rounds import Case, Finding
from solo import live

PG4 = ("psycopg2", "postgresql-tls", "tcp4", "psycopg2")
PG6 = ("psycopg2", "postgresql-tls", "tcp6", "psycopg2")
PG3 = ("psycopg 3", "postgresql-tls", "tcp4", "psycopg")
PQ4 = ("libpq", "postgresql-tls", "tcp4", None)
PY4 = ("PyMySQL", "mariadb-tls", "tcp4", "pymysql")
PY6 = ("PyMySQL", "mariadb-tls", "tcp6", "pymysql")
MY4 = ("mysqlclient", "mariadb-tls", "tcp4", "mysqldb")
MY6 = ("mysqlclient", "mariadb-tls", "tcp6", "mysqldb")
MC4 = ("libmariadb", "mariadb-tls", "tcp4", None)
AIO = ("asyncio", "postgresql-tls", "tcp4", None)
NODE = ("pg of npm", "postgresql-tls", "tcp4", None)
NODE2 = ("mysql2 of npm", "mariadb-tls", "tcp4", None)

SESSIONS = [Finding("unclosed-connection", "leaking", "frequent"),
            Finding("open-transaction", ("leaking", "stuck"), "frequent", sql=SQL)]
STATEMENTS = [Finding(("unclosed-statement", "cache-growth"), "leaking", "frequent")]
LEFT = [Finding("open-transaction", "stuck", "one-time", sql=SQL)]
ONE_OPEN = {"connections.in_transaction": (1, 1)}


def no_gap(run, look):
    """It was read: nobody is told that it was not."""
    return [f"a gap is stated: {gap['reason']}" for gap in look.report["coverage"]["gaps"]
            if gap["pid"] == run.pid and "TLS" in gap["reason"]]


def script(_servers, folder):
    with open(os.path.join(folder, "script"), "w") as file:
        file.write("select id, name from items where id = 7;\n")


def case(sentence, client, who, **more):
    library, server, way, driver = who
    comes_and_goes = more.get("findings") or more.get("counts") is OPENED  # frozen in the act, perhaps
    more.setdefault("slack", 1 if comes_and_goes else 0)
    more.setdefault("check", no_gap)
    return Case(f"{sentence}, {library} over TLS", client, server, way, driver, **more)


POOLED = {"sockets": (1, 1)}
GONE = {"sockets": (0, 4), "counts": OPENED}


def kept_and_closed(who, kept, closed, closes, **more):
    return [case("sessions kept leak", kept, who, findings=SESSIONS, sockets=many(12), **more),
            case("sessions closed are well", closed, who, **closes, **more)]


def corners(who):
    return [
        case("sessions one after the other are told apart", ["tls.py", "reconnect"], who, findings=LEFT,
             counts={"connections.opened": (62, 62), **ONE_OPEN}, sockets=(2, 2), slack=0),
        case("two connections in one thread are told apart", ["tls.py", "interleaved"], who, findings=LEFT,
             sockets=(2, 2), slack=1),
        case("connections of many threads at once are well", ["tls.py", "threads"], who, sockets=(12, 12), slack=None,
             counts={"transactions.abandoned": (0, 0)}),
        case("texts and replies longer than a record are followed", ["tls.py", "large"], who, findings=LEFT,
             sockets=(1, 1), counts=ONE_OPEN),
    ]


CASES = [
    *kept_and_closed(PG4, ["sessions.py", "kept", "200"], ["sessions.py", "closed"], POOLED),
    *kept_and_closed(PY4, ["sessions.py", "kept", "200"], ["sessions.py", "closed"], POOLED),
    *kept_and_closed(MY6, ["sessions.py", "kept", "200"], ["sessions.py", "closed"], POOLED),
    *kept_and_closed(AIO, ["tls_asyncio.py", "kept"], ["tls_asyncio.py", "closed"], GONE, plain_sockets=2),
    *kept_and_closed(NODE, ["tls_node.js", "pg", "kept"], ["tls_node.js", "pg", "closed"], GONE),
    *kept_and_closed(NODE2, ["tls_node.js", "mysql2", "kept"], ["tls_node.js", "mysql2", "closed"], GONE),
    case("connections kept leak", ["pq_connections", "leak"], PQ4, sockets=many(12), findings=SESSIONS),
    case("connections closed are well", ["pq_connections", "close"], PQ4, sockets=(0, 1), counts=OPENED),
    case("connections kept leak", ["my_connections", "leak"], MC4, sockets=many(12), findings=SESSIONS),
    case("connections closed are well", ["my_connections", "close"], MC4, sockets=(0, 1), counts=OPENED),
]

STATEMENT_CASES = [
    case("named statements kept leak", ["pq_statements", "leak"], PQ4, findings=STATEMENTS, sockets=(1, 1)),
    case("named statements deallocated are well", ["pq_statements", "deallocate"], PQ4, sockets=(1, 1),
         counts={"statements.open": (0, 1)}),
    case("mysql_stmt_init without close leaks", ["my_statements", "leak"], MC4, findings=STATEMENTS, sockets=(1, 1)),
    case("mysql_stmt_close after each use is well", ["my_statements", "close"], MC4, sockets=(1, 1),
         counts={"statements.open": (0, 1)}),
    case("statements kept leak", ["tls.py", "statements"], PG3, findings=STATEMENTS, sockets=(1, 1)),
    case("statements kept leak", ["tls.py", "statements"], PY6, findings=STATEMENTS, sockets=(1, 1)),
    case("a name for each query leaks statements", ["pg_named.js", "distinct"], NODE, findings=STATEMENTS,
         sockets=(1, 1), env={"PGSSLMODE": "no-verify"}),
    case("one name for all queries is well", ["pg_named.js", "same"], NODE, sockets=(1, 1),
         env={"PGSSLMODE": "no-verify"}),
    case("execute with values pasted in leaks statements", ["mysql2_execute.js", "distinct"], NODE2,
         findings=STATEMENTS, sockets=(1, 1)),
    case("execute with values bound is well", ["mysql2_execute.js", "same"], NODE2, sockets=(1, 1)),
]

CORNERS = [
    *corners(PG4), *corners(PG3), *corners(PY6), *corners(MY4),
    case("two connections of equal habits in one loop are told apart", ["tls_asyncio.py", "twins"], AIO,
         findings=LEFT, sockets=(4, 4), plain_sockets=2, counts=ONE_OPEN),
    case("one session left after its SELECT is stuck", ["one_select.py", "open"], PG6, sockets=(1, 1), findings=LEFT,
         counts=ONE_OPEN, slack=0),
    case("one session left after its commit is well", ["one_select.py", "committed"], MY4, sockets=(1, 1)),
    case("all() over 200,000 rows is big, its rows exact", ["fetch.py", "all", "1"], PG6, sockets=(1, 1), findings=[
        Finding("unbounded-result", "big", rows=(200_000, 200_000))]),
    case("all() over 200,000 rows is big, its rows exact", ["fetch.py", "all", "1"], PY4, sockets=(1, 1), findings=[
        Finding("unbounded-result", "big", rows=(200_000, 200_000))]),
    case("a stream of 200,000 rows is well", ["fetch.py", "stream", "1"], PG4, sockets=(1, 1)),
    case("a leak that began before the tracer is found", ["detached.py", "kept"], PG4, before=True, findings=[
        Finding("unclosed-connection", "leaking")], also=TRANSACTION, sockets=many(12), check=None),
    case("a leak that began before the tracer is found", ["detached.py", "kept"], MY4, before=True, findings=[
        Finding("unclosed-connection", "leaking")], also=TRANSACTION, sockets=many(12), check=None),
    case("a pool that was there before the tracer is well", ["persistent.py", "php"], PG6, before=True, sockets=(5, 5),
         counts={"connections.pre_existing": (5, 5), "connections.opened": (0, 0)}),
    case("a pool that was there before the tracer is well", ["persistent.py", "php"], PY6, before=True, sockets=(5, 5),
         counts={"connections.pre_existing": (5, 5), "connections.opened": (0, 0)}),
    Case("pgbench over TLS is well", ["pgbench", "-n", "-f", "{folder}/script", "-c", "4", "-R", "100", "-T", "120",
         "shop"], "postgresql-tls", says_ready=False, slack=None, sockets=(4, 4), check=no_gap,
         prepare=script),
]

for name, cases in (("veiled", CASES), ("veiled-statements", STATEMENT_CASES), ("veiled-corners", CORNERS)):
    for one in cases:
        one.round = name


def watched(bench, client, seconds=9, server="postgresql-tls", before=None):
    """The client's process as a watch of it sees it; it starts when TLS libraries can be read."""
    started = []

    def during():
        bench.servers[server].knock()
        time.sleep(2)
        started.append(client())
        time.sleep(seconds - 5)

    look = bench.looked(bench.dbleak.watch("--min-age", 3, "--duration", seconds + 1, during=during))
    return look, started[0], look.process(started[0].pid)


@live("a client under a seccomp filter is read over TLS and lives on", needs=("postgresql-tls",), group="tls")
def under_a_filter(bench):
    def client():
        return bench.client("/usr/bin/python3", os.path.join(CLIENTS, "filtered.py"),
                            *command_of(["tls.py", "interleaved"]), server="postgresql-tls")

    look, client, process = watched(bench, client)
    bench.check(client.alive(), f"the client was killed: {client.process.returncode}")
    unsafe = any("seccomp filter" in gap["reason"] for gap in look.report["coverage"]["gaps"])
    if bench.check(process, "the process is not in the report") and not unsafe:
        bench.check([f["cause"] for f in process["findings"]] == ["open-transaction"],
                    f"findings {[f['cause'] for f in process['findings']]}")


@live("what is no database's passes TLS libraries undisturbed and unread", needs=("mariadb-tls",), group="tls")
def no_database(bench):
    server = bench.servers["mariadb-tls"]
    argv = ["https.py", server.key, server.crt]
    bare = bench.client(*argv, "0", server="mariadb-tls")
    look, client, process = watched(bench, lambda: bench.client(*argv, "3", server="mariadb-tls"),
                                    server="mariadb-tls", seconds=12)
    digests = [[line for line in one.said if line.startswith("digest")] for one in (bare, client)]
    bench.check(digests[0] and digests[0] == digests[1], f"the results differ: {digests}, {client.errors[-3:]}")
    if bench.check(process, "the process is not in the report"):
        endpoints = process["endpoints"]
        bench.check(len(endpoints) == 1 and endpoints[0]["connections"]["opened"] == 1,
                    f"endpoints {[(e['address'], e['connections']['opened']) for e in endpoints]}")
        bench.check(not process["findings"], f"findings {process['findings']}")
        bench.check(endpoints[0]["connections"]["in_transaction"] == 0, "it is said to be in a transaction")
    with open(look.recording, "rb") as raw:
        bench.check(b"insert into items" not in raw.read(), "what the web server said is in the recording")


@live("TLS from the first byte is known for PostgreSQL's by what its hello asks for", needs=("postgresql-tls",),
      group="tls")
def direct(bench):
    server = bench.servers["postgresql-tls"]
    door = bench.client("direct_tls.py", os.path.join(server.folder, "key.pem"), os.path.join(server.folder, "crt.pem"),
                        "127.0.0.1", str(server.port), server="postgresql-tls")
    port = next(line.split()[1] for line in door.said if line.startswith("port"))

    def client():
        return bench.client("env", f"PGPORT={port}", "PGHOST=127.0.0.1", *command_of(["tls_asyncio.py", "direct"]),
                            server="postgresql-tls")

    look, client, process = watched(bench, client, seconds=13)
    if bench.check(process, "the process is not in the report"):
        endpoint = process["endpoints"][0]
        bench.check(endpoint["address"] == f"127.0.0.1:{port}", f"the endpoint is {endpoint['address']}")
        known = endpoint["name"], endpoint["user"]
        bench.check(known == ("shop", "app"), f"the endpoint is {known}")
        causes = [finding["cause"] for finding in process["findings"]]
        bench.check("unclosed-connection" in causes, f"findings {causes}")


@live("run reads the first encrypted connection from its login on", needs=("mariadb-tls",), group="tls")
def run_reads_the_first(bench):
    out = bench.file("run.json")
    done = bench.dbleak.run("run", "--json", "-o", out, "--min-age", 2, "--", "timeout", "-s", "INT", "6",
                            *command_of(["tls.py", "large"]), env=bench.endpoint("mariadb-tls"))
    bench.shown.update(status=done.status, stderr=done.err[-800:])
    with open(out) as file:
        report = json.load(file)
    process = next((p for p in report["processes"] if "tls.py" in p["cmdline"]), None)
    if bench.check(process, "the process is not in the report"):
        endpoint = process["endpoints"][0]
        known = endpoint["name"], endpoint["user"]
        bench.check(known == ("shop", "app"), f"the endpoint is {known}")
        bench.check(endpoint["transactions"]["begun"] == 4, f"transactions {endpoint['transactions']}")
        bench.check(not [g for g in report["coverage"]["gaps"] if "TLS" in g["reason"]], "a gap is stated")
