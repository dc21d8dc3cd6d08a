# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""dbleak as a service: what it tells its manager, and what it sees with no more than the unit allows."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time

from cases_events import Reader, examine, is_leak
from harness import ROOT, Dbleak
from solo import live

UNIT = os.path.join(ROOT, "scripts", "package", "dbleak.service")
# As ProtectSystem=strict, ProtectHome=read-only, ProtectKernelTunables and ProtectControlGroups have it.
READ_ONLY = r"""set -e
mount --make-rslave /
mount --bind /proc/sys /proc/sys
for place in $(awk '$2 !~ "^/(proc|dev)(/|$)" || $2 == "/proc/sys" {print $2}' /proc/self/mounts); do
	mount -o remount,bind,ro "$place" 2>/dev/null || :
done
! touch /usr/dbleak-test "$HOME/dbleak-test" 2>/dev/null || exit 9
exec "$@"
"""


# As SystemCallFilter=, MemoryDenyWriteExecute=, RestrictAddressFamilies= and LockPersonality= have it: systemd does the
# same by the same library.  argv: the calls to be refused, "--", and a command.
FILTER = r"""
import ctypes, os, sys
class Compare(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]
NE, MASKED_EQ, EPERM, ALLOW, WRITE, EXEC = 1, 7, 0x00050001, 0x7fff0000, 2, 4
lib = ctypes.CDLL("libseccomp.so.2")
lib.seccomp_init.restype = ctypes.c_void_p
context = ctypes.c_void_p(lib.seccomp_init(ALLOW))
def refuse(name, *compares):
    number = lib.seccomp_syscall_resolve_name(name.encode())
    if number >= 0:
        array = (Compare * max(1, len(compares)))(*compares)
        assert lib.seccomp_rule_add_array(context, EPERM, number, len(compares), array) == 0, name
end = sys.argv.index("--")
for name in sys.argv[1:end]:
    refuse(name)
refuse("socket", Compare(0, NE, 1, 0))
refuse("mmap", Compare(2, MASKED_EQ, WRITE | EXEC, WRITE | EXEC))
for name in ("mprotect", "pkey_mprotect"):
    refuse(name, Compare(2, MASKED_EQ, EXEC, EXEC))
assert lib.seccomp_load(context) == 0
os.execvp(sys.argv[end + 1], sys.argv[end + 1:])
"""


class Manager:
    """The socket of a service manager, and all that it hears."""

    def __init__(self, bench, abstract):
        self.path = bench.file("notify")
        self.name = f"@{self.path}" if abstract else self.path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + self.path if abstract else self.path)
        self.heard = []

    def until(self, line, patience):
        self.socket.settimeout(patience)
        try:
            while True:
                self.heard.append(self.socket.recv(4096).decode())
                if self.heard[-1] == line:
                    return True
        except (TimeoutError, BlockingIOError):
            return False


def environment(manager, watchdog_s):
    return dict(os.environ, NOTIFY_SOCKET=manager.name, WATCHDOG_USEC=str(int(watchdog_s * 1e6)))


@live("a service says when it is ready, that it lives, what it sees, and that it stops", group="service", needs=())
def notified(bench):
    for abstract in (False, True):
        manager = Manager(bench, abstract)
        process = bench.dbleak.start("watch", "--events", "--quiet", env=environment(manager, 1))
        bench.check(manager.until("READY=1", 30), f"it is not ready: {manager.heard}")
        began, lives = time.monotonic(), 0
        while time.monotonic() - began < 3:
            lives += manager.until("WATCHDOG=1", 1)
        bench.check(4 <= lives <= 8, f"{lives} signs of life in 3 s, of which there should be 6")
        bench.check(any(re.fullmatch(r"STATUS=\d+ connections open in \d+ processes", line) for line in manager.heard),
                    f"no status: {manager.heard}")
        with open(f"/proc/{process.pid}/environ", "rb") as file:
            bench.check(b"NOTIFY_SOCKET" in file.read(), "the test is wrong: nobody was to be told")
        process.terminate()
        bench.check(manager.until("STOPPING=1", 10), "it does not say that it stops")
        look = bench.dbleak.finish(process)
        bench.check(look.status in (0, 1) and not look.err, f"{look.status} {look.err[-300:]!r}")
        bench.check(json.loads(look.out.splitlines()[-1])["type"] == "end", "the last line is no end")


