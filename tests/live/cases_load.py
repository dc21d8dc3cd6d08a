# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""More at once than most hosts do, and dbleak killed in every phase: the leaker beside it is found, nobody
else is accused, what was lost is a number, and nothing is left behind."""
import calendar
import fcntl
import json
import os
import pty
import random
import re
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import harness
from cases_ends import peak
from cases_memory import HIERARCHIES, small_cgroup
from harness import environment
from solo import live

MEGA = 1 << 20
GUILTY = ("leaking", "stuck", "big")
SECONDS = 6


def started(bench, *argv, **more):
    process = bench.dbleak.start("watch", "--json", *argv, **more)
    bench.dbleak.wait_watching(process, 30)
    return process


def ended(bench, process, status=1):
    """The look of a watch that ends by itself, with what it cost and lost."""
    most = 0
    with ThreadPoolExecutor(1) as reader:
        reading = reader.submit(bench.dbleak.finish, process)
        while not reading.done():
            most = max(most, peak(process.pid))
            time.sleep(0.05)
    look = bench.dbleak.examine(reading.result())
    bench.looked(look, status)
    if look.report:
        bench.shown.update(megabytes=most, cost=look.report["cost"], losses=look.report["losses"])
    return look


def only(bench, look, *leakers, comm=None):
    """These are found; no other client of this test, and none of that name, is accused."""
    accused = {process["pid"] for process in (look.report or {}).get("processes", []) if process["verdict"] in GUILTY}
    for leaker in leakers:
        bench.check(leaker.pid in accused, f"the leak of {leaker.pid} was not found among {accused}")
    others = {pid for client in bench.clients if client not in leakers for pid in [client.pid, *client.children]}
    bench.check(not accused & others, f"accused without a leak: {accused & others}")
    named = [process["pid"] for process in (look.report or {}).get("processes", []) if process["comm"] == comm]
    bench.check(not accused & set(named), f"a healthy {comm} is accused: {accused & set(named)}")


def population(bench):
    leaker = bench.client("keeper.py", "leak")
    bench.client("keeper.py", "well")
    return leaker


def number(client, name, patience=30):
    """What a client said in "NAME VALUE"; None: it never did."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        for line in client.said:
            if line.startswith(name + " "):
                return int(line.split()[1])
        time.sleep(0.05)
    return None


# ---- processes, programs and connections ----------------------------------------------------

def beside(bench, storms, last_word, healthy=(), **more):
    """A watch of the host, from before the storms until each has said its last word; the look, and they."""
    leaker = population(bench)
    process = started(bench, **more)
    began = time.monotonic()
    storms = [bench.client("storm", *map(str, argv), wait=False) for argv in storms]
    for argv in healthy:
        bench.client(*argv)
    for storm in storms:
        number(storm, last_word, 60)
    time.sleep(max(1, began + SECONDS - time.monotonic()))
    process.send_signal(signal.SIGINT)
    look = ended(bench, process)
    only(bench, look, leaker, comm="storm")
    return look, *storms


@live("load: as many of 10,000 processes as are forked in 8 s, and 200 programs beside them, hide no leak and have none", group="load")
def forks(bench):
    look, forked, became = beside(bench, [("forks", 10000), ("execs", 50)], "milliseconds")
    bench.shown["took"] = [number(storm, "milliseconds") for storm in (forked, became)]
    bench.shown.update(forked=number(forked, "forked"), errors=forked.errors)
    bench.check(number(forked, "well") == number(forked, "forked"),
                f"{number(forked, 'well')} of {number(forked, 'forked')} ended well")
    bench.check(number(became, "well") == 4, f"{number(became, 'well')} of 4 chains of programs ended well")


