# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Round `memory`: programs that keep what they fetch, and their twins, which only seem to.

What samples say is held is compared with how much the process really grew while it was sampled."""
import os

import places
from records import UNKNOWN, Memory
from rounds import Case, Finding

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


def let_go(run, look):
    """A twin: of what it took little is held."""
    memory = Memory(look.recording)
    _, everywhere = by_line(memory, run.case.client, run.pid)
    taken = sum(site.taken_bytes for site, _ in memory.sites_of(run.pid))
    if taken < 100 * MEGA or everywhere > 0.3 * taken:
        return [f"of {taken / MEGA:.1f} MB taken {everywhere / MEGA:.1f} MB are said to be held"]
    return []


def not_another(run, look):
    """Who keeps rows in the gaps that others left is not seen by page faults: then nobody may be named."""
    lines = places.lines_of(run.case.client, places.habit_of(run.case.client), "any")
    sites = [finding["site"] for finding in look.process(run.pid)["findings"] if finding["site"]]
    return [f"{site['function']}() in line {site['line']} is blamed" for site in sites if site["line"] not in
            {line for _, line in lines}]


def keeps(sentence, client, who=PG, finding=KEPT, **more):
    return case(f"{sentence} leak", client, who, findings=[finding], check=held, **more)


CASES = [
    keeps("rows in a module's dict", ["mem_keep.py", "dict"]),
    keeps("results in a cache without bound", ["mem_keep.py", "lru"]),
    keeps("rows of errors kept", ["mem_keep.py", "errors"], also=("unfreed-result", "unclosed-cursor")),
    keeps("SQLAlchemy's objects in a list", ["mem_keep.py", "orm"]),
    case("rows kept where others were before: no other line is blamed", ["mem_keep.py", "crowd"], also=("cache-growth",),
         verdict=("ok", "bounded", "leaking"), check=not_another),
    keeps("rows of SQLite in a dict", ["mem_lite.py", "keep", "{folder}/shop.db"], ("sqlite", "shop.db", None)),
    keeps("rows copied by malloc", ["mem_rows", "keep"], ("postgresql", "unix", None), UNFREED),
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
]
