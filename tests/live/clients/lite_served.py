# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""lite_served.py SERVED DATABASE: has a file open that nobody serves, and works on a database that was opened
before: which file that is, is looked for among all that are open."""
import os
import sqlite3
import sys
import time

held = os.open(sys.argv[1], os.O_RDONLY)
database = sqlite3.connect(sys.argv[2])
database.execute("CREATE TABLE orders (number)")
print("ready", flush=True)
while True:
    database.execute("INSERT INTO orders VALUES (?)", (time.time(),))
    database.commit()
    time.sleep(0.1)
