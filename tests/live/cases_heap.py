# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""The full tier: an allocator's calls, counted exactly, estimated from samples, and within the budget."""
import collections
import glob
import json
import os
import subprocess

import ledger
from harness import command_of
from solo import live

GROWTH, CLIENT, FULL = 1, 2, 3  # enum ev_tier
LOWER_BOUND = 2  # enum ev_memory_flag
BLOCKS_EACH = (1 << 18) // 16 * 9 * 7  # of one process where every block is taken: bpf/memory/heap.h
MAPPINGS_EACH = 3072
EXACT = ("--heap", "full", "--heap-sample", "1", "--max-overhead", "100")
Held = collections.namedtuple("Held", "object taken freed bytes")

# size of the step's blocks: what clients/heap_family.c does with them
FAMILY = {
    101: Held("malloc", 1000, 400, 600 * 101),
    202: Held("calloc", 900, 300, 600 * 202),
    53: Held("realloc", 800, 200, 600 * 53),
    122: Held("reallocarray", 410, 110, 300 * 122),
    97: Held("aligned_alloc", 420, 120, 300 * 97),
    91: Held("aligned_alloc", 425, 125, 300 * 91),
    256: Held("aligned_alloc", 430, 130, 300 * 256),
    301: Held("posix_memalign", 440, 140, 300 * 301),
    77: Held("malloc", 15, 5, 10 * 77),
    1048583: Held("malloc", 4, 1, 3 * 1048583),
    41: Held("malloc", 700, 700, 0),
    5003: Held("realloc", 700, 100, 600 * 5003),
    31: Held("malloc", 600, 0, 600 * 31),
    23: Held("malloc", 500, 500, 0),
    37: Held("malloc", 50, 0, 50 * 37),
    65536: Held("mmap", 25, 10, 15 * 65536 - 32768),
    3 * 65536: Held("mmap", 5, 5, 0),
    6 * 65536: Held("mremap", 5, 1, 4 * 6 * 65536),
    5 * 65536: Held("mmap", 12, 2, 10 * 3 * 65536),
    7 * 65536: Held("mmap", 8, 3, 5 * 7 * 65536),
    9 * 65536: Held("mmap", 8, 4, 4 * 9 * 65536),
    71: Held("malloc", 1000, 200, 800 * 71),
    141: Held("malloc", 350, 0, 350 * 141),
    143: Held("malloc", 333, 33, 300 * 143),
    161: Held("malloc", 370, 370, 0),
    163: Held("malloc", 380, 80, 300 * 163),
}
OPERATORS = {151: Held("malloc", 450, 150, 300 * 151)}


def last_sites(path):
    """The last record of each site, and of the losses."""
    found, loss = {}, None
    for record in ledger.read(path):
        if record.record == "memory_site" and record.tier == FULL:
            found[record.pid, record.start_ns, record.site] = record
        elif record.record == "loss":
            loss = record
    return list(found.values()), loss


def by_size(sites, wanted):
    """{size: Held} of the sites that took blocks of one wanted size."""
    found = {}
    for site in sites:
        size = site.taken_bytes // site.taken if site.taken else 0
        if size not in wanted or size * site.taken != site.taken_bytes or site.object != wanted[size].object:
            continue
        old = found.get(size, Held(site.object, 0, 0, 0))
        found[size] = Held(site.object, old.taken + site.taken, old.freed + site.freed, old.bytes + site.held_bytes)
    return found


def family(bench, program, *argv, wanted=FAMILY, **env):
    """Runs the family under the full tier and without it, and compares."""
    command = command_of([program, *argv])
    environment = {**os.environ, **env}
    bare = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=20).stdout
    recording = bench.file("recording")
    look = bench.dbleak.run("run", *EXACT, "--record", recording, "-o", bench.file("report"), "--", *command,
                            env=environment)
    bench.check(look.out == bare, f"{program} said {look.out!r} under the tracer, {bare!r} without")
    sites, loss = last_sites(recording)
    found = by_size(sites, wanted)
    for size, held in wanted.items():
        bench.check(found.get(size) == held, f"{program}, blocks of {size}: {found.get(size)}, not {held}")
    maps = sum(site.taken for site in sites if site.object == "mmap")
    bench.check(maps == 25 + 5 + 12 + 8 + 8, f"{program}: {maps} mappings are counted, some of them the allocator's own")
    bench.check(not loss or not loss.count[1], f"no room was found: {loss}")
    return sites