@live("load: 10,000 connections a second are all counted, and no leak is seen among them", group="load")
def connections(bench):
    folder = bench.file("storm")
    os.mkdir(folder)
    look, storm = beside(bench, [("connections", 3, folder)], "done")
    visits = number(storm, "done")
    counted = [endpoint["connections"] for process in look.report["processes"] if process["pid"] in storm.children
               for endpoint in process["endpoints"]]
    opened, lost = sum(each["opened"] for each in counted), sum(look.report["losses"].values())
    bench.shown.update(visits=visits, counted=counted)
    bench.check(visits and opened <= visits <= opened + lost, f"{visits} connections, {opened} counted, {lost} lost")
    bench.check(not any(each["open"] for each in counted), f"some are left open: {counted}")


@live("load: a process with the number of one that leaked and ended is not accused of it", group="hardship")
def same_number(bench):
    taken = set(os.listdir("/proc"))
    pid = random.choice([pid for pid in range(20000, 32000) if str(pid) not in taken])
    process = started(bench, "--duration", 10)
    for argv, seconds in ((["keeper.py", "leak"], 5), (["keeper.py", "well"], 3)):
        client = bench.client("storm", "at", str(pid), *harness.command_of(argv), wait=False)
        time.sleep(seconds)
        if not client.alive():
            raise RuntimeError(f"{argv}: {client.errors[-3:]}")
        os.kill(pid, signal.SIGKILL)
        client.process.wait()
    look = ended(bench, process)
    found = [each for each in look.report["processes"] if each["pid"] == pid]
    bench.shown["found"] = found
    bench.check(sorted(each["verdict"] in GUILTY for each in found) == [False, True],
                f"processes {pid}: {[each['verdict'] for each in found]}")


# ---- the end of dbleak, and of what it watches ----------------------------------------------

