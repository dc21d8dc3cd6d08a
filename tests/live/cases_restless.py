# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Short watches, one after the other, some of them killed, while programs fork, exec, map and crash: each
ends in its time, nothing is left, and every program ends as it should."""
import os
import random
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import harness
from harness import command_of, environment
from solo import live

WATCHES = int(os.environ.get("DBLEAK_WATCHES", "200"))
AT_A_TIME = 3
KILLED = 0.25  # of them
LATE = 20  # seconds after which a watch that should be over hangs: to start among forks takes up to 13 on a slow machine


def watch_of(chance, pid):
    """A random command line, the seconds it takes, and after how many it is killed, if it is."""
    seconds = round(chance.uniform(0.2, 0.5), 2)
    which = chance.choice(([], ["-p", pid], ["--comm", "python3"], ["-p", pid, "--heap", "full"],
                           ["-p", pid, "--heap", "client"], None))
    if which is None:
        argv = ["run", "-o", "/dev/null", "--", *command_of(["harm", "sqlite", "plain"])]
    else:
        argv = ["watch", "--json", "--duration", seconds, *which]
    return argv, seconds, chance.uniform(0, 1.5) if chance.random() < KILLED else None


def one_watch(bench, argv, seconds, killed_after):
    process = bench.dbleak.start(*argv, env=environment({}))
    began = time.monotonic()
    if killed_after is not None:
        try:
            process.wait(killed_after)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
    look = bench.dbleak.finish(process, patience=seconds + LATE)
    took = time.monotonic() - began
    bench.check(took < seconds + LATE, f"{argv}: it took {took:.1f} s")
    bench.check(look.status in (0, 1) or killed_after is not None and look.status == -9,
                f"{argv}: status {look.status}, {look.err[-300:]}")
    return took


@live("short and killed watches among restless programs end in their time and leave nothing", needs=(), group="restless")
def restless(bench):
    seed = os.environ.get("DBLEAK_SEED", str(random.randrange(1 << 32)))
    before, ours, chance = harness.kernel_objects(), set(bench.dbleak.pids), random.Random(seed)
    client = subprocess.Popen([*command_of(["harm_restless.py"]), *command_of(["harm"]), seed], env=environment({}),
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
    bench.janitor.watch(client.pid)
    bench.afterwards.append(lambda: bench.janitor.end(client))
    client.stdout.readline()
    watches = [watch_of(chance, client.pid) for _ in range(WATCHES)]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        took = list(pool.map(lambda watch: one_watch(bench, *watch), watches))
    said, _ = client.communicate("")
    wrong = [line for line in said.splitlines() if line.startswith("wrong")]
    bench.shown.update(seed=seed, said=said[-300:], longest=max(took))
    bench.check(not wrong, f"seed {seed}: {wrong[:5]}")
    bench.check("programs" in said, f"seed {seed}: {said!r}")
    left = harness.left_behind(before, bench.dbleak.pids - ours)
    bench.check(not left, f"seed {seed}: left behind: {left[:8]}")
