# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""What all rows share: private servers, a running dbleak, paired runs, and the table's lines."""
import contextlib
import itertools
import json
import os
import pty
import re
import resource
import select
import shutil
import signal
import statistics
import subprocess
import time
from dataclasses import dataclass

import servers
from janitor import Janitor

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILT = os.path.join(ROOT, "build", "bench")
SETTLE = 2  # seconds after which a watch has looked around and no longer times its own programs
PROCESSES, CONNECTIONS = 300, 10_000  # of the crowded host


@dataclass
class Line:
    """One line of the table.  number is compared with the goal; measured is how it is written."""
    what: str
    number: float
    measured: str
    goal: str
    met: bool

    def cells(self):
        return self.what, self.measured, self.goal, "yes" if self.met else "NO"


def at_least(what, number, goal, written):
    return Line(what, number, written, f"≥ {goal:,}", number >= goal)


def at_most(what, number, goal, written, unit=""):
    return Line(what, number, written, f"≤ {goal:,}{unit}", number <= goal)


def spread(numbers, digits=3):
    """The median with the least and the most."""
    form = f"{{:,.{digits}f}}"
    low, high = form.format(min(numbers)), form.format(max(numbers))
    return f"{form.format(statistics.median(numbers))} ({low} to {high})"


def resident_kb(pid, name):
    """VmRSS or VmHWM of a process; 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/status") as lines:
            return next((int(line.split()[1]) for line in lines if line.startswith(name + ":")), 0)
    except OSError:
        return 0


def processor_seconds(server):
    """Spent so far by a server, its processes that have ended included, and by all our ended clients."""
    with open(f"/proc/{server.process.pid}/stat") as stat:
        ticks = sum(int(word) for word in stat.read().rpartition(")")[2].split()[11:15])
    clients = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ticks / os.sysconf("SC_CLK_TCK") + clients.ru_utime + clients.ru_stime


class Watch:
    """A `dbleak watch --json` of the whole host, at work."""

    def __init__(self, bench, *more, dbleak=None):
        self.bench = bench
        self.path = os.path.join(bench.folder, f"watch-{next(bench.numbers)}.json")
        self.process = bench.start([dbleak or bench.dbleak, "watch", "--json", "-o", self.path, *more])
        self.pid = self.process.pid
        self.peak_kb = 0  # of its resident memory, its report included; known when it has stopped
        time.sleep(SETTLE)
        if self.process.poll() is not None:
            raise RuntimeError(f"dbleak watch ended at once, status {self.process.returncode}")

    def stop(self):
        """Ends it politely.  Returns its report."""
        self.process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + 60
        while self.process.poll() is None and time.monotonic() < deadline:
            self.peak_kb = max(self.peak_kb, resident_kb(self.pid, "VmHWM"))
            time.sleep(0.002)
        self.bench.forget(self.process)
        with open(self.path) as report:
            return json.load(report)


class Bench:
    """Owns every process and file of the benchmark; leave() removes them all."""

    def __init__(self, options):
        self.pairs, self.seconds, self.dbleak = options.pairs, options.seconds, options.dbleak
        self.before = options.before
        self.janitor = Janitor()
        self.folder = self.janitor.folder
        self.running = {}
        self.numbers = itertools.count(1)

    def leave(self):
        self.janitor.leave()

    def note(self, text):
        print(f"    {text}", flush=True)

    def start(self, argv, **more):
        """A process of ours, ended with us."""
        more = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, **more}
        process = subprocess.Popen(argv, cwd=self.folder, start_new_session=True, **more)
        self.janitor.watch(process.pid)
        return process

    def forget(self, process):
        self.janitor.end(process)

    def output(self, argv, **more):
        """Runs a command to its end; what it printed."""
        process = self.start(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
        text = process.communicate()[0]
        self.forget(process)
        if process.returncode:
            raise RuntimeError(f"{argv[0]}: status {process.returncode}\n{text}")
        return text

    def built(self, program, *arguments):
        """What one of our own C programs printed, as numbers."""
        text = self.output([os.path.join(BUILT, program), *map(str, arguments)])
        return [float(word) for word in text.split()]

    def server(self, kind):
        """A private database server, started at its first use."""
        missing = kind.missing()
        if missing:
            raise RuntimeError(f"{missing} is not installed")
        if kind not in self.running:
            self.running[kind] = kind(self.folder, self.janitor)
            self.running[kind].start()
        return self.running[kind]

    def stop_servers(self):
        """A row that needs none has the host to itself."""
        while self.running:
            server = self.running.popitem()[1]
            server.stop()
            shutil.rmtree(server.folder, ignore_errors=True)

    @contextlib.contextmanager
    def watching(self, *more, dbleak=None):
        watch = Watch(self, *more, dbleak=dbleak)
        try:
            yield watch
        finally:
            if watch.process.returncode is None:
                watch.stop()

    @contextlib.contextmanager
    def at_rest(self, program, *arguments):
        """One of our own C programs that has said it is ready."""
        process = self.start([os.path.join(BUILT, program), *map(str, arguments)],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            if process.stdout.readline() != b"ready\n":
                raise RuntimeError(f"{program} did not get ready")
            yield process
        finally:
            self.forget(process)

    def crowd(self):
        """A host with many processes and connections."""
        return self.at_rest("holders", PROCESSES, CONNECTIONS, self.folder)

    def pairs_of(self, measure, on_options=(), off_options=None, reports=None):
        """measure(watched) is run without and with a watch, in turn, each first in every other pair;
        off_options: those of a watch that is there in the other half, too.  The reports of the watched
        halves are added to reports.  Returns the list of (off, on)."""
        pairs = []
        for number in range(self.pairs):
            pair = {}
            for on in (number % 2 == 1, number % 2 == 0):
                options = on_options if on else off_options
                if options is None:
                    pair[on] = measure(on)
                    continue
                with self.watching(*options) as watch:
                    pair[on] = measure(on)
                    report = watch.stop()
                    if on and reports is not None:
                        reports.append(report)
            pairs.append((pair[False], pair[True]))
            self.note(f"pair {number + 1}: off {pair[False]:,.0f}, on {pair[True]:,.0f}, "
                      f"ratio {pair[True] / pair[False]:.3f}")
        return pairs


def on_one_processor(server, alone=True):
    """A client and a server that take turns run on one processor: where each is woken would otherwise decide how
    fast they are.  alone=False: on all of them.  Returns the words before the client's command."""
    every = os.sched_getaffinity(0)
    wanted = {max(every)} if alone else every
    for task in os.listdir(f"/proc/{server.process.pid}/task"):
        os.sched_setaffinity(int(task), wanted)
    return ["taskset", "-c", ",".join(map(str, sorted(wanted)))]


