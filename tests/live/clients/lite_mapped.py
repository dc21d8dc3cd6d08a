# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""lite_mapped.py FILE DATABASE: leaks SQLite connections, and maps a file that it never touches.

Says where the mapping is: whoever reads that page through /proc/PID/mem hangs, and holds the memory map of this
process, if nobody serves the file."""
import mmap
import os
import re
import sqlite3
import sys
import time

with open(sys.argv[1], "rb") as file:
    mapped = mmap.mmap(file.fileno(), mmap.PAGESIZE, prot=mmap.PROT_READ, flags=mmap.MAP_PRIVATE)
with open("/proc/self/maps", encoding="utf-8") as maps:
    place = next(line for line in maps if line.rstrip().endswith(os.path.realpath(sys.argv[1])))
print("mapped", int(re.match("[0-9a-f]+", place)[0], 16), flush=True)
kept = []
while True:
    connection = sqlite3.connect(sys.argv[2])
    connection.execute("select 1").fetchall()
    kept.append(connection)
    if len(kept) == 1:
        print("ready", flush=True)
    time.sleep(0.3)
