# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Prepares and finalizes statements of SQLite, distinct texts, SECONDS long: lite_busy.py SECONDS
[PAUSE [AFTER | open]].  Between them it rests PAUSE seconds, and AFTER seconds (60) at the end.
open: opens and closes connections instead, beside one that it keeps.  Leaks nothing."""
import sqlite3
import sys
import time

seconds = float(sys.argv[1])
pause = float(sys.argv[2]) if len(sys.argv) > 2 else 0
opens = "open" in sys.argv[3:]
connection = sqlite3.connect(":memory:", cached_statements=0)
print("ready", flush=True)
until, number = time.monotonic() + seconds, 0
while time.monotonic() < until:
    number += 1
    if opens:
        sqlite3.connect(":memory:").close()
    else:
        connection.execute(f"select {number}").fetchall()
    if pause:
        time.sleep(pause)
connection.close()
time.sleep(float(sys.argv[3]) if len(sys.argv) > 3 and not opens else 60)
