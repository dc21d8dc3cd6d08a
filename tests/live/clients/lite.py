# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Python programs on SQLite, through its own module and through SQLAlchemy: lite.py HABIT FILE"""
import os
import sqlite3
import sys
import time

HABIT, FILE = sys.argv[1:3]
SECRET = "sesame"
ONE = f"select name from items where name <> '{SECRET}' and id = ?"
MANY = f"select id, name from items where name <> '{SECRET}'"
kept = []


def ready():
    print("ready", flush=True)


def steadily(step, every=0.2, ready_after=2):
    number = 0
    while True:
        step(number)
        number += 1
        if number == ready_after:
            ready()
        time.sleep(every)


def idle():
    ready()
    while True:
        time.sleep(60)


def session_factory(**options):
    from sqlalchemy import create_engine
    from sqlalchemy.orm import sessionmaker
    return sessionmaker(create_engine(f"sqlite:///{FILE}", **options))


def ask(session, number):
    from sqlalchemy import text
    return session.execute(text(ONE.replace("?", ":id")), {"id": number % 1000 + 1}).fetchall()  # LEAK: any


def sessions_kept():
    """As many web programs do: a session for each request, closed by nobody."""
    factory = session_factory()

    def request(number):
        session = factory()
        ask(session, number)  # LEAK: sessions_kept
        kept.append(session)
    steadily(request)


def sessions_closed():
    factory = session_factory()

    def request(number):
        with factory() as session:
            ask(session, number)
    steadily(request, 0.05)


def pool():
    """A pool of five at work, then at rest, then at work."""
    from sqlalchemy.pool import QueuePool
    factory = session_factory(poolclass=QueuePool, pool_size=5)

    def burst():
        for turn in range(40):
            sessions = [factory() for _ in range(5)]
            for session in sessions:
                ask(session, turn)
            for session in sessions:
                session.close()
            time.sleep(0.05)
    burst()
    ready()
    while True:
        time.sleep(7)
        burst()


def cursors_kept():
    """Each asks for all rows and takes one; statement and read lock stay."""
    connection = sqlite3.connect(FILE)

    def request(number):
        cursor = connection.execute(f"{MANY} and price > {number} -- all")  # LEAK: cursors_kept
        cursor.fetchone()
        kept.append(cursor)
    steadily(request)


def cursors_closed():
    connection = sqlite3.connect(FILE)

    def request(number):
        cursor = connection.execute(f"{MANY} and price > {number} -- all")
        cursor.fetchone()
        cursor.close()
    steadily(request, 0.05)


def writer(connection):
    with connection:
        connection.executemany("update notes set body = ? where id = ?",
                               [(os.urandom(4000), number) for number in range(1, 60)])


def reader(left_open):
    """A reader and a writer in one program, over the write-ahead log."""
    setup = sqlite3.connect(FILE)
    setup.execute("pragma journal_mode=wal")
    reading, writing = sqlite3.connect(FILE), sqlite3.connect(FILE)
    cursor = reading.execute(MANY)  # LEAK: reader_left
    cursor.fetchone()
    if not left_open:
        cursor.close()
    steadily(lambda number: writer(writing), 0.1)


def transaction():
    connection = sqlite3.connect(FILE, isolation_level=None)
    connection.execute("begin immediate")  # LEAK: transaction
    connection.execute("update items set price = price + 1 where id = 1")
    idle()


def transaction_again():
    """Left open, and used once more long after."""
    connection = sqlite3.connect(FILE, isolation_level=None)
    connection.execute("begin immediate")
    connection.execute("update items set price = price + 1 where id = 1")
    ready()
    time.sleep(8)
    connection.execute("update items set price = price + 1 where id = 2")
    while True:
        time.sleep(60)


def transactions(journal):
    """Short ones, as they should be."""
    connection = sqlite3.connect(FILE)
    connection.execute(f"pragma journal_mode={journal}")

    def order(number):
        with connection:
            connection.execute("update items set price = price + 1 where id = ?", (number % 1000 + 1,))
            connection.execute("insert into notes (body) values (?)", (SECRET,))
    steadily(order, 0.05)


def texts(limit):
    """Thousands of distinct texts, the values written into them."""
    connection = sqlite3.connect(FILE, cached_statements=limit)
    long = " and ".join(f"name <> 'name {n}'" for n in range(40))

    def batch(number):
        for row in range(number * 100, number * 100 + 100):
            sql = f"select name from items where {long} and name <> '{SECRET}' and id = {row}"
            connection.execute(sql).fetchall()  # LEAK: texts_kept
    steadily(batch, 0.1)


def short_lived():
    def request(number):
        connection = sqlite3.connect(FILE)
        connection.execute(ONE, (number % 1000 + 1,)).fetchall()
        connection.close()
    steadily(request, 0.02)


