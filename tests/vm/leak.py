# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""The Python clients of the virtual machine test: leak.py pg|my|lite leak|healthy.

leak opens one connection after another and closes none; healthy closes each but the first, which it uses
again and again.  The first answer of the database is told as "ready" on standard output."""
import sys
import time

KIND, HABIT = sys.argv[1:]
EVERY_SECONDS = 2  # each connection is a process of the server, which probes go into, too


def connect():
    if KIND == "pg":
        import psycopg2
        connection = psycopg2.connect("host=127.0.0.1 user=nobody dbname=postgres sslmode=disable")
        connection.autocommit = True
        return connection
    if KIND == "my":
        import pymysql
        return pymysql.connect(unix_socket="/run/my/sock", user="root", database="mysql")
    import sqlite3
    return sqlite3.connect("/tmp/shop.db", isolation_level=None)


def ask(connection):
    cursor = connection.cursor()
    if KIND == "lite":
        cursor.execute("create table if not exists items (id integer)")
    cursor.execute("select 1")
    cursor.fetchall()
    cursor.close()


def main():
    kept = [connect()]
    ask(kept[0])
    print("ready", flush=True)
    while True:
        time.sleep(EVERY_SECONDS)
        connection = connect()
        ask(connection)
        if HABIT == "leak":
            kept.append(connection)
        else:
            connection.close()
            ask(kept[0])


main()
