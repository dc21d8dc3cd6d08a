# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Hosts that lack something: doctor names the one cause, what it costs, and the command that helps."""
import json
import re
import shutil

from harness import Dbleak
from solo import live

EMPTY = "mount -t tmpfs none "
# host: (how it is made, exit status, {row marked no: what its remedy says})
HOSTS = {
    "no BTF": (EMPTY + "/sys/kernel/btf", 2, {"kernel types": "CONFIG_DEBUG_INFO_BTF"}),
    "no tracefs": (EMPTY + "/sys/kernel/tracing; " + EMPTY + "/sys/kernel/debug", 0, {}),
    "no /sys": (EMPTY + "/sys", 2, {"kernel types": "mount -t sysfs sysfs /sys",
                                    "cgroups": "mount -t cgroup2 none /sys/fs/cgroup"}),
    "no cgroups": (EMPTY + "/sys/fs/cgroup", 0, {"cgroups": "mount -t cgroup2 none /sys/fs/cgroup"}),
    "no /proc": ("umount -l /proc", 2, {"/proc": "mount -t proc proc /proc"}),
    "no /tmp": (EMPTY + "-o ro /tmp", 0, {}),
    "a root that is read-only": ("mount -o remount,bind,ro /", 0, {"this folder": "dbleak record -o /run/dbleak.rec"}),
    "hidepid for root": ("mount -t proc -o hidepid=2 proc /proc", 0, {}),
}
HIDDEN = "mount -t proc -o hidepid=2 proc /proc; exec setpriv --bounding-set -sys_ptrace "
UNKNOWN_HERE = {"--heap full", "containers", "lines of Python", "lines of Java", "lines of Node.js", "lines of PHP",
                "lines of Perl", "lines of Ruby", "TLS", "no seccomp", "own cost"}  # depend on the machine of the test


def on_host(bench, script, *argv, options=("-m",)):
    unshare = Dbleak(shutil.which("unshare"), bench.janitor)
    look = unshare.run(*options, "sh", "-c", f"{script}\ncd /; exec \"$@\"", "sh", bench.dbleak.program, *argv)
    bench.dbleak.pids |= unshare.pids
    return look


def rows(look):
    found = json.loads(look.out)["features"]
    return {row["name"]: row for row in found if row["available"] is False and row["need"] != "alternative"
            and row["name"] not in UNKNOWN_HERE}


def examine(bench, host, look, status, expected):
    missing = rows(look)
    bench.check(look.status == status, f"{host}: exit status {look.status}")
    bench.check(missing.keys() == expected.keys(), f"{host}: {sorted(missing)} is marked no, not {sorted(expected)}")
    for name in missing.keys() & expected.keys():
        row = missing[name]
        bench.check(expected[name] in row["remedy"], f"{host}: the remedy of {name} is {row['remedy']!r}")
        bench.check(row["purpose"] and row["without"], f"{host}: {name} does not tell its cost")


def words_of(text):
    return " ".join(text.split())


@live("on each host that lacks something doctor names the cause, its cost and the command that helps", needs=(),
      group="doctor", without=lambda: None if shutil.which("unshare") else "unshare")
def lacking(bench):
    for host, (script, status, expected) in HOSTS.items():
        examine(bench, host, on_host(bench, script, "doctor", "--json"), status, expected)
        text = on_host(bench, script, "doctor").out.decode()
        for name, remedy in expected.items():
            bench.check(re.search(rf"^no +{re.escape(name)} ", text, re.M) and remedy in words_of(text), f"{host}: {text}")
        bench.check(("OK: " in text) == (status == 0), f"{host}: {text[:200]}")


@live("in a user namespace doctor does not take its root for the host's, and guesses at no kernel", needs=(),
      group="doctor", without=lambda: None if shutil.which("unshare") else "unshare")
def user_namespace(bench):
    look = on_host(bench, "true", "doctor", "--json", options=("-Ur",))
    examine(bench, "user namespace", look, 2, {"rights": "outside of user namespaces"})
    told = on_host(bench, "true", "watch", "-d", 1, options=("-Ur",))
    bench.check(told.status == 2 and "run it as root" in told.err, f"{told.status} {told.err!r}")


@live("hidepid without CAP_SYS_PTRACE is told, and what it hides", needs=(), group="doctor",
      without=lambda: None if shutil.which("unshare") and shutil.which("setpriv") else "util-linux")
def hidepid(bench):
    look = on_host(bench, HIDDEN + '"$@"', "doctor", "--json")
    examine(bench, "hidepid", look, 0, {"all processes": "CAP_SYS_PTRACE"})


@live("a watch without /proc or types says what helps", needs=(), group="doctor",
      without=lambda: None if shutil.which("unshare") else "unshare")
def refused(bench):
    for script, words in (("umount -l /proc", "mount -t proc proc /proc"), (EMPTY + "/sys", "mount -t sysfs sysfs /sys")):
        look = on_host(bench, script, "watch", "-d", 1)
        bench.check(look.status == 2 and words in look.err, f"{script}: {look.status} {look.err!r}")
