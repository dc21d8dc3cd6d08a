# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""200,000 rows through SQLAlchemy's ORM: whole, page by page, or as a stream.

fetch.py all | pages | stream  TIMES
"""
import sys
import time

import db
from sqlalchemy import Column, Integer, String
from sqlalchemy.orm import Session, declarative_base


class Item(declarative_base()):
    __tablename__ = "items"
    id = Column(Integer, primary_key=True)
    name = Column(String)
    price = Column(Integer)


ROWS, PAGE = 200_000, 500
engine = db.engine()
wanted = lambda session: session.query(Item).filter(Item.name != db.SECRET, Item.id <= ROWS)


def whole(session):
    return len(wanted(session).all())  # LEAK: all


def pages(session):
    """Keyset pagination; a tenth of the rows is plenty to see the habit."""
    last = count = 0
    while last < ROWS // 10:
        page = wanted(session).filter(Item.id > last).order_by(Item.id).limit(PAGE).all()
        last = page[-1].id
        count += len(page)
        session.expunge_all()
    return count


def stream(session):
    """A server-side cursor."""
    return sum(1 for _ in wanted(session).execution_options(stream_results=True).yield_per(PAGE))


for _ in range(int(sys.argv[2])):
    with Session(engine) as session:
        print("rows", {"all": whole, "pages": pages, "stream": stream}[sys.argv[1]](session), flush=True)
    time.sleep(0.5)
db.ready()
db.idle()
