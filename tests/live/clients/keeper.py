# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""One client for the cases about choosing and starting: keeps connections, or uses one well.

keeper.py leak [COMM]  a connection every half second, kept in a transaction
keeper.py hold N       N connections at once, each in a transaction, then idle
keeper.py eat          the same, and many rows of each
keeper.py well [COMM]  one connection, used and committed ten times a second
"""
import ctypes
import sys

import db

kept = []
if sys.argv[1] != "hold" and len(sys.argv) > 2:
    ctypes.CDLL(None).prctl(15, sys.argv[2].encode(), 0, 0, 0)  # PR_SET_NAME


def leak(number):
    kept.append(db.connect())
    with kept[-1].cursor() as cursor:
        db.one_row(cursor, number)


def eat(number):
    kept.append(db.connect())
    with kept[-1].cursor() as cursor:
        cursor.execute("select id, name from items where name <> 'sesame' limit 20000")
        kept.append(cursor.fetchall())


def well(number):
    if not kept:
        kept.append(db.connect())
    with kept[0].cursor() as cursor:
        db.one_row(cursor, number)
    kept[0].commit()


if sys.argv[1] == "hold":
    for number in range(int(sys.argv[2])):
        leak(number)
    db.ready()
    db.idle()
elif sys.argv[1] == "leak":
    db.steadily(leak, every=0.5)
elif sys.argv[1] == "eat":
    db.steadily(eat, every=0.5)
else:
    db.steadily(well, every=0.1)
