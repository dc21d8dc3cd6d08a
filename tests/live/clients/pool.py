# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""A QueuePool of 5: at work, quiet for longer than the minimum age, at work again."""
import threading
import time

import db
from sqlalchemy import text

engine = db.engine(pool_size=5, max_overflow=0)


def work(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with engine.begin() as connection:
            connection.execute(text(db.ONE_ROW + "3")).all()
            time.sleep(0.02)


def shift(seconds):
    threads = [threading.Thread(target=work, args=(seconds,)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


shift(3)
db.ready()
while True:
    time.sleep(8)
    shift(3)
