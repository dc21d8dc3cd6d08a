# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""6,000 statements of distinct shapes through SQLAlchemy: its compiled cache is bounded."""
import db
from sqlalchemy import column, select, table

engine = db.engine()
names = [f"c{number}" for number in range(13)]
with engine.connect() as connection:
    for shape in range(1, 6001):
        chosen = [name for bit, name in enumerate(names) if shape >> bit & 1]
        inner = select(*[column("price").label(name) for name in chosen])
        query = inner.select_from(table("items", column("price"), column("id"))).where(column("id") == 1)
        connection.execute(query).all()
db.ready()
db.idle()
