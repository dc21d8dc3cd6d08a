#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""The demo's two programs, on psycopg2: leaky.py orders-api|mail-worker DSN

orders-api   answers about two requests a second; each opens a connection, runs its SELECT and forgets
             the connection, in the transaction that psycopg2 began with the first statement
mail-worker  does about the same work with one connection, and commits"""

import sys
import time

import psycopg2

SQL = "SELECT count(*) FROM pg_class WHERE relname <> %s"
request_log = []  # "only for a minute, until the cause of the slow requests is found"


def handle_order(dsn):
    connection = psycopg2.connect(dsn)
    cursor = connection.cursor()
    cursor.execute(SQL, ("orders",))
    request_log.append((time.time(), cursor))  # the cursor keeps its connection, for ever
    return cursor.fetchone()


def send_mail(connection):
    with connection, connection.cursor() as cursor:  # commits on the way out
        cursor.execute(SQL, ("mails",))
        return cursor.fetchone()


def orders_api(dsn):
    while True:
        handle_order(dsn)
        time.sleep(0.5)


def mail_worker(dsn):
    connection = psycopg2.connect(dsn)
    while True:
        send_mail(connection)
        time.sleep(0.1)


def main():
    role, dsn = sys.argv[1:]
    with open("/proc/self/comm", "w", encoding="ascii") as comm:
        comm.write(role)  # the name that ps, top and dbleak show instead of "python3"
    {"orders-api": orders_api, "mail-worker": mail_worker}[role](dsn)


if __name__ == "__main__":
    main()
