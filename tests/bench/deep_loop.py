#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""deep_loop.py DEPTH SECONDS DSN: short transactions under so many Python frames, at most 1,000 a second;
prints how many."""
import sys
import time

import psycopg2


def deep(n, work):
    return deep(n - 1, work) if n else work()


def main():
    depth, seconds, dsn = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
    connection = psycopg2.connect(dsn)
    cursor = connection.cursor()

    def transactions():
        done, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            cursor.execute("select 1")
            connection.rollback()
            done += 1
            time.sleep(0.001)
        return done

    print(deep(depth - 4, transactions))  # beside deep(0), transactions, main and the module


main()
