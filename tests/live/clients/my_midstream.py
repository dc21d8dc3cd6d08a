# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Met in mid-stream: commands of which no byte tells that they are MySQL's, then work that does.

The server is behind a relay of our own, so neither its port nor its process says what it is.  For SECONDS the
program sends resets of statements that are not there; then it keeps a transaction open, or none.

my_midstream.py kept | well SECONDS
"""
import os
import socket
import struct
import sys
import threading
import time

import db
import pymysql


def relay(listener):
    def copy(source, target):
        while chunk := source.recv(65536):
            target.sendall(chunk)

    while True:
        client, _ = listener.accept()
        server = socket.create_connection((db.MYSQL["host"], db.MYSQL["port"]))
        for pair in ((client, server), (server, client)):
            threading.Thread(target=copy, args=pair, daemon=True).start()


listener = socket.create_server(("127.0.0.1", 0))
if os.fork() == 0:
    relay(listener)
port = listener.getsockname()[1]
listener.close()
connection = pymysql.connect(host="127.0.0.1", port=port, user=db.MYSQL["user"], database=os.environ["DB_NAME"])
db.ready()
end = time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    connection._execute_command(0x1a, "    ")  # COM_STMT_RESET
    length, = struct.unpack("<I", connection._rfile.read(4)[:3] + b"\0")
    connection._rfile.read(length)  # the error
number = 0
while True:
    db.one_row(connection.cursor(), number)  # LEAK: kept
    connection.commit()
    number += 1
    if number == 5000 and sys.argv[1] == "kept":
        db.one_row(connection.cursor(), number)  # LEAK: kept
        db.idle()
