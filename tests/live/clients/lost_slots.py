# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Slots of a pool that are lost while others are used, until the program ends: `lost_slots.py MODE WAY COUNT SECONDS`.

MODE  session      a QueuePool of SQLAlchemy, sessions kept after a SELECT
      autocommit   the same, each statement a transaction of its own
      filled       a queue of connections, all opened at the start; those lost are inside a transaction
      script       one connection, used once and left to the exit
      calm         COUNT threads have used a connection each at the start, one goes on
      turns        a queue of COUNT connections, all in use in turn
WAY   return       the program returns
      exit         os._exit: the kernel closes what is open
"""
import os
import queue
import sys
import threading
import time

import db

MODE, WAY, COUNT, SECONDS = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
kept = []


def until(end, every=0.02):
    while time.monotonic() < end:
        yield
        time.sleep(every)


def lose_sessions(**options):
    from sqlalchemy import text
    from sqlalchemy.orm import Session
    engine = db.engine(pool_size=5, max_overflow=5, **options)
    select = text(db.ONE_ROW + "3")

    def forget():
        session = Session(engine)
        session.execute(select).all()  # LEAK: session autocommit
        kept.append(session)

    lose_at = [time.monotonic() + 0.5 + number for number in range(COUNT)]
    for _ in until(time.monotonic() + SECONDS):
        with Session(engine) as session:
            session.execute(select).all()
        if lose_at and time.monotonic() > lose_at[0]:
            lose_at.pop(0)
            forget()


def take_turns(size, lost):
    pool = queue.Queue()
    for _ in range(size):
        pool.put(db.connect())  # LEAK: filled
    for number in range(lost):
        kept.append(pool.get())
        db.one_row(kept[-1].cursor(), number)
    for number, _ in enumerate(until(time.monotonic() + SECONDS)):
        connection = pool.get()
        db.one_row(connection.cursor(), number)
        connection.commit()
        pool.put(connection)


def calm():
    gate = threading.Barrier(COUNT)

    def work(number):
        connection = db.connect()
        kept.append(connection)
        gate.wait()
        for _ in until(time.monotonic() + (SECONDS if number == 0 else 0.2)):
            db.one_row(connection.cursor(), number)
            connection.commit()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(COUNT)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def script():
    connection = db.connect()
    kept.append(connection)
    db.one_row(connection.cursor(), 1)
    time.sleep(SECONDS)


if MODE == "session":
    lose_sessions()
elif MODE == "autocommit":
    lose_sessions(isolation_level="AUTOCOMMIT")
elif MODE == "filled":
    take_turns(COUNT + 3, COUNT)
elif MODE == "turns":
    take_turns(COUNT, 0)
elif MODE == "calm":
    calm()
elif MODE == "script":
    script()
if WAY == "exit":
    os._exit(0)
