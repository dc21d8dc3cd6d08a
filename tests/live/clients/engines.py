# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""A request handler that makes an engine of its own each time, or shares one.

engines.py gc | nogc | shared
engines.py tests COUNT   so many tests with an engine each, then the end
"""
import gc
import sys
import time

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


if mode == "tests":
    for number in range(int(sys.argv[2])):
        handle(number)
        time.sleep(0.05)
    sys.exit()
db.steadily(handle, every=0.25 if mode == "gc" else 1.0)
