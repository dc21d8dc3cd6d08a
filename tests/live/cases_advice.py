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

CRATES = "/usr/share/cargo/registry"
LIB_PQ = "/usr/share/gocode/src/github.com/lib/pq"


def go():
    return shutil.which("go") or next(iter(sorted(glob.glob("/usr/lib/go-*/bin/go"))), None)


def go_lacks():
    return None if go() and os.path.isdir(LIB_PQ) else "golang-github-lib-pq-dev"


def rust_lacks():
    """A client that is missing though all for it is here was not built, and its cases fail."""
    return None if os.path.exists("/usr/bin/cargo") and all(
        glob.glob(f"{CRATES}/{crate}-*") for crate in ("rusqlite", "tokio-postgres")) else "Rust's crates"


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


RUST_TEXTS = {None, "begin", "select name from items where name <> ? and id = ?", "select name from items where id > ?"}


def in_rust(run, look):
    """No frame of std, of a run time or of a driver answers, no name is told as the linker has it, and a text ends
    where it ends: in Rust no zero byte tells that."""
    findings = look.process(run.pid)["findings"]
    sites = {os.path.basename(f["site"]["file"] or "") for f in findings if f["site"]}
    mangled = {frame["function"] for f in findings for frame in f["stack"] if "$" in (frame["function"] or "")}
    texts = {f["sql"] for f in findings} - RUST_TEXTS
    return ([] if sites == {"unclosed_rust.rs"} else [f"the lines are {sites}"]) + [
        f"a name is {name}" for name in mangled] + [f"an SQL text is {text}" for text in texts]


def rust(name, habit, fix=None, **more):
    if fix:
        more["check"] = in_rust
    sqlite = habit.startswith("lite-")
    where = {"server": "sqlite", "way": "shop.db"} if sqlite else {}
    return case(f"Rust's {name}", ["unclosed_rust", habit, *(["{folder}/shop.db"] if sqlite else [])], fix,
                without=rust_lacks, **where, **more)


RUST = [
    rust("tokio_postgres, with clients forgotten", "connections", "Rust: drop(client) ends its connection",
         findings=kept()[:1]),
    rust("tokio_postgres, with transactions kept", "transactions", "Rust: drop(client) ends its connection"),
    rust("tokio_postgres, with statements kept", "statements", "Rust: drop(statement)",
         findings=[Finding("unclosed-statement")]),
    rust("rusqlite, with connections kept", "lite-connections", "Rust: drop(connection)", findings=kept()[:1]),
    rust("rusqlite, with transactions kept", "lite-transactions", "Rust: drop(connection)"),
    rust("rusqlite, with statements forgotten", "lite-statements", "Rust: drop(statement)",
         findings=[Finding("unclosed-statement")]),
    rust("rusqlite, with rows forgotten", "lite-rows", "Rust: drop(rows)",
         findings=[Finding("unclosed-cursor", verdict=("leaking", "stuck"))], also=("unclosed-statement",)),
    rust("tokio_postgres, with all dropped", "dropped", findings=[]),
    rust("rusqlite, with all dropped", "lite-dropped", findings=[]),
]

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
    *RUST,
]
