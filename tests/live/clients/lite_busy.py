# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Prepares and finalizes statements of SQLite, distinct texts, SECONDS long: lite_busy.py SECONDS
[PAUSE].  Between them it rests PAUSE seconds.  Leaks nothing."""
import sqlite3
import sys
import time

seconds = float(sys.argv[1])
pause = float(sys.argv[2]) if len(sys.argv) > 2 else 0
connection = sqlite3.connect(":memory:", cached_statements=0)
print("ready", flush=True)
until, number = time.monotonic() + seconds, 0
while time.monotonic() < until:
    number += 1
    connection.execute(f"select {number}").fetchall()
    if pause:
        time.sleep(pause)
connection.close()
time.sleep(60)
