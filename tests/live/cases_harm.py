# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""No target is ever harmed: programs that switch stacks, throw, jump, end threads, take signals and
fork inside the calls of each probed library say and end the same with the tracer as without it.

Each row is one program; all rows run without dbleak, beside one that watches somebody else, watched
by each kind of selection, by a watch of the whole host, and below `dbleak run`.
"""
import json
import os
import re
import shutil
import signal
import threading
import time

import contract
from harness import command_of, environment
from solo import live

LIBRARIES = {"sqlite": None, "libpq": "postgresql", "openssl": "postgresql-tls", "libmariadb": "mariadb",
             "hiredis": "redis"}
HAZARDS = ["plain", "coroutines", "beside", "abandoned", "exception", "longjmp", "cancel", "cancel-waiting",
           "thread-exit", "signal", "signal-jump", "fork", "exec", "vfork", "spawn", "clone"]
OF_SQLITE = ["wandering", "fork-inside"]  # others keep errno, or a socket that both would read
SERVERS = ("postgresql", "postgresql-tls", "mariadb", "redis")
WAIT = "3"  # seconds that a program waits until it is probed
PATIENCE = 100


def has_shadow_stacks():
    with open("/proc/cpuinfo") as info:
        return "user_shstk" in info.read()


def rows_of(bench, wait):
    """Each row: a name, a command line, an environment."""
    def row(name, argv, server=None, waits=wait):
        endpoint = bench.servers[server].endpoint("tcp4") if server else {}
        return {"name": name, "argv": command_of(argv),
                "env": environment(endpoint) | ({"HARM_WAIT": WAIT} if waits else {})}

    hazards = HAZARDS + (["shadow-stack"] if has_shadow_stacks() else [])
    rows = [row(f"{library} {hazard}", ["harm", library, hazard], server)
            for library, server in LIBRARIES.items() for hazard in hazards]
    rows += [row(f"sqlite {hazard}", ["harm", "sqlite", hazard]) for hazard in OF_SQLITE]
    return rows + [row("libmariadb's own coroutines", ["harm_async"], "mariadb"),
                   row("fibers of PHP", ["harm_fibers.php"]),
                   row("coroutines of Perl", ["harm_coro.pl"]),
                   row("greenlets of Python", ["harm_greenlets.py", "greenlets"]),
                   row("threads of Python", ["harm_greenlets.py", "threads"])]


class Rows:
    """The driver that runs all rows as its children, and what came of them."""

    def __init__(self, bench, wait=False, only=None):
        self.bench = bench
        self.path = bench.file("rows")
        self.go = self.path + ".go"
        rows = [row for row in rows_of(bench, wait) if not only or only(row["name"])]
        with open(self.path, "w") as file:
            json.dump(rows, file)

    def argv(self):
        return command_of(["harm.py", self.path])

    def start(self):
        return self.bench.client("harm.py", self.path, self.go)

    def results(self):
        with open(self.path + ".out") as file:
            return {one["name"]: one for one in json.load(file)}

    def run(self, client):
        with open(self.go, "w"):
            pass
        deadline = time.monotonic() + PATIENCE
        while client.alive() and time.monotonic() < deadline:
            time.sleep(0.05)
        return self.results()


ALONE = {}
ALONE_LOCK = threading.Lock()


def alone(bench):
    """What the programs do by themselves, found out once."""
    with ALONE_LOCK:
        if not ALONE:
            rows = Rows(bench)
            ALONE.update(rows.run(rows.start()))
        return ALONE


def shown(one):
    return f"status {one['status']}, {one['out'][-200:]!r} {one['err'][-200:]!r}"


def changed(one):
    """How much of the library's code was not as in its file, before and after."""
    return [int(number) for number in re.findall(r"^changed (\d+)$", one["err"], re.MULTILINE)]


def compare(bench, results, probed=None):
    """probed: whether the programs carry probes; None: some do."""
    expected = alone(bench)
    for name, one in results.items():
        want = expected[name]
        bench.check((one["status"], one["out"]) == (want["status"], want["out"]),
                    f"{name}: {shown(one)}, but alone {shown(want)}")
        found = changed(one)
        if probed is False:
            bench.check(not any(found), f"{name}: {found} bytes of the library's code are changed")
        if probed:
            bench.check(not found or found[0], f"{name}: it ran without probes")
    bench.shown["seconds"] = {name: round(one["seconds"], 2) for name, one in results.items()}


def watched_by(bench, rows, client, *argv):
    """The results of the rows while `dbleak watch` runs, and its report."""
    process = bench.dbleak.start("watch", "--json", *argv)
    bench.dbleak.wait_watching(process)
    results = rows.run(client)
    process.send_signal(signal.SIGINT)
    look = bench.dbleak.examine(bench.dbleak.finish(process))
    bench.looked(look)
    return results, look


@live("what programs do inside library calls is well without a tracer", needs=SERVERS, group="harm")
def by_themselves(bench):
    for name, one in alone(bench).items():
        bench.check(one["status"] == 0 and one["out"].endswith("ends well\n"), f"{name}: {shown(one)}")
        bench.check("failures" not in one["out"] or not re.search(r"failures [1-9]", one["out"]),
                    f"{name}: a child failed: {one['out'][-200:]!r}")


