# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""What client libraries hand out, counted exactly: the records against what the clients did."""
import glob
import os
import shutil
import signal
import threading
import time

from harness import BUILT, Client
from records import Records
from servers import SID, MySQL
from solo import live

SLACK = 1.2  # seconds: two sweeps
SQLITE = "/usr/lib/x86_64-linux-gnu/libsqlite3.so.0"


def recorded(bench, *options, during, beside=None):
    """Watches while during() runs; returns the look and the records.  beside(process): runs in a thread meanwhile."""
    recording = bench.dbleak.path("recording")
    process = bench.dbleak.start("watch", "--json", "--duration", 120, "--record", recording, *options)
    try:
        bench.dbleak.wait_watching(process)
        if beside:
            threading.Thread(target=beside, args=(process,)).start()
        during()
        time.sleep(SLACK)
        process.send_signal(signal.SIGINT)
    except Exception:
        bench.janitor.end(process)
        raise
    look = bench.looked(bench.dbleak.examine(bench.dbleak.finish(process, recording, 60)))
    if look.report is None:
        raise RuntimeError(f"no report: {look.err[-300:]}")
    return look, Records(recording)


def done(clients):
    """[(pid, part, {object: (acquired, released)})] of what parts of clients say they did."""
    found = {}
    for client in clients:
        for line in client.said:
            words = line.split()
            if words[:1] == ["did"]:
                pid, part, acquired, released = int(words[1]), words[2], int(words[3]), int(words[4])
                found.setdefault((pid, part), {})[" ".join(words[5:])] = (acquired, released)
    return [(pid, part, {name: count for name, count in did.items() if name != "nothing"})
            for (pid, part), did in found.items()]


def compare(bench, clients, records, least_parts, but=()):
    parts = [(pid, part, did) for pid, part, did in done(clients) if part not in but]
    bench.check(len(parts) >= least_parts, f"only {len(parts)} parts were done: {[c.errors[-3:] for c in clients]}")
    for pid, part, did in parts:
        counted = records.counts(pid)
        for name in sorted(did.keys() | counted.keys()):
            was, seen = did.get(name, (0, 0)), counted.get(name, (0, 0, 0))
            bench.check(was == seen[:2] and not seen[2],
                        f"{part}[{pid}]: {name} was acquired and released {was}, counted {seen}")


def links_of(clients):
    """{(pid, address): socket cookie}, the latest word of each."""
    found = {}
    for client in clients:
        for line in client.said:
            words = line.split()
            if words[:1] == ["link"]:
                found[int(words[1]), int(words[2])] = int(words[3])
    return found


def compare_links(bench, clients, records, least):
    """Each connection handle that is open knows its socket, and the socket is on record."""
    open_now = {(pid, record.handle): record for pid in {pid for pid, _ in links_of(clients)}
                for record in records.open_handles(pid, 1).values()}
    compared = 0
    for (pid, handle), cookie in links_of(clients).items():
        record = open_now.get((pid, handle))
        if not record:
            continue
        compared += 1
        bench.check(record.connection == cookie,
                    f"[{pid}] {handle:#x} is joined with {record.connection}, its socket is {cookie}")
        bench.check(not cookie or cookie in records.connections, f"[{pid}] no connection {cookie} is on record")
    bench.check(compared >= least, f"only {compared} open connections were compared, not {least}")


def exact(bench, program, server, *options, way="tcp4", end="stay", least_parts=1, least_links=1):
    clients = []

    def run():
        for how in ("leak", "well", "error"):
            clients.append(bench.client(program, how, end, server=server, way=way, wait=False))
        for client in clients:
            bench.check(client.wait_ready(), f"{program} did not get ready: {client.errors[-3:]}")

    bench.client(program, "well", "stay", "no part", server=server)  # that there is one of that name
    look, records = recorded(bench, "--max-overhead", 100, "--comm", program, *options, during=run)
    bench.shown["said"] = [client.said for client in clients]
    compare(bench, clients, records, least_parts)
    if end == "stay" and least_links:
        compare_links(bench, clients, records, least_links)
    bench.faults += bench.dbleak.losses(look)


