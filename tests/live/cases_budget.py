# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""The budget of the probes in client libraries: kept, said, and no verdict the worse for it."""
import datetime
import json
import time

from harness import command_of
from solo import live

SECONDS = 8
GIVEN_UP = "then the budget was used up"


def watched(bench, *options, load):
    """A watch during which a program works with SQLite for some seconds."""
    begun = []

    def run():
        client = bench.client("lite_busy.py", *load)
        begun.append((client, time.time()))
        time.sleep(SECONDS)

    look = bench.looked(bench.dbleak.watch("--duration", 2 * SECONDS, *options, during=run))
    client, at = begun[0]
    libraries = [one for one in look.report["coverage"]["libraries"] if "sqlite" in one["path"]]
    bench.check(any(one["hits"] for one in libraries), f"SQLite's probes were not hit: {libraries}")
    process = look.process(client.pid)
    bench.check(not process or (process["verdict"] in ("ok", "unknown") and not process["findings"]),
                f"a healthy program is {process and process['verdict']}")
    return look, at


def given_up(look):
    return [gap["reason"] for gap in look.report["coverage"]["gaps"]
            if GIVEN_UP in gap["reason"] and "sqlite" in gap["reason"]]


@live("budget: probes that cost more than it are taken out within seconds, and the report says so", group="budget")
def over(bench):
    look, at = watched(bench, "--max-overhead", "0.1", load=("5",))
    bench.check(look.report["cost"]["stepped_down"], "the report does not say that detail was given up")
    gaps = given_up(look)
    if not bench.check(len(gaps) == 1, f"SQLite's probes were not given up: {look.report['coverage']['gaps']}"):
        return
    start = datetime.datetime.fromisoformat(look.report["window"]["start"].replace("Z", "+00:00")).timestamp()
    after = int(gaps[0].split(" first ")[1].split()[0])
    bench.check(start + after - at <= 2.5, f"the probes were given up {start + after - at:.1f} s after the work began")


@live("budget: connections of SQLite that come by thousands are let go, and none looks kept", group="budget")
def opens(bench):
    look, _ = watched(bench, "--max-overhead", "0.1", load=("5", "0", "open"))
    gaps = [gap["reason"] for gap in look.report["coverage"]["gaps"]]
    bench.check(any(gap.startswith("connections are no longer seen in ") for gap in gaps),
                f"the probes of SQLite's connections stayed: {gaps}")
    bench.check(look.report["cost"]["stepped_down"], "the report does not say that detail was given up")
    bench.check(not look.report["findings"], f"a healthy program is accused: {look.report['findings']}")


@live("budget: probes that cost less stay, and nothing is said to be given up", group="budget")
def below(bench):
    look, _ = watched(bench, "--max-overhead", "100", load=("5", "0.01"))
    bench.check(not given_up(look), f"SQLite's probes were given up: {given_up(look)}")
    bench.check(look.report["cost"]["cpu_percent"] > 0, "the probes are said to cost nothing")


@live("budget: a run gives nothing up, unless it is told a budget", group="budget")
def of_run(bench):
    for options, exact in ((), True), (("--max-overhead", "0.1"), False):
        out = bench.file("run.json")
        done = bench.dbleak.run("run", "--json", "-o", out, *options, "--", *command_of(["lite_busy.py", "4", "0", "0"]))
        bench.check(done.status == 0, f"status {done.status}: {done.err[-300:]}")
        with open(out) as file:
            report = json.load(file)
        gaps = [gap["reason"] for gap in report["coverage"]["gaps"] if GIVEN_UP in gap["reason"]]
        bench.check(bool(gaps) != exact and report["cost"]["stepped_down"] != exact,
                    f"{' '.join(options) or 'no option'}: stepped_down {report['cost']['stepped_down']}, {gaps}")
