# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""dbleak serve: a real Prometheus, its alerts and the dashboard; tokens, Unix sockets, hostile readers."""
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time

import prometheus
from cases_rights import status_of
from prometheus import SHIPPED, Prometheus
from servers import free_port
from solo import live

TOKEN = "0123456789abcdef-the-token"
SERIES_MOST = 5000
SCRAPES = 5
LINT = "db_client_connection_count non-histogram"  # OpenTelemetry chose that name


class Served:
    """A dbleak serve that is ready to be asked."""

    def __init__(self, bench, *argv, listen=None):
        self.bench, self.port = bench, free_port()
        self.path = listen[5:] if listen and listen.startswith("unix:") else None
        self.process = bench.dbleak.start("serve", "--listen", listen or f"127.0.0.1:{self.port}", *argv)
        self.token = None
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if self.get("/healthz")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.2)
        bench.check(False, "it does not begin to serve")

    def dial(self):
        if self.path:
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(self.path)
            return connection
        return socket.create_connection(("127.0.0.1", self.port), 20)

    def get(self, path, method="GET", **headers):
        """(status, type, body)"""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.sock = self.dial()
        try:
            if self.token:
                headers.setdefault("Authorization", f"Bearer {self.token}")
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.getheader("Content-Type"), answer.read().decode()
        finally:
            connection.close()

    def metrics(self):
        return self.get("/metrics")[2]

    def http_process(self):
        return next(pid for pid in self.bench.janitor.family(self.process.pid) if "http" in status_of(pid)["Name"])

    def cpu_ms(self):
        """Processor time of the thread that writes pages and of the process that serves them."""
        tasks = [task for task in os.listdir(f"/proc/{self.process.pid}/task")
                 if status_of(self.process.pid, task)["Name"] == "dbleak-pages"]
        spent = 0
        for path in (f"/proc/{self.process.pid}/task/{tasks[0]}", f"/proc/{self.http_process()}"):
            with open(os.path.join(path, "schedstat")) as file:
                spent += int(file.read().split()[0])
        return spent / 1e6

    def until(self, words, patience=40):
        """The exposition, once all of these words stand in one line of it."""
        deadline = time.monotonic() + patience
        while True:
            text = self.metrics()
            if any(all(word in line for word in words) for line in text.splitlines()):
                return text
            if time.monotonic() > deadline:
                self.bench.check(False, f"no line has {words}: {text[-1500:]}")
                return text
            time.sleep(0.5)

    def end(self, status=0):
        """It ends at SIGTERM, without a word and without a process of its own."""
        ours = [pid for pid in self.bench.janitor.family(self.process.pid)
                if status_of(pid)["Name"] in ("dbleak-http", "dbleak-otlp")]
        self.process.send_signal(signal.SIGTERM)
        look = self.bench.dbleak.finish(self.process)
        self.bench.check(look.status == status, f"exit status {look.status}, not {status}: {look.err[-400:]}")
        self.bench.check(look.out == b"", f"it prints {look.out[:200]!r}")
        left = [pid for pid in ours if os.path.exists(f"/proc/{pid}/exe")]
        self.bench.check(not left, f"processes are left: {left}")  # the probes' may end later
        return look


def samples(text):
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def promtool(*argv, given=None):
    done = subprocess.run(["promtool", *argv], input=given, capture_output=True, text=True)
    return done.returncode, [line for line in (done.stdout + done.stderr).splitlines() if LINT not in line]


@live("a real Prometheus scrapes a leak, its alert fires, and each query of the dashboard has data", group="serve",
      without=prometheus.missing)
def scraped(bench):
    client = bench.client("keeper.py", "leak", "orders")
    served = Served(bench, "-p", client.pid)
    server = Prometheus(bench, served.port)
    found = server.until(lambda: server.query('dbleak_findings{process="orders",verdict="leaking"}'))
    bench.shown.update(target=server.until(server.target, 5), metrics=served.metrics())
    bench.check(found, "no finding arrives")
    bench.check(found and "/clients/" in found[0][0].get("site", ""), f"the line is not told: {found}")
    bench.check(server.target() == ("up", ""), f"the target is {server.target()}")
    firing = server.until(lambda: server.firing("DbleakLeak"))
    bench.check(firing and firing[0]["labels"]["process"] == "orders", f"the alert does not fire: {firing}")
    bench.check(not server.firing("DbleakDown"), "an alert says that dbleak is down")
    time.sleep(3)  # rates need two scrapes
    for title, expression in prometheus.dashboard():
        bench.check(server.until(lambda: server.query(expression), 20), f"no data for {title}: {expression}")
    rate = 'sum(rate(dbleak_connections_opened_total{process="orders"}[10s]))'  # it opens two a second
    bench.check(server.until(lambda: [v for _, v in server.query(rate) if 1 < v < 3], 30),
                f"connections opened a second: {server.query(rate)}, not about 2")
    served.end()


@live("what is served is what promtool takes, in both formats, and the shipped rules hold", group="serve",
      without=prometheus.missing)
