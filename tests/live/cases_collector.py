# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Findings for a collector of OpenTelemetry (--otlp): a small one that keeps what it is told."""
import http.server
import json
import threading
import time

from cases_rights import status_of
from cases_serve import Served
from servers import free_port
from solo import live


class Collector:
    def __init__(self, bench):
        self.records, self.trouble, outer = [], [], self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):  # pylint: disable=invalid-name
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.take(self.path, self.headers["Content-Type"], body)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        bench.afterwards.append(self.stop)

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def take(self, path, kind, body):
        if (path, kind) != ("/v1/logs", "application/json") or b"sesame" in body:
            self.trouble.append((path, kind, body[:300]))
        for record in json.loads(body)["resourceLogs"][0]["scopeLogs"][0]["logRecords"]:
            attributes = {one["key"]: next(iter(one["value"].values())) for one in record["attributes"]}
            self.records.append({"severity": record["severityText"], **attributes})

    def has_line(self, pid, patience=20):
        """The line of a leak may be known only later: then the finding has changed."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if any("/clients/" in r.get("code.file.path", "") for r in self.records if r["process.pid"] == str(pid)):
                return True
            time.sleep(0.3)
        return False

    def until(self, event, pid, cause="unclosed-connection", patience=40):
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            for record in self.records:
                if (record["event.name"], record["process.pid"], record["dbleak.cause"]) == (
                        f"dbleak.finding.{event}", str(pid), cause):
                    return record
            time.sleep(0.3)
        return None


@live("a collector is told of a leak when it is found and when its process has ended", group="collector")
def told(bench):
    client, collector = bench.client("keeper.py", "leak", "orders"), Collector(bench)
    served = Served(bench, "--otlp", collector.url)
    new = collector.until("new", client.pid)
    bench.shown.update(records=collector.records[:5])
    if bench.check(new, "no record of a new finding comes"):
        bench.check(new["process.executable.name"] == "orders", str(new))
        bench.check(collector.has_line(client.pid), f"no record has its line: {new}")
        bench.check(new["severity"] in ("ERROR", "WARN"), f"its severity is {new['severity']}")
    child = next(pid for pid in bench.janitor.family(served.process.pid) if "otlp" in status_of(pid)["Name"])
    status = status_of(child)
    bench.check(status["Uid"].split()[0] == "65534" and int(status["CapPrm"], 16) == 0 and status["Seccomp"] == "2",
                f"the process that sends has rights: {status}")
    client.stop()
    bench.check(collector.until("ended", client.pid), "no record of its end comes")
    look = served.end()
    bench.check("lost" not in look.err and not collector.trouble, f"{look.err[-300:]} {collector.trouble}")
    told_twice = [r for r in collector.records if r["event.name"] == "dbleak.finding.new" and
                  r["process.pid"] == str(client.pid) and r["dbleak.cause"] == "unclosed-connection"]
    bench.check(len(told_twice) == 1, f"the finding is new {len(told_twice)} times")


@live("a run tells a collector at its end, and one that is not there changes no status", group="collector")
def at_the_end(bench):
    client, collector = bench.client("keeper.py", "leak"), Collector(bench)
    recording = bench.file("recording")
    look = bench.dbleak.run("watch", "--duration", 8, "-p", client.pid, "--record", recording, "--otlp", collector.url)
    bench.check(look.status == 1 and collector.until("new", client.pid, patience=1), f"{look.status} {look.err[-300:]}")
    collector.records.clear()
    look = bench.dbleak.run("report", recording, "--otlp", collector.url)
    bench.check(look.status == 1 and collector.until("new", client.pid, patience=1), f"{look.status} {look.err[-300:]}")
    look = bench.dbleak.run("report", recording, "--otlp", f"http://127.0.0.1:{free_port()}")
    bench.check(look.status == 1 and "lost in all: Connection refused" in look.err, f"{look.status} {look.err[-300:]}")
    look = bench.dbleak.run("report", recording, "--otlp", "https://127.0.0.1:4318")
    bench.one_sentence(look, "no TLS", "collector on this node")
