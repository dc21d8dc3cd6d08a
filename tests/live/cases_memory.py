# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Round `memory`: programs that keep what they fetch, and their twins, which only seem to; and, beside it, samples
against what a program says of itself.

What is said to be held is compared with how much the process really grew while it was sampled."""
import math
import os
import time

import places
from harness import command_of
from records import UNKNOWN, Memory
from rounds import Case, Finding
from solo import live

MEGA = 1 << 20
KEPT = Finding("cache-growth", "leaking")
UNFREED = Finding("unfreed-memory", "leaking")
TOLERANCE = 0.2
PG = ("postgresql", "tcp4", "psycopg2")


def case(sentence, client, who=PG, **more):
    server, way, driver = who
    more.setdefault("verdict", tuple({v for f in more.get("findings", ()) for v in f.verdict}) or ("ok", "bounded"))
    return Case(f"memory: {sentence}", client, server, way, driver, round="memory", **more)


def by_line(memory, client, pid):
    """Bytes held by what passed through the client's marked lines, and in all."""
    wanted = places.lines_of(client, places.habit_of(client), "any") | places.lines_of(client, client[1])
    there = sum(site.held_bytes for site, stack in memory.sites_of(pid) if site.held_bytes != UNKNOWN
                and any((os.path.basename(place.file), place.line) in wanted for place in stack))
    return there, sum(site.held_bytes for site, _ in memory.sites_of(pid) if site.held_bytes != UNKNOWN)


def held(run, look):
    """A keeper: what is held is what the process grew by, and it is at the line."""
    memory = Memory(look.recording)
    grown = memory.grown(run.pid)
    there, everywhere = by_line(memory, run.case.client, run.pid)
    faults = []
    if grown < 10 * MEGA:
        faults.append(f"it grew by {grown / MEGA:.1f} MB only")
    room = max(TOLERANCE * grown, 4 * MEGA)
    if abs(everywhere - grown) > room:
        faults.append(f"it grew by {grown / MEGA:.1f} MB, but {everywhere / MEGA:.1f} MB are said to be held")
    if run.case.placed and there < 0.75 * everywhere:
        faults.append(f"of {everywhere / MEGA:.1f} MB only {there / MEGA:.1f} MB are at the line")
    return faults


def held_until(run, look):
    """A keeper that may have 512 MiB, as it has told the kernel."""
    told = [finding["exhausts"] for finding in look.process(run.pid)["findings"] if finding["exhausts"]]
    if not told or any(until["limit"] != "memory 512 MiB of the process" or not 0 < until["in_seconds"] < 600
                       for until in told):
        return [f"it may have 512 MiB, and {told} is told"]
    return held(run, look)


def let_go(run, look):
    """A twin: of what it took little is held."""
    memory = Memory(look.recording)
    _, everywhere = by_line(memory, run.case.client, run.pid)
    taken = sum(site.taken_bytes for site, _ in memory.sites_of(run.pid))
    if taken < 100 * MEGA or everywhere > 0.3 * taken:
        return [f"of {taken / MEGA:.1f} MB taken {everywhere / MEGA:.1f} MB are said to be held"]
    return []


def refilled(run, look):
    """A keeper in memory that others have touched first, and some of which they use still: there are few samples, so
    what is said counts with its error."""
    memory = Memory(look.recording)
    grown = memory.grown(run.pid)
    there, everywhere = by_line(memory, run.case.client, run.pid)
    error = sum(site.error_bytes for site, _ in memory.sites_of(run.pid) if site.error_bytes != UNKNOWN)
    if there < 0.3 * grown or there + error < 0.6 * grown or everywhere > 1.4 * grown:
        return [f"it grew by {grown / MEGA:.1f} MB, but {there / MEGA:.1f} of {everywhere / MEGA:.1f} MB, give or take "
                f"{error / MEGA:.1f}, are said to be held at the line"]
    return []


def costs(run, look):
    """What is held is told, though neither each object nor each page says it."""
    grown = Memory(look.recording).grown(run.pid)
    told = [finding["bytes"] for finding in look.process(run.pid)["findings"]]
    if not told or told[0] is None or abs(told[0] - grown) > max(0.35 * grown, 4 * MEGA):
        return [f"it grew by {grown / MEGA:.1f} MB, but {told} bytes are said to be held"]
    return []


