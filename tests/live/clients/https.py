# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""A web server and its client over TLS in one process, beside a database connection over TLS: only
the database's plaintext is anybody's business.

https.py KEY CERTIFICATE SECONDS   prints the digest of all it got
"""
import hashlib
import http.server
import ssl
import sys
import threading
import time
import urllib.request

import db

key, certificate, seconds = sys.argv[1:]
BODY = b"insert into items values (1, 'private', 2); begin; select * from items" * 500


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_):
        pass


server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server_side.load_cert_chain(certificate, key)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.socket = server_side.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
client_side = ssl.create_default_context()
client_side.check_hostname, client_side.verify_mode = False, ssl.CERT_NONE

connection, digest = db.connect(), hashlib.sha256()
db.ready()
end = time.monotonic() + float(seconds)
rounds = 0
while rounds < 40 or time.monotonic() < end:
    with urllib.request.urlopen(f"https://127.0.0.1:{server.server_port}/", context=client_side) as page:
        got = page.read()
    assert got == BODY
    with connection.cursor() as cursor:
        rows = db.one_row(cursor, rounds)
    connection.commit()
    if rounds < 40:
        digest.update(got + repr(rows).encode())
    rounds += 1
    time.sleep(0.05)
print("digest", digest.hexdigest(), flush=True)
db.idle()
