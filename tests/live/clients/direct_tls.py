# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""PostgreSQL 17's server as far as its door goes: TLS from the first byte, then a plain server.

direct_tls.py KEY CERTIFICATE HOST PORT   prints the port it listens on
"""
import asyncio
import ssl
import sys

key, certificate, host, port = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
context.set_alpn_protocols(["postgresql"])


async def pump(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()


async def serve(reader, writer):
    inside = await asyncio.open_connection(host, int(port))
    await asyncio.gather(pump(reader, inside[1]), pump(inside[0], writer))


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    print("port", server.sockets[0].getsockname()[1], flush=True)
    print("ready", flush=True)
    await server.serve_forever()


asyncio.run(main())
