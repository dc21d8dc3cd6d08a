# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""The static file sees what the other build sees."""
import os

import cases_pools
import harness
from solo import live

STATIC = os.path.join(harness.ROOT, "build", "static", "dbleak")


def lacks_it():
    return None if os.access(STATIC, os.X_OK) else "build/static/dbleak (make static)"


@live("the static file finds a full pool, its waiters and their line", without=lacks_it)
def full_pool(bench):
    usual = bench.dbleak
    bench.dbleak = harness.Dbleak(STATIC, bench.janitor)
    bench.dbleak.pids = usual.pids  # so that what it leaves behind is found, too
    cases_pools.full(bench, cases_pools.looked_at(bench, "kept", driver="psycopg2"), 6, "QueuePool")
