# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""What a watch of weeks must give back: files of containers that ended, and the room that they took."""
import os
import resource
import shutil
import subprocess
import time

from harness import CLIENTS
from solo import Skip, live

LIBRARY = os.path.realpath("/usr/lib/x86_64-linux-gnu/libsqlite3.so.0")
CONTAINER = ("mount -t overlay overlay -o index=on,lowerdir=$DIR/lower,upperdir=$DIR/upper$N,workdir=$DIR/work$N $DIR/merged$N || exit 9\n"
             "test -z \"$TOUCH\" || touch $DIR/merged$N/lib.so\n"
             "LD_PRELOAD=$DIR/merged$N/lib.so exec sleep $SECONDS_\n")
AGAIN_SECONDS = 5  # after the last process of a container has ended its files are free


def folder(bench):
    path = bench.file("overlay")
    for name in ("lower", "upper1", "work1", "merged1", "upper2", "work2", "merged2"):
        os.makedirs(os.path.join(path, name))
    shutil.copy(LIBRARY, os.path.join(path, "lower", "lib.so"))
    return path


def contain(bench, path, number, seconds, touch=""):
    """A mount name space of its own with an overlay, and a process that maps a library from it."""
    process = subprocess.Popen(["unshare", "-m", "sh", "-c", CONTAINER], start_new_session=True,
                               env=dict(os.environ, DIR=path, N=str(number), SECONDS_=str(seconds), TOUCH=touch))
    bench.janitor.watch(process.pid)
    return process


def can_be_mounted(bench, path, number, patience):
    """With index=on the kernel refuses a second overlay over layers that are in use."""
    deadline = time.monotonic() + patience
    while True:
        process = contain(bench, path, number, 0.1)
        if process.wait() == 0:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.25)


def no_overlay():
    return None if os.path.exists(LIBRARY) and shutil.which("unshare") else "an overlay needs unshare and SQLite"


@live("an overlay can be mounted again when its container has ended", needs=(), group="weeks", without=no_overlay)
def overlay_again(bench):
    path = folder(bench)
    if contain(bench, path, 1, 0.1).wait():
        raise Skip("no overlay can be mounted here")
    watching = bench.dbleak.start("watch", "--json", "--duration", 40)
    bench.dbleak.wait_watching(watching)
    # What lies in the image is reached below the overlay: another container of it goes on.
    other = contain(bench, path, 2, 30)
    one = contain(bench, path, 1, 4)
    time.sleep(3)
    bench.check(one.wait() == 0, "the container did not end well")
    bench.check(can_be_mounted(bench, path, 1, 1), "its overlay is held although it has ended")
    # What the container itself has changed is held until nobody maps it.
    one = contain(bench, path, 1, 4, touch="yes")
    bench.check(one.wait() == 0, "the container did not end well")
    bench.check(can_be_mounted(bench, path, 1, AGAIN_SECONDS), "the overlay of a changed library is held")
    bench.janitor.end(other)
    watching.send_signal(2)
    look = bench.looked(bench.dbleak.examine(bench.dbleak.finish(watching)), 0)
    probed = [library for library in look.report["coverage"]["libraries"] if library["path"].endswith("/lib.so")]
    bench.check(probed and all(library["probes"] > 10 for library in probed), f"the library was not probed: {probed}")


def probed_within(process, path, deadline):
    """A probe makes a page of code private to its process: anonymous, though mapped from a file."""
    while time.monotonic() < deadline:
        code = False
        with open(f"/proc/{process.pid}/smaps") as smaps:
            for line in smaps:
                words = line.split()
                if not words[0].endswith(":"):
                    code = "x" in words[1] and words[-1] == path
                elif code and words[0] == "Anonymous:" and int(words[1]):
                    return True
        time.sleep(0.05)
    return False


@live("more copies of a library than have room at once, one after the other, are all probed", needs=(),
      group="weeks", without=no_overlay)
