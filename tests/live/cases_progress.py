# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Long work on a terminal shows how far it is, in a pipe it does not, and files that were written are named."""
import os
import re
import signal
import subprocess
import threading
import time

from cases_command import on_terminal
from records import HEAD, TICK
from solo import live

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "places.dbleak")
BYTES = 60 << 20  # of ticks alone: a quarter of a second to read
LINE = "\r\x1b[K"


def large(bench):
    """A recording with one tick repeated until it has so many bytes."""
    path, done = bench.file("large.rec"), 0
    with open(GOLDEN, "rb") as file:
        raw = file.read()
    with open(path, "wb") as out:
        at = 0
        while at < len(raw):
            size, kind = HEAD.unpack_from(raw, at)[3], HEAD.unpack_from(raw, at)[2]
            record = raw[at:at + size]
            out.write(record)
            if kind == TICK and not done:
                done = BYTES // size
                out.write(record * done)
            at += size
    return path


def slowly(bench, path, *argv):
    """Reads the recording on a terminal, and sleeps for a second on the way; (status, what it wrote)."""
    here, there = os.openpty()
    process = bench.dbleak.start("report", path, *argv, stdout=there, stderr=there, env=dict(os.environ, TERM="xterm"))
    os.close(there)
    deadline, read = time.monotonic() + 10, 0
    while read < BYTES // 20 and time.monotonic() < deadline:
        with open(f"/proc/{process.pid}/io") as file:
            read = int(file.readline().split()[1])
    process.send_signal(signal.SIGSTOP)
    time.sleep(1)
    process.send_signal(signal.SIGCONT)
    status, said = process.wait(30), os.read(here, 65536).decode()
    os.close(here)
    return status, said


def progress_lines(said):
    return [line for line in said.split(LINE) if line.startswith(("reading: ", "looking: ", "starting"))]


@live("a large recording shows on a terminal how much is read, and nothing of it in a pipe", group="progress", needs=())
def replayed(bench):
    path, report = large(bench), bench.file("report")
    status, said = slowly(bench, path, "-o", report)
    lines = progress_lines(said)
    bench.shown["terminal"] = said[:2000]
    bench.check(status == 1 and lines, f"status {status}, no progress")
    shares = [int(re.fullmatch(r"reading: (\d+) % of [\d,]+ bytes", line)[1]) for line in lines]
    bench.check(shares == sorted(shares) and 0 < shares[-1] <= 100, f"{shares} percent")
    bench.check(said.endswith(f"{LINE}dbleak: report written to {report}\r\n"), f"it ends with {said[-200:]!r}")
    piped = bench.dbleak.run("report", path, "-o", report)
    bench.check(piped.err == f"dbleak: report written to {report}\n", f"in a pipe: {piped.err!r}")
    bench.check(bench.dbleak.run("report", path).err == "", "it speaks although no file was written")
    os.unlink(path)


@live("a recording from a slow pipe shows how many bytes came", group="progress", needs=())
def from_a_pipe(bench):
    with open(GOLDEN, "rb") as file:
        raw = file.read()
    here, there = os.pipe()

    def feed():
        with os.fdopen(there, "wb", buffering=0) as out:
            for at in range(0, len(raw), len(raw) // 8):
                out.write(raw[at:at + len(raw) // 8])
                time.sleep(0.3)

    threading.Thread(target=feed).start()
    terminal, inner = os.openpty()
    process = subprocess.Popen([bench.dbleak.program, "report", "-"], stdin=here, stdout=subprocess.DEVNULL,
                               stderr=inner, env=dict(os.environ, TERM="xterm"))
    os.close(here)
    os.close(inner)
    status, said = process.wait(30), os.read(terminal, 65536).decode()
    os.close(terminal)
    bench.check(status == 1 and any(re.fullmatch(r"reading: [\d,]+ bytes so far", line) for line in progress_lines(said)),
                f"{status} {said!r}")
    bench.check(said.endswith(LINE), f"a line is left: {said!r}")


@live("each command names the files that it wrote, with -q none, and streams are no files", group="progress", needs=())
def named(bench):
    report, recording = bench.file("report"), bench.file("recording")
    for argv in (("watch", "--duration", 1), ("run",)):
        last = ("--", "true") if argv[0] == "run" else ()
        look = bench.dbleak.run(*argv, "-o", report, "--record", recording, *last)
        bench.check(look.err.endswith(f"dbleak: report written to {report}\ndbleak: recording written to {recording} "
                                      f"({os.path.getsize(recording):,} bytes)\n"), f"{argv}: {look.err!r}")
        quiet = bench.dbleak.run(*argv, "-q", "-o", report, "--record", recording, *last)
        bench.check(quiet.err == "", f"{argv} -q: {quiet.err!r}")
        stream = bench.dbleak.run(*argv, "-o", "/dev/null", "--record", "/dev/null", *last)
        bench.check("written" not in stream.err, f"{argv}: {stream.err!r}")
    look = bench.dbleak.run("record", "--duration", 1, recording)
    bench.check(look.err.endswith(f"dbleak: recording written to {recording} ({os.path.getsize(recording):,} bytes)\n"),
                f"record: {look.err!r}")
    look = bench.dbleak.run("snapshot", "-o", report)
    bench.check(look.err == f"dbleak: report written to {report}\n", f"snapshot: {look.err!r}")


@live("under run the terminal is the command's: no progress, and the last line names the report", group="progress", needs=())
def of_a_command(bench):
    report = bench.file("report")
    status, said = on_terminal(bench, "run", "-o", report, "--", "sh", "-c", "sleep 2; echo mine")
    bench.check(status == 0 and "\x1b[K" not in said, f"{status} {said!r}")
    bench.check(said.endswith(f"mine\r\ndbleak: report written to {report}\r\n"), f"{said!r}")
