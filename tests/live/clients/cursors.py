# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""PostgreSQL's cursors on the server, by their names.

cursors.py kept      one WITH HOLD three times a second, its first rows read, then forgotten
cursors.py kept3     the same with psycopg 3, outside any transaction and remembered
cursors.py auto      the same outside of any transaction
cursors.py few       six of them, then nothing more
cursors.py closed    as many as kept, each closed; an ordinary one between them
cursors.py stream    600,000 rows through an ordinary one, again and again
cursors.py hold      600,000 rows through one WITH HOLD, again and again
cursors.py plain     an ordinary one left half read, and its transaction with it
"""
import sys
import time

import db

SQL = f"select id, name from items where name <> '{db.SECRET}'"


def declare(connection, number, hold=True):
    cursor = connection.cursor(f"report {number}", withhold=hold)
    cursor.execute(SQL + " and id < 1000")  # LEAK: kept few plain
    cursor.fetchmany(10)
    connection.commit() if hold else None
    return cursor


def kept():
    connection = db.connect()
    db.steadily(lambda number: declare(connection, number), every=0.3)


def kept3():
    import psycopg
    connection, cursors = psycopg.connect("", autocommit=True), []

    def keep(number):
        cursor = connection.cursor(f"report {number}", withhold=True)
        cursor.execute(SQL + " and id < %s", (1000,))  # LEAK: kept3
        cursor.fetchmany(10)  # LEAK: kept3
        cursors.append(cursor)
    db.steadily(keep, every=0.3)


def auto():
    connection = db.connect()
    connection.autocommit = True
    held = connection.cursor()

    def step(number):
        held.execute(f"declare report{number} cursor with hold for {SQL} and id < 1000")  # LEAK: auto
    db.steadily(step, every=0.3)


def few():
    connection = db.connect()
    cursors = [declare(connection, number) for number in range(6)]
    db.ready()
    db.idle()
    return cursors


def closed():
    connection = db.connect()

    def step(number):
        cursor = declare(connection, number)
        ordinary = declare(connection, number + 0.5, hold=False)
        ordinary.close()
        connection.commit()
        cursor.fetchall()
        cursor.close()
        connection.commit()
    db.steadily(step, every=0.05)


def stream(hold=False):
    connection = db.connect()
    rounds = 0
    while True:
        with connection.cursor("all", withhold=hold) as cursor:
            cursor.itersize = 5000
            cursor.execute(SQL)
            if hold:
                connection.commit()
            rows = sum(1 for _ in cursor)
        connection.commit()
        assert rows == 600_000, rows
        rounds += 1
        if rounds == 1:
            db.ready()


def plain():
    connection = db.connect()
    cursor = declare(connection, 1, hold=False)
    db.ready()
    time.sleep(1)
    db.idle()
    return cursor


{"kept": kept, "kept3": kept3, "auto": auto, "few": few, "closed": closed, "stream": stream,
 "hold": lambda: stream(hold=True), "plain": plain}[sys.argv[1]]()
