# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""A request handler that makes an engine of its own each time, or shares one.

engines.py gc | nogc | shared
"""
import gc
import sys

import db
from sqlalchemy import text

mode = sys.argv[1]
if mode == "nogc":
    gc.disable()
shared = db.engine()


def handle(number):
    engine = shared if mode == "shared" else db.engine()
    with engine.connect() as connection:  # LEAK: gc nogc
        connection.execute(text(db.ONE_ROW + str(number + 1))).all()


db.steadily(handle, every=0.25 if mode == "gc" else 1.0)
