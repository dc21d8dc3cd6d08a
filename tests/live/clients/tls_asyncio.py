# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""PostgreSQL over asyncio's streams, whose TLS library works in memory and has no socket.

tls_asyncio.py kept   a connection a second, its transaction left open
tls_asyncio.py closed a connection a second, closed
tls_asyncio.py twins  two connections in one loop whose messages have equal sizes: one commits,
                      one does not
tls_asyncio.py direct as kept, TLS from the first byte on, as PostgreSQL 17's clients may
"""
import asyncio
import os
import ssl
import struct
import sys

import db

CONTEXT = ssl.create_default_context()
CONTEXT.check_hostname, CONTEXT.verify_mode = False, ssl.CERT_NONE
HOST, PORT = os.environ["PGHOST"], int(os.environ["PGPORT"])


class Connection:
    @classmethod
    async def open(cls, direct=False):
        self = cls()
        if direct:
            CONTEXT.set_alpn_protocols(["postgresql"])
            self.reader, self.writer = await asyncio.open_connection(HOST, PORT, ssl=CONTEXT)
        else:
            self.reader, self.writer = await asyncio.open_connection(HOST, PORT)
            self.writer.write(struct.pack("!ii", 8, 80877103))
            assert await self.reader.readexactly(1) == b"S"
            await self.writer.start_tls(CONTEXT)
        names = dict(user=os.environ["PGUSER"], database=os.environ["PGDATABASE"],
                     application_name=os.environ.get("PGAPPNAME", ""))
        body = b"".join(word.encode() + b"\0" for pair in names.items() for word in pair) + b"\0"
        self.writer.write(struct.pack("!ii", len(body) + 8, 196608) + body)
        await self.ready()
        return self

    async def ready(self):
        rows = 0
        while True:
            kind, length = struct.unpack("!ci", await self.reader.readexactly(5))
            body = await self.reader.readexactly(length - 4)
            assert kind != b"E", body
            rows += kind == b"D"
            if kind == b"Z":
                return rows

    async def run(self, sql):
        body = sql.encode() + b"\0"
        self.writer.write(b"Q" + struct.pack("!i", len(body) + 4) + body)  # LEAK: any twins
        return await self.ready()

    async def close(self):
        self.writer.write(b"X\0\0\0\4")
        self.writer.close()


kept = []


async def leak(number, direct=False):
    connection = await Connection.open(direct)
    await connection.run("begin")  # LEAK: kept direct
    assert await connection.run(db.ONE_ROW + str(number + 1)) == 1
    if sys.argv[1] == "closed":
        await connection.run("commit")
        await connection.close()
    else:
        kept.append(connection)


async def steadily():
    number = 0
    while True:
        await leak(number, sys.argv[1] == "direct")
        number += 1
        if number == 2:
            db.ready()
        await asyncio.sleep(1)


async def twins():
    careful, careless = await asyncio.gather(Connection.open(), Connection.open())
    for _ in range(20):
        await asyncio.gather(careful.run("begin"), careless.run("begin"))
        await asyncio.gather(careful.run("select 1 as careful"), careless.run("select 1 as another"))
        await asyncio.gather(careful.run("commit"), careless.run("commit"))
    await asyncio.gather(careful.run("begin"), careless.run("begin"))
    await asyncio.gather(careful.run(db.ONE_ROW + "7"), careless.run(db.ONE_ROW + "8"))
    await careful.run("commit")
    db.ready()
    while True:
        await careful.run("select 1 as careful")
        await asyncio.sleep(0.5)


asyncio.run(twins() if sys.argv[1] == "twins" else steadily())
