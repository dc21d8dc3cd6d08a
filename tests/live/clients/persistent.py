# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Connections kept on purpose.

persistent.py php      five persistent connections serve 200 requests in turn, then more
persistent.py workers  20 threads start one after the other, each with a connection of its own
"""
import sys
import threading
import time

import db


def serve(connection):
    with connection.cursor() as cursor:
        db.one_row(cursor, 1)
    connection.commit()


def php():
    connections = [db.connect() for _ in range(5)]
    for number in range(200):
        serve(connections[number % 5])
    db.ready()
    while True:
        for connection in connections:
            serve(connection)
            time.sleep(0.3)


def worker(number):
    connection = db.connect()
    while True:
        serve(connection)
        time.sleep(2 + number / 10)


def workers():
    for number in range(20):
        threading.Thread(target=worker, args=(number,), daemon=True).start()
        time.sleep(0.2)
    db.ready()
    db.idle()


{"php": php, "workers": workers}[sys.argv[1]]()
