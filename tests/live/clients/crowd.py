# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Many processes, each with a name of its own and some connections.

crowd.py PROCESSES CONNECTIONS
"""
import ctypes
import os
import signal
import sys
import time

import db

PROCESSES, CONNECTIONS = map(int, sys.argv[1:])


def member(number):
    ctypes.CDLL(None).prctl(15, b"crowd-%d" % number, 0, 0, 0)  # PR_SET_NAME
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    connections = [db.connect() for _ in range(CONNECTIONS)]
    while True:
        for connection in connections:
            with connection.cursor() as cursor:
                db.one_row(cursor, number)
            connection.commit()
        time.sleep(2)


for process in range(PROCESSES):
    if os.fork() == 0:
        member(process)
time.sleep(1)
print("ready", flush=True)
signal.pause()