def killed(bench, client, after, then=None):
    """Kills a watch so long after its start, or so long after it is asked to end; nobody reads its report."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writer, b" " * 4096)
    process = bench.dbleak.start("watch", "--json", *client, stdout=writer)
    os.close(writer)
    time.sleep(after)
    if then is not None:
        process.send_signal(signal.SIGINT)
        time.sleep(then)
    at_work = process.poll() is None
    process.kill()
    process.wait()
    os.close(reader)
    if process.stderr:
        process.stderr.close()
    return at_work, f"{after} s after its start" + (f", {then} s after an interrupt" if then is not None else "")


PHASES = [(0.1, None), (0.3, None), (0.6, None), (1, None), (2, None), (3, 0.01), (3, 0.05), (3, 0.2), (3, 1.5)]


@live("load: killed in each phase, also while it ends and reports, it leaves no probe, program, map or process",
      group="load")
def killed_in_each_phase(bench):
    leaker = population(bench)
    before, ours = harness.kernel_objects(), set(bench.dbleak.pids)
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda phase: killed(bench, [] if phase[0] < 3 else ["-p", leaker.pid], *phase), PHASES))
    left = harness.left_behind(before, bench.dbleak.pids - ours)
    bench.check(not left, f"left behind: {left[:8]}")
    bench.check(all(at_work for at_work, _ in done), f"ended before they were killed: {[w for a, w in done if not a]}")
    bench.check(all(client.alive() for client in bench.clients), "a client has ended")


def kernel_log():
    """What the kernel says from now on is read from it."""
    log = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    os.lseek(log, 0, os.SEEK_END)
    return log


def said_by_kernel(log):
    said = []
    while True:
        try:
            said.append(os.read(log, 8192).decode(errors="replace"))
        except BlockingIOError:
            os.close(log)
            return said
        except BrokenPipeError:
            continue  # lines that were overwritten meanwhile


def kill_all_of(session, seconds):
    """Kills what runs in a session, again and again; how many there were."""
    deadline, killed_ones = time.monotonic() + seconds, set()
    while time.monotonic() < deadline:
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.getsid(int(pid)) == session:
                    os.kill(int(pid), signal.SIGKILL)
                    killed_ones.add(pid)
            except ProcessLookupError:
                continue
    return len(killed_ones)


@live("load: whoever takes the probes out is killed, and they come out all the same", group="load")
def killed_removers(bench):
    leaker = population(bench)
    before, ours = harness.kernel_objects(), set(bench.dbleak.pids)
    log = kernel_log()
    for then in (0, 0.005, 0.01, 0.02, 0.03, 0.04):  # it takes them out once dbleak is gone
        process = started(bench, "-p", leaker.pid, "--max-overhead", "100")
        time.sleep(1)  # until the libraries are probed
        process.kill()
        time.sleep(then)
        bench.shown[then] = kill_all_of(process.pid, 0.5)
        process.wait()
        process.stdout.close()
        process.stderr.close()
    left = harness.left_behind(before, bench.dbleak.pids - ours)
    bench.check(not left, f"left behind: {left[:8]}")
    leaks = [line for line in said_by_kernel(log) if "leaking uprobe" in line]
    bench.check(not leaks, f"the kernel lost {len(leaks)} probes: {leaks[:1]}")


def no_cgroups():
    """The older hierarchy has one for memory; in the newer one it must be handed down."""
    older, newer = (above for above, _ in HIERARCHIES)
    if os.access(older, os.W_OK):
        return None
    try:
        with open(os.path.join(newer, "cgroup.subtree_control")) as handed:
            return None if "memory" in handed.read().split() else "a hierarchy of memory cgroups"
    except OSError:
        return "a hierarchy of memory cgroups"


@live("load: with 100 MB for dbleak and its maps a leak is found", group="hardship", without=no_cgroups)
def small_memory(bench):
    folder = small_cgroup(bench, 100 * MEGA)

    def enter():
        with open(os.path.join(folder, "cgroup.procs"), "w") as procs:
            procs.write(str(os.getpid()))

    leaker = population(bench)
    process = started(bench, "--duration", SECONDS, preexec_fn=enter)
    look = ended(bench, process)
    for name in ("memory.max_usage_in_bytes", "memory.peak", "memory.failcnt", "memory.oom_control", "memory.events"):
        if os.path.exists(os.path.join(folder, name)):
            with open(os.path.join(folder, name)) as file:
                bench.shown[name] = file.read().split()
    only(bench, look, leaker)


@live("load: a leaker that is killed for want of memory is found all the same", group="hardship", without=no_cgroups)
def out_of_memory(bench):
    folder = small_cgroup(bench, 60 * MEGA)
    process = started(bench, "--duration", 10)
    eater = bench.client("sh", "-c", 'echo $$ >"$0/cgroup.procs"; exec "$@"', folder,
                         *harness.command_of(["keeper.py", "eat"]), wait=False)
    bench.client("keeper.py", "well")
    look = ended(bench, process)
    bench.check(eater.process.poll() == -signal.SIGKILL, f"the eater's status is {eater.process.poll()}")
    bench.shown["found"] = look.process(eater.pid)
    only(bench, look, eater)


# ---- what dbleak writes to ------------------------------------------------------------------

def on_terminal(bench, *argv):
    """A watch whose terminal is stopped by Ctrl-S after the first look; and the other side of that terminal."""
    here, there = pty.openpty()
    process = bench.dbleak.start("watch", *argv, stdout=there, stderr=there, env=environment(dict(TERM="xterm")))
    os.close(there)
    said = b""
    while not re.search(rb"ONE LOOK.* UTC", said, re.DOTALL) and len(said) < 10000:
        said += os.read(here, 65536)
    os.write(here, b"\x13")
    return process, here


def said_on(here):
    said = b""
    try:
        while chunk := os.read(here, 65536):
            said += chunk
    except OSError:
        pass
    os.close(here)
    return said.decode(errors="replace")


@live("load: a terminal that is stopped by Ctrl-S delays no look and no end by signals", group="load")
def stopped_terminal(bench):
    leaker = population(bench)
    process, here = on_terminal(bench, "--duration", 5, "-p", leaker.pid)
    other, elsewhere = on_terminal(bench, "-p", leaker.pid)
    time.sleep(1)
    for _ in range(2):
        other.send_signal(signal.SIGINT)
        time.sleep(0.3)
    bench.check(other.wait(2) == 2, f"two interrupts: status {other.returncode}")
    os.close(elsewhere)
    time.sleep(4)
    bench.check(process.poll() is None, "the report was not waited for")
    os.write(here, b"\x11")
    said = said_on(here)
    bench.shown["terminal"] = said
    bench.check(process.wait(10) == 1, f"status {process.returncode}")
    seconds = re.search(r"LEAK:.*?Watched \S+ for ([0-9.]+) s", said, re.DOTALL)
    bench.check(seconds and 5 <= float(seconds[1]) < 6.5, f"no report of 5 s: {seconds and seconds[0]}")
    bench.check("the last look was left out" not in said, "the last look was left out")


READS = """import fcntl, os, signal, sys
pipe = os.open(sys.argv[1], os.O_RDONLY)
fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 4096)
signal.signal(signal.SIGUSR1, lambda *_: signal.pause())
while os.read(pipe, 65536): pass
"""


@live("load: a recording into a pipe that is read no more costs the recording, and not the report", needs=("postgresql",),
      group="hardship")
def hanging_recording(bench):
    leaker = population(bench)
    pipe = bench.file("pipe")
    os.mkfifo(pipe, 0o600)
    reader = subprocess.Popen(["/usr/bin/python3", "-c", READS, pipe])
    bench.afterwards.append(reader.wait)
    bench.afterwards.append(reader.kill)
    time.sleep(1)  # until it reads
    process = bench.dbleak.start("watch", "--json", "--duration", SECONDS, "--record", pipe)
    bench.dbleak.wait_watching(process)
    time.sleep(2)
    reader.send_signal(signal.SIGUSR1)
    look = bench.dbleak.finish(process)
    bench.shown.update(seconds=look.seconds, stderr=look.err)
    bench.check(look.status == 2 and pipe in look.err, f"status {look.status}: {look.err[-300:]}")
    bench.check(look.seconds < SECONDS + 6, f"it ended after {look.seconds:.1f} s")
    look.report = json.loads(look.out)
    gaps = [gap["reason"] for gap in look.report["coverage"]["gaps"]]
    bench.check(any("the recording did not answer" in gap for gap in gaps), f"the hole is not told: {gaps}")
    bench.check(look.process(leaker.pid), "nothing is told of what was seen until then")


POSSIBLE = "/sys/devices/system/cpu/possible"


@live("load: on a host of 512 possible processors a leak is found, within the memory that it may have", group="hardship")
def many_processors(bench):
    fake = bench.file("possible")
    with open(fake, "w") as file:
        file.write("0-511\n")
    leaker = population(bench)
    process = subprocess.Popen(["unshare", "-m", "sh", "-c", f'mount --bind "$0" {POSSIBLE} && exec "$@"', fake,
                                bench.dbleak.program, "watch", "--json", "--duration", str(SECONDS)],
                               cwd=bench.janitor.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               start_new_session=True)
    bench.dbleak.pids.add(process.pid)
    bench.janitor.watch(process.pid, signal.SIGINT)
    only(bench, ended(bench, process), leaker)


# ---- rings and tables without room ----------------------------------------------------------

@live("load: with a thousandth of the room 2,000 connections a second cost a number of records, and no truth",
      group="load")
def little_room(bench):
    folder = bench.file("storm")
    os.mkdir(folder)
    look, storm = beside(bench, [("connections", 4, folder, 2000)], "done",
                               env=dict(os.environ, DBLEAK_ROOM="1024"),
                               healthy=[("greedy.py", "closed", "300"), ("pq_statements", "lru")])
    losses = look.report["losses"]
    bench.shown.update(visits=number(storm, "done"), coverage=look.report["coverage"])
    bench.check(losses["map_full"] and losses["ring_full"], f"nothing was lost, so this tries nothing: {losses}")
    gaps = " ".join(gap["reason"] for gap in look.report["coverage"]["gaps"])
    for words in ("events of this process were dropped", "prepared statements at once"):
        bench.check(words in gaps, f"no gap says {words!r}: {gaps}")


# ---- clocks that are set, and a host that sleeps --------------------------------------------

# Stands between a watch and its clocks; those of the kernel half go on as they do.  In the third second the time of
# day jumps by SET seconds, or monotonic time stands still for SLEPT, as it does while a host is suspended.
CLOCKS = """#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <time.h>
static int (*real)(clockid_t, struct timespec *);
static int64_t began;
static int64_t in_ns(clockid_t clock)
{
	struct timespec t;
	real(clock, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}
__attribute__((constructor)) static void begin(void)
{
	real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	began = in_ns(CLOCK_MONOTONIC);
}
int clock_gettime(clockid_t clock, struct timespec *t)
{
	int64_t ns, after;
	if (!real)
		begin();
	ns = in_ns(clock);
	after = in_ns(CLOCK_MONOTONIC) - began - 3000000000LL;
	if (clock == CLOCK_REALTIME && after > 0)
		ns += SET * 1000000000LL;
	if (clock == CLOCK_MONOTONIC && after > 0)
		ns -= after < SLEPT * 1000000000LL ? after : SLEPT * 1000000000LL;
	t->tv_sec = ns / 1000000000;
	t->tv_nsec = ns % 1000000000;
	return 0;
}
"""


def under_clocks(bench, words, forth=0, asleep=0):
    """A watch of SECONDS whose clocks do that: what it found, and whether it says so."""
    library = bench.file("clocks.so")
    subprocess.run(["gcc", "-O1", "-shared", "-fPIC", f"-DSET={forth}LL", f"-DSLEPT={asleep}LL", "-x", "c", "-", "-o", library],
                   input=CLOCKS, text=True, check=True)
    leaker = population(bench)
    began = time.time()
    look = ended(bench, started(bench, "--duration", SECONDS, env=dict(os.environ, LD_PRELOAD=library)))
    only(bench, look, leaker)
    gaps = [gap["reason"] for gap in look.report["coverage"]["gaps"]]
    bench.shown.update(gaps=gaps, seconds=look.seconds)
    bench.check(any(words in gap for gap in gaps), f"no gap says {words!r}: {gaps}")
    oldest = max(finding["oldest_seconds"] for finding in look.process(leaker.pid)["findings"])
    bench.check(0 < oldest < time.time() - began + 5, f"the oldest is {oldest} s old")
    return look


def set_by(bench, years):
    """No age, no duration and no verdict is wrong."""
    began = time.time()
    look = under_clocks(bench, "the clock of the host was set", forth=years * 365 * 86400)
    duration = look.report["window"]["seconds"]
    bench.check(SECONDS - 0.5 < duration < SECONDS + 2, f"{duration} s watched")
    start = time.strptime(look.report["window"]["start"][:19], "%Y-%m-%dT%H:%M:%S")
    bench.check(abs(calendar.timegm(start) - began) < 60, f"it began at {time.asctime(start)}")


@live("load: a clock that is set forth by a year falsifies no age, no duration and no verdict", group="clocks")
def set_forth(bench):
    set_by(bench, 1)


@live("load: a clock that is set back by 30 years falsifies no age, no duration and no verdict", group="clocks")
def set_back(bench):
    set_by(bench, -30)


@live("load: on a host that slept for 3 s the watch has the awake time that was asked for, and says that it slept",
      group="clocks")
def slept(bench):
    look = under_clocks(bench, "the host was suspended", asleep=3)
    duration = look.report["window"]["seconds"]
    bench.check(SECONDS + 2.5 < duration < SECONDS + 5, f"{duration} s from start to end, 3 of them asleep")
