# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""What dbleak gives up after its start, and what it can do with a few rights of root's."""
import json
import os
import shutil
import time

from cases_command import causes, leaking
from harness import Dbleak
from solo import live

SECONDS = 7
NOBODY = 65534
ALL = ("bpf", "perfmon", "sys_ptrace", "dac_read_search", "checkpoint_restore")
KEPT = 1 << 39 | 1 << 38 | 1 << 19 | 1 << 2 | 1 << 40


def status_of(pid, task=None):
    with open(f"/proc/{pid}/task/{task or pid}/status") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]


def began(pid, patience=20):
    """Waits until it has given up what it needed for its start."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if status_of(pid)["NoNewPrivs"] == "1":
            return True
        time.sleep(0.1)
    return False


@live("after its start dbleak and its threads keep the rights of the list, and start nothing", needs=(), group="rights")
def given_up(bench):
    process = bench.dbleak.start("watch", "--duration", SECONDS, "--json")
    bench.check(began(process.pid), "it has not given up anything after 20 s")
    for task in os.listdir(f"/proc/{process.pid}/task"):
        status = status_of(process.pid, task)
        rights = int(status["CapPrm"], 16) | int(status["CapInh"], 16) | int(status["CapBnd"], 16)
        bench.check(not rights & ~(KEPT | 1 << 5), f"thread {status['Name']} keeps {rights:x}")
        bench.check((status["Seccomp"], status["NoNewPrivs"]) == ("2", "1"), f"thread {status['Name']}: {status}")
    for pid in children(process.pid):
        status = status_of(pid)
        bench.check(not int(status["CapPrm"], 16) & ~(KEPT | 1 << 21), f"{status['Name']} keeps {status['CapPrm']}")
        bench.check(status["NoNewPrivs"] == "1", f"{status['Name']} may gain privileges")
    with open(f"/proc/{process.pid}/limits") as file:
        core = next(line for line in file if line.startswith("Max core"))
    with open(f"/proc/{process.pid}/oom_score_adj") as file:
        oom = int(file.read())
    bench.check(core.split()[4:6] == ["0", "0"] and oom >= 900, f"core {core.strip()!r}, oom {oom}")
    look = bench.dbleak.finish(process)
    bench.looked(look, 0)
    bench.check("more rights" not in look.err, look.err)


@live("a library that is mapped after the start is probed all the same", group="rights")
def mapped_later(bench):
    later = []
    look = bench.dbleak.watch("--duration", SECONDS + 3,
                              during=lambda: later.append(bench.client("keeper.py", "leak", "orders")))
    bench.looked(look, 1)
    leaking(bench, look, later[0].pid)
    if process := look.process(later[0].pid):
        sites = [finding["site"] for finding in process["findings"] if finding["site"]]
        bench.check(sites, f"no finding has a source line: {causes(process)}")


def with_rights(bench, rights, *argv):
    """dbleak as nobody, with these capabilities and no others."""
    program = bench.file("dbleak")
    shutil.copy(bench.dbleak.program, program)
    os.chmod(program, 0o755)
    chosen = ",".join(["-all", *(f"+{right}" for right in rights)])
    setpriv = Dbleak("/usr/bin/setpriv", bench.janitor)
    look = setpriv.run(f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", f"--bounding-set={chosen}",
                       f"--inh-caps={chosen}", f"--ambient-caps={chosen}", "--", program, *argv)
    bench.dbleak.pids |= setpriv.pids
    return look


def watched(bench, rights, *pids):
    look = with_rights(bench, rights, "watch", "--json", "--duration", SECONDS,
                       *(word for pid in pids for word in ("-p", pid)))
    if look.status in (0, 1) and look.out:
        look.report = json.loads(look.out)
    bench.shown.update(status=look.status, stderr=look.err[-500:], report=look.report)
    return look


def gaps(look):
    return " ".join(gap["reason"] for gap in look.report["coverage"]["gaps"])


@live("without root, with the five rights of the list, the leak of another user is found", group="rights")
def five_rights(bench):
    client = bench.client("keeper.py", "leak")
    look = watched(bench, ALL, client.pid)
    if bench.check(look.report, f"status {look.status}: {look.err[-300:]}"):
        leaking(bench, look, client.pid)
        process = look.process(client.pid)
        sites = [finding["site"] for finding in process["findings"] if finding["site"]] if process else []
        bench.check(sites, "no finding has a source line")
        bench.check("CAP_SYS_ADMIN" in gaps(look), f"what lacks is not told: {gaps(look)!r}")
        for right in ALL:
            bench.check(f"CAP_{right.upper()}" not in gaps(look), f"{right} is there, and told as lacking")


@live("each right that is taken away is named with what is lost", group="rights")
def one_right_less(bench):
    client = bench.client("keeper.py", "leak")
    for right in ALL:
        name = f"CAP_{right.upper()}"
        look = watched(bench, [other for other in ALL if other != right], client.pid)
        if right in ("bpf", "perfmon"):
            bench.check(look.status == 2 and name in look.err, f"without {right}: {look.status} {look.err[-300:]!r}")
        elif bench.check(look.report, f"without {right}: {look.status} {look.err[-300:]!r}"):
            bench.check(name in gaps(look), f"without {right}: {gaps(look)!r}")
            process = look.process(client.pid)
            bench.check(process and process["verdict"] == "leaking", f"without {right} the leak is not found")
        told = with_rights(bench, [other for other in ALL if other != right], "doctor", "--json")
        held = {line["name"]: line["held"] for line in json.loads(told.out)["rights"]}
        wrong = [n for n, is_held in held.items()
                 if is_held != (n in {f"CAP_{other.upper()}" for other in ALL if other != right})]
        bench.check(not wrong, f"without {right} the doctor is wrong about {wrong}")


@live("a second dbleak is told of the first, and only whoever looks on", needs=(), group="rights")
def two_at_once(bench):
    first = bench.dbleak.start("watch", "--duration", 2 * SECONDS, "--json")
    bench.check(began(first.pid), "the first does not begin")
    quiet = bench.dbleak.run("watch", "--duration", 1, "--json")
    told = bench.dbleak.run("watch", "--duration", 1, "--json", "-v")
    bench.check("another dbleak" not in quiet.err and quiet.status in (0, 1), f"{quiet.status} {quiet.err[-200:]!r}")
    bench.check("another dbleak" in told.err and told.status in (0, 1), f"{told.status} {told.err[-200:]!r}")
    bench.dbleak.finish(first)
