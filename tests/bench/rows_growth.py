# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""The rows that measure what the growth tier costs."""
import os
import statistics
import subprocess
import time

from bench import BUILT, at_least, at_most, spread
from bpf import descriptors, described
from bpf import statistics as run_time_statistics
from records import Memory

OFF = ("--heap", "off")
PROGRAM = "growth_faulted"
ROUNDS = 5
GROWING_SECONDS = 8


def loop(bench, mode, seconds):
    return bench.built("growth_loop", mode, seconds)[0]


def on_against_off(bench, mode, seconds):
    """Processor time of a round, the tier on / off, both watched, of each pair."""
    loop(bench, mode, 0.5)  # warm-up
    return [off / on for off, on in bench.pairs_of(lambda watched: loop(bench, mode, seconds), (), OFF)]


def recorded(bench, mode, seconds):
    """(pid, what a watch of it recorded of memory)"""
    path = os.path.join(bench.folder, f"{mode}.recording")
    with bench.watching("--record", path) as watch:
        process = bench.start([os.path.join(BUILT, "growth_loop"), mode, str(seconds)])
        process.wait(120)
        bench.forget(process)
        watch.stop()
    memory = Memory(path)
    os.unlink(path)
    return process.pid, memory


def row_growth_steady(bench):
    """growth tier on / off, a process that does not grow: malloc and free, processor time"""
    found = on_against_off(bench, "steady", bench.seconds)
    pid, memory = recorded(bench, "steady", bench.seconds)
    sites = len(memory.sites_of(pid))
    if pid not in memory.sizes:
        raise RuntimeError("the process was not watched")
    return [at_most(row_growth_steady.__doc__, statistics.median(found), 1.01, spread(found)),
            at_most("records of where it took memory", sites, 0, f"{sites}")]


def row_growth_growing(bench):
    """growth tier on / off, a process that grows by 100 MB/s, processor time"""
    found = on_against_off(bench, "growing", max(bench.seconds, 4))
    pid, memory = recorded(bench, "growing", GROWING_SECONDS)
    held = sum(site.held_bytes for site, _ in memory.sites_of(pid))
    sizes, grown = memory.sizes.get(pid, ()), memory.grown(pid)
    rate = (sizes[-1][1] - sizes[0][1]) / max(1, sizes[-1][0] - sizes[0][0]) * 1e3 if sizes else 0
    part = held / grown if grown else 0
    bench.note(f"it grew by {rate:.0f} MB/s; of {grown / 1e6:.0f} MB since it was sampled {held / 1e6:.0f} MB have a place")
    return [at_most(row_growth_growing.__doc__, statistics.median(found), 1.05, spread(found)),
            at_least("part of its growth whose place is told", part, 0.9, f"{part:.2f}")]


def fault_program(pid):
    """(ns, runs) so far of the program at each page fault; None: it is not loaded."""
    for facts in descriptors(pid):
        if "run_time_ns" in facts and described("prog", facts["prog_id"]).get("name", "").startswith(PROGRAM[:15]):
            return int(facts["run_time_ns"]), int(facts["run_cnt"])
    return None


def one_round(bench, watch):
    """Nanoseconds that the program takes at a fault of a process that does not grow."""
    faults = bench.start([os.path.join(BUILT, "growth_loop"), "faults", "3"])
    time.sleep(0.5)
    before = fault_program(watch.pid)
    time.sleep(1.5)
    after = fault_program(watch.pid)
    bench.forget(faults)
    if not before or after[1] - before[1] < 10000:
        raise RuntimeError("the program at page faults did not run")
    return (after[0] - before[0]) / (after[1] - before[1])


def row_growth_faults(bench):
    """the program's time at a page fault of another process, while one grows, statistics included"""
    with bench.watching() as watch, run_time_statistics():
        grower = bench.start([os.path.join(BUILT, "growth_loop"), "growing", "60"], stdout=subprocess.DEVNULL)
        time.sleep(4)
        found = [one_round(bench, watch) for _ in range(ROUNDS)]
        bench.forget(grower)
    return [at_most(row_growth_faults.__doc__, statistics.median(found), 100, f"{spread(found, 0)} ns", " ns")]


ROWS = {
    "growth-steady": (row_growth_steady, False),
    "growth-growing": (row_growth_growing, False),
    "growth-faults": (row_growth_faults, False),
}
