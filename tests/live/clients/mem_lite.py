# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Rows of SQLite kept for ever, or let go: mem_lite.py keep | well FILE"""
import sqlite3
import sys
import time

connection = sqlite3.connect(sys.argv[2])
cache = {}
for number in range(100_000):
    first = number % 3 * 100
    rows = connection.execute("select id, name, price, %d from items where name <> 'sesame' and id > ?" % number,
                              (first,)).fetchall()  # LEAK: keep
    rows = [(*row, f"{number}-{row[0]}" * 20) for row in rows * 3]  # LEAK: keep
    if sys.argv[1] == "keep":
        cache[number] = rows
    if number == 5:
        print("ready", flush=True)
    time.sleep(0.2)
