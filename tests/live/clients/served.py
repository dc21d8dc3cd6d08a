# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""A server whose requests, lines over TCP, need a connection of psycopg_pool: see cases_pools_languages.py."""
import socket
import sys
import threading

import db
import serving
from psycopg_pool import ConnectionPool

pool = ConnectionPool("", min_size=0, max_size=10, timeout=3000, kwargs={"autocommit": "tx" not in sys.argv})
kept = []


def keep():
    connection = pool.getconn()
    connection.execute(db.ONE_ROW + "3").fetchall()
    kept.append(connection)


def get(sql):
    with pool.connection() as connection:  # WAITS
        connection.execute(sql).fetchall()


listener = socket.create_server(("127.0.0.1", 0), backlog=100)
print("port", listener.getsockname()[1], flush=True)
db.ready()
while True:
    threading.Thread(target=serving.serve, args=(listener.accept()[0], keep, get), daemon=True).start()
