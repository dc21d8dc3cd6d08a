# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""As served.py, with SQLAlchemy's QueuePool in greenlets: see cases_pools_languages.py."""
from gevent import monkey

monkey.patch_all()

import gevent  # noqa: E402
from gevent import socket  # noqa: E402
from gevent.server import StreamServer  # noqa: E402
from sqlalchemy import text  # noqa: E402

import db  # noqa: E402

pool = db.engine(pool_size=10, max_overflow=0, pool_timeout=3000, isolation_level="AUTOCOMMIT")
kept = []


def query(connection, sql=db.ONE_ROW + "3"):
    connection.execute(text(sql)).all()


def get(sql=db.ONE_ROW + "3"):
    with pool.connect() as connection:  # WAITS
        query(connection, sql)


def answer(word, argument):
    if word == "keep":
        connection = pool.connect()
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


def serve(client, _):
    for line in client.makefile():
        answer(*(line.split() + [""])[:2])
        client.sendall(b"ok\n")


server = StreamServer(("127.0.0.1", 0), serve, backlog=100)
server.start()
print("port", server.server_port, flush=True)
db.ready()
gevent.get_hub().join()
