# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Round `mysql`: MySQL's own server, with caching_sha2_password and TLS required, as managed ones have it."""
import os
import shutil
import time

from cases_connections import OPENED, many
from cases_tls import LEFT, ONE_OPEN, SESSIONS, STATEMENTS, no_gap
from harness import BUILT, Client, command_of
from rounds import Case, Finding
from servers import INSIDE, PASSWORD, SID, MySQL
from solo import live

SERVER = "mysql-tls"
PY4 = ("PyMySQL", "tcp4", "pymysql")
PY6 = ("PyMySQL", "tcp6", "pymysql")
PYU = ("PyMySQL", "unix", "pymysql")
MY4 = ("mysqlclient", "tcp4", "mysqldb")  # which Debian links with libmariadb
MY6 = ("mysqlclient", "tcp6", "mysqldb")
MYU = ("mysqlclient", "unix", "mysqldb")
MC4 = ("libmariadb", "tcp4", None)
NODE = ("mysql2 of npm", "tcp4", None)
NODEU = ("mysql2 of npm", "unix", None)
ORA4 = ("libmysqlclient", "tcp4", None)
ORA6 = ("libmysqlclient", "tcp6", None)
ORAU = ("libmysqlclient", "unix", None)
MYSQL2 = {"MYSQL2": "mysql2-now"}  # the one of the field cases knows no caching_sha2_password
LIBRARY = {"MYSQLCLIENT": "libmysqlclient.so.24"}
ONE = {"sockets": (1, 1)}


def case(sentence, client, who, **more):
    library, way, driver = who
    comes_and_goes = more.get("findings") or more.get("counts") is OPENED  # frozen in the act, perhaps
    more.setdefault("slack", 1 if comes_and_goes else 0)
    more.setdefault("check", no_gap)
    if library == "mysql2 of npm":
        more["env"] = MYSQL2
    if library == "libmysqlclient":
        more.update(env=LIBRARY, inside=True)
    where = "a Unix socket" if way == "unix" else "TLS"
    return Case(f"MySQL: {sentence}, {library} over {where}", client, SERVER, way, driver, round="mysql", **more)


CASES = [
    case("sessions kept leak", ["sessions.py", "kept", "200"], PY4, findings=SESSIONS, sockets=many(8)),
    case("sessions closed are well", ["sessions.py", "closed"], PY6, **ONE),
    case("sessions kept leak", ["sessions.py", "kept", "200"], PYU, findings=SESSIONS, sockets=many(8)),
    case("a pool is well", ["pool.py"], PYU, sockets=(5, 5)),
    case("sessions kept leak", ["sessions.py", "kept", "200"], MY6, findings=SESSIONS, sockets=many(8)),
    case("sessions closed are well", ["sessions.py", "closed"], MYU, **ONE),
    case("SSCursors left unread are found", ["driver.py", "rows", "leak", "0.5"], MY4, findings=[
        Finding(("unclosed-cursor", "unclosed-connection", "unfreed-result"), ("leaking", "stuck"))]),
    case("SSCursors read and closed are well", ["driver.py", "rows", "well", "0.05"], MY4, **ONE),
    case("all() over 200,000 rows is big, its rows exact", ["fetch.py", "all", "1"], PY4, sockets=(1, 1), findings=[
        Finding("unbounded-result", "big", rows=(200_000, 200_000))]),
    case("two connections in one thread are told apart", ["tls.py", "interleaved"], PY6, findings=LEFT,
         sockets=(2, 2)),
    case("one session left behind attributes is stuck", ["my_attributes.py", "kept"], PY4, findings=LEFT,
         counts=ONE_OPEN, **ONE),
    case("commits behind attributes are well", ["my_attributes.py", "committed"], PYU, **ONE),
    case("mysql_stmt_init without close leaks", ["my_statements", "leak"], MC4, findings=STATEMENTS, **ONE),
    case("mysql_stmt_close after each use is well", ["my_statements", "close"], MC4,
         counts={"statements.open": (0, 1)}, **ONE),
    case("a change of user with a password is well", ["my_wire", "change"], MC4, **ONE),
    case("several results of one text are well", ["my_wire", "multi"], MC4, **ONE),
    case("sessions kept leak", ["tls_node.js", "mysql2", "kept"], NODE, findings=SESSIONS, sockets=many(8)),
    case("sessions closed are well", ["tls_node.js", "mysql2", "closed"], NODE, sockets=(0, 4), counts=OPENED),
    case("execute with values pasted in leaks statements", ["mysql2_execute.js", "distinct"], NODE,
         findings=STATEMENTS, **ONE),
    case("execute with values bound is well", ["mysql2_execute.js", "same"], NODEU, **ONE),
    case("connections kept leak", ["mysqlclient_habits", "leak"], ORA4, findings=SESSIONS, sockets=many(8)),
    case("connections closed are well", ["mysqlclient_habits", "close"], ORA6, sockets=(0, 1), counts=OPENED),
    case("connections kept leak", ["mysqlclient_habits", "leak"], ORAU, findings=SESSIONS, sockets=many(8)),
    case("mysql_stmt_init without close leaks", ["mysqlclient_habits", "statements-leak"], ORA4, findings=STATEMENTS,
         **ONE),
    case("mysql_stmt_close after each use is well", ["mysqlclient_habits", "statements-close"], ORA4,
         counts={"statements.open": (0, 1)}, **ONE),
    case("SQL's PREPARE without DEALLOCATE leaks", ["mysqlclient_habits", "sql-leak"], ORAU, findings=STATEMENTS, **ONE),
    case("results kept leak", ["mysqlclient_habits", "results-leak"], ORA4, findings=[
        Finding("unfreed-result", "leaking", "frequent")], **ONE),
    case("results freed are well", ["mysqlclient_habits", "results-free"], ORA4, **ONE),
]


