# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""A SQLite reader beside a writer, until the program ends: `lite_held.py HABIT FOLDER SECONDS`.

HABIT  reader    one connection leaves a statement half read; the log grows behind it
       killed    the same, and the program ends by os._exit
       finished  the statement is read to its end
       exited    the half read statement is the program's last deed
"""
import os
import sqlite3
import sys
import time

HABIT, FOLDER, SECONDS = sys.argv[1], sys.argv[2], float(sys.argv[3])
file = os.path.join(FOLDER, "held.db")


def connect():
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = off")
    return connection


def start_reading():
    cursor = connect().execute("select id, body from notes")  # LEAK: reader killed
    return cursor if HABIT != "finished" and cursor.fetchone() else cursor.fetchall() and None


writer = connect()
writer.execute("create table notes (id integer primary key, body blob)")
writer.execute("begin")
writer.executemany("insert into notes values (?, ?)", ((number, bytes(100)) for number in range(1, 1001)))
writer.execute("commit")
cursor = None if HABIT == "exited" else start_reading()
end = time.monotonic() + SECONDS
while time.monotonic() < end:
    writer.execute("update notes set body = ? where id % 20 = ?", (os.urandom(4000), int(time.monotonic() * 100) % 20))
    time.sleep(0.005)
if HABIT == "exited":
    cursor = start_reading()
if HABIT == "killed":
    os._exit(0)
