# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Pools of asyncio that are full before anybody looks, and what looks like them.

pools_async.py kept|busy|rest          SQLAlchemy's async engine, a pool of 5 and 5 more
pools_async.py limited                 the same as kept, with a time limit and a heartbeat of the loop
pools_async.py asyncpg|psycopg|aiopg|aiomysql   a full pool of ten of that driver
pools_async.py psycopg-rest            a pool at rest, which has tasks of its own
pools_async.py queue|semaphore|jobs    ten connections in a queue or behind a semaphore, made at home; a
                                       queue of jobs beside a pool at rest
pools_async.py many                    1,500 tasks beside a full pool
"""
import asyncio
import os
import sys

import db

HOW = sys.argv[1]
SIZE = 10
TAKE = "select id from items where id = 3"
lost = []


async def query(connection, sql=TAKE):
    from sqlalchemy import text
    return (await connection.execute(text(sql))).all()


def engine(**more):
    from sqlalchemy.ext.asyncio import create_async_engine
    place = f"{os.environ['PGUSER']}@{os.environ['PGHOST']}:{os.environ['PGPORT']}/{os.environ['PGDATABASE']}"
    return create_async_engine(f"postgresql+asyncpg://{place}", pool_size=5, max_overflow=5, **more)


def start(number, work):
    lost.extend(asyncio.create_task(work()) for _ in range(number))


async def charge():
    await asyncio.sleep(3000)  # HOLDS


async def sqlalchemy(timeout):
    pool = engine(pool_timeout=timeout)

    async def order():
        async with pool.connect() as connection:
            await query(connection)
            await charge()

    async def request():
        async with pool.connect() as connection:  # WAITS
            await query(connection)

    start(SIZE, order)
    await asyncio.sleep(1)
    start(6, request)


async def heartbeat():
    while True:
        await asyncio.sleep(0.05)


async def busy():
    pool = engine(pool_timeout=3000)

    async def request():
        while True:
            async with pool.connect() as connection:
                await query(connection, "select pg_sleep(5)")

    start(16, request)


async def rest():
    pool = engine()

    async def request():
        async with pool.connect() as connection:
            await query(connection)
            await asyncio.sleep(0.5)

    await asyncio.gather(*(request() for _ in range(SIZE)))
    lost.append(pool)


async def full(acquire, run):
    """Ten holders, then six who wait; acquire() gives what `async with` takes."""
    async def order():
        async with acquire() as connection:
            await run(connection)
            await charge()

    async def request():
        async with acquire() as connection:  # WAITS
            await run(connection)

    start(SIZE, order)
    await asyncio.sleep(1)
    start(6, request)


async def in_cursor(connection):
    async with connection.cursor() as cursor:
        await cursor.execute(TAKE)
        return await cursor.fetchall()


async def of_driver():
    if HOW == "asyncpg":
        import asyncpg
        pool = await asyncpg.create_pool(min_size=SIZE, max_size=SIZE)
        await full(pool.acquire, lambda connection: connection.fetch(TAKE))
    elif HOW in ("psycopg", "psycopg-rest"):
        import psycopg_pool
        pool = psycopg_pool.AsyncConnectionPool("", min_size=SIZE, max_size=SIZE, timeout=3000)
        if HOW == "psycopg":
            await full(pool.connection, lambda connection: connection.execute(TAKE))
        else:
            await pool.wait()  # its own tasks wait for what is to do
    elif HOW == "aiopg":
        import aiopg
        pool = await aiopg.create_pool("", minsize=SIZE, maxsize=SIZE)
        await full(pool.acquire, in_cursor)
    else:
        import aiomysql
        pool = await aiomysql.create_pool(**db.MYSQL, db=os.environ["DB_NAME"], minsize=SIZE, maxsize=SIZE)
        await full(pool.acquire, in_cursor)
    lost.append(pool)


async def connections():
    import asyncpg
    made = [await asyncpg.connect() for _ in range(SIZE)]
    for connection in made:
        await connection.fetch(TAKE)
    return made


async def queue():
    idle, jobs = asyncio.Queue(), asyncio.Queue()
    for connection in await connections():
        idle.put_nowait(connection)

    async def handle():
        conn = await idle.get()  # WAITS
        await conn.fetch(TAKE)

    async def limited():
        conn = await asyncio.wait_for(idle.get(), 3000)  # WAITS
        await conn.fetch(TAKE)

    async def work():
        await jobs.get()

    if HOW == "queue":
        lost.extend(idle.get_nowait() for _ in range(SIZE))
        start(3, limited)
        start(3, handle)
    else:
        start(6, work)
        lost.append(idle)


async def semaphore():
    idle = await connections()
    db_slots = asyncio.Semaphore(SIZE)

    async def order():
        async with db_slots:
            conn = idle.pop()
            await conn.fetch(TAKE)
            await charge()

    async def request():
        async with db_slots:  # WAITS
            conn = idle.pop()
            await conn.fetch(TAKE)

    start(SIZE, order)
    await asyncio.sleep(1)
    start(6, request)


async def main():
    if HOW in ("kept", "limited", "many"):
        await sqlalchemy(3000)
        if HOW == "limited":
            start(1, heartbeat)
        elif HOW == "many":
            start(1500, charge)
    elif HOW == "busy":
        await busy()
    elif HOW == "rest":
        await rest()
    elif HOW in ("queue", "jobs"):
        await queue()
    elif HOW == "semaphore":
        await semaphore()
    else:
        await of_driver()
    await asyncio.sleep(1)
    db.ready()
    await asyncio.Event().wait()


asyncio.run(main())
