# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Lines of --events while a client leaks: each as the contract has it, in time, and an end."""
import json
import os
import subprocess
import threading
import time

import contract
from solo import live

SECONDS = 9


class Reader:
    """Reads lines of a pipe as they come, with the time of each."""

    def __init__(self, pipe):
        self.lines = []
        self.thread = threading.Thread(target=self._read, args=(pipe,), daemon=True)
        self.thread.start()

    def _read(self, pipe):
        for raw in pipe:
            self.lines.append((time.monotonic(), raw))

    def wait(self, true, patience=20):
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            for at, raw in list(self.lines):
                if true(json.loads(raw)):
                    return at
            time.sleep(0.05)
        return None


def examine(bench, raws):
    """The lines as objects; what is wrong with them goes to the test."""
    lines = [json.loads(raw) for raw in raws]
    for number, line in enumerate(lines):
        bench.faults += contract.event_breaches(line, number)[:3]
    bench.shown["lines"] = [(line["type"], line.get("event"), line.get("cause"), line.get("pid")) for line in lines][:60]
    types = [line["type"] for line in lines]
    bench.check(types[:1] == ["begin"] and types.count("begin") == 1, f"it begins with {types[:2]}")
    bench.check(types[-1:] == ["end"] and types.count("end") == 1, f"it ends with {types[-2:]}")
    bench.check(all(a["seconds"] <= b["seconds"] for a, b in zip(lines, lines[1:])), "time goes back")
    return lines


def is_leak(line, pid):
    return line["type"] == "finding" and line["pid"] == pid and line["event"] == "new" and line["verdict"] == "leaking"


@live("lines of --events tell of a leak while the watch goes on, and of its end", group="events")
def while_it_leaks(bench):
    recording = bench.file("recording")
    process = bench.dbleak.start("watch", "--events", "--record", recording, bufsize=0)
    reader = Reader(process.stdout)
    bench.check(reader.wait(lambda line: line["type"] == "begin"), "no begin in 20 s")
    client = bench.client("keeper.py", "leak")
    began = time.monotonic()
    found = reader.wait(lambda line: is_leak(line, client.pid))
    bench.check(found and found - began < 12, f"the leak is told {found and found - began} s after it was there")
    client.kill()
    gone = reader.wait(lambda line: line["type"] == "finding" and line["pid"] == client.pid and line["event"] == "ended")
    bench.check(gone, "its end is not told")
    process.terminate()
    status = process.wait(20)
    reader.thread.join(10)
    lines = examine(bench, [raw for _, raw in reader.lines])
    mine = [line for line in lines if line.get("pid") == client.pid]
    bench.check(mine and mine[0]["type"] == "process" and mine[0]["event"] == "new", f"first is {mine[:1]}")
    bench.check(status == 1 and lines[-1]["summary"]["exit_status"] == 1, f"status {status}, {lines[-1]}")
    replay = bench.dbleak.run("report", recording, "--events")
    again = examine(bench, replay.out.splitlines())
    bench.check(replay.status == 1 and any(is_leak(line, client.pid) for line in again), f"replay: {replay.status}")
    bench.check(bench.dbleak.run("report", recording, "--events").out == replay.out, "two replays differ")


@live("a reader of --events that goes ends the watch, and one that sleeps does not", group="events", needs=())
def readers(bench):
    process = bench.dbleak.start("watch", "--events")
    process.stdout.readline()
    process.stdout.close()
    process.stdout = None
    look = bench.dbleak.finish(process, patience=20)
    bench.check(look.status == 2 and "cannot" not in look.err, f"{look.status} {look.err[-300:]!r}")
    sleeper = bench.dbleak.start("watch", "--events", "--duration", 3)
    time.sleep(6)
    look = bench.dbleak.finish(sleeper)
    bench.check(look.status in (0, 1), f"{look.status} {look.err[-300:]!r}")
    examine(bench, look.out.splitlines())


@live("run tells events at a descriptor of its own, and its command outlives their reader", group="events", needs=())
def beside_a_command(bench):
    done = bench.file("done")
    out, into = os.pipe()
    process = bench.dbleak.start("run", "--events", "-o", f"/dev/fd/{into}", "--", "sh", "-c",
                                 f"echo mine; sleep 4; echo >{done}", pass_fds=(into,))
    os.close(into)
    with open(out, "rb", buffering=0) as pipe:
        first = pipe.readline()
    look = bench.dbleak.finish(process)
    bench.check(json.loads(first)["type"] == "begin", f"first {first!r}")
    bench.check(look.out == b"mine\n", f"standard output {look.out!r}")
    bench.check(os.path.exists(done) and look.status == 2, f"status {look.status}, the command has ended: {os.path.exists(done)}")
    whole = bench.file("lines")
    look = bench.dbleak.run("run", "--events", "-o", whole, "--", "sh", "-c", "sleep 2; exit 7")
    with open(whole, "rb") as file:
        lines = examine(bench, file.read().splitlines())
    bench.check(look.status == 7 and lines[-1]["summary"]["exit_status"] == 7, f"{look.status}, {lines[-1]}")


@live("a full disk ends --events with status 2 and a sentence", group="events", needs=())
def full_disk(bench):
    with open("/dev/full", "wb") as full:
        process = subprocess.Popen([bench.dbleak.program, "watch", "--events", "--duration", "60"], stdout=full,
                                   stderr=subprocess.PIPE, cwd=bench.janitor.folder)
        bench.dbleak.pids.add(process.pid)
        began = time.monotonic()
        err = process.communicate(timeout=30)[1].decode()
    bench.check(process.returncode == 2 and "cannot write the events" in err, f"{process.returncode} {err!r}")
    bench.check(time.monotonic() - began < 20, "it goes on although nobody can be told")
