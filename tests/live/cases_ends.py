# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""dbleak always ends: in time and at a second signal, whatever is mapped, served or stopped beside it, and
what it says of others is whole."""
import os
import resource
import signal
import subprocess
import tempfile
import time

import harness
from harness import statuses
from solo import live

SECONDS = 5
LATE = 1  # a report is out within so many seconds of its time, or of what a watch beside nothing takes
MEGABYTES = 128
FILES = 50


def no_fuse():
    return None if os.access("/dev/fuse", os.R_OK | os.W_OK) and os.geteuid() == 0 else "no FUSE, or not root"


def served(bench):
    """A folder whose file "f" is opened, and never read."""
    return serve(bench)[0]


def serve(bench):
    """The same: the file, and what ends its service, so that whoever waits for it is released."""
    folder = bench.file("served")
    os.mkdir(folder)
    client = bench.client("zoo", "serve", folder)

    def end():
        client.kill()
        subprocess.run(["umount", "-l", folder], check=False, capture_output=True)

    bench.afterwards.append(end)
    return os.path.join(folder, "f"), end


def files(bench):
    return bench.client("zoo", "files", str(FILES))


def code(bench):
    return bench.client("zoo", "code", served(bench))


def lite(bench):
    return bench.client("lite_served.py", served(bench), bench.file("beside.db"))


def stopped(bench):
    client = bench.client("keeper.py", "well")
    client.process.send_signal(signal.SIGSTOP)
    bench.afterwards.append(lambda: client.process.send_signal(signal.SIGCONT))
    return client


def peak(pid):
    try:
        with open(f"/proc/{pid}/status") as status:
            return next(int(line.split()[1]) >> 10 for line in status if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return 0


def until_it_ends(process, patience):
    """How long it took, and the most memory it was seen to have."""
    began, most = time.monotonic(), 0
    while process.poll() is None and time.monotonic() - began < patience:
        most = max(most, peak(process.pid))
        time.sleep(0.05)
    return time.monotonic() - began, most


def alone(bench):
    """What a watch takes here and now, beside nothing of this kind: a start on a busy machine has its time."""
    process = bench.dbleak.start("watch", "--duration", 1, stdout=subprocess.DEVNULL)
    took, _ = until_it_ends(process, 30)
    bench.dbleak.finish(process, patience=2)
    return SECONDS - 1 + max(took, 1)


def watches(bench, hostile, gap):
    """A watch of SECONDS beside it ends in time, finds the leak of another, and names what it left out."""
    allowed = LATE + alone(bench)
    beside = hostile(bench)
    leaker = bench.client("keeper.py", "leak")
    with open(bench.file("report.json"), "wb") as out:
        process = bench.dbleak.start("watch", "--json", "--duration", SECONDS, stdout=out)
        took, megabytes = until_it_ends(process, SECONDS + 15)
    look = bench.dbleak.finish(process, patience=2)
    with open(out.name, "rb") as written:
        look.out = written.read()
    look.trouble += bench.dbleak.read(look) + statuses(look)
    bench.looked(look, 1)
    bench.check(took <= allowed, f"it took {took:.1f} s, not {allowed:.1f}")
    bench.check(megabytes <= MEGABYTES, f"it had {megabytes} MB")
    found = look.process(leaker.pid)
    if bench.check(found is not None, "the leak of another is not in the report"):
        bench.check(found["verdict"] == "leaking", f"the leak of another is {found['verdict']}")
    gaps = (look.report or {}).get("coverage", {}).get("gaps", [])
    if gap:
        bench.check(any(gap in each["reason"] and each["pid"] in (beside.pid, None) for each in gaps),
                    f"no gap says {gap!r}: {gaps}")


def leaves(bench, hostile):
    """A second signal ends it within a second, soon after its start and later."""
    hostile(bench)
    for after in (0.3, 3):
        process = bench.dbleak.start("watch", stdout=subprocess.DEVNULL)
        time.sleep(after)
        process.send_signal(signal.SIGINT)
        time.sleep(0.15)
        process.send_signal(signal.SIGINT)
        took, _ = until_it_ends(process, 10)
        bench.check(took <= 1, f"{after} s after its start the second signal took {took:.1f} s")
        bench.dbleak.finish(process, patience=2)


@live("ends: a watch interrupted at its start keeps a recording of what it reports", group="ends")
def keeps_the_start(bench):
    files(bench)
    for after in (0.2, 0.6, 1.5):
        kept = bench.file(f"kept{after}.rec")
        process = bench.dbleak.start("watch", "--record", kept, stdout=subprocess.DEVNULL)
        time.sleep(after)
        process.send_signal(signal.SIGINT)
        until_it_ends(process, 30)
        look = bench.dbleak.finish(process, patience=2)
        if look.status == 2:
            bench.check("dbleak: " in look.err, f"{after} s: neither a report nor a reason")
            continue
        if bench.check(os.path.exists(kept), f"{after} s: a report and no recording: {look.err[-200:]!r}"):
            again = bench.dbleak.run("report", kept)
            bench.check(again.status == look.status, f"{after} s: {look.status}, of the recording {again.status}")


@live("ends: a watch beside files made to be read for ever is over in time", group="ends")
def watch_files(bench):
    watches(bench, files, "cannot look for client libraries")


@live("ends: a second signal ends it beside files made to be read for ever", group="ends")
def leave_files(bench):
    leaves(bench, files)


@live("ends: a watch beside code in a file that nobody serves is over in time", group="ends", without=no_fuse)
def watch_code(bench):
    watches(bench, code, "does not answer")


@live("ends: a second signal ends it beside code in a file that nobody serves", group="ends", without=no_fuse)
def leave_code(bench):
    leaves(bench, code)


@live("ends: a watch beside a SQLite program with a file that nobody serves is over in time", group="ends",
      without=no_fuse)
def watch_lite(bench):
    watches(bench, lite, "does not answer")


@live("ends: a watch beside a stopped process is over in time", group="ends")
def watch_stopped(bench):
    watches(bench, stopped, None)


# signal: whether it ends a watch, the exit status, whether with a report
SIGNALS = {signal.SIGTERM: (True, 1, True), signal.SIGHUP: (True, 1, True), signal.SIGQUIT: (True, 2, False),
           signal.SIGPIPE: (False, 1, True)}


def with_cores():
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))


def signalled(bench, number, after, leaker):
    """One watch and one signal; where that ends nothing, an interrupt as well."""
    ends, status, report = SIGNALS[number]
    folder = tempfile.mkdtemp(dir=os.path.dirname(bench.file("x")))
    process = bench.dbleak.start("watch", "--json", "-p", leaker.pid, cwd=folder, preexec_fn=with_cores)
    if after:
        bench.dbleak.wait_watching(process)
    time.sleep(after or 0.2)
    process.send_signal(number)
    if not ends:
        time.sleep(1)
        bench.check(process.poll() is None, f"{number.name} has ended it: status {process.returncode}")
        process.send_signal(signal.SIGINT)
    look = bench.dbleak.finish(process, patience=20)
    when = f"{number.name} {'at work' if after else 'at its start'}"
    expected = (status,) if after or not report else (0, 1, 2)  # a leak takes its time to show
    bench.check(look.status in expected, f"{when}: status {look.status}: {look.err[-300:]}")
    bench.check(not report or not after or b'"findings"' in look.out, f"{when}: no report: {look.out[-200:]!r}")
    bench.check(report or not look.out and number.name in look.err, f"{when}: it said {look.out[-200:]!r}, {look.err[-300:]!r}")
    bench.check(not os.listdir(folder), f"{when}: it left {os.listdir(folder)}, a core perhaps")


@live("ends: each signal that may end it leaves no core, no probe and no process, and a report where that is promised",
      group="ends")
def each_signal(bench):
    before, ours = harness.kernel_objects(), set(bench.dbleak.pids)
    leaker = bench.client("keeper.py", "leak")
    for number in SIGNALS:
        for after in (6, 0):
            signalled(bench, number, after, leaker)
    left = harness.left_behind(before, bench.dbleak.pids - ours)
    bench.check(not left, f"left behind: {left[:8]}")
