# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Opens connections and keeps them, their last statements holding secrets: secretive.py FILE MARK [ARGUMENT...]

FILE begins the names of the SQLite databases it makes; passwords are MARKp, other literals MARKl.  What else stands on
the command line is for others to look at.
"""
import ctypes
import sqlite3
import sys

import db

path, password, literal = sys.argv[1], sys.argv[2] + "p", sys.argv[2] + "l"
ctypes.CDLL(None).prctl(15, b"pw=" + password.encode(), 0, 0, 0)  # PR_SET_NAME
STATEMENTS = (
    f"select '{literal}'", f"select e'it\\'s {literal}'", f"select $${literal}$$ -- {literal}",
    f"select 'C:\\', '{literal}'", f"/* {literal} */ select count(*) from items where name like '{literal}%'",
    f"set app.token = '{password}'", f"set app.token to {password}", f"select 'postgres://u:{password}@h/d'",
    f"select 1 from items where name = '{password}' and 'pin' <> ''",
)
kept = []


def ask_server(statement):
    kept.append(db.connect())
    kept[-1].cursor().execute(statement)  # and the transaction stays open


def ask_file(number):
    lite = sqlite3.connect(f"file:{path}{number}?key={password}", uri=True, isolation_level=None)
    lite.execute("create table if not exists t (a)")
    lite.execute(f"insert into t values ('{literal}'), (\"{literal}\")")
    kept.append((lite, lite.execute(f'select a from t where a <> "{literal}x"')))
    kept[-1][1].fetchone()
    other = sqlite3.connect(f"{path}{number}", isolation_level=None)
    kept.append((other, other.execute(f"pragma key = {password}")))


def step(number):
    if number < 70:  # the server has a hundred places
        ask_server(STATEMENTS[number % len(STATEMENTS)])
    if number % 4 == 0:
        ask_file(number)


db.steadily(step, every=0.5)
