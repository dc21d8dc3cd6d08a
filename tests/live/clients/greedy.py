# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""A client that fills tables which all processes share, at a PostgreSQL server of its own.

greedy.py kept N    prepares N names and closes none
greedy.py closed N  prepares N names, then closes each
greedy.py turns N   closes each of N names before the next
"""
import os
import socket
import struct
import sys

import db

STARTUP = struct.pack("!ii", 0, 196608) + b"user\0app\0database\0shop\0\0"
STARTUP = struct.pack("!i", len(STARTUP)) + STARTUP[4:]
READY = b"Z\0\0\0\5I"
SYNC = b"S\0\0\0\4"


def message(tag, body):
    return tag + struct.pack("!i", len(body) + 4) + body


def serve(listener):
    """Says yes to all."""
    client = listener.accept()[0]
    client.recv(4096)
    client.sendall(b"R\0\0\0\x08\0\0\0\0" + READY)
    while request := client.recv(4096):
        client.sendall((b"1" if request[:1] == b"P" else b"3") + b"\0\0\0\4" + READY)
    os._exit(0)


def ask(server, request):
    server.sendall(request + SYNC)
    server.recv(4096)


names = [b"s%d\0" % number for number in range(int(sys.argv[2]))]
listener = socket.create_server(("127.0.0.1", 0))
if not os.fork():
    serve(listener)
server = socket.create_connection(listener.getsockname())
listener.close()
server.sendall(STARTUP)
server.recv(4096)
for name in names:
    ask(server, message(b"P", name + b"select 1\0\0\0"))
    if sys.argv[1] == "turns":
        ask(server, message(b"C", b"S" + name))
if sys.argv[1] == "closed":
    for name in names:
        ask(server, message(b"C", b"S" + name))
db.ready()
db.idle()
