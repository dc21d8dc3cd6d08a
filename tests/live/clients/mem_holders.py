# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Who keeps rows without being a cache: mem_holders.py notify | log | views | dirty | listeners | threads | knots |
tasks | failures

Their healthy twins: mem_holders.py warmup | keys | flushed | session
"""
import asyncio
import gc
import sys
import threading
import time

import db

ROWS = 1500
KEPT, CACHE, TASKS = [], {}, set()


def fetch(number, rows=ROWS):
    """What a helper takes is another's to keep."""
    cursor.execute(f"select id, name, price from items where name <> '{db.SECRET}' "  # LEAK: any
                   f"and id > {number * rows % 100_000} order by id limit {rows}")
    return cursor.fetchall()  # LEAK: any


def notify(number):
    """The driver puts them into a list, and nobody takes them out."""
    sender.execute("select pg_notify('news', %s || i || repeat('x', 7000)) from generate_series(1, 40) i", (f"{number} ",))
    for _ in range(40):
        connection.poll()  # LEAK: notify


def log(number):
    """Django's connection.queries, and what is made in its image."""
    for one in range(80):
        sql = db.ONE_ROW + f"{one} /* {number} {'x' * 2500} */"  # LEAK: log
        cursor.execute(sql)
        KEPT.append({"sql": sql, "time": time.time()})  # LEAK: log


def views(number):
    """A small view keeps the whole block."""
    block = bytearray(b"".join(b"%d|%s|%d\n" % (row[0], row[1].encode(), row[2])  # LEAK: views
                               for row in fetch(number)) * 6)  # LEAK: views
    KEPT.append(memoryview(block)[:100])


def dirty(number):
    """What is changed and never written stays in the session."""
    first = number * 200 % 100_000
    for item in session.query(Item).filter(Item.name != db.SECRET, Item.id > first, Item.id <= first + 200):  # LEAK: dirty
        item.price += 1  # LEAK: dirty


def listeners(number):
    rows = []

    @sqlalchemy.event.listens_for(engine, "before_cursor_execute")
    def seen(*_):
        return len(rows)

    with engine.connect() as one:
        rows.extend(one.execute(sqlalchemy.text(  # LEAK: listeners
            f"select id, name, price from items where name <> '{db.SECRET}' limit {ROWS}")).all())  # LEAK: listeners


def wait_for_ever(number, started):
    rows = fetch(number)  # LEAK: threads
    started.set()
    while rows:
        time.sleep(60)


def threads(number):
    started = threading.Event()
    threading.Thread(target=wait_for_ever, args=(number, started), daemon=True).start()
    started.wait()


def knots(number):
    """The collector is off."""
    knot = [fetch(number)]  # LEAK: knots
    knot.append(knot)


async def task(number):
    rows = fetch(number)  # LEAK: tasks
    await asyncio.Event().wait()
    print(rows)


async def work():
    for number in range(1_000_000):
        TASKS.add(asyncio.create_task(task(number)))
        if number == 3:
            db.ready()
        await asyncio.sleep(0.2)


def failures(number):
    """Now and then something fails, and what it was about is kept."""
    rows = fetch(number)
    try:
        if number % 12 == 3:
            rows = fetch(number, 16_000)  # LEAK: failures
            cursor.execute("select 1 / 0 from items where name <> '%s'" % db.SECRET)
        rows = None
        connection.commit()
    except Exception:
        KEPT.append(rows)
        connection.rollback()


def warmup(number):
    """What it needs for good is loaded page by page, then comes the work."""
    if number < 60:
        KEPT.append(fetch(number, 3000))
    else:
        fetch(number)


def keys(number):
    """Ever fewer are new, as evenly as chance has it in the mean: all 40 are there after 80 steps."""
    key = int((number * 0.618034 % 1) ** 2 * 40)
    if key not in CACHE:
        CACHE[key] = fetch(key, 2000)
    fetch(number, 10)


def flushed(number):
    KEPT.extend(fetch(number))
    if number % 30 == 29:
        KEPT.clear()


def one_session(number):
    """It forgets what nobody else has."""
    first = number * 300 % 100_000
    session.query(Item).filter(Item.name != db.SECRET, Item.id > first, Item.id <= first + 300).all()


def mapped(engine):
    from sqlalchemy import Column, Integer, String
    from sqlalchemy.orm import Session, declarative_base

    class Row(declarative_base()):
        __tablename__ = "items"
        id = Column(Integer, primary_key=True)
        name = Column(String)
        price = Column(Integer)
    return Session(engine, autoflush=False), Row


HABITS = {"notify": notify, "log": log, "views": views, "dirty": dirty, "listeners": listeners, "threads": threads,
          "knots": knots, "tasks": None, "failures": failures, "warmup": warmup, "keys": keys, "flushed": flushed,
          "session": one_session}
habit = sys.argv[1]
step = HABITS[habit]
if step in (dirty, listeners, one_session):
    import sqlalchemy
    engine = db.engine()
    session, Item = mapped(engine)
else:
    connection = db.connect()
    connection.autocommit = habit != "failures"
    cursor = connection.cursor()
if habit == "notify":
    cursor.execute("listen news")
    other = db.connect()
    other.autocommit = True
    sender = other.cursor()
if habit == "knots":
    gc.disable()
if habit == "tasks":
    asyncio.run(work())
db.steadily(step, 0.2)