def many_copies(bench):
    # A second or two suffice.  Whoever takes probes out of ended copies must hold up nobody who puts probes in.
    patience = 20
    path = bench.file("copies")
    os.makedirs(path)
    watching = bench.dbleak.start("watch", "--json", "--duration", 300)
    bench.dbleak.wait_watching(watching)
    for at in range(0, 360, 12):
        processes = []
        for number in range(at, at + 12):
            copy = os.path.join(path, f"lib{number}.so")
            shutil.copy(LIBRARY, copy)
            processes.append(subprocess.Popen(["sleep", "120"], env=dict(os.environ, LD_PRELOAD=copy), start_new_session=True))
            bench.janitor.watch(processes[-1].pid)
        deadline = time.monotonic() + patience
        late = sum(not probed_within(process, os.path.join(path, f"lib{number}.so"), deadline)
                   for number, process in enumerate(processes, at))
        bench.check(not late, f"{late} of the copies from {at} on were not probed within {patience} s")
        bench.janitor.end(*processes)
        for number in range(at, at + 12):
            os.unlink(os.path.join(path, f"lib{number}.so"))
        if late:
            break
    watching.send_signal(2)
    look = bench.looked(bench.dbleak.examine(bench.dbleak.finish(watching)), 0)
    libraries = {os.path.basename(library["path"]): library["probes"] for library in look.report["coverage"]["libraries"]}
    bench.check(libraries.get("lib359.so", 0) > 10,
                f"the last copy was not probed: {sorted(library for library in libraries if library.startswith('lib'))[-5:]}")
    unprobed = [gap["reason"] for gap in look.report["coverage"]["gaps"] if "cannot watch" in gap["reason"]]
    bench.check(not unprobed, f"some were not probed: {unprobed[:2]}")


@live("a full table of open files is told, and the rest of the report is whole", needs=("postgresql",), group="weeks")
def full_files(bench):
    client = bench.client("keeper.py", "leak")
    watching = bench.dbleak.start("watch", "--json", "--duration", 30, preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_NOFILE, (256, 4096)))
    bench.dbleak.wait_watching(watching)
    bench.check(resource.prlimit(watching.pid, resource.RLIMIT_NOFILE)[0] == 4096, "the limit was not raised")
    time.sleep(8)
    resource.prlimit(watching.pid, resource.RLIMIT_NOFILE, (3, 4096))
    time.sleep(8)
    resource.prlimit(watching.pid, resource.RLIMIT_NOFILE, (4096, 4096))
    watching.send_signal(2)
    look = bench.looked(bench.dbleak.examine(bench.dbleak.finish(watching)))
    told = [gap["reason"] for gap in look.report["coverage"]["gaps"] if "cannot open more files" in gap["reason"]]
    bench.check(len(told) == 1, f"it was not told: {look.report['coverage']['gaps']}")
    process = look.process(client.pid)
    bench.check(process and process["findings"], "the leak was not found")


@live("a command finds the limit of open files that dbleak was started with", needs=(), group="weeks")
def same_limit(bench):
    out = bench.file("limit")
    bench.dbleak.finish(bench.dbleak.start("run", "--", "/bin/sh", "-c", f"ulimit -n >{out}", preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_NOFILE, (300, 4096))))
    with open(out) as limit:
        found = limit.read().strip()
    bench.check(found == "300", f"it found {found!r}")


def named(bench, *argv):
    process = subprocess.Popen(["/usr/bin/python3", os.path.join(CLIENTS, "named.py"), *map(str, argv)], stdout=subprocess.PIPE,
                               start_new_session=True)
    bench.janitor.watch(process.pid)
    process.stdout.readline()
    return process


@live("a process that is only called as a database server is makes no port a database's", needs=(), group="weeks")
def only_a_name(bench):
    well_known = 6432
    spoken = [named(bench, name, 8080 + at, "speak") for at, name in enumerate(("postgres", "mysqld", "pgbouncer", "mariadbd"))]
    silent = [named(bench, "postgres", 8090), named(bench, "python3", well_known)]
    time.sleep(0.5)
    for look in (bench.dbleak.run("snapshot", "--json"), bench.dbleak.watch("--duration", 3, "--min-age", 1)):
        bench.dbleak.examine(look)
        bench.looked(look)
        for process in spoken + silent:
            found = look.process(process.pid)
            bench.check(not found, f"{process.args[2:]} has connections: {found and found['endpoints']}")
    bench.janitor.end(*spoken, *silent)
