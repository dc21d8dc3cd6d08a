# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""A suite for pytest: one test leaks a connection with each order, the other closes all of its own."""
import time

import psycopg2

ORDERS, EVERY = 12, 0.35
kept = []


def order(number):
    connection = psycopg2.connect("")  # LEAK: order
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("select id, name from items where id = %s", (number + 1,))
        assert cursor.fetchall()
    return connection


def test_checkout():
    for number in range(ORDERS):
        kept.append(order(number))
        time.sleep(EVERY)


def test_refund():
    for number in range(ORDERS):
        order(number).close()
        time.sleep(EVERY / 7)
