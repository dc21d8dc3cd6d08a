# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""The rows that measure what it costs to follow each allocation, beside other tools that do."""
import json
import os
import shutil
import statistics
import subprocess

from bench import BUILT, at_most, spread

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3"
LOOP = os.path.join(BUILT, "heap_loop")
FULL = ("--heap", "full", "--max-overhead", "100")
BLOCKS = 1_000_000
MEMLEAK_NS = 9964  # measured on a machine like this one, with a memleak built for its kernel


def tools(bench):
    """{name: the words before a command that is to be measured under it}"""
    run = [bench.dbleak, "run", *FULL, "-o", "/dev/null"]
    found = {"bare": [], "full": [*run, "--"], "full, every block": [*run, "--heap-sample", "1", "--"]}
    if shutil.which("heaptrack"):
        found["heaptrack"] = ["heaptrack", "-o", os.path.join(bench.folder, "heaptrack")]
    if shutil.which("valgrind"):
        found["valgrind"] = ["valgrind", "-q"]
    return found


def last_number(bench, command):
    """heaptrack adds lines of its own."""
    words = [line for line in bench.output(command).split("\n") if line.replace(".", "", 1).isdigit()]
    return float(words[-1])


def side_by_side(bench, command, names):
    """{tool: its numbers}, taken in turn."""
    found = {}
    for number in range(bench.pairs):
        for name, before in tools(bench).items():
            if name in names:
                found.setdefault(name, []).append(last_number(bench, [*before, *command]))
        bench.note(f"round {number + 1}: " + ", ".join(f"{name} {values[-1]:,.1f}" for name, values in found.items()))
    return found


def why_no_memleak(bench):
    """bcc's memleak compiles its program on the host it runs on."""
    if not shutil.which("memleak-bpfcc"):
        return "memleak-bpfcc is not installed"
    tried = subprocess.run(["timeout", "10", "memleak-bpfcc", "-p", str(os.getpid()), "1", "1"], capture_output=True,
                           text=True, check=False)
    return None if tried.returncode == 0 else "memleak-bpfcc does not run here: " + next(
        (line for line in (tried.stdout + tried.stderr).split("\n") if "nable to find kernel headers" in line),
        f"status {tried.returncode}")


def memleak(bench):
    """Nanoseconds a pair under it, which can only be told of a process that runs."""
    loop = bench.start([LOOP, "pairs", "8"], stdout=subprocess.PIPE, text=True)
    bench.start(["timeout", "8", "memleak-bpfcc", "-p", str(loop.pid), "1", "1"])
    return float(loop.communicate()[0])


def row_heap_loop(bench):
    """malloc(64) and free under the full tier, ns a pair"""
    found = side_by_side(bench, [LOOP, "pairs", str(min(bench.seconds, 2))], tools(bench))
    missing = why_no_memleak(bench)
    bench.note(missing or f"memleak-bpfcc {memleak(bench):,.0f} ns a pair")
    for name, numbers in found.items():
        bench.note(f"{name}: {spread(numbers, 0)} ns a pair")
    best = {name: statistics.median(numbers) for name, numbers in found.items()}
    return [at_most(row_heap_loop.__doc__, best["full"], 1900, spread(found["full"], 0), " ns"),
            at_most("the same, every block taken (memleak: 9,964)", best["full, every block"], MEMLEAK_NS,
                    spread(found["full, every block"], 0), " ns")]


def row_heap_orm(bench):
    """SQLAlchemy, 1,000 rows a query: time under the full tier / bare"""
    names = ("bare", "full", "heaptrack")
    found = side_by_side(bench, [PYTHON, os.path.join(HERE, "heap_orm.py"), str(min(bench.seconds, 4))], names)
    ratios = {name: [value / bare for value, bare in zip(found[name], found["bare"])] for name in found}
    for name, numbers in ratios.items():
        bench.note(f"{name}: {spread(numbers)} times the bare time")
    other = f"; heaptrack {spread(ratios['heaptrack'])}" if "heaptrack" in ratios else ""
    return [at_most(row_heap_orm.__doc__, statistics.median(ratios["full"]), 1.5, spread(ratios["full"]) + other)]


def last_record(path, kind):
    """The last record of a kind as the recording has it; live tests read them likewise."""
    import ledger  # the harness's folder is in the path by now
    return {getattr(r, "site", 0): r for r in ledger.read(path) if r.record == kind}


def row_heap_blocks(bench):
    """kernel memory for each of 1,000,000 live blocks"""
    recording, report = (os.path.join(bench.folder, name) for name in ("blocks.recording", "blocks.json"))
    kernel = {}
    for tier in ("growth", "full"):
        text = bench.output([bench.dbleak, "run", "--json", *FULL, "--heap", tier, "--heap-sample", "1", "--record",
                             recording, "-o", report, "--", LOOP, "blocks", str(BLOCKS)])
        with open(report, encoding="utf-8") as file:
            said = json.load(file)
        kernel[tier] = said["cost"]["kernel_bytes"]
    kept, lost = int(text.split()[-1]), said["losses"]["map_full"]
    sites = last_record(recording, "memory_site").values()
    held = max((s.taken - s.freed for s in sites if s.tier == 3 and s.object == "malloc"), default=0)
    for one in (recording, report):
        os.unlink(one)
    each = (kernel["full"] - kernel["growth"]) / BLOCKS
    missing = max(0, kept - held - lost)
    bench.note(f"{kernel['full']:,} bytes of kernel memory in all, {kernel['growth']:,} without the full tier; "
               f"{held:,} blocks are held in the end, {kept:,} in truth; {lost:,} said to be lost")
    return [at_most(row_heap_blocks.__doc__, each, 64, f"{each:.1f} bytes", " bytes"),
            at_most("blocks that are missing, and not said to be lost", missing, 0, f"{missing}")]


ROWS = {
    "heap-loop": (row_heap_loop, False),
    "heap-orm": (row_heap_orm, False),
    "heap-blocks": (row_heap_blocks, False),
}
