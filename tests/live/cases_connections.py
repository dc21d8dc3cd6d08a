# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Round `leaks`: connections and transactions, each leaker with its healthy twin."""
from rounds import Case, Finding
from servers import PASSWORD

SQL = "from items where name <> ?"
LEAK = Finding("unclosed-connection", "leaking", "frequent")
TRANSACTION = ("open-transaction",)
OPENED = {"connections.opened": (12, 1000)}  # the young that were closed again are counted too

# Who, over which server, which way, through which driver.
PG4 = ("psycopg2", "postgresql", "tcp4", "psycopg2")
PG6 = ("psycopg2", "postgresql", "tcp6", "psycopg2")
PGU = ("psycopg2", "postgresql", "unix", "psycopg2")
PY4 = ("PyMySQL", "mariadb", "tcp4", "pymysql")
PY6 = ("PyMySQL", "mariadb", "tcp6", "pymysql")
PYU = ("PyMySQL", "mariadb", "unix", "pymysql")
MY4 = ("mysqlclient", "mariadb", "tcp4", "mysqldb")
MY6 = ("mysqlclient", "mariadb", "tcp6", "mysqldb")
MYU = ("mysqlclient", "mariadb", "unix", "mysqldb")
PQ4 = ("libpq", "postgresql", "tcp4", None)
MYC = ("libmariadb", "mariadb", "tcp4", None)
WAYS = {"tcp4": "IPv4", "tcp6": "IPv6", "unix": "a Unix socket"}


def case(sentence, client, who, **more):
    library, server, way, driver = who
    comes_and_goes = more.get("findings") or more.get("counts") is OPENED  # frozen in the act, perhaps
    more.setdefault("slack", 1 if comes_and_goes else 0)
    return Case(f"{sentence}, {library} over {WAYS[way]}", client, server, way, driver, **more)


def many(least):
    """At least so many sockets, as a leaker of the round must have."""
    return least, 400


def sqlalchemy(kept, closed, engine, shared, detached, reattached, idle, committed):
    """The six misuses of SQLAlchemy and their twins, each over its own way."""
    return [
        case("sessions kept leak connections and transactions", ["sessions.py", "kept", "200"], kept, findings=[
            Finding("unclosed-connection", "leaking", "frequent", sql=SQL),
            Finding("open-transaction", ("leaking", "stuck"), "frequent", sql=SQL)], sockets=many(12)),
        case("sessions closed are well", ["sessions.py", "closed"], closed, sockets=(0, 1)),
        case("an engine per request without garbage collection leaks", ["engines.py", "nogc"], engine,
             findings=[LEAK], sockets=many(12)),
        case("one engine for all requests is well", ["engines.py", "shared"], shared, sockets=(1, 1)),
        case("detached connections kept leak", ["detached.py", "kept"], detached, findings=[LEAK],
             also=TRANSACTION, sockets=many(12)),
        case("detached connections closed are well", ["detached.py", "closed"], reattached, sockets=(0, 1),
             counts=OPENED),
        case("one session left after its SELECT is stuck", ["one_select.py", "open"], idle, sockets=(1, 1), findings=[
            Finding("open-transaction", "stuck", "one-time", sql=SQL)],
             counts={"connections.in_transaction": (1, 1), "transactions.open": (1, 1)}, slack=0),
        case("one session left after its commit is well", ["one_select.py", "committed"], committed, sockets=(1, 1)),
    ]


def one_holder(run, look):
    """Exactly one of the processes that hold these sockets answers for all of them."""
    pids = [run.pid, *run.client.children]
    held = set().union(run.truth or (), *run.held.values())
    counted = sum(endpoint["connections"]["open"] for pid in pids if (process := look.process(pid))
                  for endpoint in process["endpoints"])
    faults = []
    if abs(counted - (len(held) - run.case.plain_sockets)) > 1:
        faults.append(f"{counted} connections counted, {len(held) - run.case.plain_sockets} in truth")
    return faults


def orphaned(run, look):
    """The opener is gone: whoever holds its transactions now is named, once."""
    accused = [pid for pid in (run.pid, *run.client.children)
               if (process := look.process(pid)) and any(
                   f["cause"] in ("open-transaction", "unclosed-connection") for f in process["findings"])]
    faults = one_holder(run, look)
    if len(accused) != 1:
        faults.append(f"{len(accused)} processes are accused, not one")
    if sum(len(held) for held in run.held.values()) != 6:
        faults.append("the child does not hold the six connections")
    return faults


