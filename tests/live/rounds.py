# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Many clients under one watch of the whole host, each judged by its pid.

A round starts the tracer, starts all its clients, waits until each says it is ready, lets them
go on for a while, freezes them, counts what they really hold (by /proc and by the server), ends
the watch and compares.  The truth is measured, never assumed: a leaker that failed to leak or a
twin that died fails its case too.
"""
import os
import re
import shutil
import signal
import time
from dataclasses import dataclass, field

import fixes
import places
import records
from harness import BUILT, CLIENTS, Client, environment, sockets, unread
from servers import INSIDE, SID

QUIET = ("ok", "bounded")
MIN_AGE = 5
LONGEST_SILENCE = 9.5  # seconds: over its budget the tracer looks every 8 s at the least
AT_ONCE = 10  # clients that start at a time
# A client on a busy machine may greet its server before the functions of its TLS library are probed.
UNNAMED = {"most": 2, "seen": set()}


@dataclass
class Finding:
    """A finding that must be there.  A tuple lists what is allowed."""
    cause: tuple
    verdict: tuple = ("leaking",)
    kind: tuple = None
    sql: str = None           # a part of it, case and white space aside
    rows: tuple = None        # least, most
    rows_exact: bool = True
    line: str = None          # what the line of the client holds that it must name

    def __post_init__(self):
        for name in ("cause", "verdict", "kind"):
            if isinstance(getattr(self, name), str):
                setattr(self, name, (getattr(self, name),))


@dataclass
class Case:
    name: str                 # a sentence
    client: list
    server: str = "postgresql"
    way: str = "tcp4"
    driver: str = None
    round: str = "leaks"
    findings: list = field(default_factory=list)
    also: tuple = ()          # further causes that are no mistake here
    verdict: tuple = None     # default: the findings' verdicts, or QUIET
    sockets: tuple = None     # least and most sockets the client really holds at the end
    plain_sockets: int = 0    # of those, how many lead to no database
    slack: int = None         # how far the report's open connections may be off; None: do not compare
    counts: dict = field(default_factory=dict)  # "connections.open": (least, most)
    before: bool = False      # starts before the tracer
    inside: bool = False      # a C program that runs in the root file system of Debian's sid
    kill_after: float = None  # seconds after ready
    ends: bool = False        # the client is gone before the end
    gap: str = None           # a pattern some gap about this process must match
    says_ready: bool = True
    reported: bool = True     # False: it need not be in the report, being no client of a database
    placed: bool = True       # its findings must name their lines
    alone: bool = True        # in the report under its own pid, checked in the ordinary way
    check: object = None      # function(run, look) -> sentences, for what a table cannot say
    prepare: object = None    # function(servers, folder), called before the client starts
    env: dict = field(default_factory=dict)
    user: str = "app"
    without: object = None    # function that names what the machine lacks for it, if anything
    fix: str = None           # of the first finding that must be there: what its advice holds

    def allowed(self):
        if self.verdict:
            return self.verdict
        return tuple({v for finding in self.findings for v in finding.verdict}) or QUIET

    @property
    def needs(self):
        return {self.server} | ({"postgresql"} if self.server == "pgbouncer" else set())


class Run:
    """One case at work."""

    def __init__(self, case, number, servers, janitor):
        self.case, self.server, self.servers = case, servers[case.server], servers
        self.label = f"{case.round}-{number:03d}"
        self.janitor = janitor
        self.client = None
        self.truth = self.backends = None
        self.unread = 0  # replies that were under way when it was frozen

    def start(self):
        case = self.case
        more = {"driver": case.driver} if case.driver else {}
        endpoint = self.server.endpoint(case.way, **more)
        folder = os.path.join(self.janitor.folder, self.label)
        shutil.rmtree(folder, ignore_errors=True)  # of a first try
        os.mkdir(folder)
        if case.server == "sqlite":
            shutil.copy(self.server.file, folder)
        if case.prepare:
            case.prepare(self.servers, folder)
        argv = [word.format(folder=folder, **endpoint) for word in case.client]
        if case.inside:
            shutil.copy(os.path.join(BUILT, argv[0]), folder)
            argv = [INSIDE, SID, self.janitor.folder, os.path.join(folder, argv[0]), *argv[1:]]
        self.client = Client(self.janitor, argv, dict(environment(endpoint, self.label), **case.env), folder)

    @property
    def pid(self):
        return self.client.pid

    def census(self):
        """What it really holds now; call while it is frozen."""
        self.alive, self.ready = self.client.alive(), self.client.is_ready.is_set()
        self.truth = sockets(self.pid) if self.alive else set()
        self.held = {pid: sockets(pid) or set() for pid in self.client.children}

    def truth_faults(self):
        """Did the client do what the case says?"""
        case, faults = self.case, []
        if case.says_ready and not self.ready:
            faults.append("the client never got ready")
        if case.ends == self.alive:
            faults.append("the client still runs" if self.alive else
                          f"the client is gone ({self.client.process.returncode}): {self.client.errors[-3:]}")
        if case.sockets and not case.sockets[0] <= len(self.truth) <= case.sockets[1]:
            faults.append(f"the client holds {len(self.truth)} sockets, not {case.sockets}")
        return faults

    def judge(self, look):
        if look.report is None:
            return ["no report"]
        if not self.case.alone:
            return self.case.check(self, look)
        process = look.process(self.pid)
        if process is None:
            return ["the process is not in the report"] if self.case.reported else []
        faults = verdict_faults(self.case, process) + self.count_faults(process)
        if self.case.gap:
            reasons = [gap["reason"] for gap in look.report["coverage"]["gaps"] if gap["pid"] == self.pid]
            if not any(re.search(self.case.gap, reason, re.IGNORECASE) for reason in reasons):
                faults.append(f"no gap says {self.case.gap!r}: {reasons}")
        return faults + (self.case.check(self, look) if self.case.check else [])

    def count_faults(self, process):
        case, faults = self.case, []
        for path, (least, most) in case.counts.items():
            if (value := total(process, path)) is None or not least <= value <= most:
                faults.append(f"{path} is {value}, not {least} to {most}")
        if process["exited"] != case.ends:
            faults.append(f"exited is {process['exited']}")
        if case.slack is not None and self.alive:
            really = len(self.truth) - case.plain_sockets
            if abs(total(process, "connections.open") - really) > case.slack:
                faults.append(f"open is {total(process, 'connections.open')}, in truth {really}")
        said = total(process, "connections.in_transaction")
        if case.slack is not None and self.backends and self.alive and not self.backends[2] and said is not None:
            if abs(said - self.backends[1]) > case.slack + self.unread:
                faults.append(f"in_transaction is {said}, the server says {self.backends[1]}")
        named = case.reported and case.server != "redis"  # whose sockets are not ours to read
        return faults + (self.endpoint_faults(process) if named else [])

    def endpoint_faults(self, process):
        """Where it leads, and who it is there."""
        kind = {"mariadb": "mysql", "mariadb-tls": "mysql", "mysql-tls": "mysql", "sqlite": "sqlite"}.get(self.case.server, "postgresql")
        address = self.server.address(self.case.way)
        if kind == "sqlite" and not address.startswith(":"):
            address = os.path.join(self.janitor.folder, self.label, address)
        for endpoint in process["endpoints"]:
            if endpoint["database"] == kind and endpoint["address"] == address:
                known = (endpoint["name"], endpoint["user"])
                if self.case.before or self.case.gap or known == ("shop", self.case.user) or self.case.slack is None:
                    return []
                if known == (None, None) and (self.case.server or "").endswith("-tls"):
                    UNNAMED["seen"].add(self.label)
                    if len(UNNAMED["seen"]) <= UNNAMED["most"]:
                        return []
                return [f"the endpoint is {known[0]!r} as {known[1]!r}"]
        return [f"no endpoint is {kind} {address}: {[e['address'] for e in process['endpoints']]}"]


def total(process, path):
    """The sum over all endpoints; None when one of them is not known."""
    group, key = path.split(".")
    values = [endpoint[group][key] for endpoint in process["endpoints"]]
    return None if None in values else sum(values)


def plain(text):
    return " ".join((text or "").lower().split())


def finding_fits(wanted, found):
    if found["cause"] not in wanted.cause or found["verdict"] not in wanted.verdict:
        return False
    if wanted.kind and found["kind"] not in wanted.kind:
        return False
    if wanted.sql and plain(wanted.sql) not in plain(found["sql"]):
        return False
    if wanted.rows and (found["rows"] is None or found.get("rows_exact", True) != wanted.rows_exact):
        return False
    return not wanted.rows or wanted.rows[0] <= found["rows"] <= wanted.rows[1]


def line_faults(case, wanted, findings):
    """The line that findings name, in the client's own file."""
    sites = [found["site"] for found in findings if finding_fits(wanted, found)]
    path = os.path.join(CLIENTS, case.client[0])
    with open(path) as file:
        lines = file.read().splitlines()
    for site in sites:
        if site and site["file"] == path and site["line_exact"] and wanted.line in lines[site["line"] - 1]:
            return []
    return [f"no line with {wanted.line!r} of {case.client[0]} is named: {sites}"]


