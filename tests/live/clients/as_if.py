# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Writes as JSON, to the file it is told, what a program can see of how it was started."""
import json
import os
import resource
import sys

STATUS = ("Uid", "Gid", "Groups", "SigBlk", "SigIgn", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb",
          "NoNewPrivs", "Seccomp", "Umask")


def descriptors():
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[name] = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:  # the one that lists
            pass
    return found


def terminal():
    try:
        return {"name": os.ttyname(0), "foreground": os.tcgetpgrp(0) == os.getpgrp()}
    except OSError:
        return None


def main():
    with open("/proc/self/status") as file:
        status = dict(line.split(":", 1) for line in file)
    with open("/proc/self/oom_score_adj") as file:
        oom = file.read()
    limits = {name: resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")}
    seen = {"status": {name: " ".join(status[name].split()) for name in STATUS}, "descriptors": descriptors(),
            "environment": dict(os.environ), "limits": limits, "folder": os.getcwd(), "oom": oom,
            "terminal": terminal(), "same_group": os.getpgid(os.getppid()) == os.getpgrp(),
            "arguments": sys.argv[2:]}
    with open(sys.argv[1], "w") as out:
        json.dump(seen, out)


main()
