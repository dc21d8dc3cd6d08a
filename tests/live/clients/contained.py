# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Opens a connection every quarter of a second and keeps it.  No library but Python's own, so that it runs
wherever an interpreter does."""
import os
import socket
import struct
import time

FIELDS = b"user\0app\0database\0shop\0\0"
kept = []


def monthly():
    s = socket.create_connection((os.environ["PGHOST"], int(os.environ["PGPORT"])))  # LEAK: contained
    s.sendall(struct.pack("!II", 8 + len(FIELDS), 196608) + FIELDS)
    s.recv(4096)
    kept.append(s)


while True:
    monthly()
    time.sleep(0.25)
