# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Opens a connection in the main program, one in a thread and one in a greenlet, and says which is which."""
import os
import socket
import struct
import threading
import time

import greenlet

ADDRESS = (os.environ["PGHOST"], int(os.environ["PGPORT"]))
FIELDS = b"user\0app\0database\0shop\0\0"
KEPT = []


def connect(name):
    s = socket.socket()
    s.connect(ADDRESS)
    s.sendall(struct.pack("!II", 8 + len(FIELDS), 196608) + FIELDS)
    s.recv(1)
    KEPT.append(s)
    print(name, s.getsockname()[1], flush=True)


def inside():
    connect("greenlet")


connect("main")
thread = threading.Thread(target=connect, args=("thread",))
thread.start()
thread.join()
greenlet.greenlet(inside).switch()
time.sleep(0.5)