def calls_back(caller):
    """A helper took it, and who called that is named."""
    def check(run, look):
        said = [line for finding in look.process(run.pid)["findings"] for line in finding["evidence"]]
        if not any(line.startswith("called from") and caller in line for line in said):
            return [f"nobody says that {caller} called the place: {said}"]
        return held(run, look)
    return check


def keeps(sentence, client, who=PG, finding=KEPT, **more):
    more.setdefault("check", held)
    return case(f"{sentence} leak", client, who, findings=[finding], **more)


def holder(sentence, habit, **more):
    return keeps(sentence, ["mem_holders.py", habit], **more)


LITE = ("sqlite", "shop.db", None)
FAILED = Finding("cache-growth", "leaking", "sporadic")
STATEMENTS = Finding(("cache-growth", "unclosed-statement"), "leaking")
HOLDERS = [
    holder("notifications that nobody takes from the driver", "notify"),
    holder("a log of all statements", "log"),
    holder("small views of large copies", "views"),
    holder("objects that a session never writes", "dirty"),
    holder("listeners that have rows", "listeners"),
    holder("threads that wait for ever with their rows", "threads", check=calls_back("wait_for_ever")),
    holder("knots without a collector", "knots"),
    holder("tasks that wait for ever with their rows", "tasks", check=calls_back("task")),
    holder("rows of what fails now and then", "failures", finding=FAILED),
    keeps("statements of SQLite that are never finalized", ["mem_lite_calls", "statements", "{folder}/shop.db"], LITE,
          STATEMENTS, check=costs),
    keeps("tables of SQLite that are never freed", ["mem_lite_calls", "tables", "{folder}/shop.db"], LITE,
          Finding("unfreed-result", "leaking"), check=costs),
    keeps("an array that grows and moves", ["mem_rows", "array"], ("postgresql", "unix", None), UNFREED, check=costs),
    case("what is loaded page by page at the start is well", ["mem_holders.py", "warmup"]),
    case("a cache that meets ever fewer new keys is well", ["mem_holders.py", "keys"]),
    case("a list that is emptied now and then is well", ["mem_holders.py", "flushed"]),
    case("a long session that only reads is well", ["mem_holders.py", "session"]),
    case("a bounded number of SQLite's statements is well", ["mem_lite_calls", "cached", "{folder}/shop.db"], LITE),
]


CASES = [
    keeps("rows in a module's dict", ["mem_keep.py", "dict"]),
    keeps("results in a cache without bound", ["mem_keep.py", "lru"]),
    keeps("rows of errors kept", ["mem_keep.py", "errors"], also=("unfreed-result", "unclosed-cursor")),
    keeps("SQLAlchemy's objects in a list", ["mem_keep.py", "orm"]),
    case("rows kept where others were before leak", ["mem_keep.py", "crowd"], findings=[KEPT], check=refilled),
    case("rows replaced in a cache where others were before are well", ["mem_keep.py", "turnover"]),
    keeps("rows of SQLite in a dict", ["mem_lite.py", "keep", "{folder}/shop.db"], ("sqlite", "shop.db", None)),
    keeps("rows copied by malloc", ["mem_rows", "keep"], ("postgresql", "unix", None), UNFREED,
          check=held_until),
    keeps("rows copied by malloc in a program of another user", ["mem_rows", "keep"], ("postgresql", "unix", None),
          UNFREED, check=held_until, env={"BECOME_USER": "65534"}),
    keeps("rows in PHP's array", ["mem_rows.php", "keep"], ("postgresql", "tcp4", None), placed=False),
    case("a cache that is full after a while is well", ["mem_keep.py", "plateau"]),
    case("50 MB taken and given back again and again are well", ["mem_keep.py", "bursts"], check=let_go),
    case("garbage that is collected is well", ["mem_keep.py", "garbage"]),
    case("memory in fragments is well", ["mem_keep.py", "fragments"]),
    case("large results let go are well", ["mem_keep.py", "whole"], also=("unbounded-result",),
         verdict=("ok", "bounded", "big")),
    case("rows of SQLite let go are well", ["mem_lite.py", "well", "{folder}/shop.db"], ("sqlite", "shop.db", None)),
    case("rows copied and freed are well", ["mem_rows", "free"], ("postgresql", "unix", None)),
    case("rows let go by PHP are well", ["mem_rows.php", "well"], ("postgresql", "tcp4", None)),
    *HOLDERS,
]