def pgbench(bench, *options, seconds=None):
    """Runs it on a private PostgreSQL over its Unix socket; transactions a second."""
    server = bench.server(servers.PostgreSQL)
    base = [f"{server.bin}/pgbench", "-h", server.folder, "-p", str(server.port), "-U", "app"]
    if not getattr(server, "filled", False):
        server.sql("create database pgbench", "postgres")
        bench.output([*base, "-i", "-q", "-s", "10", "pgbench"])
        server.filled = True
    where = on_one_processor(server, options[:2] == ("-c", "1"))
    text = bench.output([*where, *base, "-n", "-S", "-T", str(seconds or bench.seconds), *options, "pgbench"])
    return float(re.search(r"^tps = ([\d.]+)", text, re.M)[1])


def sysbench(bench, seconds=None, script="oltp_read_only", options=()):
    """A script with one thread on a private MariaDB over its Unix socket; transactions a second."""
    server = bench.server(servers.MariaDB)
    base = ["sysbench", script, "--db-driver=mysql", f"--mysql-socket={server.socket}",
            "--mysql-user=root", "--mysql-db=sysbench", "--tables=1", "--table-size=100000",
            "--threads=1", f"--time={seconds or bench.seconds}", *options]
    if not getattr(server, "filled", False):
        server.sql("create database sysbench", "mysql")
        bench.output([*base, "prepare"])
        server.filled = True
    text = bench.output([*on_one_processor(server), *base, "run"])
    return float(re.search(r"transactions:\s+\d+\s+\(([\d.]+) per sec", text)[1])


def first_answer_and_farewell(bench, *options):
    """(seconds from exec to the first answer, seconds from SIGINT to the end) of a watch on a
    terminal: it prints its first answer when the probes are attached and the first sweep is done."""
    terminal, inner = pty.openpty()
    began = time.monotonic()
    process = bench.start([bench.dbleak, "watch", *options], stdout=inner)
    os.close(inner)
    os.read(terminal, 1)
    answered = time.monotonic()
    drain(terminal, answered + 1.5)
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    drain(terminal, asked + 30)
    process.wait(30)
    ended = time.monotonic()
    os.close(terminal)
    bench.forget(process)
    return answered - began, ended - asked


def drain(terminal, until):
    """Reads what comes from a terminal until that time, or until its other end is closed."""
    while (left := until - time.monotonic()) > 0:
        if select.select([terminal], [], [], left)[0]:
            try:
                if not os.read(terminal, 65536):
                    return
            except OSError:
                return