def is_said(report, pid, text):
    """Whether the one gap of a process begins with a text, and no other process has one."""
    gaps = [gap for gap in report["coverage"]["gaps"] if "are in no figure" in gap["reason"]]
    return len(gaps) == 1 and gaps[0]["pid"] == pid and gaps[0]["reason"].startswith(text)


def missing(pattern):
    """A function that says what is not installed."""
    return lambda: None if glob.glob(pattern) else pattern


LIBRARIES = "/usr/lib/x86_64-linux-gnu/"
BUILDS = {  # name in the sentence: program, what is preloaded, what it does beside, what must be there
    "glibc's malloc": ("heap_family", None, {}, LIBRARIES + "libc.so.6"),
    "a static copy of glibc's": ("heap_static", None, {}, LIBRARIES + "libc.a"),
    "a static copy of glibc's that may lie anywhere": ("heap_static_pie", None, {}, LIBRARIES + "libc.a"),
    "musl's": ("heap_musl", None, {}, "/lib/ld-musl-*.so.1"),
    "a static copy of musl's": ("heap_musl_static", None, {}, "/lib/ld-musl-*.so.1"),
    "jemalloc's, which is linked": ("heap_jemalloc", None, OPERATORS, LIBRARIES + "libjemalloc.so"),
    "jemalloc's, which is preloaded": ("heap_family", "libjemalloc.so.2", OPERATORS, LIBRARIES + "libjemalloc.so.2"),
    "tcmalloc's": ("heap_family", "libtcmalloc_minimal.so.4", OPERATORS, LIBRARIES + "libtcmalloc_minimal.so.4"),
    "mimalloc's": ("heap_family", "libmimalloc.so.2.0", OPERATORS, LIBRARIES + "libmimalloc.so.2.0"),
}


def register(name, program, preload, more, must):
    @live(f"heap: every function of {name} family is counted exactly", needs=(), group="heap", without=missing(must))
    def run(bench):
        env = {"LD_PRELOAD": LIBRARIES + preload} if preload else {}
        family(bench, program, wanted={**FAMILY, **more}, **env)


for family_name, build in BUILDS.items():
    register(family_name, *build)


THROWN = {1511: Held("malloc", 450, 150, 300 * 1511), 1523: Held("malloc", 60, 20, 40 * 1523)}
THROWERS = {
    "tcmalloc's": ("heap_throws", "libtcmalloc_minimal.so.4", LIBRARIES + "libtcmalloc_minimal.so.4"),
    "jemalloc's": ("heap_throws", "libjemalloc.so.2", LIBRARIES + "libjemalloc.so.2"),
    "a static program's": ("heap_throws_static", None, LIBRARIES + "libc.a"),
    "the C++ library's": ("heap_throws", None, LIBRARIES + "libc.so.6"),
}


def register_thrower(name, program, preload, must):
    @live(f"heap: {name} operator new may throw, jump and switch stacks, and is counted exactly", needs=(), group="heap",
          without=missing(must))
    def run(bench):
        command = command_of([program])
        env = {**os.environ, **({"LD_PRELOAD": LIBRARIES + preload} if preload else {})}
        bare = subprocess.run(command, env=env, capture_output=True, check=True, timeout=20).stdout
        recording, report = bench.file("recording"), bench.file("report")
        look = bench.dbleak.run("run", *EXACT, "--json", "--record", recording, "-o", report, "--", *command, env=env)
        bench.check(look.out == bare, f"it said {look.out!r} under the tracer, {bare!r} without: {look.err[-300:]}")
        sites, _ = last_sites(recording)
        if preload or program != "heap_throws":
            found = by_size(sites, THROWN)
            for size, held in THROWN.items():
                bench.check(found.get(size) == held, f"blocks of {size}: {found.get(size)}, not {held}")
        else:  # one place of the C++ library calls malloc for both
            wanted = tuple(sum(getattr(held, what) for held in THROWN.values()) for what in ("taken", "freed", "bytes"))
            bench.check(any((site.taken, site.freed, site.held_bytes) == wanted for site in sites),
                        f"no place has taken, freed and held {wanted}")


for thrower_name, thrower in THROWERS.items():
    register_thrower(thrower_name, *thrower)


