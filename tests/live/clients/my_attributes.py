# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""PyMySQL with query attributes before each text, as an application that is traced sends them.

my_attributes.py kept | committed     a transaction a moment, of which the last is left open, or none
"""
import sys

import db
import pymysql
from pymysql.constants.COMMAND import COM_QUERY

AGREED = 1 << 27  # CLIENT_QUERY_ATTRIBUTES
VALUE = b"00-4bf92f3577b34da6-" + db.SECRET.encode()
ONE = b"\1\1" + b"\0" + b"\1" + b"\xfe\0" + b"\x0btraceparent" + bytes([len(VALUE)]) + VALUE


class Connection(pymysql.connections.Connection):
    def _execute_command(self, command, text):
        text = text.encode() if isinstance(text, str) else text
        super()._execute_command(command, ONE + text if command == COM_QUERY else text)  # LEAK: any


connection = Connection(**db.MYSQL, database="shop", client_flag=AGREED)  # LEAK: any
for number in range(200):
    db.one_row(connection.cursor(), number)
    connection.commit()
if sys.argv[1] == "kept":
    db.one_row(connection.cursor(), 5)  # LEAK: kept
db.ready()
db.idle()
