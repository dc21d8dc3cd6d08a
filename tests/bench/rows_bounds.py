# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""The rows that measure what a long watch, or a hostile one, takes of the host."""
import json
import os
import statistics
import subprocess
import time

from bench import BUILT, at_most, resident_kb, spread

FILES = 50
WATCH_SECONDS = 5
TEXTS = 1_000_000
ROUNDS = 3
STACKS, FRAMES = 100_000, 25


def watch_beside(bench, path):
    """(seconds that a watch of five took, its highest resident memory in MiB)"""
    began, peak = time.monotonic(), 0
    process = bench.start([bench.dbleak, "watch", "--json", "-o", path, "--duration", str(WATCH_SECONDS)])
    while process.poll() is None:
        peak = max(peak, resident_kb(process.pid, "VmHWM"))
        time.sleep(0.02)
    spent = time.monotonic() - began
    bench.forget(process)
    return spent, peak / 1024


def row_hostile(bench):
    """a watch of 5 s while 50 hostile files are mapped"""
    path = os.path.join(bench.folder, "hostile.json")
    zoo = bench.start([os.path.join(os.path.dirname(BUILT), "clients", "zoo"), "files", str(FILES)], stdout=subprocess.PIPE)
    if zoo.stdout.readline() != b"ready\n":
        raise RuntimeError("the hostile files could not be mapped")
    times, peaks = zip(*(watch_beside(bench, path) for _ in range(ROUNDS)))
    bench.forget(zoo)
    with open(path) as report:
        gaps = json.load(report)["coverage"]["gaps"]
    bench.note(f"gaps told: {len(gaps)}")
    return [at_most(row_hostile.__doc__, statistics.median(times), 6, f"{spread(times)} s", " s"),
            at_most("resident memory of that watch", statistics.median(peaks), 128, f"{spread(peaks)} MiB", " MB")]


def replayed(bench, texts):
    """(highest resident memory in MiB, leaks reported) of a report on that many texts, ten a process."""
    path = os.path.join(bench.folder, "lives.recording")
    bench.built("make_recording", path, "lives", texts)
    with open(os.path.join(bench.folder, "lives.json"), "w+") as out:
        process = bench.start([bench.dbleak, "report", "--json", path], stdout=out)
        _, _, usage = os.wait4(process.pid, 0)
        out.seek(0)
        found = sum(process["verdict"] in ("leaking", "stuck") for process in json.load(out)["processes"])
    bench.forget(process)
    os.unlink(path)
    return usage.ru_maxrss / 1024, found


def row_lives(bench):
    """memory for 1,000,000 distinct SQL texts of 100,000 processes that end"""
    half, _ = replayed(bench, TEXTS // 2)
    whole, found = replayed(bench, TEXTS)
    return [at_most(row_lives.__doc__, whole, 256, f"{whole:.1f} MiB", " MB"),
            at_most("the same, of its first half", whole / half, 1.05, f"{whole / half:.3f}"),
            at_most("leaks reported of them, all healthy", found, 0, f"{found}")]


def row_exports(bench):
    """a profile for pprof of 100,000 stacks of 25 frames"""
    runs = [bench.built("exports", STACKS, FRAMES) for _ in range(ROUNDS)]
    profiles, folded, speedscope = zip(*runs)
    bench.note(f"the same folded {spread(folded)} s, for speedscope {spread(speedscope)} s")
    return [at_most(row_exports.__doc__, statistics.median(profiles), 1, f"{spread(profiles)} s", " s")]


def row_top(bench):
    """a frame of top, 1,000 processes and 10,000 connections, 200 x 50"""
    judged, taken, small, large = zip(*(bench.built("top_frame") for _ in range(ROUNDS)))
    bench.note(f"the judge's part of that second: {spread(judged)} ms; a frame on 80 x 24: {spread(small)} ms")
    frames = [one + other for one, other in zip(taken, large)]
    seconds = [sum(parts) / 10 for parts in zip(judged, frames)]  # percent of a CPU, one a second
    return [at_most(row_top.__doc__, statistics.median(frames), 20, f"{spread(frames)} ms", " ms"),
            at_most("CPU of judging and drawing that once a second", statistics.median(seconds), 2,
                    f"{spread(seconds)} %", " %")]


def scrapes(bench, one_in):
    """(milliseconds of judging and telling, of the judge alone, series) of three runs"""
    judged, told, series = zip(*(bench.built("scrape", one_in) for _ in range(ROUNDS)))
    return [one + other for one, other in zip(judged, told)], judged, max(series)


def row_scrape(bench):
    """a scrape of serve, 200 programs with 10 connections, one in ten leaks"""
    both, judged, _ = scrapes(bench, 10)
    bench.note(f"the judge's part of a scrape: {spread(judged)} ms")
    worst, _, series = scrapes(bench, 1)
    return [at_most(row_scrape.__doc__, statistics.median(both), 10, f"{spread(both)} ms", " ms"),
            at_most("the same, all leak", statistics.median(worst), 10, f"{spread(worst)} ms", " ms"),
            at_most("series of that", series, 5000, f"{series:,.0f}", "")]


BOUND_ROWS = {
    "exports": (row_exports, False),
    "hostile": (row_hostile, False),
    "lives": (row_lives, False),
    "scrape": (row_scrape, False),
    "top": (row_top, False),
}
