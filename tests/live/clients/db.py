# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""What the Python clients share: the endpoint, read from the environment, and the word 'ready'.

Every query carries a literal (SECRET) that no report may ever show.
"""
import os
import time

SECRET = "sesame"
KIND, DRIVER = os.environ["DB_KIND"], os.environ["DB_DRIVER"]
ONE_ROW = f"select id, name from items where name <> '{SECRET}' and id = "
SLEEP = {"postgresql": "select pg_sleep(%d)", "mysql": "select sleep(%d)"}[KIND]
MYSQL = dict(host=os.environ.get("DB_HOST"), port=int(os.environ.get("DB_PORT", 0)),
             user=os.environ.get("DB_USER"), password=os.environ.get("DB_PASSWORD", ""))
if os.environ.get("DB_SOCKET"):
    MYSQL["unix_socket"] = os.environ["DB_SOCKET"]
if os.environ.get("DB_TLS"):
    MYSQL["ssl"] = {"ca": os.environ["DB_TLS"], "check_hostname": False}


def connect(**more):
    """A bare DB-API connection."""
    if DRIVER == "psycopg2":
        import psycopg2
        return psycopg2.connect("", **more)  # libpq reads PGHOST and the others; LEAK: any
    if DRIVER == "psycopg":
        import psycopg
        return psycopg.connect("", **more)  # LEAK: any
    if DRIVER == "pymysql":
        import pymysql
        return pymysql.connect(**MYSQL, database=os.environ["DB_NAME"], **more)  # LEAK: any
    import MySQLdb
    return MySQLdb.connect(**MYSQL, db=os.environ["DB_NAME"], **more)  # LEAK: any


def engine(**options):
    from sqlalchemy import create_engine
    return create_engine(os.environ["DB_URL"], **options)


def one_row(cursor, number):
    cursor.execute(ONE_ROW + str(number % 1000 + 1))  # LEAK: any
    return cursor.fetchall()


def ready():
    print("ready", flush=True)


def idle():
    while True:
        time.sleep(60)


def steadily(step, every, ready_after=2):
    """Calls step(0), step(1) ... for ever; says ready once the habit shows."""
    number = 0
    while True:
        step(number)
        number += 1
        if number == ready_after:
            ready()
        time.sleep(every)
