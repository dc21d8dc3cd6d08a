# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Drivers of other languages on the client libraries: results kept and let go, each with its twin."""
import harness
from cases_objects import recorded
from rounds import Case, Finding
from solo import live

UNFREED = [Finding("unfreed-result", kind=("frequent", "sporadic"))]
ONE = {"connections.open": (1, 1)}


def unfreed(line):
    return [Finding("unfreed-result", kind=("frequent", "sporadic"), line=line)]


def kept(line):
    return [Finding("unclosed-connection", kind="frequent", line=line)]


def case(name, client, **more):
    return Case(name, client, round="drivers", **more)


CASES = [
    case("psycopg2: diag kept of each failed INSERT leaks results", ["driver.py", "errors", "leak"],
         findings=UNFREED, counts=ONE),
    case("psycopg2: failed INSERTs whose errors are dropped are well", ["driver.py", "errors", "well"], counts=ONE),
    case("psycopg2: cursors kept open leak results", ["driver.py", "cursors", "leak"], way="unix", findings=UNFREED,
         counts=ONE),
    case("psycopg2: cursors closed are well", ["driver.py", "cursors", "well"], way="unix", counts=ONE),
    case("psycopg 3: cursors kept open leak results", ["driver.py", "cursors", "leak"], driver="psycopg",
         findings=UNFREED, counts=ONE),
    case("psycopg 3: cursors closed are well", ["driver.py", "cursors", "well"], driver="psycopg", counts=ONE),
    case("mysqlclient: cursors kept hold no result: they have read it all", ["driver.py", "cursors", "leak"],
         server="mariadb", driver="mysqldb", counts=ONE),
    case("mysqlclient: cursors closed are well", ["driver.py", "cursors", "well"], server="mariadb", driver="mysqldb",
         way="unix", counts=ONE),
    case("mysqlclient: SSCursors left unread are found", ["driver.py", "rows", "leak", "0.1"], server="mariadb",
         driver="mysqldb", findings=[Finding(("unclosed-cursor", "unclosed-connection", "unfreed-result"),
                                             verdict=("leaking", "stuck"))]),
    case("mysqlclient: SSCursors read and closed are well", ["driver.py", "rows", "well", "0.05"], server="mariadb",
         driver="mysqldb", counts=ONE),
    case("DBD::Pg: statements kept leak results", ["driver.pl", "leak"], findings=unfreed("$statement->execute"),
         counts=ONE),
    case("DBD::Pg: statements let go are well", ["driver.pl", "well"], counts=ONE),
    case("DBD::mysql: statements kept leak results", ["driver.pl", "leak"], server="mariadb",
         findings=unfreed("$statement->execute"), counts=ONE),
    case("DBD::mysql: statements let go are well", ["driver.pl", "well"], server="mariadb", counts=ONE),
    case("C on libpq: a result kept on one path of two leaks sporadically", ["objects", "result", "half"],
         findings=[Finding("unfreed-result", kind="sporadic")], counts=ONE),
    case("C on libpq: results cleared are well", ["objects", "result", "well"], way="unix", counts=ONE),
    case("C on libpq: escaped strings kept leak", ["objects", "escape", "leak"],
         findings=[Finding("unfreed-memory", kind="frequent")], counts=ONE),
    case("C on libpq: escaped strings freed are well", ["objects", "escape", "well"], counts=ONE),
    case("C on libmariadb: stored results kept leak", ["objects", "stored", "leak"], server="mariadb", way="unix",
         findings=[Finding("unfreed-result", kind="frequent")], counts=ONE),
    case("C on libmariadb: stored results freed are well", ["objects", "stored", "well"], server="mariadb", counts=ONE),
    case("C on libmariadb: statements kept leak", ["objects", "statement", "leak"], server="mariadb",
         findings=[Finding(("unclosed-statement", "cache-growth"))], counts=ONE),
    case("C on libmariadb: statements closed are well", ["objects", "statement", "well"], server="mariadb", way="unix",
         counts=ONE),
    case("C on libmariadb: handles closed that never connected are well", ["objects", "handle", "well"],
         server="mariadb", counts=ONE),
    case("C on hiredis: replies kept leak", ["objects", "reply", "leak"], server="redis",
         findings=[Finding("unfreed-result", kind="frequent")]),
    case("C on hiredis: a reply kept on one path of two leaks sporadically", ["objects", "reply", "half"],
         server="redis", findings=[Finding("unfreed-result", kind="sporadic")]),
    case("C on hiredis: replies freed are well", ["objects", "reply", "well"], server="redis", reported=False),
    case("C on hiredis: contexts kept leak", ["objects", "context", "leak", "200"], server="redis",
         findings=[Finding("unclosed-connection")]),
    case("C on hiredis: contexts freed are well", ["objects", "context", "well"], server="redis", reported=False),
    case("PHP pgsql: results kept leak", ["driver.php", "leak"], findings=unfreed("= pg_query("), counts=ONE),
    case("PHP pgsql: results let go are well", ["driver.php", "well"], counts=ONE),
    case("PHP PDO: connections kept leak", ["kept.php", "leak"], findings=kept("new PDO(")),
    case("PHP PDO: connections let go are well", ["kept.php", "well"], way="unix"),
    case("PHP mysqli: connections kept leak", ["kept.php", "leak"], server="mariadb", way="unix",
         findings=kept("new mysqli(")),
    case("PHP mysqli: connections let go are well", ["kept.php", "well"], server="mariadb"),
    case("DBD::Pg: connections kept leak", ["kept.pl", "leak"], way="unix", findings=kept("DBI->connect(")),
    case("DBD::Pg: connections let go are well", ["kept.pl", "well"]),
    case("DBD::mysql: connections kept leak", ["kept.pl", "leak"], server="mariadb", findings=kept("DBI->connect(")),
    case("DBD::mysql: connections let go are well", ["kept.pl", "well"], server="mariadb", way="unix"),
    case("npm pg: connections of a pool never given back leak", ["kept.js", "leak"],
         findings=kept("query('begin')") + [Finding("open-transaction", line="query('begin')")]),
    case("npm pg: connections given back are well", ["kept.js", "well"], way="unix"),
]

