# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Collects garbage, and says how often: `collected FULL PARTIAL`, as gc.get_stats() has it.

collected.py counts   a few collections of each kind, by order and by itself
collected.py keeps    a connection twice a second, in a transaction, with a full collection each time
collected.py never    the same, and nothing is collected
"""
import gc
import os
import sys
import time

import db

gc.disable()
kept = [db.connect()]


def read(number):
    with kept[-1].cursor() as cursor:
        db.one_row(cursor, number)


def counts():
    read(0)
    time.sleep(4)  # until somebody watches
    before = [generation["collections"] for generation in gc.get_stats()]
    for generation, times in ((0, 7), (1, 3), (2, 5)):
        for _ in range(times):
            gc.collect(generation)
    gc.enable()
    cycles = []
    for number in range(200000):
        cycles.append([number])
        cycles[-1].append(cycles[-1])
        if len(cycles) == 20000:
            cycles.clear()
    gc.disable()
    after = [generation["collections"] for generation in gc.get_stats()]
    young, middle, full = (b - a for a, b in zip(before, after))
    print(f"collected {full} {young + middle}", flush=True)
    time.sleep(1.5)
    os._exit(0)  # the interpreter's end collects, too


def keep(number):
    kept.append(db.connect())
    read(number)
    if sys.argv[1] == "keeps":
        gc.collect()


if sys.argv[1] == "counts":
    counts()
else:
    db.steadily(keep, every=0.5)
