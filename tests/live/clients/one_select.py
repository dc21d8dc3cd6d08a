# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""One session, one SELECT, then idle for long: with the transaction open, or committed.

one_select.py open | committed
"""
import sys

import db
from sqlalchemy import text
from sqlalchemy.orm import Session

session = Session(db.engine())
session.execute(text(db.ONE_ROW + "7")).all()  # LEAK: open
if sys.argv[1] == "committed":
    session.commit()
db.ready()
db.idle()
