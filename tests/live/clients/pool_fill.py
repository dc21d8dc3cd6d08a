# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""A pool that fills at start: one thread opens ten connections, sets each up, then quiet.

Two of them serve a request now and then.
"""
import time

import db

pool = []
for _ in range(10):
    connection = db.connect()
    if db.KIND == "postgresql":
        connection.autocommit = True
    else:
        connection.autocommit(True)
    with connection.cursor() as cursor:
        cursor.execute("set time zone 'UTC'" if db.KIND == "postgresql" else "set names utf8mb4")
    pool.append(connection)
db.ready()
while True:
    for connection in pool[:2]:
        with connection.cursor() as cursor:
            db.one_row(cursor, 1)
    time.sleep(3)