@live("a service that hangs gives no sign of life", group="service", needs=())
def hangs(bench):
    manager = Manager(bench, True)
    process = bench.dbleak.start("watch", "--events", env=environment(manager, 0.4))
    bench.check(manager.until("WATCHDOG=1", 30), f"no sign of life: {manager.heard}")
    process.send_signal(signal.SIGSTOP)
    time.sleep(0.5)
    while manager.until("WATCHDOG=1", 0):  # what was sent before
        pass
    bench.check(not manager.until("WATCHDOG=1", 1.5), "it lives although it is stopped")
    process.send_signal(signal.SIGCONT)
    bench.check(manager.until("WATCHDOG=1", 5), "it does not come back")
    process.terminate()
    bench.dbleak.finish(process)


@live("run keeps the socket of the manager for its command", group="service", needs=())
def of_the_command(bench):
    manager = Manager(bench, True)
    look = bench.dbleak.run("run", "--", "sh", "-c", "echo $NOTIFY_SOCKET", env=environment(manager, 5))
    bench.check(look.out.decode().strip() == manager.name, f"the command has {look.out!r}")
    bench.check(not manager.until("READY=1", 0.2), "dbleak says that the command is ready")


def listed(key):
    with open(UNIT) as file:
        return " ".join(re.findall(rf"^{key}=(.*)$", file.read(), re.M)).split()


def refused_calls():
    """Those of the groups that the unit refuses, as systemd knows them, and what its other keys refuse."""
    calls, groups = {"personality"}, [word.removeprefix("~") for word in listed("SystemCallFilter")]
    while groups:
        said = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager", groups.pop()], capture_output=True,
                              text=True, check=True).stdout
        words = [line.strip() for line in said.splitlines()[1:] if line.strip() and not line.strip().startswith("#")]
        groups += [word for word in words if word.startswith("@")]
        calls.update(word for word in words if not word.startswith("@"))
    return sorted(calls)


def lacks_tools():
    return next((tool for tool in ("setpriv", "unshare", "systemd-analyze") if not shutil.which(tool)), None)


@live("with the rights and calls of the unit, on a host that it cannot write, a service tells of a leak and its line",
      group="service", without=lacks_tools)
def confined(bench):
    manager, client = Manager(bench, True), bench.client("keeper.py", "leak")
    rights = ",".join(["-all", *(f"+{name.removeprefix('CAP_').lower()}" for name in listed("CapabilityBoundingSet"))])
    calls = refused_calls()
    bench.check("reboot" in calls and "clock_settime" in calls and len(calls) > 20, f"refused are {calls}")
    unshare = Dbleak(shutil.which("unshare"), bench.janitor)
    process = unshare.start("-m", "sh", "-c", READ_ONLY, "sh", "/usr/bin/python3", "-c", FILTER, *calls, "--", "setpriv", f"--bounding-set={rights}", "--no-new-privs",
                            "--", bench.dbleak.program, "watch", "--events", "--quiet", "-p", client.pid,
                            env=environment(manager, 2), bufsize=0)
    bench.dbleak.pids |= unshare.pids
    reader = Reader(process.stdout)
    bench.check(manager.until("READY=1", 30), f"it is not ready: {manager.heard}")
    bench.check(reader.wait(lambda line: is_leak(line, client.pid)), "the leak is not told in 20 s")
    process.terminate()
    bench.check(process.wait(20) == 1, f"exit status {process.returncode}: {process.stderr.read()[-300:]!r}")
    reader.thread.join(5)
    lines = examine(bench, [raw for _, raw in reader.lines])
    bench.check(any(line["type"] == "finding" and line["site"] for line in lines if line.get("event") != "ended"),
                "no finding has a source line")
    gaps = [line["reason"] for line in lines if line["type"] == "gap"]
    bench.check(not any("without CAP_" in reason for reason in gaps), f"a right is missing: {gaps}")
