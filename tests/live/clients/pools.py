# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Pools that are full before anybody looks, and what looks like them.

pools.py kept|autocommit|busy|rest   SQLAlchemy's QueuePool of 5 and 5 more
pools.py queue|jobs                  a queue of ten connections, made at home; a queue of jobs beside one
pools.py call|short FILE             a transaction across a call to another server, slow or quick;
                                     begins when the file is there
pools.py many                        200 threads that wait for a full pool
"""
import os
import queue
import socket
import sys
import threading
import time

import db

HOW = sys.argv[1]
lost = []


def engine(**more):
    return db.engine(pool_size=5, max_overflow=5, pool_timeout=3000, **more)


def in_threads(number, work):
    for _ in range(number):
        threading.Thread(target=work, daemon=True).start()


def query(connection, number=3):
    from sqlalchemy import text
    connection.execute(text(db.ONE_ROW + str(number))).all()


def full_pool(waiting, **more):
    """Ten sessions forgotten; requests queue up behind them."""
    pool = engine(**more)
    for _ in range(10):
        session = pool.connect()
        query(session)
        lost.append(session)

    def request():
        with pool.connect() as connection:  # WAITS
            query(connection)

    in_threads(waiting, request)


def busy():
    from sqlalchemy import text
    pool = engine()

    def request():
        while True:
            with pool.connect() as connection:
                connection.execute(text(db.SLEEP % 2)).all()

    in_threads(16, request)


def rest():
    pool = engine()

    def request():
        with pool.connect() as connection:
            query(connection)
            time.sleep(0.5)

    in_threads(10, request)
    time.sleep(2)


def home_made(taken):
    idle = queue.Queue()
    jobs = queue.Queue()
    for _ in range(10):
        connection = db.connect()
        connection.autocommit = True
        db.one_row(connection.cursor(), 1)
        idle.put(connection)

    def handle():
        conn = idle.get()  # WAITS
        db.one_row(conn.cursor(), 2)

    def work():
        jobs.get()

    lost.append(idle)
    if taken:
        for _ in range(10):
            lost.append(idle.get())
    in_threads(6, handle if taken else work)


def call(seconds):
    """A server that answers after so long, and a transaction across the call."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            peer, _ = listener.accept()
            peer.recv(1)
            time.sleep(seconds)
            peer.sendall(b"x")

    threading.Thread(target=serve, daemon=True).start()
    connection = db.connect()
    while True:
        db.one_row(connection.cursor(), 1)
        with socket.create_connection(listener.getsockname()) as other:
            other.sendall(b"x")
            other.recv(1)  # CALLS
        connection.commit()
        time.sleep(0.2)


if HOW == "kept":
    full_pool(6)
elif HOW == "autocommit":
    full_pool(6, isolation_level="AUTOCOMMIT")
elif HOW == "many":
    full_pool(200)
elif HOW == "busy":
    busy()
elif HOW == "rest":
    rest()
elif HOW in ("queue", "jobs"):
    home_made(HOW == "queue")
if HOW in ("call", "short"):
    db.ready()
    while not os.path.exists(sys.argv[2]):
        time.sleep(0.1)
    call(3000 if HOW == "call" else 0.02)
time.sleep(2)
db.ready()
db.idle()