def followed(bench, command, *options):
    """Runs a command under the full tier: what it said, its sites, the look and its report."""
    recording, report = bench.file("recording"), bench.file("report")
    look = bench.dbleak.run("run", "--heap", "full", "--json", *options, "--record", recording, "-o", report, "--",
                            *command)
    sites, _ = last_sites(recording)
    with open(report, encoding="utf-8") as file:
        return look.out.decode(), sites, json.load(file)


@live("heap: calls left by longjmp, blocks taken in signal handlers and a seccomp filter bend no count", needs=(),
      group="heap")
def odd(bench):
    said, sites, _ = followed(bench, command_of(["heap_odd"]), *EXACT[2:])
    bench.check(said == "100 left\n", f"the program was disturbed: {said!r}")
    sites = [site for site in sites if site.taken_bytes < 1240 * site.taken]  # but for the standard output's
    total = tuple(sum(getattr(site, what) for site in sites) for what in ("taken", "freed", "held_bytes"))
    wanted = (100 + 100 + 30 + 30, 100, 100 * 59 + 30 * 47 + 30 * 1237)
    bench.check(total == wanted, f"taken, freed and held are {total}, not {wanted}")


STORM = {  # clients/heap_storm.c
    53: Held("malloc", 30, 0, 30 * 53),
    1231: Held("malloc", 10, 0, 10 * 1231),
    113: Held("malloc", 10, 0, 10 * 113),
    117: Held("malloc", 10, 10, 0),
    127: Held("malloc", 20, 0, 20 * 127),
    83: Held("malloc", 10000, 4000, 6000 * 83),
}


@live("heap: forks, ends and other programs in the middle of calls, and thousands of threads bend no count", needs=(),
      group="heap")
def storm(bench):
    said, sites, report = followed(bench, command_of(["heap_storm"]), *EXACT[2:])
    bench.check(said == "done\n", f"the program was disturbed: {said!r}")
    found = by_size(sites, STORM)
    for size, held in STORM.items():
        bench.check(found.get(size) == held, f"blocks of {size}: {found.get(size)}, not {held}")
    older = [gap["reason"] for gap in report["coverage"]["gaps"] if "before dbleak started" in gap["reason"]]
    bench.check(not older, f"nothing is older than a program from its first instruction: {older}")
    bench.check(not report["losses"]["map_full"], f"no room was found: {report['losses']}")


@live("heap: where there is no room for all that is mapped the report says so, and gives lower bounds", needs=(),
      group="heap")
def crowded(bench):
    said, sites, report = followed(bench, command_of(["heap_storm", "maps"]), *EXACT[2:])
    bench.check(said == "done\n", f"the program was disturbed: {said!r}")
    sites = [site for site in sites if site.object == "mmap" and site.taken > 100]
    if bench.check(len(sites) == 1, f"it maps in one place, not in {sites}"):
        bench.check(MAPPINGS_EACH - 100 <= sites[0].taken <= MAPPINGS_EACH, f"of 5,000 {sites[0].taken} are told")
        bench.check(sites[0].flags & LOWER_BOUND, "the figure is not told as a lower bound")
        bench.check(is_said(report, sites[0].pid, f"more than {MAPPINGS_EACH:,} mappings"),
                    f"no gap says so: {report['coverage']['gaps']}")


@live("heap: a program that takes more blocks than its share, under any number of stacks, weakens its own figures only",
      needs=(), group="heap")
def greedy(bench):
    family = command_of(["heap_family"])
    bare = subprocess.run(family, capture_output=True, check=True, timeout=20).stdout.decode()
    said, sites, report = followed(bench, command_of(["heap_greedy", str(BLOCKS_EACH + 100000), *family]), *EXACT[2:])
    bench.check(said == bare, f"the program was disturbed: {said!r}")
    blocks = [site for site in sites if site.taken and site.taken_bytes == 48 * site.taken]
    taken, wanted = sum(site.taken for site in blocks), range(BLOCKS_EACH - 100, BLOCKS_EACH + 1)
    bench.check(taken in wanted, f"{taken} of its blocks are told, not {wanted}")
    bench.check(any(site.flags & LOWER_BOUND for site in blocks), "none of its figures is told as a lower bound")
    bench.check(is_said(report, blocks[0].pid, f"more than {BLOCKS_EACH:,} blocks"),
                f"no gap says so: {report['coverage']['gaps']}")
    others = [site for site in sites if site.pid != blocks[0].pid]  # a child is followed from some moment on
    weak = [site for site in others if site.flags & LOWER_BOUND]
    bench.check(others and not weak and not report["losses"]["map_full"],
                f"beside it, {len(others)} places, without room {weak}, {report['losses']}")


