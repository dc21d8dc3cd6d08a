# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""What processes map as code: a program of its own (libraries.c), since no command shows it."""
import os
import re
import subprocess

from harness import ROOT
from solo import live

PROGRAM = os.path.join(ROOT, "build", "live", "libraries")


@live("files mapped as code are told of once, in any mount name space, deleted or replaced", needs=(), group="input")
def libraries(bench):
    done = subprocess.run([PROGRAM], capture_output=True, text=True, timeout=120)
    said = done.stdout + done.stderr
    bench.shown.update(status=done.returncode, said=said[-3000:])
    failed = sorted(set(re.findall(r"\[  FAILED  \] (\w*[a-z]\w*)$", said, re.MULTILINE)))
    bench.check(not failed, "failed: " + ", ".join(failed))
    bench.check(done.returncode == 0, f"exit status {done.returncode}: {said.strip()[-300:]}")
    bench.check(re.search(r"\[  PASSED  \] [1-9]", said), "no test has passed")