@live("MySQL: a password encrypted with the server's key is never kept, and the session behind it is read",
      needs=(SERVER,), group="mysql", without=MySQL.missing)
def full_authentication(bench):
    """Without TLS caching_sha2_password asks for the key, unless it remembers the password."""
    server = bench.servers[SERVER]
    bench.afterwards.append(lambda: server.sql("set global require_secure_transport = on", "mysql"))
    server.sql("set global require_secure_transport = off; flush privileges", "mysql")
    clients = []

    def during():
        clients.append(bench.client("env", "DB_TLS=", *command_of(["tls.py", "interleaved"]), server=SERVER))
        time.sleep(4)

    look = bench.looked(bench.dbleak.watch("--min-age", 2, "--duration", 8, during=during))
    process = look.process(clients[0].pid)
    if bench.check(process, f"the process is not in the report: {clients[0].errors[-3:]}"):
        found = [(one["cause"], one["verdict"]) for one in process["findings"]]
        bench.check(found == [("open-transaction", "stuck")], f"findings {found}")
        known = [(one["name"], one["user"], one["connections"]["opened"]) for one in process["endpoints"]]
        bench.check(known == [("shop", "app", 2)], f"endpoints {known}")
    with open(look.recording, "rb") as raw:
        bench.check(PASSWORD.encode() not in raw.read(), "the password is in the recording")


@live("MySQL: a session that libmysqlclient began before the tracer is read", needs=(SERVER,), group="mysql",
      without=MySQL.missing)
def joined(bench):
    """Its commands have attributes before their text, of which nothing was seen to be agreed on."""
    server = bench.servers[SERVER]
    program = os.path.join(server.folder, "mysqlclient_joined")
    shutil.copy(os.path.join(BUILT, "mysqlclient_habits"), program)
    client = Client(bench.janitor, [INSIDE, SID, bench.janitor.folder, program, "sql-leak"],
                    dict(bench.endpoint(SERVER, "unix"), **LIBRARY))
    bench.clients.append(client)
    bench.check(client.wait_ready(), f"it is not ready: {client.errors[-3:]}")
    look = bench.looked(bench.dbleak.watch("-p", client.pid, "--min-age", 2, "--duration", 8))
    process = look.process(client.pid)
    if bench.check(process, "the process is not in the report"):
        counted = [(one["connections"]["pre_existing"], one["statements"]["prepared"]) for one in process["endpoints"]]
        bench.check(len(counted) == 1 and counted[0][0] == 1 and 50 < counted[0][1] < 1000,
                    f"connections met and statements prepared at each endpoint: {counted}")