# ---- each page of a program that says what it keeps -----------------------------------------

def no_huge_pages():
    with open("/sys/kernel/mm/transparent_hugepage/enabled") as file:
        return "huge pages of Linux" if "[never]" in file.read() else None


CGROUP = 1  # enum ev_limit
JOIN = ["sh", "-c", 'echo $$ >"$0/cgroup.procs"; exec "$@"']
HIERARCHIES = [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")]


def remove_cgroup(bench, folder, patience=5):
    """Whoever runs in it is ended first, and the kernel forgets the ended a moment later."""
    bench.janitor.end(*(client.process for client in bench.clients))
    deadline = time.monotonic() + patience
    while True:
        try:
            return os.rmdir(folder)
        except OSError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.05)


def small_cgroup(bench, size):
    """A cgroup whose processes may have so much together; None: this machine does not let us."""
    for above, limit in HIERARCHIES:
        folder = os.path.join(above, f"dbleak-test-{os.getpid()}")
        try:
            os.mkdir(folder)
            bench.afterwards.append(lambda folder=folder: remove_cgroup(bench, folder))
            with open(os.path.join(folder, limit), "w") as file:
                file.write(str(size))
            return folder
        except OSError:
            pass
    return None


def lines(bench, mode, seconds, cgroup=None):
    """Runs mem_lines; ({function: bytes it kept}, {function: (bytes held by its samples, give or take)}, bytes taken in
    all)"""
    recording, out = bench.file("recording"), bench.file("said")
    with open(out, "wb") as file:
        look = bench.dbleak.run("run", "--json", "-o", bench.file("report"), "--record", recording, "--",
                                *(JOIN + [cgroup] if cgroup else []),
                                *command_of(["mem_lines", mode, str(seconds)]), stdout=file)
    with open(out) as file:
        kept = {name: int(size) for _, name, size in map(str.split, file)}
    memory, held = Memory(recording), dict.fromkeys([*kept, "give_back", "one_thread"], (0, 0))
    for pid in memory.sizes:
        for site, stack in memory.sites_of(pid):
            for name in {place.function for place in stack} & held.keys():
                size, error = held[name]
                held[name] = size + site.held_bytes, math.hypot(error, site.error_bytes)
    taken = sum(site.taken_bytes for pid in memory.sizes for site, _ in memory.sites_of(pid))
    bench.shown.update({mode: {"kept": kept, "held": held, "taken": taken, "limits": memory.limits,
                               "stderr": look.err[-500:]}})
    complaints = [line for line in look.err.splitlines() if "dbleak:" in line and " written to " not in line]
    bench.check(not complaints, f"it complains: {complaints[:3]}")
    return kept, held, taken


def close(bench, mode, name, held, kept):
    """19 times of 20 it is within its error: one of many may be further off."""
    size, error = held
    bench.check(abs(size - kept) < max(0.2 * kept, 1.5 * error) and error < 0.6 * kept,
                f"{mode}: {name} keeps {kept / MEGA:.1f} MB, {size / MEGA:.1f} MB are said to be held, "
                f"give or take {error / MEGA:.1f} MB")


@live("memory: lines that take turns, one by huge pages, are told apart page by page", needs=(), group="run",
      without=no_huge_pages)
def lines_take_turns(bench):
    kept, held, taken = lines(bench, "huge", 4)
    for name in ("keep_a", "keep_b", "keep_huge"):
        close(bench, "huge", name, held[name], kept[name])
    bench.check(held["give_back"][0] < 0.02 * taken, f"{held['give_back'][0]} bytes that were given back count as held")


@live("memory: a program that becomes another holds nothing of the one it was", needs=(), group="run")
def lines_of_another_program(bench):
    cgroup = small_cgroup(bench, 300 * MEGA)
    kept, held, _ = lines(bench, "exec", 3, cgroup)
    for name in ("keep_a", "keep_b"):
        close(bench, "exec", name, held[name], kept[name])
    limits = set().union(*bench.shown["exec"]["limits"].values())
    bench.check(not cgroup or (CGROUP, 300 * MEGA) in limits, f"its cgroup may have 300 MiB, and {limits} is told")


@live("memory: what hundreds of threads take at once is counted once", needs=(), group="run")
def lines_of_threads(bench):
    kept, held, _ = lines(bench, "threads", 2)
    close(bench, "threads", "one_thread", held["one_thread"], kept["keep_a"])
