#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""orm_loop.py SECONDS URL: short transactions of a SQLAlchemy program; prints how many a second, and
how many milliseconds of its processor time each took."""
import sys
import time

import sqlalchemy
from sqlalchemy.orm import Session, declarative_base

Base = declarative_base()


class Item(Base):
    __tablename__ = "bench_items"
    id = sqlalchemy.Column(sqlalchemy.Integer, primary_key=True)
    price = sqlalchemy.Column(sqlalchemy.Integer)


def transaction(engine, number):
    with Session(engine) as session, session.begin():
        return session.get(Item, number).price


def main():
    seconds, url = float(sys.argv[1]), sys.argv[2]
    engine = sqlalchemy.create_engine(url)
    Base.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        for number in range(1, 11):
            session.merge(Item(id=number, price=number))
    done, began, spent = 0, time.monotonic(), time.process_time()
    while time.monotonic() < began + seconds:
        for number in range(1, 11):
            assert transaction(engine, number) == number
        done += 10
    spent = time.process_time() - spent
    print(done / (time.monotonic() - began), 1000 * spent / done)


if __name__ == "__main__":
    main()
