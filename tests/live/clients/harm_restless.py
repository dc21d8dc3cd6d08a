# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""harm_restless.py HARM SEED: forks, execs, maps libraries and lets programs crash, some at a time, until
its input ends; then it says how many there were and what ended as it should not."""
import random
import subprocess
import sys
import threading

AT_A_TIME = 2
HAZARDS = {"plain": 0, "coroutines": 0, "exception": 0, "longjmp": 0, "thread-exit": 0, "fork": 0, "vfork": 0,
           "clone": 0, "signal-jump": 0, "abandoned": 0, "illegal-inside": -4, "trap-inside": -5, "abort-inside": -6,
           "fault-inside": -11, "abort-outside": -6}


def work(harm, seed, stop, told):
    chance = random.Random(seed)
    while not stop.is_set():
        hazard = chance.choice(list(HAZARDS))
        argv, wanted = [harm, "sqlite", hazard], HAZARDS[hazard]
        if chance.random() < 0.3:
            argv, wanted = chance.choice((["/bin/true"], ["/bin/sh", "-c", "(/bin/true) & /bin/true; wait"])), 0
        status = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True).returncode
        told.append((argv[-1], status, wanted))


def main():
    harm, seed = sys.argv[1:]
    stop, told = threading.Event(), []
    threads = [threading.Thread(target=work, args=(harm, f"{seed} {i}", stop, told)) for i in range(AT_A_TIME)]
    for thread in threads:
        thread.start()
    print("ready", flush=True)
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join()
    for what, status, wanted in told:
        if status != wanted:
            print("wrong", what, status, wanted)
    print("programs", len(told), flush=True)


main()
