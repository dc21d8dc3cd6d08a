# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Connections that are as they are when the tracer comes, and stay so.

left_before.py inside  three, each inside a transaction that has read a row and changed none
left_before.py ended   the same, committed
"""
import sys

import db

NUMBER = {"postgresql": "select pg_backend_pid()", "mysql": "select connection_id()"}[db.KIND]
kept = []

for number in range(3):
    connection = db.connect()
    kept.append(connection)
    with connection.cursor() as cursor:
        cursor.execute(NUMBER)
        print("session", cursor.fetchone()[0], flush=True)
        db.one_row(cursor, number)
    if sys.argv[1] == "ended":
        connection.commit()
db.ready()
db.idle()
