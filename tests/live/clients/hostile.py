# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""A client that does its worst.

hostile.py bytes  random and crafted bytes to the real server, and to and from a listener of our
                  own on port 5432 of an odd loopback address
hostile.py names  a leaker whose command name and SQL are full of terminal escapes and bytes that
                  are no UTF-8
hostile.py long   a leaker whose function, file and SQL have names of 10,000 bytes, from right to
                  left, with characters that combine and that are two columns wide
"""
import ctypes
import os
import random
import socket
import struct
import sys
import threading

import db

noise = random.Random(20)
STARTUP = struct.pack("!ii", 0, 196608) + b"user\0app\0database\0shop\0\0"
STARTUP = struct.pack("!i", len(STARTUP)) + STARTUP[4:]
CRAFTED = [
    b"Q\xff\xff\xff\xff", b"Q\0\0\0\0", b"P\0\0\0\4", b"P\0\0\0\5\0", b"P\x7f\xff\xff\xffq1\0",
    b"X\0\0\0\0", b"C\0\0\0\6S", b"B\0\0\0\x10" + b"\xff" * 12, b"\0\0\0\x08\x04\xd2\x16\x2f" * 40,
    b"S\0\0\0\4" * 900, b"Q\0\0\1\0begin" + b"\0" * 2, b"\x03\0\0\0\x03se", b"\xff\xff\xff\0\x03",
    b"\x01\0\0\0\x19" * 500, b"\x05\0\0\0\x17\xff\xff\xff\xff", b"\0" * 5000, b"Z\0\0\0\5T" * 300,
]


def server_address():
    if db.KIND == "postgresql":
        return os.environ["PGHOST"], int(os.environ["PGPORT"])
    return db.MYSQL["host"], db.MYSQL["port"]


def chatter(sock):
    """Says nonsense until the other side has had enough."""
    try:
        sock.settimeout(0.2)
        for _ in range(noise.randrange(1, 6)):
            sock.sendall(noise.choice([noise.choice(CRAFTED), noise.randbytes(noise.randrange(1, 4000))]))
            try:
                sock.recv(65536)
            except TimeoutError:
                pass
    except OSError:
        pass
    sock.close()


def pretender():
    """A server on PostgreSQL's port that is none."""
    listener = socket.create_server(("127.0.0.77", 5432))
    while True:
        chatter(listener.accept()[0])


def send_bytes():
    threading.Thread(target=pretender, daemon=True).start()

    def attack(number):
        for address in (server_address(), ("127.0.0.77", 5432)):
            sock = socket.create_connection(address)
            if number % 2 and db.KIND == "postgresql":
                sock.sendall(STARTUP)
            chatter(sock)

    db.steadily(attack, every=0.1, ready_after=20)


def strange_names():
    libc = ctypes.CDLL(None)
    libc.prctl(15, b"\x1b[31m\xff\xfe<i>&\n", 0, 0, 0)  # PR_SET_NAME
    kept, sql = [], b'select 1 as "\x1b]0;owned\x07\x1b[2J<b>\\" /* \xc3\xa9 ' + b'\xe2\x80\xae\r\n\t */'

    def leak(number):
        connection = db.connect()
        cursor = connection.cursor()
        cursor.execute(sql)  # LEAK: names
        kept.append(connection)

    def broken(number):
        leak(number)
        try:
            connection = db.connect()
            kept.append(connection)
            connection.cursor().execute(b'select 1 as "\xff\xfe\x1b[1m\xc3"')  # LEAK: names
        except Exception:
            pass

    db.steadily(broken, every=1.0)


def long_names():
    name = "\u05d0\u0301" * 1000 + "\u65e5q\u0301" * 1000  # what Python does not normalize to other names
    source = f"def {name}():\n    kept.append(db.connect())\n    kept[-1].cursor().execute(sql)\n"
    sql = 'select 1 as "' + "\u0627\u0300 \u202e\u65e5" * 1000 + '"'
    place = {"db": db, "kept": [], "sql": sql}
    exec(compile(source, "/srv/\x1b[31m\u202e" + "\u0e01\u0e34\u65e5/" * 1000 + "app.py", "exec"), place)
    db.steadily(lambda number: place[name](), every=0.5)


{"bytes": send_bytes, "names": strange_names, "long": long_names}[sys.argv[1]]()