def handed_over(run, look):
    """Opened by one process, kept by another: counted once, and somebody is leaking."""
    verdicts = [process["verdict"] for pid in (run.pid, *run.client.children) if (process := look.process(pid))]
    return one_holder(run, look) + ([] if verdicts.count("leaking") == 1 else [f"verdicts are {verdicts}"])


def quiet_children(run, look):
    """Children that inherited sockets are not accused of them."""
    return [f"child {pid} is {process['verdict']}" for pid in run.client.children
            if (process := look.process(pid)) and process["findings"]]


def is_read(run, look):
    """No TLS came of it, so nothing is hidden."""
    gaps = [gap["reason"] for gap in look.report["coverage"]["gaps"] if gap["pid"] == run.pid]
    return [f"gaps are stated: {gaps}"] if gaps else []


def printable(run, look):
    """Names from outside reach JSON as valid text; the replay checks the printed report."""
    process = look.process(run.pid)
    return [] if process["comm"].endswith("\n") or "31m" in process["comm"] else [f"comm is {process['comm']!r}"]


def c_clients(program, server, library, one, other):
    who = lambda way: (library, server, way, None)
    return [
        case("connections kept leak", [program, "leak"], who(one), sockets=many(12), findings=[
            LEAK, Finding("open-transaction", ("leaking", "stuck"), sql=SQL)]),
        case("connections closed are well", [program, "close"], who(other), sockets=(0, 1), counts=OPENED),
        case("a connection not closed on one path of four leaks sporadically", [program, "sporadic"], who(other),
             findings=[Finding("unclosed-connection", "leaking", "sporadic")], sockets=many(15)),
        case("a connection closed on every path is well", [program, "careful"], who(one), sockets=(0, 1),
             counts=OPENED),
    ]


def drivers_errors(leaker, twin):
    return [
        case("a connection not closed after an error leaks sporadically", ["errors.py", "leak"], leaker,
             findings=[Finding("unclosed-connection", "leaking", "sporadic")], also=TRANSACTION, sockets=many(15)),
        case("a connection closed after an error is well", ["errors.py", "close"], twin, sockets=(0, 1), counts=OPENED),
    ]


def hung_up(leaker, twin):
    return [
        case("connections the server ended and the client kept are found", ["hung_up.py", "kept"], leaker, findings=[
            Finding("unclosed-connection", ("leaking", "stuck"))], sockets=(7, 7), slack=0,
             counts={"connections.close_wait": (6, 6)}),
        case("connections the server ended and the client closed are well", ["hung_up.py", "closed"], twin,
             sockets=(1, 1), counts={"connections.close_wait": (0, 0)}),
    ]