def exposition(bench):
    client = bench.client("keeper.py", "leak")
    served = Served(bench, "-p", client.pid)
    text = served.until(("dbleak_findings", 'verdict="leaking"'))
    status, said = promtool("check", "metrics", given=text)
    bench.check(status in (0, 3) and not said, f"promtool check metrics: {status} {said}")
    status, kind, plain = served.get("/metrics", Accept="text/plain;version=0.0.4;q=0.5,*/*;q=0.1")
    bench.check((status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8"), f"{status} {kind}")
    status, kind, opened = served.get("/metrics", Accept="application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    bench.check(status == 200 and kind.startswith("application/openmetrics-text; version=1.0.0"), f"{status} {kind}")
    bench.check(opened.endswith("\n# EOF\n") and "# EOF" not in plain, "only OpenMetrics ends with its line")
    names = [set(re.match(r"[a-z_]+", line)[0] for line in samples(one)) for one in (plain, opened)]
    bench.check(names[0] == names[1], f"the formats differ: {names[0] ^ names[1]}")
    report = json.loads(served.get("/report")[2])
    bench.check(report["schema"] == "dbleak.report/1" and any(p["pid"] == client.pid for p in report["processes"]),
                "/report has no report of the client")
    status, kind, page = served.get("/html")
    bench.check(status == 200 and kind.startswith("text/html") and "Connections over time" in page,
                f"/html: {status} {kind} {page[:200]!r}")
    for line in {f"{f['site']['file']}:{f['site']['line']}" for f in report["findings"] if f["site"]}:
        bench.check(os.path.basename(line) in page, f"/html does not tell of {line}")
    bench.check("sesame" not in text + page + json.dumps(report), "a literal of somebody's SQL is served")
    status, said = promtool("check", "rules", os.path.join(SHIPPED, "dbleak.rules.yml"))
    bench.check(status == 0, f"promtool check rules: {said}")
    status, said = promtool("test", "rules", os.path.join(SHIPPED, "dbleak.rules.test.yml"))
    bench.check(status == 0, f"promtool test rules: {said}")
    served.end()


@live("hostile readers of dbleak serve keep nobody out, and the watch goes on", group="serve")
def hostile(bench):
    client = bench.client("keeper.py", "leak")
    served = Served(bench, "-p", client.pid)
    slow = []
    for _ in range(1000):  # a byte each, and no more
        slow.append(served.dial())
        slow[-1].sendall(b"G")
    began = time.monotonic()
    status = served.get("/metrics")[0]
    took = time.monotonic() - began
    bench.check(status == 200 and took < 2, f"beside 1,000 slow readers: {status} after {took:.1f} s")
    with served.dial() as large:
        try:
            large.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * (1 << 20) + b"\r\n\r\n")
            answer = large.recv(64)
        except OSError:
            answer = b""
        bench.check(answer == b"" or b" 431 " in answer, f"1 MB of headers: {answer!r}")
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW"):
        bench.check(served.get("/metrics", method)[0] == 405, f"{method} is taken")
    bench.check(served.get("/metrics", Host="evil.example")[0] == 421, "a name of another host is taken")
    bench.check(served.get("/etc/passwd")[0] == 404 and served.get("/metrics/../report")[0] == 404, "strange paths")
    connection = slow[0]
    connection.settimeout(20)
    bench.check(connection.recv(64) == b"", "a slow reader is still served")
    for connection in slow:
        connection.close()
    served.until(("dbleak_findings", 'verdict="leaking"'))
    child = served.http_process()
    status = status_of(child)
    bench.check(int(status["CapPrm"], 16) == int(status["CapBnd"], 16) & 0 and status["Uid"].split()[0] == "65534" and
                (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1"), f"the process that serves has rights: {status}")
    bench.check(int(status["VmHWM"].split()[0]) < 32 << 10, f"it took {status['VmHWM']} of memory")
    served.end()


@live("200 processes are served within 10 ms, in less than 5,000 series", group="serve")
def many(bench):
    crowd = bench.client("crowd.py", "200", "2")
    # Without probes in libraries: to take those of 200 processes out again takes the kernel a minute.
    served = Served(bench, "--probe-at", "none", "--comm", "crowd-0", *(word for n in range(1, 200) for word in ("--comm", f"crowd-{n}")))
    served.until(("dbleak_processes", 'process="crowd-199"'))
    took, before = [], served.cpu_ms()
    for _ in range(SCRAPES):
        time.sleep(1.1)  # a page is told again for a second
        began = time.monotonic()
        text = served.metrics()
        took.append((time.monotonic() - began) * 1000)
    cpu = (served.cpu_ms() - before) / SCRAPES
    count = len(samples(text))
    clients = len({line for line in samples(text) if line.startswith("dbleak_processes{")})
    print(f"        200 processes, {count} series: {cpu:.1f} ms of a processor, {min(took):.1f} to {max(took):.1f} ms "
          f"on a machine with a load of {os.getloadavg()[0]:.0f}")
    bench.check(clients == 200 and 1000 < count <= SERIES_MOST, f"{clients} clients, {count} series")
    # 10 ms where nothing else runs; beside others both wait for processors, and share their caches.
    most = 10 * max(1, os.getloadavg()[0] / os.cpu_count())
    bench.check(min(*took, cpu) < most, f"a scrape takes {min(took):.1f} ms, {cpu:.1f} ms of a processor; {most:.0f} are well")
    bench.check(crowd.alive(), "the crowd has ended")
    served.end()


@live("a token and a Unix socket keep others out of what dbleak serves", needs=(), group="serve")
def kept_out(bench):
    token = bench.file("token")
    with open(token, "w") as file:
        file.write(TOKEN + "\n")
    os.chmod(token, 0o600)
    served = Served(bench, "--token-file", token)
    bench.check(served.get("/healthz")[0] == 200, "/healthz needs a token")
    for path in ("/metrics", "/report", "/html", "/nosuch"):
        for wrong in ("", "Bearer", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", f"Basic {TOKEN}"):
            status = served.get(path, Authorization=wrong)[0]
            bench.check(status == 401, f"{path} with {wrong!r}: {status}")
    served.token = TOKEN
    bench.check(served.get("/metrics")[0] == 200 and served.get("/nosuch")[0] == 404, "the right token is refused")
    bench.check(TOKEN not in served.end().err, "the token is told")
    path = bench.file("socket")
    served = Served(bench, listen=f"unix:{path}")
    bench.check(served.get("/metrics")[0] == 200, "nothing comes through the Unix socket")
    bench.check(os.stat(path).st_mode & 0o777 == 0o660, f"its mode is {os.stat(path).st_mode:o}")
    served.end()
    bench.check(not os.path.exists(path), "the Unix socket is left behind")


@live("an address that dbleak cannot or should not serve at is refused in a sentence", needs=(), group="serve")
def refused(bench):
    open_to_all, short = bench.file("open"), bench.file("short")
    for path, mode, text in ((open_to_all, 0o644, TOKEN), (short, 0o600, "short")):
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, mode)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for argv, words in ((("--listen", f"0.0.0.0:{port}"), ("--token-file",)),
                            (("--listen", f":{port}"), ("--token-file",)),
                            (("--listen", f"127.0.0.1:{port}"), ("in use",)),
                            (("--listen", "db.example:80"), ("numbers",)),
                            (("--listen", f"unix:{open_to_all}"), ("in use",)),
                            (("--token-file", open_to_all), ("chmod 600",)),
                            (("--token-file", short), ("16",)),
                            (("--token-file", "/no/such"), ("no such file",))):
            bench.one_sentence(bench.dbleak.run("serve", *argv), *words)
    bench.check(os.path.isfile(open_to_all), "a file was replaced by a socket")


@live("dbleak serve says so and ends when the process that serves is gone", needs=(), group="serve")
def server_gone(bench):
    served = Served(bench)
    child = served.http_process()
    os.kill(child, signal.SIGKILL)
    look = bench.dbleak.finish(served.process, patience=20)
    bench.check(look.status == 2 and "has ended" in look.err, f"{look.status} {look.err[-300:]!r}")


def openings(text, database):
    """Of the histogram of one kind of database: {bound: count}, sum and count."""
    name = "db_client_connection_create_time_seconds"
    ours = [line for line in samples(text) if line.startswith(name) and f'db_system_name="{database}"' in line]
    within = {re.search(r'le="([^"]+)"', line)[1]: int(line.split()[-1]) for line in ours if "_bucket{" in line}
    rest = {line[len(name):line.index("{")]: float(line.split()[-1]) for line in ours if "_bucket{" not in line}
    return within, rest.get("_sum", 0), int(rest.get("_count", 0))


@live("how long connections took to open is served as the client itself measured it", group="serve",
      needs=("postgresql", "mariadb"))
def opened(bench):
    clients = {"postgresql": bench.client("opened_slowly.py", "4", "1"),
               "mysql": bench.client("opened_slowly.py", "4", server="mariadb", driver="pymysql")}
    served = Served(bench, *[word for client in clients.values() for word in ("-p", client.pid)])
    for client in clients.values():
        os.kill(client.pid, signal.SIGUSR1)
    for database, client in clients.items():
        slow = database == "postgresql"
        count = 4 + slow
        text = served.until(("create_time_seconds_count", f'db_system_name="{database}"', f" {count}"))
        within, total, counted = openings(text, database)
        took = [float(line.split()[1]) for line in client.said if line.startswith("took")]
        bench.shown[database] = {"client": took, "sum": total, "within": within}
        bench.check(counted == count == within["+Inf"] == len(took), f"{database}: {counted} openings, {within}")
        bench.check((1 if slow else 0) < total <= sum(took), f"{database}: {total} s, the client measured {took}")
        bench.check(within["1.0"] == 4 and within["5.0"] == count, f"{database}: {within}")
    report = json.loads(served.get("/report")[2])
    told = {endpoint["database"]: endpoint["create_time"] for one in report["processes"] for endpoint in one["endpoints"]}
    bench.check({kind: one and one["count"] for kind, one in told.items()} == {"postgresql": 5, "mysql": 4}, f"{told}")
    served.end()
