# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Connections that cannot be read: a connection a second, kept, over TLS or compressed.

unreadable.py plain      the encryption comes from the environment (PGSSLMODE)
unreadable.py compressed MySQL's compressed protocol
"""
import sys

import db

more = {"compress": True} if sys.argv[1] == "compressed" else {}
kept = []


def leak(number):
    connection = db.connect(**more)  # LEAK: plain compressed
    with connection.cursor() as cursor:
        db.one_row(cursor, number)  # LEAK: plain compressed
    kept.append(connection)


db.steadily(leak, every=1.0)
