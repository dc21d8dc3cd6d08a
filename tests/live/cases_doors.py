# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Ways that older kernels leave, forced on this one by DBLEAK_WITHOUT: the same answers come out."""
import contextlib
import copy
import os
import subprocess

import cases_heap
import cases_objects
from cases_command import leaking, only, well
from harness import command_of
from solo import live

SECONDS = 7


@contextlib.contextmanager
def without(bench, *features):
    """Each dbleak that the test starts takes these features of the kernel for missing.  Other tests run beside it."""
    everybodys = bench.dbleak

    def started(*argv, **more):
        env = {**(more.pop("env", None) or os.environ), "DBLEAK_WITHOUT": ",".join(features)}
        return everybodys.start(*argv, env=env, **more)

    bench.dbleak = copy.copy(everybodys)
    bench.dbleak.path, bench.dbleak.start = everybodys.path, started
    try:
        yield
    finally:
        bench.dbleak = everybodys


def told_apart(bench, *features):
    leaker, twin = bench.client("keeper.py", "leak"), bench.client("keeper.py", "well")
    with without(bench, *features):
        look = bench.looked(bench.dbleak.watch("--duration", SECONDS, "-p", f"{leaker.pid},{twin.pid}"), 1)
    only(bench, look, leaker.pid, twin.pid)
    leaking(bench, look, leaker.pid)
    well(bench, look, twin.pid)


@live("older doors: without iterators that list what the kernel keeps, a leak and its twin are told apart", group="doors")
def no_iterators(bench):
    told_apart(bench, "connections", "statements")


@live("older doors: without uprobe.multi each function of libpq is counted exactly, by perf events", group="doors")
def no_multi(bench):
    with without(bench, "uprobe.multi"):
        cases_objects.exact(bench, "pq_objects", "postgresql", least_parts=3 * 30, least_links=40)


def allocations(bench, *features):
    family = command_of(["heap_family"])
    bare = subprocess.run(family, capture_output=True, check=True, timeout=20).stdout.decode()
    with without(bench, *features):
        said, sites, report = cases_heap.followed(bench, family, *cases_heap.EXACT[2:])
    bench.check(said == bare, f"the program was disturbed: {said!r}")
    found = cases_heap.by_size(sites, cases_heap.FAMILY)
    gaps = [gap["reason"] for gap in report["coverage"]["gaps"]]
    for size, held in cases_heap.FAMILY.items():
        bench.check(found.get(size) == held, f"blocks of {size}: {found.get(size)}, not {held}; {gaps}")


@live("older doors: without sessions of probes (Linux 6.6 to 6.12) allocations are counted exactly", needs=(),
      group="doors")
def no_sessions(bench):
    allocations(bench, "uprobe.session")


@live("older doors: without uprobe.multi (before Linux 6.6) allocations are counted exactly", needs=(), group="doors")
def no_multi_allocations(bench):
    allocations(bench, "uprobe.multi", "uprobe.session")


@live("older doors: a feature that nobody knows is refused, and doctor shows one that is left out", needs=(),
      group="doors")
def named(bench):
    with without(bench, "uprobe.mutli"):
        bench.one_sentence(bench.dbleak.run("watch", "-d", 1), 'no feature "uprobe.mutli"', "doctor -v")
    with without(bench, "uprobe.multi"):
        look = bench.dbleak.run("doctor")
    bench.check("left out by DBLEAK_WITHOUT" in look.out.decode(), look.out.decode())
    with without(bench, "kernel warnings"):
        bench.one_sentence(bench.dbleak.run("watch", "-d", 1), "kernel.panic_on_warn=0")
    with without(bench, "door: tracepoints", "door: fexit"):
        bench.one_sentence(bench.dbleak.run("watch", "-d", 1), "door: tracepoints is not to be had on this host",
                           "Linux 6.3 or newer", "dbleak doctor")
