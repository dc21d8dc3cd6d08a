# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Habits in which a TLS library's sessions could be taken for one another.

tls.py reconnect   many sessions one after the other, so that the library's objects come again at
                   the same address; then one connection in a transaction, one outside
tls.py interleaved two connections used in turn by one thread: one leaves its transaction open
tls.py threads     12 threads at work at once, each with a connection of its own
tls.py fork        a child inherits the connection and goes on with it, in a transaction
tls.py large       one statement and one reply longer than any record of TLS
tls.py statements  SQL's PREPARE without DEALLOCATE
"""
import os
import sys
import threading
import time

import db


def run(connection, sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)  # LEAK: any
        return cursor.fetchall()


def reconnect():
    for number in range(60):
        connection = db.connect()
        run(connection, db.ONE_ROW + str(number + 1))
        if number % 2:
            connection.commit()
        connection.close()
    idle, working = db.connect(), db.connect()
    run(idle, "select 1")
    idle.commit()
    run(working, db.ONE_ROW + "7")  # LEAK: reconnect
    db.ready()
    db.idle()


def interleaved():
    careful, careless = db.connect(), db.connect()
    for number in range(50):
        run(careful, f"select {number} as careful")
        run(careless, f"select {number} as another")
        careless.commit()
        careful.commit()
    run(careful, "select 1 as careful")
    run(careless, db.ONE_ROW + "7")  # LEAK: interleaved
    db.ready()
    while True:
        careful.commit()
        time.sleep(0.3)
        run(careful, "select 1 as careful")
        careful.commit()


def work(pause):
    connection, number = db.connect(), 0
    while True:
        number += 1
        run(connection, db.ONE_ROW + str(number % 1000 + 1))
        connection.commit()
        time.sleep(pause)


def threads():
    for _ in range(12):
        threading.Thread(target=work, args=(0.1,), daemon=True).start()
    time.sleep(1)
    db.ready()
    db.idle()


def fork():
    connection = db.connect()
    run(connection, "select 1")
    connection.commit()
    child = os.fork()
    if child == 0:
        time.sleep(1)
        run(connection, db.ONE_ROW + "7")  # LEAK: fork
        db.idle()
    print("child", child, flush=True)
    time.sleep(2)
    db.ready()
    db.idle()


def large():
    connection = db.connect()
    run(connection, "select 1 as early")
    connection.commit()
    longest = "x" * 100_000
    for _ in range(3):
        rows = run(connection, f"select id, name, '{longest}' from items where id <= 40 and name <> '{db.SECRET}'")
        assert len(rows) == 40 and rows[39][2] == longest
        connection.commit()
    run(connection, db.ONE_ROW + "7")  # LEAK: large
    db.ready()
    db.idle()


def statements():
    connection = db.connect()
    prepare = {"postgresql": "prepare p%d as select id from items where id = $1",
               "mysql": "prepare p%d from 'select id from items where id = ?'"}[db.KIND]

    def step(number):
        with connection.cursor() as cursor:
            cursor.execute(prepare % number)  # LEAK: statements
        connection.commit()

    db.steadily(step, every=0.005, ready_after=20)


{"reconnect": reconnect, "interleaved": interleaved, "threads": threads, "fork": fork, "large": large,
 "statements": statements}[sys.argv[1]]()
