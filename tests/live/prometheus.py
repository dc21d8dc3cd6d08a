# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""A private Prometheus for the tests of dbleak serve: temporary data, a port of its own, ended with the test."""
import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

from harness import ROOT
from servers import free_port

SHIPPED = os.path.join(ROOT, "scripts", "package", "prometheus")
CONFIG = """global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: dbleak
    honor_labels: true
    static_configs: [{{targets: ['127.0.0.1:{port}']}}]
"""


def missing():
    return None if shutil.which("prometheus") and shutil.which("promtool") else "prometheus"


def fast_rules():
    """The rules as they are shipped, but that each alert waits for two seconds only."""
    with open(os.path.join(SHIPPED, "dbleak.rules.yml")) as file:
        lines = file.read().splitlines()
    return "\n".join("        for: 2s" if line.startswith("        for: ") else line for line in lines) + "\n"


class Prometheus:
    def __init__(self, bench, port):
        self.folder = bench.file("prometheus")
        os.mkdir(self.folder)
        self.port = free_port()
        rules, config = os.path.join(self.folder, "rules.yml"), os.path.join(self.folder, "prometheus.yml")
        with open(rules, "w") as file:
            file.write(fast_rules())
        with open(config, "w") as file:
            file.write(CONFIG.format(rules=rules, port=port))
        with open(os.path.join(self.folder, "log"), "wb") as log:
            self.process = subprocess.Popen(
                ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={self.folder}/data",
                 f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, cwd=self.folder, start_new_session=True)
        bench.janitor.watch(self.process.pid)
        bench.afterwards.append(lambda: bench.janitor.end(self.process))

    def api(self, what, **parameters):
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{what}?{query}", timeout=10) as answer:
            return json.load(answer)["data"]

    def until(self, look, patience=60):
        """What look() gives, once that is something."""
        deadline = time.monotonic() + patience
        while True:
            try:
                found = look()
            except (OSError, urllib.error.URLError):
                found = None
            if found or time.monotonic() > deadline:
                return found
            time.sleep(0.5)

    def target(self):
        """The state of the only target: its health and the last error."""
        found = self.api("targets")["activeTargets"]
        return (found[0]["health"], found[0]["lastError"]) if found else ("none", "")

    def query(self, expression):
        """[(labels, value)]"""
        return [(row["metric"], float(row["value"][1])) for row in self.api("query", query=expression)["result"]]

    def firing(self, name):
        return [alert for alert in self.api("alerts")["alerts"]
                if alert["labels"]["alertname"] == name and alert["state"] == "firing"]


def dashboard():
    """[(title, expression)] of all panels, with values for the variables of Grafana."""
    with open(os.path.join(SHIPPED, "dashboard.json")) as file:
        panels = json.load(file)["panels"]
    return [(panel["title"], target["expr"].replace("$__rate_interval", "1m").replace("$instance", ".*"))
            for panel in panels for target in panel["targets"]]
