# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""A large reply that is read row by row, for a while or for good, while other connections come and go.

given_up.py given | slow
"""
import sys

import db

reader = db.connect()
if db.DRIVER == "psycopg":
    rows = reader.cursor().stream("select id, name from items where name <> 'sesame'")
else:
    import pymysql.cursors
    rows = reader.cursor(pymysql.cursors.SSCursor)
    rows.execute("select id, name from items where name <> 'sesame'")
    rows = iter(rows)
kept = [next(rows) for _ in range(10)]


def live(number):
    if sys.argv[1] == "slow":
        for _ in range(2000):
            next(rows, None)
    other = db.connect()
    db.one_row(other.cursor(), number)
    other.close()


db.steadily(live, every=0.5)