def verdict_faults(case, process):
    faults = []
    summary = [f"{f['verdict']} {f['cause']} {f['kind']} rows={f['rows']} sql={f['sql']}" for f in process["findings"]]
    if process["verdict"] not in case.allowed():
        faults.append(f"verdict {process['verdict']}, not {'/'.join(case.allowed())}; findings {summary}")
    for wanted in case.findings:
        if not any(finding_fits(wanted, found) for found in process["findings"]):
            faults.append(f"no finding {'/'.join(wanted.verdict)} {'/'.join(wanted.cause)} "
                          f"{'/'.join(wanted.kind or ())} {wanted.sql or ''}: {summary}")
        elif wanted.line:
            faults += line_faults(case, wanted, process["findings"])
    expected = {cause for wanted in case.findings for cause in wanted.cause} | set(case.also)
    faults += [f"wrongly found: {line}" for line, found in zip(summary, process["findings"])
               if found["cause"] not in expected]
    faults += fixes.faults(case, process["findings"])
    if case.placed:
        faults += [fault for found in process["findings"] for fault in places.faults(case.client, found)]
    return faults


class Round:
    """All chosen cases of one round."""

    def __init__(self, name, cases, servers, janitor, dbleak, hold, options=()):
        self.name, self.hold, self.options = name, hold, options
        self.servers, self.janitor, self.dbleak = servers, janitor, dbleak
        self.runs = [Run(case, number, servers, janitor) for number, case in enumerate(cases)]

    def start(self, before):
        chosen = [run for run in self.runs if run.case.before == before]
        deadline = time.monotonic() + 120
        for run in chosen:
            while time.monotonic() < deadline and self.starting() >= AT_ONCE:
                time.sleep(0.02)
            run.start()
        for run in chosen:
            if run.case.says_ready:
                run.client.wait_ready(deadline - time.monotonic())

    def starting(self):
        """How many are not ready yet.  On a crowded machine a start has pauses that look like habits."""
        return sum(run.client is not None and run.case.says_ready and not run.client.is_ready.is_set() and
                   run.client.alive() for run in self.runs)

    def go_on(self):
        """The time in which leaks show."""
        began = time.monotonic()
        killings = sorted((run.case.kill_after, run.label, run) for run in self.runs if run.case.kill_after)
        for after, _, run in killings:
            time.sleep(max(0, began + after - time.monotonic()))
            run.client.kill()
        time.sleep(max(0, began + self.hold - time.monotonic()))

    def knock(self):
        """Somebody's first encrypted connection, whose login comes before it can be read."""
        behind_tls = [server for server in {run.server for run in self.runs} if hasattr(server, "knock")]
        for server in behind_tls:
            server.knock()
        time.sleep(2 if behind_tls else 0)

    def census(self):
        """What the kernel says.  Quick: for a client that does not move, a second is idle time."""
        for pid in self.janitor.family(*(run.pid for run in self.runs)):
            os.kill(pid, signal.SIGSTOP)
        for run in self.runs:
            run.census()
        self.server_pids = {pid: name for name, server in self.servers.items() if name != "pgbouncer"
                            for pid in server.pids()}

    def ask_servers(self):
        """What the servers say of the clients, which are still frozen."""
        said = {name: server.sessions() for name, server in self.servers.items() if hasattr(server, "sessions")}
        for run in self.runs:
            if run.case.server in said and run.case.round != "busy":  # there replies are on their way
                run.backends = said[run.case.server].get(run.label, (0, 0, 0))
                run.unread = unread(run.pid)

    def watch(self):
        """Runs it all; returns what dbleak said, or None without a tracer."""
        recording = self.dbleak.path(f"{self.name}.rec") if self.dbleak else None
        try:
            self.start(before=True)
            tracer = None
            if self.dbleak:
                time.sleep(1)
                tracer = self.dbleak.start("watch", "--json", "--min-age", MIN_AGE, "--duration", 300,
                                           "--record", recording, *self.options)
                self.dbleak.wait_watching(tracer)
                self.knock()
            self.start(before=False)
            self.go_on()
            self.census()
            if tracer:
                time.sleep(0.3)
                if tracer.poll() is None:
                    tracer.send_signal(signal.SIGINT)
            self.ask_servers()
            if not tracer:
                return None
            look = self.dbleak.finish(tracer, recording, patience=20)
        finally:
            self.janitor.end(*(run.client.process for run in self.runs if run.client))
        return self.dbleak.examine(look)

    def whole(self, look):
        """What must hold of the round's report as a whole: (sentence, faults)."""
        yield f"the report of the {self.name} keeps the contract, replays and is fit to print", look.trouble
        silence = records.longest_silence(look.recording) if os.path.exists(look.recording or "") else 0
        yield f"all is looked at again and again while the {self.name} are watched", [
            f"nothing was looked at for {silence:.1f} s"] if silence > LONGEST_SILENCE else []
        yield f"nothing is lost while the {self.name} are watched", self.dbleak.losses(
            look, "ring_full", "map_full", "missed_return")
        yield f"no server is accused among the {self.name}", [
            f"{self.server_pids[process['pid']]} [{process['pid']}] is {process['verdict']}"
            for process in (look.report or {"processes": []})["processes"]
            if process["pid"] in self.server_pids and process["findings"]]


def run_round(name, cases, servers, janitor, dbleak, hold, options=()):
    """Yields (sentence, faults, what to show of it)."""
    this = Round(name, cases, servers, janitor, dbleak, hold, options)
    look = this.watch()
    for run in this.runs:
        faults = run.truth_faults()
        shown = {"pid": run.pid, "sockets": len(run.truth), "backends": run.backends,
                 "children": {pid: len(held) for pid, held in run.held.items()}, "said": run.client.said[-3:],
                 "errors": run.client.errors[-3:]}
        if look is not None:
            faults += run.judge(look)
            shown["process"] = look.process(run.pid)
        yield run.case.name, faults, shown
    if look is not None:
        for sentence, faults in this.whole(look):
            yield sentence, faults, {"stderr": look.err[-1000:]}
