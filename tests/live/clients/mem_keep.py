# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Rows that a program keeps for ever: mem_keep.py dict | lru | errors | orm | crowd

Its healthy twins, which look so for a while: mem_keep.py turnover | plateau | bursts | garbage | fragments | whole
"""
import functools
import sys

import db

ROWS = 2000
CACHE, ERRORS, KEPT = {}, [], []


def fetch(number, rows=ROWS):
    """Some thousand rows, other ones each time."""
    first = number * rows % 100_000
    cursor.execute(f"select id, name, price from items where name <> '{db.SECRET}' "  # LEAK: any
                   f"and id > {first} order by id limit {rows}")
    return cursor.fetchall()  # LEAK: any


def keep_dict(number):
    CACHE[number] = fetch(number)  # LEAK: dict


@functools.lru_cache(maxsize=None)
def cached(number):
    return fetch(number)  # LEAK: lru


def keep_errors(number):
    """The error's traceback has the frame, and the frame has the rows."""
    try:
        rows = fetch(number)  # LEAK: errors
        cursor.execute("select 1 / 0 from items where name <> '%s'" % db.SECRET)  # LEAK: errors
        print(len(rows))
    except Exception as error:
        ERRORS.append(error)


def keep_orm(number):
    first = number * 500 % 100_000
    KEPT.append(session.query(Item).filter(  # LEAK: orm
        Item.name != db.SECRET, Item.id > first, Item.id <= first + 500).all())  # LEAK: orm
    session.expunge_all()
    session.commit()


def crowd(number):
    """What is kept fills the gaps that more of its like has left."""
    cursor.execute(f"select name, id from items where name <> '{db.SECRET}' limit 20000")
    cursor.fetchall()
    cursor.execute(f"select name, id from items where id > {number * 1500 % 90_000} limit 1500")  # LEAK: crowd
    KEPT.append(cursor.fetchall())  # LEAK: crowd


def turnover(number):
    """The same, and what is kept makes room for what comes."""
    crowd(number)
    if len(KEPT) > 12:
        del KEPT[0]


def plateau(number):
    """Full after a few seconds."""
    CACHE[number] = fetch(number)
    CACHE.pop(number - 20, None)


def bursts(number):
    fetch(number, 10)
    block = bytearray(50 << 20)
    block[::4096] = b"x" * (len(block) // 4096)


def garbage(number):
    """Nothing refers to it but itself, until it is collected."""
    knot = [fetch(number, 300)]
    knot.append(knot)


def fragments(number):
    """As much is let go as comes, of all sizes and in no order."""
    for row in fetch(number, 1000):
        KEPT.append("x" * (row[0] * 37 % 900 + 50))
    if len(KEPT) > 20_000:
        del KEPT[::2]


def whole(number):
    fetch(number, 100_000)  # LEAK: whole


def mapped():
    from sqlalchemy import Column, Integer, String
    from sqlalchemy.orm import Session, declarative_base

    class Row(declarative_base()):
        __tablename__ = "items"
        id = Column(Integer, primary_key=True)
        name = Column(String)
        price = Column(Integer)
    return Session(db.engine()), Row


HABITS = {"dict": (keep_dict, 0.2), "lru": (cached, 0.2), "errors": (keep_errors, 0.2), "orm": (keep_orm, 0.25),
          "crowd": (crowd, 0.25), "turnover": (turnover, 0.25), "plateau": (plateau, 0.15), "bursts": (bursts, 1),
          "garbage": (garbage, 0.05), "fragments": (fragments, 0.1), "whole": (whole, 2)}
step, every = HABITS[sys.argv[1]]
if step is keep_orm:
    session, Item = mapped()
else:
    connection = db.connect()
    connection.autocommit = True
    cursor = connection.cursor()
db.steadily(step, every)
