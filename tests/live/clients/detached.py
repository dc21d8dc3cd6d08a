# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Connections taken out of SQLAlchemy's pool for good: kept, or closed after use.

detached.py kept | closed
"""
import sys

import db
from sqlalchemy import text

engine = db.engine()
kept = []


def detach(number):
    connection = engine.connect()
    connection.detach()
    connection.execute(text(db.ONE_ROW + str(number + 1))).all()  # LEAK: kept
    if sys.argv[1] == "kept":
        kept.append(connection)
    else:
        connection.close()


db.steadily(detach, every=1.0)
