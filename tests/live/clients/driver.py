# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Results through a Python driver, a step each 10 ms.

driver.py errors leak|well   failed INSERTs: the error's `diag` is kept, or dropped (psycopg2)
driver.py cursors leak|well  cursors with a result each are kept open, or closed
driver.py rows leak|well     cursors that read row by row, kept unread, or read and closed
driver.py sum                a fixed piece of work; prints `sum CHECKSUM` of all it has read
"""
import hashlib
import os
import sys
import time

import db

kept = []


def connect():
    if db.DRIVER != "psycopg":
        return db.connect()
    import psycopg
    return psycopg.connect("")


def errors(connection, leaks):
    cursor = connection.cursor()
    try:
        cursor.execute("insert into items values (1, 'twice', 1)")  # LEAK: errors-leak
    except Exception as error:  # not handed on: with its caller's frame it would wait for the garbage collector
        if leaks:
            kept.append(error.diag)
    connection.rollback()
    cursor.close()


def cursors(connection, leaks):
    cursor = connection.cursor()
    db.one_row(cursor, 5)  # LEAK: cursors-leak
    connection.commit()
    if leaks:
        kept.append(cursor)
    else:
        cursor.close()


def rows(connection, leaks):
    """MySQL: on one connection only one result may be unread, so each has its own."""
    from MySQLdb.cursors import SSCursor
    if leaks:
        connection = db.connect()  # LEAK: rows-leak
    cursor = connection.cursor(SSCursor)
    cursor.execute("select id, name from items limit 5000")  # LEAK: rows-leak
    cursor.fetchone()
    if leaks:
        kept.append((connection, cursor))
    else:
        cursor.fetchall()
        cursor.close()


def work():
    digest = hashlib.sha256()
    connection = connect()
    for number in range(300):
        cursor = connection.cursor()
        cursor.execute(f"select id, name, price from items where id between {number * 7} and {number * 7 + 20} "
                       "order by id")
        digest.update(repr(cursor.fetchall()).encode())
        cursor.close()
    connection.commit()
    connection.close()
    print("sum", digest.hexdigest(), flush=True)


def main():
    if sys.argv[1] == "sum":
        work()
        db.ready()
        return
    step, leaks = {"errors": errors, "cursors": cursors, "rows": rows}[sys.argv[1]], sys.argv[2] == "leak"
    pause = float(sys.argv[3]) if len(sys.argv) > 3 else 0.01
    connection = connect()
    for number in range(10 ** 9):
        step(connection, leaks)
        if number == 10:
            db.ready()
        time.sleep(pause)


main()
