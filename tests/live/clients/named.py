# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Called as a database server is, listening where it likes; and a client that holds a connection there.

named.py NAME PORT [speak]: listens on PORT as NAME and accepts, then connects to itself; without a byte, or
with bytes of no database in both directions.
"""
import ctypes
import socket
import sys
import time

name, port, speaks = sys.argv[1].encode(), int(sys.argv[2]), len(sys.argv) > 3
ctypes.CDLL(None).prctl(15, name, 0, 0, 0)  # PR_SET_NAME
server = socket.create_server(("127.0.0.1", port))
clients, accepted = [], []
for _ in range(6):
    clients.append(socket.create_connection(("127.0.0.1", port)))
    accepted.append(server.accept()[0])
    if speaks:
        clients[-1].sendall(b"GET / HTTP/1.1\r\n\r\n")
        accepted[-1].recv(100)
        accepted[-1].sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
        clients[-1].recv(100)
print("ready", flush=True)
while True:
    time.sleep(1)
