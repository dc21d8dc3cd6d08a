# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""A handler that returns without closing its connection when the query fails, one time in four.

errors.py leak | close
"""
import sys

import db

kept = []


def handle(number):
    connection = db.connect()  # LEAK: leak
    cursor = connection.cursor()
    try:
        if number % 4 == 3:
            cursor.execute(f"select nothing from items where name = '{db.SECRET}'")  # LEAK: leak
        db.one_row(cursor, number)
    except Exception:
        if sys.argv[1] == "leak":
            kept.append(connection)  # what a traceback or a log does in real life
            return
    connection.close()


db.steadily(handle, every=0.2, ready_after=8)
