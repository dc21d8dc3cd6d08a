# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""harm.py ROWS [GO]: runs the programs of a JSON list, some at a time, once the file GO is there,
and writes beside the list what each of them said and how it ended."""
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

AT_A_TIME = 3
PATIENCE = 40


def run(row):
    began = time.monotonic()
    try:
        done = subprocess.run(row["argv"], env=row["env"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="backslashreplace", timeout=PATIENCE)
        status, out, err = done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired as late:
        status, out, err = "hangs", repr(late.stdout), repr(late.stderr)
    return {"name": row["name"], "status": status, "out": out, "err": err, "seconds": time.monotonic() - began}


def main():
    rows, *go = sys.argv[1:]
    print("ready", flush=True)
    while go and not os.path.exists(go[0]):
        time.sleep(0.02)
    with open(rows) as file:
        wanted = json.load(file)
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        results = list(pool.map(run, wanted))
    with open(rows + ".out", "w") as file:
        json.dump(results, file)


main()
