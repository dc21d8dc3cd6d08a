# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Does the advice of a finding name the calls of its client's language and driver, and no others?"""
import os
import re

from harness import CLIENTS

# How an example of user/judge/advice.c says whose call it is.
NAMES = ("SQLAlchemy: ", "Django: ", "peewee: ", "asyncpg: ", "psycopg: ", "psycopg2: ", "aiomysql: ", "PyMySQL: ",
         "mysqlclient: ", "Connector/Python: ", "aiosqlite: ", "redis-py: ", "Python: ", "Rust: ", "C++: ", "C: ", "Perl: ",
         "PHP: ", "Rails: ", "Ruby: ", "Node: ", "Java: ", "Go: ")
LANGUAGES = {".py": "Python: ", ".js": "Node: ", ".cjs": "Node: ", ".pl": "Perl: ", ".php": "PHP: ", ".rb": "Ruby: ",
             ".java": "Java: ", ".go": "Go: "}
BUILT_OF = {"_go": "Go: ", "_rust": "Rust: "}
DRIVERS = {"psycopg2": "psycopg2: ", "psycopg": "psycopg: ", "pymysql": "PyMySQL: ", "mysqldb": "mysqlclient: ",
           "asyncpg": "asyncpg: "}
SHOWN = ("unclosed-connection", "open-transaction")  # for which each language has an example
RUN_TIMES = ("JavaMain", "_PyEval", "asyncio", "task_step", "ruby_", "rb_", "node::", "v8::", "runtime.", "start_thread",
             "Interpreter", "std::", "core::", "tokio", "mio::", "rusqlite::", "<std::", "<core::", "<tokio")


def allowed(case):
    """What may be named: the language, the drivers of Python that the client has, SQLAlchemy where it is imported."""
    stem, ending = os.path.splitext(case.client[0])
    if ending != ".py":
        built = next((name for word, name in BUILT_OF.items() if stem.endswith(word)), "C: ")
        return (LANGUAGES.get(ending, built),)
    with open(os.path.join(CLIENTS, case.client[0])) as file:
        source = file.read()
    found = [name for driver, name in DRIVERS.items()
             if driver in case.client or driver == (case.driver or {"mariadb": "pymysql"}.get(case.server, "psycopg2"))]
    return ("Python: ", *found, *(["SQLAlchemy: "] if "sqlalchemy" in source or "engine(" in source else []))


def faults(case, findings):
    may, found = allowed(case), []
    for finding in findings:
        advice, site = finding["advice"] or "", finding["site"]
        named = [name for name in NAMES if f"({name}" in advice or advice.startswith(name)]
        found += [f"the {finding['cause']} is told what is {name}not its own: {advice}" for name in named if name not in may]
        if site and finding["cause"] in SHOWN and not named and not re.search("garbage|failed conn", advice):
            found.append(f"the {finding['cause']} is told no call of {' or '.join(may)}: {advice}")
        if site and (site["function"] or "").startswith(RUN_TIMES):
            found.append(f"the {finding['cause']} is at {site['function']}, of a run time")
    wanted = [f for f in findings if case.fix and case.findings and f["cause"] in case.findings[0].cause]
    if wanted and not any(case.fix in (f["advice"] or "") for f in wanted):
        found.append(f"nobody is told {case.fix!r}: {[f['advice'] for f in wanted]}")
    return found