@live("heap: a program whose allocator cannot be found is named", needs=(), group="heap")
def blind(bench):
    _, sites, report = followed(bench, command_of(["heap_stripped"]), *EXACT[2:])
    gaps = [gap["reason"] for gap in report["coverage"]["gaps"] if "allocator not found" in gap["reason"]]
    bench.check(len(gaps) == 1 and gaps[0].startswith("heap_stripped["), f"no gap names it: {gaps}")
    bench.check(not sites, f"and yet it has sites: {sites}")


@live("heap: estimates from samples hold what they say", needs=(), group="heap")
def estimated(bench):
    outside = []
    for round_ in range(3):
        said, sites, _ = followed(bench, command_of(["heap_rate", "0.7", "0", "10"]), "--max-overhead", "100")
        held = int(said.split()[-1])
        site = max(sites, key=lambda one: one.held_bytes)
        bench.check(site.flags & 1 and site.error_bytes, f"an estimate does not say that it is one: {site}")
        bench.check(site.error_bytes < held / 5, f"{site.error_bytes} is a wide margin for {held} bytes")
        off = abs(site.held_bytes - held) / site.error_bytes
        bench.check(off < 2.5, f"{held} bytes are held, not {site.held_bytes} +- {site.error_bytes}")
        outside += [off] if off > 1 else []
        if not outside:  # one of twenty may be
            break
    bench.check(len(outside) < 2, f"outside the margin, by its width: {outside}")


@live("heap: above the budget it steps down within a second, and where that is not enough, once more within the next",
      group="heap")
def over(bench):
    client = bench.client("kept_blocks", "well")
    look = bench.looked(bench.dbleak.watch("-p", client.pid, "--duration", "3", "--heap", "full",
                                           "--max-overhead", "0.01"))
    told = {word: [record.ns for record in ledger.read(look.recording)
                   if record.record == "gap" and f"now as with --heap {word}" in record.text]
            for word in ("client", "growth")}
    tiers = {record.tier: record for record in ledger.read(look.recording) if record.record == "memory"}
    sites = {tier: [record for record in ledger.read(look.recording)
                    if record.record == "memory_site" and record.tier == tier] for tier in (CLIENT, FULL)}
    bench.shown["sites"] = [str(site) for site in sites[CLIENT]]
    bench.check(sites[FULL] and sites[CLIENT], f"one of the tiers saw nothing: {sites}")
    if bench.check(all(len(found) == 1 for found in told.values()), f"the steps are told so: {told}"):
        first, second = told["client"][0], told["growth"][0]
        busy = max(1, look.report["window"]["seconds"] / 3.5)  # of the machine: then all takes longer
        for tier, end in ((FULL, first), (CLIENT, second)):
            lasted = (end - min((site.first_ns for site in sites[tier]), default=0)) / 1e9
            late = max((site.last_ns for site in sites[tier]), default=0) - end
            bench.check(0 < lasted < busy, f"tier {tier} went on for {lasted:.2f} s")
            bench.check(late < 0, f"tier {tier} was still looking {late / 1e9:.2f} s after it was told to be over")
    bench.check(list(tiers) == [FULL, CLIENT, GROWTH] or list(tiers) == [FULL, GROWTH],
                f"its memory was watched by the tiers {list(tiers)}")
    process = look.process(client.pid) or {"memory": {}}
    bench.check(process["memory"].get("tier") == "growth", f"the report says {process['memory'].get('tier')}")
    bench.check(look.report["cost"]["stepped_down"], "the report does not say that detail was given up")


@live("heap: below the budget following goes on", needs=(), group="heap")
def below(bench):
    said, sites, report = followed(bench, command_of(["heap_rate", "1.5", "500", "0"]), "--max-overhead", "20")
    bench.check(not report["cost"]["stepped_down"], f"it ended: {report['coverage']['gaps']}")
    taken = sum(site.taken for site in sites)
    bench.check(taken > 300, f"only {taken} blocks were seen")


@live("heap: nobody's allocations are followed unless a process is chosen", needs=(), group="heap")
def unchosen(bench):
    bench.one_sentence(bench.dbleak.run("watch", "--heap", "full", "--duration", "1"), "-p")