def now_and_then():
    """Opened for each request, and forgotten on one path of four."""
    def request(number):
        connection = sqlite3.connect(FILE)  # LEAK: now_and_then
        connection.execute(ONE, (number % 1000 + 1,)).fetchall()
        if number % 4:
            connection.close()
        else:
            kept.append(connection)
    steadily(request, 0.1)


def one_connection():
    connection = sqlite3.connect(FILE)
    steadily(lambda number: connection.execute(ONE, (number % 1000 + 1,)).fetchall(), 0.3)


def stream():
    """Reads 600,000 rows, a few at a time."""
    rows = sqlite3.connect(FILE).execute("with recursive n(i) as (select 1 union all select i + 1 from n "
                                         f"where i < 600000) select i, '{SECRET}' from n")
    for number, _ in enumerate(rows):
        if number == 1000:
            ready()
        if number % 2000 == 0:
            time.sleep(0.1)
    idle()


ROWS = "with recursive n(i) as (select 1 union all select i + 1 from n where i < {0}) " \
       f"select i, '{SECRET}' || i as name from n"


def results_kept():
    """A whole table for one page."""
    from sqlalchemy import text
    factory = session_factory()

    def request(number):
        with factory() as session:
            rows = session.execute(text(ROWS.format(200000))).all()  # LEAK: results_kept
            kept[:] = [rows[:20]]
    steadily(request, 3)


def list_kept():
    """The same by hand: each row as it comes, of a statement that stays."""
    connection = sqlite3.connect(FILE)
    connection.execute(ROWS.format(10)).fetchall()

    def request(number):
        for row in connection.execute(ROWS.format(150000)):  # LEAK: list_kept
            kept.append(row)
        if number:
            kept.clear()
    steadily(request, 3)


def rows_passed():
    """Streams, counts and sums, as fast as they come, of statements that stay."""
    connection = sqlite3.connect(FILE)

    def request(number):
        total = sum(row[0] for row in connection.execute(ROWS.format(600000)))
        assert connection.execute(f"select sum(i), count(*) from ({ROWS.format(600000)})").fetchone()[0] == total
        for _ in connection.execute(ROWS.format(200000) + " order by name"):
            pass
    steadily(request, 1, 1)


def rows_beside_others():
    """The program has grown before it reads, and keeps none of what it reads."""
    connection = sqlite3.connect(FILE)
    connection.execute("pragma temp_store = memory")

    def request(number):
        if number < 6:
            kept.append([bytes(2000) for _ in range(10000)])
        time.sleep(1.5)
        for _ in connection.execute(ROWS.format(100000)):
            pass
        for _ in connection.execute(f"select distinct name from ({ROWS.format(100000)}) order by name"):
            pass
    steadily(request, 0.5)


def memory():
    """A database in memory for each test, thrown away after it; and one that stays."""
    stays = sqlite3.connect(":memory:")
    stays.execute("create table t (a)")

    def test(number):
        connection = sqlite3.connect(":memory:")
        connection.execute("create table t (a)")
        connection.execute("insert into t values (?)", (number,))
        connection.commit()
        connection.close()
        with stays:
            stays.execute("insert into t values (?)", (number,))
    steadily(test, 0.1)


def places():
    """The same file by many names, from a directory that is left at once."""
    folder = os.path.dirname(FILE)
    os.symlink(FILE, os.path.join(folder, "link.db"))
    deep = os.path.join(folder, "d" * 120, "e" * 120)
    os.makedirs(deep)
    os.chdir(folder)
    kept.append(sqlite3.connect("shop.db"))
    kept.append(sqlite3.connect(os.path.join(folder, "link.db")))
    kept.append(sqlite3.connect("file:shop.db?mode=ro", uri=True))
    kept.append(sqlite3.connect(f"file://{folder}/%73hop.db?cache=private", uri=True))
    kept.append(sqlite3.connect("file::memory:?cache=shared", uri=True))
    kept.append(sqlite3.connect(os.path.join(deep, "long.db")))
    kept.append(sqlite3.connect("gone.db"))
    kept.append(sqlite3.connect(""))
    for connection in kept[-3:-1]:
        connection.execute("create table t (a)")
    os.unlink("gone.db")
    os.chdir("/")
    idle()


HABITS = {
    "sessions_kept": sessions_kept, "sessions_closed": sessions_closed, "pool": pool,
    "cursors_kept": cursors_kept, "cursors_closed": cursors_closed,
    "reader_left": lambda: reader(True), "reader_closed": lambda: reader(False),
    "transaction": transaction, "transaction_again": transaction_again, "transactions_wal": lambda: transactions("wal"),
    "transactions_delete": lambda: transactions("delete"),
    "texts_kept": lambda: texts(100000), "texts": lambda: texts(128),
    "short_lived": short_lived, "now_and_then": now_and_then, "one_connection": one_connection,
    "results_kept": results_kept, "list_kept": list_kept, "rows_passed": rows_passed,
    "rows_beside_others": rows_beside_others, "stream": stream, "memory": memory, "places": places,
}

HABITS[HABIT]()
