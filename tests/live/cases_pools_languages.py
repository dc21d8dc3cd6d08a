# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Pools of other languages that are full before anybody looks, and what looks like them.

A client here is a server of its own.  Each request is a line over TCP: `keep` takes a connection and forgets it,
`get` needs one for a moment, `busy` needs one for two seconds again and again, `call PORT` asks another server and
`compute` (npm) computes.  All but the first two are never answered.
"""
import glob
import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass

from cases_pools import MIN_AGE, line_of, silent
from cases_stacks import go
from harness import CLIENTS, INTERPRETERS
from solo import live

SECONDS = 6
POOL = 10
WAITING = 6
JARS = "HikariCP.jar", "slf4j-api.jar", "slf4j-nop.jar", "postgresql.jar"
GO_PACKAGES = "/usr/share/gocode"


def build_java(bench, *options):
    folder = bench.file("classes")
    path = ":".join([folder] + [os.path.join("/usr/share/java", jar) for jar in JARS])
    subprocess.run(["javac", "-cp", path, "-d", folder, os.path.join(CLIENTS, "Served.java")], check=True)
    return ["java", "-XX:+UseSerialGC", "-Xmx64m", *options, "-cp", path, "Served"]


def build_go(bench):
    program = bench.file("served")
    private = {"GOCACHE": bench.file("cache"), "GOPATH": GO_PACKAGES, "GO111MODULE": "off"}
    subprocess.run([go(), "build", "-o", program, os.path.join(CLIENTS, "served.go")], check=True,
                   env={**os.environ, **private})
    return [program]


def lacks_java():
    if not shutil.which("javac"):
        return "a JDK"
    lacking = [jar for jar in JARS if not os.path.exists(os.path.join("/usr/share/java", jar))]
    return f"{lacking[0]} in /usr/share/java" if lacking else None


def lacks_go():
    there = os.path.isdir(os.path.join(GO_PACKAGES, "src/github.com/lib/pq"))
    return None if go() and there else "golang-go with golang-github-lib-pq-dev"


def lacks_ruby():
    gems = glob.glob("/usr/share/rubygems-integration/*/specifications/activerecord-*.gemspec")
    return None if shutil.which("ruby") and gems else "ruby-activerecord"


def lacks_psycopg_pool():
    python = subprocess.run([INTERPRETERS[".py"], "-c", "import psycopg_pool"], capture_output=True)
    return "python3-psycopg-pool" if python.returncode else None


def lacks_gevent():
    python = subprocess.run([INTERPRETERS[".py"], "-c", "import gevent, pymysql"], capture_output=True)
    return "python3-gevent" if python.returncode else None


@dataclass
class Pool:
    name: str
    command: object  # of the bench
    without: object = lambda: None
    server: str = "postgresql"
    pool: str = None   # in what they are seen to wait; None: only their requests are seen
    site: str = None   # the file where
    unseen: str = None  # a word of the reason why that is not known


POOLS = (
    Pool("psycopg_pool", lambda bench: ["served.py"], lacks_psycopg_pool, pool="psycopg_pool", site="served.py"),
    Pool("SQLAlchemy in gevent", lambda bench: ["served_gevent.py"], lacks_gevent, server="mariadb", unseen="greenlet"),
    Pool("HikariCP", build_java, lacks_java, unseen="jcmd PID Compiler.perfmap"),
    Pool("Go's database/sql", build_go, lacks_go, unseen="goroutine"),
    Pool("ActiveRecord", lambda bench: ["ruby", os.path.join(CLIENTS, "served.rb")], lacks_ruby, unseen="Ruby"),
    Pool("npm pg", lambda bench: ["served.js"], unseen="JavaScript"),
    Pool("npm mysql2", lambda bench: ["served.js"], server="mariadb", unseen="JavaScript"),
)


class Requests:
    """Requests to a client, each over a connection of its own."""

    def __init__(self, bench, kind):
        self.client = bench.client(*kind.command(bench), server=kind.server, driver="pymysql" if kind.server == "mariadb" else "psycopg")
        self.port = next(int(line.split()[1]) for line in self.client.said if line.startswith("port "))
        self.open = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        bench.afterwards.append(self.close)

    def send(self, number, word):
        asked = []
        for _ in range(number):
            asked.append(socket.create_connection(("127.0.0.1", self.port)))
            asked[-1].sendall(f"{word}\n".encode())
        self.open += asked
        return asked

    def call(self, number):
        self.send(number, f"call {self.listener.getsockname()[1]}")

    def answered(self, number, word):
        for asked in self.send(number, word):
            asked.settimeout(30)
            if asked.recv(16) != b"ok\n":
                raise RuntimeError(f"{word} was not answered: {self.client.errors[-3:]}")

    def close(self):
        for one in self.open + [self.listener]:
            one.close()


def looked_at(bench, requests, quiet=MIN_AGE + 0.5):
    time.sleep(quiet)
    look = bench.looked(bench.dbleak.watch("-p", requests.client.pid, "--duration", SECONDS, "--min-age", MIN_AGE))
    return look, look.process(requests.client.pid) or {"findings": [], "endpoints": [], "verdict": "absent"}


def waiting_is_told(bench, kind, look, process):
    found = [f for f in process["findings"] if f["cause"] == "unclosed-connection"]
    if not bench.check(len(found) == 1, f"{len(found)} findings of connections, verdict {process['verdict']}"):
        return
    finding, waiters = found[0], found[0]["waiters"] or {}
    bench.check(look.status == 1, f"exit status {look.status}")
    bench.check(len(process["findings"]) == 1, f"{[f['cause'] for f in process['findings']]}")
    bench.check(finding["verdict"] == "stuck", f"verdict {finding['verdict']}")
    bench.check(finding["open"] == POOL, f"{finding['open']} of {POOL} are held")
    bench.check(finding["oldest_seconds"] >= MIN_AGE + SECONDS - 1, f"the oldest for {finding['oldest_seconds']} s")
    bench.check(waiters.get("count") == WAITING, f"{waiters.get('count')} of {WAITING} wait")
    bench.check(waiters.get("pool") == kind.pool, f"they wait in {waiters.get('pool')}")
    bench.check(MIN_AGE <= waiters.get("oldest_seconds", 0) < 30, f"for {waiters.get('oldest_seconds')} s")
    line = (waiters.get("site") or {}).get("line")
    lines = line_of("WAITS", kind.site) if kind.site else [None]
    bench.check(line in lines, f"they wait at {waiters.get('site')}")
    bench.check(waiters.get("kind") == ("thread" if kind.pool else "request"), f"they are {waiters.get('kind')}s")
    bench.check((kind.unseen or "") in (waiters.get("site_unknown") or ""), f"reason {waiters.get('site_unknown')}")
    bench.check(kind.pool or finding["confidence"] == "possible", f"it is {finding['confidence']}")
    saturated = [e["pool"]["saturated"] for e in process["endpoints"] if e["pool"]]
    bench.check(saturated == ["held"], f"pools are {saturated}")


def held(kind):
    def test(bench):
        requests = Requests(bench, kind)
        requests.answered(POOL, "keep")
        time.sleep(0.2)
        requests.send(WAITING, "get")
        waiting_is_told(bench, kind, *looked_at(bench, requests))
    return test


def healthy(kind):
    def test(bench):
        requests = Requests(bench, kind)
        requests.answered(POOL, "get")
        time.sleep(0.2)
        requests.call(WAITING)
        silent(bench, looked_at(bench, requests)[1])
        requests.send(POOL + WAITING, "busy")
        silent(bench, looked_at(bench, requests, 1)[1], ["busy"])
    return test


@live("a full pool of HikariCP is found with its method where the JVM names its compiled code", without=lacks_java)
def named(bench):
    def compiled(bench):
        return build_java(bench, "-Xcomp", "-XX:TieredStopAtLevel=1", "-XX:+PreserveFramePointer",
                          "-XX:CompileCommand=dontinline,Served::*")

    kind = Pool("HikariCP", compiled, pool="HikariPool")
    requests = Requests(bench, kind)
    requests.answered(POOL, "keep")
    requests.send(WAITING, "get")
    time.sleep(2)
    pid = requests.client.pid
    bench.afterwards.append(lambda: os.path.exists(f"/tmp/perf-{pid}.map") and os.remove(f"/tmp/perf-{pid}.map"))
    subprocess.run(["jcmd", str(pid), "Compiler.perfmap"], check=True, capture_output=True)
    look, process = looked_at(bench, requests)
    waiting_is_told(bench, kind, look, process)
    methods = [(f["waiters"] or {}).get("site", {}).get("function") for f in process["findings"]]
    bench.check(methods == ["Served.get"], f"they wait in {methods}")


@live("requests that compute beside a pool of npm at rest are no leak")
def computing(bench):
    requests = Requests(bench, next(kind for kind in POOLS if kind.name == "npm pg"))
    requests.answered(POOL, "get")
    requests.send(WAITING, "compute")
    silent(bench, looked_at(bench, requests)[1])


for kind in POOLS:
    more = {"needs": (kind.server,), "without": kind.without}
    live(f"a full pool of {kind.name} is found with those that wait", **more)(held(kind))
    live(f"a pool of {kind.name} at rest, with requests that wait for another server, and one at work are no leak",
         **more)(healthy(kind))
