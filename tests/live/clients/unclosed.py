# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""One leak through each of Python's drivers: unclosed.py DRIVER [FILE] opens a connection for each
report, leaves a transaction open on it, and keeps it.
"""
import asyncio
import os
import sys
import time

ONE = "select id, name from items where name <> 'sesame' and id = 5"
MYSQL = {"host": os.environ.get("DB_HOST"), "port": int(os.environ.get("DB_PORT", 0)), "user": os.environ.get("DB_USER"),
         "database": os.environ.get("DB_NAME")}
kept = []


def say_ready(number):
    if number == 4:
        print("ready", flush=True)


class Report:
    def __init__(self, connect):
        self.connect = connect

    def monthly(self, number):
        connection = self.connect()
        cursor = connection.cursor()
        cursor.execute(ONE)  # LEAK: psycopg2 psycopg pymysql mysqldb sqlite3
        cursor.fetchall()
        kept.append(connection)


def run(connect):
    report = Report(connect)
    for number in range(1000):
        report.monthly(number)
        say_ready(number)
        time.sleep(0.3)


def psycopg2():
    import psycopg2
    run(lambda: psycopg2.connect(""))  # LEAK: psycopg2


def psycopg():
    import psycopg
    run(lambda: psycopg.connect(""))  # LEAK: psycopg


def pymysql():
    import pymysql
    run(lambda: pymysql.connect(**MYSQL))  # LEAK: pymysql


def mysqldb():
    import MySQLdb
    run(lambda: MySQLdb.connect(**MYSQL))  # LEAK: mysqldb


def sqlite3():
    import sqlite3
    run(lambda: sqlite3.connect(sys.argv[2]))  # LEAK: sqlite3


def asyncpg():
    import asyncpg

    async def monthly():
        connection = await asyncpg.connect()  # LEAK: asyncpg
        await connection.transaction().start()  # LEAK: asyncpg
        await connection.fetch(ONE)
        kept.append(connection)

    async def main():
        for number in range(1000):
            await monthly()
            say_ready(number)
            await asyncio.sleep(0.3)
    asyncio.run(main())


def sqlalchemy():
    from sqlalchemy import create_engine, text
    from sqlalchemy.orm import Session
    engine = create_engine(os.environ["DB_URL"], pool_size=200)

    def session():
        kept.append(Session(engine))
        kept[-1].execute(text(ONE)).fetchall()  # LEAK: sqlalchemy
    for number in range(1000):
        session()
        say_ready(number)
        time.sleep(0.3)


{name: globals()[name] for name in ("psycopg2", "psycopg", "pymysql", "mysqldb", "sqlite3", "asyncpg", "sqlalchemy")}[sys.argv[1]]()
