# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""A server whose requests, lines over TCP, need a connection of psycopg_pool: see cases_pools_languages.py."""
import socket
import sys
import threading

import db
from psycopg_pool import ConnectionPool

pool = ConnectionPool("", min_size=0, max_size=10, timeout=3000, kwargs={"autocommit": "tx" not in sys.argv})
kept = []


def query(connection, text=db.ONE_ROW + "3"):
    connection.execute(text).fetchall()


def get(text=db.ONE_ROW + "3"):
    with pool.connection() as connection:  # WAITS
        query(connection, text)


def answer(word, argument):
    if word == "keep":
        connection = pool.getconn()
        query(connection)
        kept.append(connection)
    elif word == "get":
        get()
    elif word == "call":
        other = socket.create_connection(("127.0.0.1", int(argument)))
        other.sendall(b"hello\n")
        other.recv(1)
    while word == "busy":
        get(db.SLEEP % 2)


def serve(client):
    for line in client.makefile():
        answer(*(line.split() + [""])[:2])
        client.sendall(b"ok\n")


listener = socket.create_server(("127.0.0.1", 0), backlog=100)
print("port", listener.getsockname()[1], flush=True)
db.ready()
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
