# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Programs that end.

short.py once [STATUS]  opens one connection, asks one thing and exits without closing
short.py leak SECONDS   leaks three connections a second, then exits without closing
short.py fine SECONDS   opens and closes connections, then exits
short.py sum            prints a checksum of what the server said
"""
import sys
import time
import zlib

import db

mode, argument = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 0
kept = []


def once():
    kept.append(db.connect())
    with kept[0].cursor() as cursor:
        db.one_row(cursor, 1)
    db.ready()
    time.sleep(2.5)  # to be seen by a tracer that looks every two seconds
    sys.exit(int(argument))


def several(keep):
    end = time.monotonic() + argument
    while time.monotonic() < end:
        connection = db.connect()
        with connection.cursor() as cursor:
            db.one_row(cursor, len(kept))  # LEAK: leak
        if keep:
            kept.append(connection)
        else:
            connection.close()
        if len(kept) == 3:
            db.ready()
        time.sleep(0.3)


def checksum():
    total = 0
    connection = db.connect()
    for number in range(300):
        with connection.cursor() as cursor:
            cursor.execute("select * from items where id between %d and %d order by id"
                           % (number * 100, number * 100 + number))
            for row in cursor.fetchall():
                total = zlib.crc32(repr(row).encode(), total)
        connection.commit()
    connection.close()
    print(f"checksum {total:08x}")


{"once": once, "leak": lambda: several(True), "fine": lambda: several(False), "sum": checksum}[mode]()
