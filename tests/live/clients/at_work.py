# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Held long, but at work or waiting by design.

at_work.py sleep     a query that takes 9 seconds, inside a transaction, again and again
at_work.py stream    a server-side cursor read slowly, 200 rows at a time, by autocommit or not
at_work.py listen    LISTEN, then wait for what may never come (PostgreSQL)
"""
import select
import sys
import time

import db


def sleep():
    connection = db.connect()
    db.ready()
    while True:
        with connection.cursor() as cursor:
            db.one_row(cursor, 1)
            cursor.execute(db.SLEEP % 9)
        connection.commit()


def stream_cursor(connection):
    if db.DRIVER == "psycopg2":
        cursor = connection.cursor("stream")
        cursor.itersize = 200
        return cursor
    if db.DRIVER == "pymysql":
        from pymysql.cursors import SSCursor
        return connection.cursor(SSCursor)
    from MySQLdb.cursors import SSCursor
    return connection.cursor(SSCursor)


def stream():
    connection = db.connect()
    db.ready()
    while True:
        cursor = stream_cursor(connection)
        cursor.execute(f"select id, name from items where name <> '{db.SECRET}'")
        while cursor.fetchmany(200):
            time.sleep(0.02)
        cursor.close()
        connection.commit()


def listen():
    connection = db.connect()
    connection.autocommit = True
    connection.cursor().execute("listen news")
    db.ready()
    while True:
        select.select([connection], [], [])
        connection.poll()


{"sleep": sleep, "stream": stream, "listen": listen}[sys.argv[1]]()