SUMS = (("postgresql", "psycopg2", "driver.py"), ("postgresql", "psycopg", "driver.py"),
        ("mariadb", "mysqldb", "driver.py"), ("postgresql", "pg", "driver.pl"), ("mariadb", "mysql", "driver.pl"),
        ("postgresql", "pgsql", "driver.php"))


def sums(bench):
    """Runs all of SUMS side by side, plain and under a filter: {(server, driver, filtered): checksum}, clients."""
    clients = {}
    for server, driver, script in SUMS:
        for filtered in (False, True):
            argv = (["filtered"] if filtered else []) + harness.command_of([script, "sum"])
            clients[server, driver, filtered] = bench.client(*argv, server=server, driver=driver, wait=False)
    for client in clients.values():
        client.wait_ready()
        client.process.wait()
    return {name: [line for line in client.said if line.startswith("sum ")] for name, client in clients.items()}, clients


def same_sums(bench, *options):
    alone, _ = sums(bench)
    traced = {}
    look, records = recorded(bench, "--max-overhead", 100, *options, during=lambda: traced.update(
        zip(("sums", "clients"), sums(bench))))
    for name, found in alone.items():
        client = traced["clients"][name]
        bench.check(len(found) == 1, f"{name} gave {found} without a tracer")
        bench.check(traced["sums"][name] == found and client.process.returncode == 0,
                    f"{name} gave {traced['sums'][name]} under the tracer, not {found}: {client.errors[-2:]}")
        counted = records.counts(client.pid)
        bench.check(any(acquired >= 300 for acquired, _, _ in counted.values()), f"{name}: only {counted} was counted")
        bench.check(all(acquired == released for acquired, released, _ in counted.values()),
                    f"{name}: {counted} although all was given back")
    bench.faults += bench.dbleak.losses(look, "ring_full", "map_full", "missed_return")


@live("drivers give the same results under the tracer, under a seccomp filter, too", needs=("postgresql", "mariadb"),
      group="drivers")
def drivers(bench):
    same_sums(bench)


@live("drivers give the same results with probes at the first instruction", needs=("postgresql", "mariadb"),
      group="drivers")
def drivers_entry(bench):
    same_sums(bench, "--probe-at=entry")