@live("beside a watch of somebody else programs carry no probe and are well", needs=SERVERS, group="harm")
def not_selected(bench):
    other = bench.client("sleep", "300", wait=False)
    rows = Rows(bench)
    results, _ = watched_by(bench, rows, rows.start(), "-p", other.pid)
    compare(bench, results, probed=False)


@live("children of a watched process are well whatever they do inside library calls", needs=SERVERS, group="harm")
def selected(bench):
    rows = Rows(bench, wait=True)
    client = rows.start()
    results, _ = watched_by(bench, rows, client, "-p", client.pid, "--max-overhead", "100")
    compare(bench, results, probed=True)


@live("programs of a watched name are well whatever they do inside library calls", needs=SERVERS, group="harm")
def selected_by_name(bench):
    rows = Rows(bench, wait=True, only=lambda name: re.search("coroutines|exception|cancel", name))
    names = ["harm", "harm_async", "php", "perl"]
    for name in names:  # one must be there
        stand_in = bench.file("bin")
        os.mkdir(stand_in)
        shutil.copy("/bin/sleep", os.path.join(stand_in, name))
        bench.client(os.path.join(stand_in, name), "300", wait=False)
    results, _ = watched_by(bench, rows, rows.start(), *(word for name in names for word in ("--comm", name)),
                            "--max-overhead", "100")
    compare(bench, results, probed=True)


@live("beside a watch of the whole host programs are well", needs=SERVERS, group="harm")
def whole_host(bench):
    rows = Rows(bench)
    results, _ = watched_by(bench, rows, rows.start())
    compare(bench, results)


@live("below `dbleak run` programs are well whatever they do inside library calls", needs=SERVERS, group="harm")
def below_run(bench):
    rows = Rows(bench)
    out = bench.file("run.json")
    done = bench.dbleak.run("run", "--json", "-o", out, "--max-overhead", "100", "--", *rows.argv(),
                            patience=PATIENCE, env={**os.environ})
    bench.shown.update(status=done.status, stderr=done.err[-800:])
    bench.check(done.status in (0, 1), f"exit status {done.status}: {done.err[-300:]}")
    compare(bench, rows.results())


@live("watched with --heap full programs are well whatever they do inside library calls", needs=SERVERS, group="harm")
def with_heap(bench):
    rows = Rows(bench, only=lambda name: re.search("coroutines|exception|longjmp|thread-exit|fork|Python", name))
    client = rows.start()
    results, _ = watched_by(bench, rows, client, "-p", client.pid, "--heap", "full", "--max-overhead", "100")
    compare(bench, results)


def dies_below_run(bench, hazard, next_waits=WAIT):
    """The report of a run in which a probed program dies so, what came after it, and the text of the report."""
    out, recording = bench.file("run.json"), bench.file("recording")
    harm, *_ = command_of(["harm"])
    script = f"{harm} sqlite {hazard}; echo status $?; HARM_WAIT={next_waits} {harm} sqlite plain"
    done = bench.dbleak.run("run", "--json", "-o", out, "--record", recording, "--", "/bin/sh", "-c", script,
                            env={**os.environ, "LC_ALL": "C", "HARM_WAIT": WAIT})
    with open(out) as file:
        report = json.load(file)
    bench.shown[hazard] = done.out.decode()[-300:], done.err[-300:], report["coverage"]["gaps"]
    bench.check(not contract.breaches(report), f"{hazard}: {contract.breaches(report)}")
    text = bench.dbleak.run("report", recording).out.decode()
    return report, done, text


@live("after a death at a probe all are taken out, and it is said first", needs=(), group="harm-deaths")
def deaths(bench):
    for hazard, number in (("illegal-inside", 132), ("trap-inside", 133), ("abort-inside", 134)):
        report, done, text = dies_below_run(bench, hazard, next_waits="1")
        bench.check(f"status {number}\n" in done.out.decode(), f"{hazard}: {done.out!r}")
        dead = report["coverage"].get("withdrawn")
        if bench.check(dead and dead["comm"] == "harm", f"{hazard}: nobody is said to have died: {dead}"):
            bench.check(report["coverage"]["gaps"][0]["pid"] == dead["pid"], f"{hazard}: it is not the first gap")
        bench.check(text.startswith("HARM:"), f"{hazard}: the text begins with {text[:60]!r}")
        probed = changed({"err": done.err})
        bench.check(probed[0] > 0, f"{hazard}: it died without a probe")
        bench.check(probed[1:] == [0, 0], f"{hazard}: probes stayed in the next program: {probed}")


@live("deaths that are nobody's doing but the program's change nothing", needs=(), group="harm-deaths")
def other_deaths(bench):
    for hazard in ("fault-inside", "abort-outside", "abort-after-jump", "abort-sent"):
        report, done, text = dies_below_run(bench, hazard)
        bench.check("withdrawn" not in report["coverage"], f"{hazard}: probes were taken out")
        bench.check(not text.startswith("HARM:"), f"{hazard}: the text begins with {text[:60]!r}")
        probed = changed({"err": done.err})
        bench.check(probed and all(probed), f"{hazard}: the next program had no probes: {probed}")