@live("library objects: each function of libpq is counted exactly, on paths well and bad", group="libpq")
def libpq(bench):
    exact(bench, "pq_objects", "postgresql", least_parts=3 * 30, least_links=40)


@live("library objects: libpq is counted exactly by probes at the first instruction", group="libpq")
def libpq_entry(bench):
    exact(bench, "pq_objects", "postgresql", "--probe-at=entry", way="unix", least_parts=3 * 30, least_links=40)


@live("library objects: what programs that ended had of libpq is counted exactly", group="libpq")
def libpq_ended(bench):
    exact(bench, "pq_objects", "postgresql", end="exit", least_parts=3 * 30)


@live("library objects: each function of libmariadb is counted exactly, on paths well and bad", needs=("mariadb",),
      group="libmariadb")
def libmariadb(bench):
    exact(bench, "my_objects", "mariadb", least_parts=3 * 19, least_links=14)


@live("library objects: libmariadb is counted exactly by probes at the first instruction", needs=("mariadb",),
      group="libmariadb")
def libmariadb_entry(bench):
    exact(bench, "my_objects", "mariadb", "--probe-at=entry", way="unix", least_parts=3 * 19, least_links=14)


@live("library objects: what programs that ended had of libmariadb is counted exactly", needs=("mariadb",),
      group="libmariadb")
def libmariadb_ended(bench):
    exact(bench, "my_objects", "mariadb", end="exit", least_parts=3 * 19)


@live("library objects: each function of hiredis is counted exactly, on paths well and bad", needs=("redis",),
      group="hiredis")
def hiredis(bench):
    exact(bench, "redis_objects", "redis", least_parts=3 * 18, least_links=0)


@live("library objects: hiredis is counted exactly by probes at the first instruction", needs=("redis",),
      group="hiredis")
def hiredis_entry(bench):
    exact(bench, "redis_objects", "redis", "--probe-at=entry", least_parts=3 * 18, least_links=0)


@live("library objects: what is given back twice counts once", group="hiredis")
def given_back_twice(bench):
    clients = []
    bench.client("freed_twice", "well", "stay", "no part")
    look, records = recorded(bench, "--max-overhead", 100, "--comm", "freed_twice",
                             during=lambda: clients.append(bench.client("freed_twice", "well")))
    compare(bench, clients, records, 4)
    bench.faults += bench.dbleak.losses(look)


def mysqlclient():
    """(what to put before the program, the library); None: there is none.  Debian has it in sid alone, whose files
    scripts/mysql-server unpacks."""
    if found := glob.glob("/usr/lib/*/libmysqlclient.so.*"):
        return [], found[0]
    if MySQL.missing():
        return None
    folder = os.path.join(SID, "usr/lib/x86_64-linux-gnu")
    library = glob.glob(os.path.join(folder, "libmysqlclient.so.*.*"))[0]
    return [os.path.join(folder, "ld-linux-x86-64.so.2"), "--library-path", folder], library


@live("library objects: libmysqlclient is counted exactly, on paths well and bad", needs=("mariadb",), group="libmariadb",
      without=lambda: None if mysqlclient() else f"libmysqlclient, nor {MySQL.missing()},")
