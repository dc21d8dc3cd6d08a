#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""heap_orm.py SECONDS: a SQLAlchemy program that loads 1,000 rows with each query, from SQLite in its own
memory; prints the milliseconds of processor time that each query took."""
import sys
import time

import sqlalchemy
from sqlalchemy.orm import Session, declarative_base

Base = declarative_base()
ROWS = 1000


class Item(Base):
    __tablename__ = "bench_items"
    id = sqlalchemy.Column(sqlalchemy.Integer, primary_key=True)
    name = sqlalchemy.Column(sqlalchemy.String)


def query(engine):
    with Session(engine) as session:
        return len(session.scalars(sqlalchemy.select(Item)).all())


def main():
    engine = sqlalchemy.create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        session.add_all(Item(id=number, name=f"item {number}") for number in range(ROWS))
    assert query(engine) == ROWS
    done, began, spent = 0, time.monotonic(), time.process_time()
    while time.monotonic() < began + float(sys.argv[1]):
        query(engine)
        done += 1
    print(1000 * (time.process_time() - spent) / done)


main()
