# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""As served.py, with SQLAlchemy's QueuePool in greenlets: see cases_pools_languages.py."""
from gevent import monkey

monkey.patch_all()

import gevent  # noqa: E402
from gevent.server import StreamServer  # noqa: E402
from sqlalchemy import text  # noqa: E402

import db  # noqa: E402
import serving  # noqa: E402

pool = db.engine(pool_size=10, max_overflow=0, pool_timeout=3000, isolation_level="AUTOCOMMIT")
kept = []


def keep():
    connection = pool.connect()
    connection.execute(text(db.ONE_ROW + "3")).all()
    kept.append(connection)


def get(sql):
    with pool.connect() as connection:  # WAITS
        connection.execute(text(sql)).all()


server = StreamServer(("127.0.0.1", 0), lambda client, _: serving.serve(client, keep, get), backlog=100)
server.start()
print("port", server.server_port, flush=True)
db.ready()
gevent.get_hub().join()
