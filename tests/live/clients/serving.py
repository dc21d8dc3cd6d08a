# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""What a server of cases_pools_languages.py does with the lines of a request."""
import socket

import db


def answer(word, argument, keep, get):
    if word == "keep":
        keep()
    elif word == "get":
        get(db.ONE_ROW + "3")
    elif word == "call":
        other = socket.create_connection(("127.0.0.1", int(argument)))
        other.sendall(b"hello\n")
        other.recv(1)
    while word == "busy":
        get(db.SLEEP % 2)


def serve(client, keep, get):
    """keep() takes a connection and forgets it, get(sql) runs that with one and gives it back."""
    for line in client.makefile():
        answer(*(line.split() + [""])[:2], keep, get)
        client.sendall(b"ok\n")
