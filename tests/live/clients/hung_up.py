# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Connections that the server ends: kept in CLOSE_WAIT, or noticed and closed.

hung_up.py kept | closed [NUMBER]   six, or so many
hung_up.py refused NUMBER           logins that it refuses, whose errors keep their sockets (psycopg 3)
"""
import sys

import db

NUMBER = int(sys.argv[2]) if len(sys.argv) > 2 else 6


def refused():
    try:
        db.connect(dbname="nosuch")
    except Exception as error:
        return error


control = db.connect()
errors = [refused() for _ in range(NUMBER)] if sys.argv[1] == "refused" else []
victims = [] if errors else [db.connect() for _ in range(NUMBER)]  # LEAK: kept
for connection in victims:
    with connection.cursor() as cursor:
        db.one_row(cursor, 1)
    connection.commit()
with control.cursor() as cursor:
    for connection in victims:
        if db.KIND == "postgresql":
            cursor.execute("select pg_terminate_backend(%d)" % connection.get_backend_pid())
        else:
            cursor.execute("kill %d" % connection.thread_id())
control.commit()
if sys.argv[1] == "closed":
    for connection in victims:
        connection.close()


def live(number):
    """The program goes on with the one connection that is left."""
    with control.cursor() as cursor:
        db.one_row(cursor, number)
    control.commit()


db.steadily(live, every=0.5)
