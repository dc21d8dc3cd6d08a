# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Greenlets, which copy the stack away and back, and threads take turns inside SQLite's calls."""
import sqlite3
import sys
import threading

import greenlet


def lite(turn):
    db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    db.execute("create table t (a text)")
    db.execute("insert into t values ('c'), ('a'), ('b')")
    db.create_function("turn", 1, lambda value: (turn(), value.upper())[1])
    db.create_collation("own", lambda a, b: (turn(), (a > b) - (a < b))[1])
    db.set_authorizer(lambda *_: (turn(), sqlite3.SQLITE_OK)[1])
    said = []
    for _ in range(3):
        said += [a for a, in db.execute("select turn(a) from t order by a collate own")]
    db.set_authorizer(None)
    db.create_function("throws", 1, lambda value: 1 // 0)
    try:
        db.execute("select throws(a) from t").fetchall()
    except sqlite3.OperationalError:
        said.append("caught")
    db.close()
    return said


def greenlets():
    results, ring = {}, []

    def turn():
        me = ring.index(greenlet.getcurrent())
        for step in range(1, len(ring)):
            other = ring[(me + step) % len(ring)]
            if not other.dead:
                other.switch()
                return

    def work(number):
        results[number] = lite(turn)

    ring += [greenlet.greenlet(lambda number=number: work(number)) for number in range(3)]
    while any(not one.dead for one in ring):
        next(one for one in ring if not one.dead).switch()
    for number in sorted(results):
        print("greenlet", number, *results[number])


def threads():
    results = {}

    def work(number):
        results[number] = lite(lambda: None)

    every = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in every:
        thread.start()
    for thread in every:
        thread.join()
    for number in sorted(results):
        print("thread", number, *results[number])


{"greenlets": greenlets, "threads": threads}[sys.argv[1]]()
print("ends well")
