# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Failed statements whose `diag` is kept, with the result it belongs to, or is dropped: kept_errors.py leak|well

It says `held BYTES OBJECTS`, by what malloc has given since the first.
"""
import ctypes
import sys
import time

import db
import psycopg2


class MallInfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in
                "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()]


libc = ctypes.CDLL(None)
libc.mallinfo2.restype = MallInfo
kept = []


def given():
    info = libc.mallinfo2()
    return info.uordblks + info.hblkhd


connection = db.connect()
connection.autocommit = True
cursor = connection.cursor()
before = 0
for number in range(1000000):
    try:
        cursor.execute(f"select nothing{'x' * 3000} from items where name <> '{db.SECRET}'")  # LEAK: leak
    except psycopg2.Error as error:
        if sys.argv[1] == "leak":
            kept.append(error.diag)
    if number == 2:  # by now all is made that is made once
        before = given()
        db.ready()
    if number > 2:
        print("held", given() - before, number - 2, flush=True)
    time.sleep(0.05)
