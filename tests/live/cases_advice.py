# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""One leak through each driver that no other case has: the report names its own call and its own line, or says
that the line is unknown, and why.  What other cases are told is checked with them (fixes.py)."""
import glob
import importlib.util
import os
import re
import shutil
import subprocess

import harness
from rounds import Case, Finding

LIB_PQ = "/usr/share/gocode/src/github.com/lib/pq"


def go():
    return shutil.which("go") or next(iter(sorted(glob.glob("/usr/lib/go-*/bin/go"))), None)


def go_lacks():
    return None if go() and os.path.isdir(LIB_PQ) else "golang-github-lib-pq-dev"


def java_lacks():
    return None if shutil.which("javac") and os.path.exists(harness.JDBC) else "libpostgresql-jdbc-java"


def ruby_lacks():
    ruby = shutil.which("ruby")
    done = ruby and subprocess.run([ruby, "-e", "require 'pg'"], capture_output=True)
    return None if done and not done.returncode else "ruby-pg"


def asyncpg_lacks():
    return None if importlib.util.find_spec("asyncpg") else "python3-asyncpg"


def build_go(_servers, _folder):
    private = {"GOCACHE": os.path.join(harness.ROOT, "build", "go-cache"), "GOPATH": "/usr/share/gocode",
               "GO111MODULE": "off"}
    subprocess.run([go(), "build", "-o", os.path.join(harness.BUILT, "unclosed_go"),
                    os.path.join(harness.CLIENTS, "unclosed.go")], check=True, env={**os.environ, **private})


def unknown_line(run, look):
    """The text says that the line is unknown, and why."""
    blocks = re.findall(rf"^\w+\[{run.pid}\].*?(?=^$)", look.text, re.MULTILINE | re.DOTALL)
    if all(re.search(r"^    where     unknown: ", block, re.MULTILINE) and "to get a line" in block for block in blocks):
        return []  # the text has ten blocks at most
    return [f"no reason for an unknown line: {blocks}"]


def in_go(run, look):
    sites = {(os.path.basename(f["site"]["file"] or ""), f["site"]["function"]) for f in look.process(run.pid)["findings"]
             if f["site"]}
    return [] if sites == {("unclosed.go", "main.monthly")} else [f"the lines are {sites}"]


def kept():
    return [Finding("unclosed-connection"), Finding("open-transaction", verdict=("leaking", "stuck"))]


def case(name, client, fix, **more):
    more.setdefault("findings", kept())
    return Case(f"{name}: the report names its own call", client, round="advice", fix=fix, **more)


def python(name, fix, **more):
    return case(f"Python's {name}", ["unclosed.py", name], fix, **more)


CASES = [
    python("psycopg2", "psycopg2: c.close()"),
    python("psycopg", "psycopg: `with psycopg.connect(...) as c:`", driver="psycopg"),
    python("pymysql", "PyMySQL: `with closing(pymysql.connect(...)) as c:`", server="mariadb"),
    python("mysqldb", "mysqlclient: `with closing(MySQLdb.connect(...)) as c:`", server="mariadb", driver="mysqldb"),
    python("asyncpg", "asyncpg: `async with pool.acquire() as c:`", without=asyncpg_lacks),
    case("Python's sqlite3", ["unclosed.py", "sqlite3", "{folder}/shop.db"],
         "Python: `with closing(sqlite3.connect(...)) as c:`", server="sqlite", way="shop.db",
         findings=kept()[:1]),
    python("sqlalchemy", "SQLAlchemy: `with Session() as s:`"),
    case("npm mysql2", ["unclosed.js"], "Node: connection.end()", server="mariadb"),
    case("Ruby's pg", ["unclosed.rb"], "Ruby: conn.close in an ensure", without=ruby_lacks, check=unknown_line),
    case("JDBC", ["Unclosed.java"], "Java: try (Connection c = ...)", without=java_lacks, check=unknown_line),
    case("Go's database/sql", ["unclosed_go"], "Go: defer tx.Rollback()", without=go_lacks, prepare=build_go,
         placed=False, check=in_go),
]
