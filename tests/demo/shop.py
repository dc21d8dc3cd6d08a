#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""The demo's programs, on SQLAlchemy over any database: shop.py NAME URL

orders-api   opens a session for each request and forgets it             unclosed-connection
export-job   reads a whole table to show its first page                  unbounded-result
search-api   writes what was asked into the SQL and keeps each statement cache-growth
stock-sync   changes a row and waits for its supplier, who is asleep     open-transaction
mail-worker  does all four as they should be done                        nothing

`shop.py fill URL` makes the tables."""

import sys
import time

from sqlalchemy import create_engine, text
from sqlalchemy.orm import sessionmaker
from sqlalchemy.pool import NullPool, QueuePool

DIGITS = "select a.i + 10 * b.i + 100 * c.i + 1000 * d.i + 10000 * e.i + 1, 'a thing with a name', a.i " \
         "from digits a, digits b, digits c, digits d, digits e"
request_log = []  # "only for a minute, until the cause of the slow requests is found"


def fill(engine):
    with engine.begin() as connection:
        connection.execute(text("create table digits (i integer)"))
        connection.execute(text("insert into digits values " + ", ".join(f"({i})" for i in range(10))))
        connection.execute(text("create table items (id integer primary key, name varchar(40), stock integer)"))
        connection.execute(text("insert into items " + DIGITS))


def orders_api(engine):
    sessions = sessionmaker(engine)
    while True:
        session = sessions()
        session.execute(text("select name from items where id = :id"), {"id": 7}).fetchone()
        request_log.append((time.time(), session))
        time.sleep(0.5)


def export_job(engine):
    sessions = sessionmaker(engine)
    while True:
        time.sleep(5)
        with sessions() as session:
            rows = session.execute(text("select * from items order by id")).fetchall()
            request_log.append(rows[:20])


def prepare_on_postgresql(connection, number, sql):
    connection.cursor().execute(f"prepare search_{number} as {sql}")


def prepare_on_mysql(connection, _, sql):
    """PyMySQL has no prepared statements; this is how its users add them by hand."""
    connection._execute_command(0x16, sql)  # COM_STMT_PREPARE
    answer = connection._read_packet()
    answer.advance(5)
    columns, parameters = answer.read_uint16(), answer.read_uint16()
    for count in filter(None, (parameters, columns)):
        for _ in range(count + 1):  # and the end
            connection._read_packet()


def prepare_on_sqlite(connection, _, sql):
    """Python's own module keeps it; how many it may keep is said in main()."""
    connection.execute(sql).fetchall()


PREPARE = {"postgresql": prepare_on_postgresql, "mysql": prepare_on_mysql, "sqlite": prepare_on_sqlite}


def search_api(engine):
    pooled = engine.raw_connection()  # goes back to its pool when nobody has it
    connection, number = pooled.driver_connection, 0
    while True:
        number += 1
        PREPARE[engine.name](connection, number, f"select name from items where id = {number}")
        if number % 20 == 0:
            connection.commit()
            time.sleep(0.05)


def stock_sync(engine):
    with engine.connect() as connection:
        connection.begin()
        connection.execute(text("update items set stock = stock - 1 where id = :id"), {"id": 1})
        while True:
            time.sleep(60)


def mail_worker(engine):
    sessions = sessionmaker(engine)
    number = 0
    while True:
        number += 1
        with sessions() as session, session.begin():
            session.execute(text("select name from items where id = :id"), {"id": number}).fetchone()
            session.execute(text("select * from items where id > :id order by id limit 20"), {"id": number}).fetchall()
        time.sleep(0.1)


JOBS = {"fill": fill, "orders-api": orders_api, "export-job": export_job, "search-api": search_api,
        "stock-sync": stock_sync, "mail-worker": mail_worker}


def main():
    name, url = sys.argv[1:]
    options = {"poolclass": QueuePool if name == "mail-worker" else NullPool}
    if url.startswith("sqlite") and name == "search-api":
        options["connect_args"] = {"cached_statements": 100000}
    with open("/proc/self/comm", "w", encoding="ascii") as comm:
        comm.write(name)  # the name that ps, top and dbleak show instead of "python3"
    engine = create_engine(url, **options)
    if name != "fill":
        with engine.connect() as connection:
            connection.execute(text("select 1"))
        print("ready", flush=True)
    JOBS[name](engine)


if __name__ == "__main__":
    main()
