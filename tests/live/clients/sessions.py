# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""SQLAlchemy sessions, one a second: kept and never closed, or closed by their `with`.

sessions.py kept [POOL_SIZE] | closed
"""
import sys

import db
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError
from sqlalchemy.orm import sessionmaker

pool_size = int(sys.argv[2]) if len(sys.argv) > 2 else 5
Session = sessionmaker(db.engine(pool_size=pool_size))
kept = []


def keep(number):
    session = Session()
    try:
        session.execute(text(db.ONE_ROW + str(number + 1))).all()  # LEAK: kept
        kept.append(session)
    except TimeoutError:  # the pool is empty: this is how the owner notices
        session.close()


def close(number):
    with Session() as session:
        session.execute(text(db.ONE_ROW + str(number + 1))).all()


if sys.argv[1] == "kept":
    db.steadily(keep, every=1.0)
else:
    db.steadily(close, every=0.1)