def libmysqlclient(bench):
    before, library = mysqlclient()
    bench.servers["mariadb"].sql("alter user root@localhost identified via unix_socket", "mysql")
    bench.afterwards.append(lambda: bench.servers["mariadb"].sql(
        "alter user root@localhost identified via mysql_native_password using ''", "mysql"))
    env, clients = dict(bench.endpoint("mariadb", "unix"), MYSQLCLIENT=library), []

    def run():
        for how in ("leak", "well", "error"):
            client = Client(bench.janitor, [*before, os.path.join(BUILT, "mysqlclient"), how], env)
            bench.clients.append(client)
            clients.append(client)
            bench.check(client.wait_ready(), f"mysqlclient is not ready: {client.errors[-3:]}")

    look, records = recorded(bench, "--max-overhead", 100, during=run)
    # Of some builds it is but a jump that no probe can follow, and the report has to say so.
    hidden = any("mysql_use_result" in gap["reason"] for gap in look.report["coverage"]["gaps"])
    compare(bench, clients, records, 3 * (3 if hidden else 4), but=("use",) if hidden else ())
    bench.faults += bench.dbleak.losses(look)


@live("library objects: a library that is replaced while it is traced is counted in both versions", needs=("sqlite",),
      group="hiredis")
def replaced_library(bench):
    """As an upgrade does it: another file under the old one's name."""
    folder, clients = bench.file("replaced"), []
    os.mkdir(folder)
    os.chmod(folder, 0o755)
    path, source = os.path.join(folder, "libsqlite3.so.0"), os.path.realpath(SQLITE)
    shutil.copy(source, path)
    base = bench.file("replaced.db")
    shutil.copy(bench.servers["sqlite"].file, base)

    def start(what):
        env = dict(bench.endpoint("sqlite", "shop.db"), LD_LIBRARY_PATH=folder, LITE_WAIT="2")
        client = Client(bench.janitor, ["lite_calls", what, base], env)
        bench.clients.append(client)
        clients.append(client)
        bench.check(client.wait_ready(), f"lite_calls is not ready: {client.errors[-3:]}")

    def run():
        start("prepare")
        shutil.copy(source, path + ".new")
        os.rename(path + ".new", path)
        start("prepare")
        os.unlink(path)

    look, records = recorded(bench, "--max-overhead", 100, during=run)
    for client in clients:
        with open(f"/proc/{client.pid}/maps") as maps:
            bench.check(path in maps.read(), f"[{client.pid}] does not map {path}")
        counted = records.counts(client.pid)
        bench.check(counted == {"sqlite3": (1, 0, 0), "sqlite3_stmt": (24, 18, 0)}, f"[{client.pid}]: counted {counted}")
    files = {record.inode for record in records.libraries.values() if record.path.startswith(folder)}
    bench.check(len(files) == 2, f"probes were in {len(files)} files of that name, not 2")
    bench.faults += bench.dbleak.losses(look)


def joined(bench, program, server, old, new):
    """Connections over both ways, older and younger than the tracer: one each, not two halves."""
    clients = [bench.client(program, part, server=server, way=way) for part in old for way in ("tcp4", "unix")]

    def run():
        clients.extend([bench.client(program, part, server=server, way=way) for part in new
                        for way in ("tcp4", "unix")])
        time.sleep(2.5)

    look, records = recorded(bench, "--max-overhead", 100, "--comm", program, during=run)
    bench.shown["said"] = [client.said for client in clients]
    compare_links(bench, clients, records, 4 * len(clients))
    for client in clients:
        process = look.process(client.pid) or {"endpoints": []}
        opened = sum(endpoint["connections"]["open"] for endpoint in process["endpoints"])
        bench.check(opened == 4 and len(process["endpoints"]) == 1,
                    f"[{client.pid}]: {opened} connections at {len(process['endpoints'])} endpoints, not 4 at one")


@live("library objects: each PGconn is joined with its socket", group="libpq joins")
def libpq_joins(bench):
    joined(bench, "pq_joins", "postgresql", ("turns", "interleaved", "threads"),
           ("turns", "interleaved", "threads", "async", "reset"))


@live("library objects: each MYSQL is joined with its socket", needs=("mariadb",), group="libmariadb joins")
def libmariadb_joins(bench):
    joined(bench, "my_joins", "mariadb", ("turns", "interleaved", "threads", "use"), ("turns", "interleaved", "threads"))
