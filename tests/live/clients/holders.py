# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""One socket, many holders: each connection must be counted once, and its opener owns it.

holders.py dup       three busy connections, each duplicated three times
holders.py dup-leak  a connection a second, kept, each duplicated twice
holders.py fork      leaks a connection a second; three children inherit the first ones
holders.py prefork   the parent connects once; four children inherit and never use it
holders.py orphan    the opener leaves six open transactions to its child and exits
holders.py pass      opens a connection a second and hands it to another process (SCM_RIGHTS)
"""
import os
import socket
import sys
import time

import db

kept = []


def child(run):
    pid = os.fork()
    if pid == 0:
        run()
        os._exit(0)
    print("child", pid, flush=True)


def opened(number=1):
    connection = db.connect()
    with connection.cursor() as cursor:
        db.one_row(cursor, number)  # LEAK: dup-leak fork
    return connection


def dup():
    for _ in range(3):
        connection = opened()
        connection.commit()
        kept.append((connection, [os.dup(connection.fileno()) for _ in range(3)]))

    def use(number):
        for connection, _ in kept:
            with connection.cursor() as cursor:
                db.one_row(cursor, number)
            connection.commit()

    db.steadily(use, every=0.5)


def dup_leak():
    def leak(number):
        connection = opened(number)
        kept.append((connection, [os.dup(connection.fileno()) for _ in range(2)]))

    db.steadily(leak, every=1.0)


def fork():
    def leak(number):
        kept.append(opened(number))
        if number == 2:
            for _ in range(3):
                child(db.idle)

    db.steadily(leak, every=1.0, ready_after=4)


def prefork():
    connection = opened()
    connection.commit()
    for _ in range(4):
        child(db.idle)

    def use(number):
        with connection.cursor() as cursor:
            db.one_row(cursor, number)
        connection.commit()

    db.steadily(use, every=1.0)


def orphan():
    for number in range(6):
        kept.append(opened(number))
    child(db.idle)
    db.ready()
    os._exit(0)


def take(receiver):
    while True:
        _, descriptors, _, _ = socket.recv_fds(receiver, 1, 1)
        kept.extend(descriptors)


def hand_over():
    sender, receiver = socket.socketpair()
    child(lambda: (sender.close(), take(receiver)))
    receiver.close()

    def leak(number):
        connection = opened(number)
        connection.commit()
        kept.append(connection)
        socket.send_fds(sender, [b"x"], [connection.fileno()])
        os.close(connection.fileno())  # the other process has it now

    db.steadily(leak, every=1.0)


{"dup": dup, "dup-leak": dup_leak, "fork": fork, "prefork": prefork, "orphan": orphan,
 "pass": hand_over}[sys.argv[1]]()