CASES = [
    *sqlalchemy(PG4, PG6, PG6, PGU, PG4, PGU, PG6, PG4),
    *sqlalchemy(PY4, PYU, PY6, PY4, PYU, PY6, PYU, PY6),
    *sqlalchemy(MYU, MY4, MY4, MYU, MY6, MYU, MY4, MYU),
    case("sessions kept in a pool of fifteen are found when it is empty", ["sessions.py", "kept"], PGU, slack=0,
         findings=[Finding("unclosed-connection", ("leaking", "stuck"), "frequent"),
                   Finding("open-transaction", ("leaking", "stuck"))], sockets=(15, 15)),
    case("an engine per request with garbage collection is named", ["engines.py", "gc"], PGU, sockets=(1, 400),
         findings=[Finding("unclosed-connection", ("leaking", "stuck", "bounded"),
                           ("frequent", "implicit", "sporadic"))]),
    *drivers_errors(PG6, PG4), *drivers_errors(PYU, PY4), *drivers_errors(MY6, MY4),
    *hung_up(PG4, PG6), *hung_up(PY4, MY6),
    *c_clients("pq_connections", "postgresql", "libpq", "unix", "tcp4"),
    *c_clients("my_connections", "mariadb", "libmariadb", "tcp4", "unix"),
    case("connections that the library makes anew are well", ["my_connections", "reconnect"], MYC, sockets=(0, 1),
         counts=OPENED),
    case("connections kept leak, each made anew by the library once", ["my_connections", "reconnect-leak"], MYC,
         findings=[Finding("unclosed-connection", "leaking", ("frequent", "sporadic"))], sockets=many(12)),
    case("connections kept whose wish for TLS was refused leak", ["pq_connections", "leak"], PQ4, sockets=many(12),
         findings=[LEAK, Finding("open-transaction", ("leaking", "stuck"), sql=SQL)], env={"PGSSLMODE": "prefer"},
         check=is_read),
    case("connections closed whose wish for TLS was refused are well", ["pq_connections", "close"], PQ4,
         sockets=(0, 1), counts=OPENED, env={"PGSSLMODE": "prefer"}, check=is_read),
    case("connections that outlive exec leak", ["pq_connections", "exec"], ("libpq", "postgresql", "tcp4", None),
         findings=[Finding("unclosed-connection")], sockets=many(10)),
    case("duplicated sockets are counted once", ["holders.py", "dup"], PG4, sockets=(3, 3),
         counts={"connections.opened": (3, 3)}),
    case("leaked connections duplicated are counted once", ["holders.py", "dup-leak"], PGU, findings=[LEAK],
         also=TRANSACTION, sockets=many(10)),
    case("leaked connections inherited by children are counted once", ["holders.py", "fork"], MY4, findings=[LEAK],
         also=TRANSACTION, sockets=many(10), check=quiet_children),
    case("a connection inherited by four children is well", ["holders.py", "prefork"], PG6, sockets=(1, 1),
         check=quiet_children),
    case("a connection inherited by four children is well", ["holders.py", "prefork"], MYU, sockets=(1, 1),
         check=quiet_children),
    case("transactions left to a child are found with their holder", ["holders.py", "orphan"], PG4, alone=False,
         ends=True, check=orphaned),
    case("connections handed to another process are counted once", ["holders.py", "pass"], PG6, alone=False,
         plain_sockets=2, check=handed_over),
    case("a leaker killed with signal 9 keeps its finding", ["sessions.py", "kept", "200"], PG6, kill_after=8,
         ends=True, findings=[Finding("unclosed-connection", "leaking", ("frequent", "implicit"))], also=TRANSACTION,
         counts={"connections.open": (0, 0)}),
    case("a leaker that exits in the middle keeps its finding", ["short.py", "leak", "9"], PY4, ends=True,
         findings=[Finding("unclosed-connection", "leaking", ("frequent", "implicit"))], also=TRANSACTION,
         counts={"connections.open": (0, 0)}),
    case("a script that opens one connection and exits is well", ["short.py", "once"], PG4, ends=True,
         counts={"connections.open": (0, 0)}),
    case("a script that opens one connection and exits is well", ["short.py", "once"], MYU, ends=True,
         counts={"connections.open": (0, 0)}),
    case("a leak that began before the tracer is found", ["detached.py", "kept"], PG4, before=True, findings=[
        Finding("unclosed-connection", "leaking")], also=TRANSACTION, sockets=many(12),
         counts={"connections.pre_existing": (2, 400)}),
    case("a leak that began before the tracer is found", ["pq_connections", "leak"],
         ("libpq", "postgresql", "unix", None), before=True, findings=[Finding("unclosed-connection", "leaking")],
         also=TRANSACTION, sockets=many(12), counts={"connections.pre_existing": (2, 400)}),
    case("a leak that began before the tracer is found", ["detached.py", "kept"], MYU, before=True, findings=[
        Finding("unclosed-connection", "leaking")], also=TRANSACTION, sockets=many(12),
         counts={"connections.pre_existing": (2, 400)}),
    case("a pool that was there before the tracer is well", ["persistent.py", "php"], PG6, before=True, sockets=(5, 5),
         counts={"connections.pre_existing": (5, 5), "connections.opened": (0, 0)}),
    Case("a leak over TLS is found, its state read at the library", ["unreadable.py", "plain"], "postgresql-tls", "tcp4",
         "psycopg2", findings=[Finding("unclosed-connection", "leaking")], also=TRANSACTION,
         sockets=many(12), slack=None, check=lambda run, look: one_holder(run, look)),
    Case("compressed connections are counted and the gap is stated", ["unreadable.py", "compressed"], "mariadb", "tcp4",
         "mysqldb", findings=[Finding("unclosed-connection", "leaking")], also=TRANSACTION, gap="compress",
         sockets=many(12), check=lambda run, look: one_holder(run, look)),
    case("a leak of a user with a password is found, the password never kept", ["detached.py", "kept"], PG4,
         findings=[LEAK], also=TRANSACTION, sockets=many(12), user="secret",
         env={"PGUSER": "secret", "PGPASSWORD": PASSWORD, "DB_URL": "postgresql+psycopg2:///shop"}),
    case("connections of a user with a password are well, the password never kept", ["persistent.py", "php"], PY6,
         sockets=(5, 5), slack=None, user="secret", env={"DB_USER": "secret", "DB_PASSWORD": PASSWORD}),
    case("a leaker with escape sequences in its names is found", ["hostile.py", "names"], PG4, findings=[LEAK],
         also=TRANSACTION, sockets=many(12), check=printable),
]