@live("heap: of a process met running, older blocks count for nothing", group="heap")
def met(bench):
    client = bench.client("heap_rate", "5.1", "20000", "10")
    look = bench.looked(bench.dbleak.watch("-p", client.pid, "--duration", "6.5", *EXACT))
    sites, _ = last_sites(look.recording)
    site = max(sites, key=lambda one: one.taken, default=None)
    if not bench.check(site, "no site was told"):
        return
    bench.check(site.pid == client.pid and site.taken > 1000, f"{site}")
    kept = (site.taken - site.freed) / site.taken
    bench.check(0.07 < kept < 0.13, f"{kept:.2f} of the blocks are held, not a tenth")
    gaps = [gap["reason"] for gap in look.report["coverage"]["gaps"] if gap["pid"] == client.pid]
    told = [int(reason.split()[0]) for reason in gaps if "before dbleak started" in reason]
    bench.check(told and 321 <= told[0] <= 330, f"321 older blocks were given back, and that is told as {gaps}")


@live("heap: programs that nobody asked for are left alone when they allocate much, and what is asked for goes on",
      group="heap")
def narrowed(bench):
    client = bench.client("heap_rate", "20", "1000", "10")
    bench.client("heap_rate", "6", "0", "0")
    look = bench.looked(bench.dbleak.watch("-p", client.pid, "--duration", "6", "--heap", "full",
                                           "--heap-sample", "1", "--max-overhead", "5"))
    gaps = [gap["reason"] for gap in look.report["coverage"]["gaps"]]
    bench.check(not any("--max-overhead" in gap for gap in gaps), f"the other one's allocations were paid for: {gaps}")
    sites, _ = last_sites(look.recording)
    site = max(sites, key=lambda one: one.taken, default=None)
    if bench.check(site and site.pid == client.pid, f"the wrong process is followed: {site}"):
        lasted = (site.last_ns - site.first_ns) / 1e9
        bench.check(lasted > 2 and 1500 < site.taken < 6500, f"in {lasted:.1f} s {site.taken} blocks were seen")


def watched(bench, *argv, seconds=12):
    """A client under the full tier, as it is by default but for the budget."""
    client = bench.client(*argv)
    look = bench.looked(bench.dbleak.watch("-p", client.pid, "--duration", seconds, "--heap", "full",
                                           "--max-overhead", "100"))
    return look.process(client.pid) or {"verdict": "not in the report", "findings": []}


def named(finding):
    site = finding.get("site") or {}
    return f"{finding['cause']} at {site.get('file')}:{site.get('line')} {site.get('function')}"


@live("heap: the line of C that keeps memory is named beside its query, and its twin is left in peace", group="heap-cases")
def c_lines(bench):
    kept = watched(bench, "mem_rows", "keep")
    memory = [f for f in kept["findings"] if f["resource"] == "memory"]
    bench.check(kept["verdict"] == "leaking" and memory, f"mem_rows keep is {kept['verdict']}: {kept['findings']}")
    for finding in memory:
        bench.check((finding["site"] or {}).get("file", "").endswith("mem_rows.c"), named(finding))
        bench.check(any(said["code"] == "are-query-results" for said in finding["evidence_codes"]),
                    f"nothing says of which reply it is: {finding['evidence']}")
    freed = watched(bench, "mem_rows", "free", seconds=5)
    bench.check(freed["verdict"] in ("ok", "bounded") and not freed["findings"],
                f"mem_rows free is {freed['verdict']}: {[named(f) for f in freed['findings']]}")


@live("heap: the line of Python that keeps rows is named beside its query, and its twin is left in peace", group="heap-python")
def python_lines(bench):
    kept = watched(bench, "mem_keep.py", "dict")
    memory = [f for f in kept["findings"] if f["resource"] == "memory"]
    bench.check(kept["verdict"] == "leaking" and memory, f"mem_keep.py dict is {kept['verdict']}: {kept['findings']}")
    for finding in memory:
        bench.check((finding["site"] or {}).get("file", "").endswith("mem_keep.py"), named(finding))
        bench.check(any(said["code"] == "are-query-results" for said in finding["evidence_codes"]),
                    f"nothing says of which reply it is: {finding['evidence']}")
    freed = watched(bench, "mem_keep.py", "bursts", seconds=5)
    bench.check(freed["verdict"] in ("ok", "bounded") and not freed["findings"],
                f"mem_keep.py bursts is {freed['verdict']}: {[named(f) for f in freed['findings']]}")
