# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Bad input, full disks, closed pipes, missing rights: a clear sentence, never a crash or a lie."""
import json
import os
import random
import re
import struct
import subprocess
import time

from solo import live

SECONDS = 6
NOBODY = {"user": "nobody", "group": "nogroup", "extra_groups": []}
VERSION_AT = 16 + 3 * 8  # of struct ev_begin: after its head and three times


def patient(is_so, seconds):
    """Whether it becomes so in that time."""
    until = time.monotonic() + seconds
    while not is_so() and time.monotonic() < until:
        time.sleep(0.1)
    return is_so()


@live("without root it ends with status 2 and says so", needs=(), group="input")
def not_root(bench):
    for argv in (["watch", "--duration", "2"], ["snapshot"], ["run", "--", "/bin/true"]):
        bench.one_sentence(bench.dbleak.run(*argv, **NOBODY), "root")


@live("a wrong command line ends with status 2 and says what is wrong", needs=(), group="input")
def usage(bench):
    for argv in (["watch", "--nosuchoption"], ["nosuchcommand"], ["watch", "-p", "many"], ["watch", "--duration", "-4"],
                 ["watch", "--duration", "soon"], ["run"], ["run", "--"], ["report"], ["record", "4711"], ["watch", "-p"],
                 ["watch", "--heap", "nosuchmode"], ["watch", "--min-age", "x"], ["doctor", "--bogus"], ["doctor", "x"],
                 ["report", "-p", "1", "f"], ["snapshot", "x"], ["report", "f", "--explain", "1,2"],
                 ["report", "f", "--explain", "1", "--json"], ["watch", "--explain", "1"]):
        look = bench.dbleak.run(*argv, patience=10)
        bench.check(look.status == 2 and "dbleak: " in look.err, f"{argv}: status {look.status}, {look.err[:200]!r}")
        bench.check(look.out == b"", f"{argv}: something stands on standard output")


@live("without a terminal a watch says when it begins, and dbleak alone is refused", needs=(), group="input")
def begins(bench):
    look = bench.dbleak.run(patience=10)
    bench.one_sentence(look, "--duration")
    for argv, words in ((["watch", "-d", 1], "dbleak: watching the whole host for 1 s, Ctrl-C to stop and report\n"),
                        (["watch", "-d", "1s", "-p", os.getpid()], "dbleak: watching the selected processes for 1 s"),
                        (["watch", "-q", "-d", "1"], "")):
        look = bench.dbleak.run(*argv)
        bench.check(look.status in (0, 1), f"{argv}: status {look.status}")
        bench.check(look.err.startswith(words) and bool(words) == bool(look.err), f"{argv}: {look.err!r}")


@live("record takes its file as an argument, or names it", needs=(), group="input")
def record_names(bench):
    def made():
        return {name for name in os.listdir(bench.janitor.folder) if re.fullmatch(r"dbleak-\d{8}-\d{6}\.rec", name)}

    path, before = bench.file("recording"), made()
    look = bench.dbleak.run("record", "-d", "1", path)
    bench.check(look.status == 0 and f"to {path}" in look.err, f"{look.status}: {look.err!r}")
    bench.private(path)
    look = bench.dbleak.run("record", "-d", "1")
    new = made() - before
    bench.check(look.status == 0 and len(new) == 1 and new.pop() in look.err, f"{look.status}, {new}: {look.err!r}")
    piped = bench.dbleak.run("record", "-d", "1", "-")
    with open(path, "wb") as file:
        file.write(piped.out)
    bench.check(bench.dbleak.run("report", path).status in (0, 1), "what came on standard output is no recording")


@live("--version and --help are answered on standard output", needs=(), group="input")
def version(bench):
    look = bench.dbleak.run("--version")
    bench.check(look.status == 0 and look.out.startswith(b"dbleak "), f"{look.status} {look.out!r}")
    look = bench.dbleak.run("--help")
    bench.check(look.status == 0 and b"snapshot" in look.out, f"{look.status} {look.out[:200]!r}")
    for word in ("-V", "version"):
        bench.check(bench.dbleak.run(word).out == bench.dbleak.run("--version").out, f"{word} is another version")
    for argv, begin in ((["help"], look.out), (["help", "watch"], b"Usage: dbleak [watch]"),
                        (["--help", "watch"], b"Usage: dbleak [watch]"), (["report", "-h"], b"Usage: dbleak report"), (["help", "--man"], b".TH DBLEAK 8 ")):
        look = bench.dbleak.run(*argv)
        bench.check(look.status == 0 and look.out.startswith(begin), f"{argv}: {look.status} {look.out[:200]!r}")
    for argv in (["help", "nosuchcommand"], ["help", "watch", "run"]):
        look = bench.dbleak.run(*argv)
        bench.check(look.status == 2 and not look.out and "dbleak: " in look.err, f"{argv}: {look.status} {look.err!r}")


@live("a full disk is no success", group="input")
def full_disk(bench):
    client = bench.client("keeper.py", "well")
    for argv in (["watch", "--json"], ["watch"], ["snapshot"]):
        with open("/dev/full", "wb") as full:
            duration = ["--duration", "2"] if argv[0] == "watch" else []
            look = bench.dbleak.run(*argv, *duration, "-p", client.pid, stdout=full)
        bench.check(look.status == 2 and "dbleak: " in look.err, f"{argv}: status {look.status}, {look.err[:200]!r}")
    look = bench.dbleak.run("watch", "--duration", 2, "-p", client.pid, "--record", "/dev/full")
    bench.check(look.status == 2, f"--record /dev/full: status {look.status}")
    bench.check(f"[{client.pid}]" in look.out.decode(), "the report is lost with the recording")
    look = bench.dbleak.run("record", "--duration", 2, "-p", client.pid, "-o", "/dev/full")
    bench.check(look.status == 2 and "/dev/full: " in look.err, f"record: {look.status} {look.err[-300:]!r}")
    look = bench.dbleak.run("watch", "--duration", 2, "-p", client.pid, "-o", "/dev/full")
    bench.check(look.status == 2 and f"[{client.pid}]" in look.err, f"-o /dev/full: {look.status} {look.err[-300:]!r}")


@live("a file that is there stays when there is nothing to take its place", needs=(), group="input")
def outputs_stay(bench):
    folder = bench.file("outputs")
    os.mkdir(folder)
    os.chmod(folder, 0o777)
    there = os.path.join(folder, "there")
    golden = os.path.join(os.path.dirname(__file__), "..", "golden", "places.dbleak")
    with open(golden, "rb") as file:
        content = file.read()
    gone = subprocess.Popen(["true"])
    gone.wait()
    for argv, more in ((["record", "-o", there, "--duration", 1], NOBODY),
                       (["watch", "-o", there, "--duration", 1], NOBODY),
                       (["watch", "-o", there, "-p", gone.pid], {}),
                       (["watch", "--record", there, "-p", gone.pid], {}),
                       (["watch", "--record", there, "-o", os.path.join(folder, ".", "there")], {}),
                       (["report", there + ".nosuch", "-o", there], {}),
                       (["report", "/dev/null", "-o", there], {}),
                       (["report", there, "-o", there], {}),
                       (["dump", there, "-o", there], {})):
        with open(there, "wb") as file:
            file.write(content)
        bench.one_sentence(bench.dbleak.run(*argv, **more))
        with open(there, "rb") as file:
            bench.check(file.read() == content, f"{argv}: the file is another one")
        bench.check(os.listdir(folder) == ["there"], f"{argv}: left {os.listdir(folder)}")


def small_disk(bench, kilobytes):
    folder = bench.file("disk")
    os.mkdir(folder)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", folder], check=True)
    bench.afterwards.append(lambda: subprocess.run(["umount", folder], check=True))
    return folder


@live("a disk that fills ends the recording, not the watch: the report comes and says so", group="input")
def disk_fills(bench):
    client = bench.client("keeper.py", "leak")
    folder = small_disk(bench, 8)
    look = bench.dbleak.run("watch", "--duration", SECONDS, "--json", "-p", client.pid, "--record", f"{folder}/recording")
    bench.shown.update(status=look.status, stderr=look.err)
    bench.check(look.status == 2 and "No space left" in look.err, f"status {look.status}: {look.err[-300:]!r}")
    report = json.loads(look.out)
    reasons = " ".join(gap["reason"] for gap in report["coverage"]["gaps"])
    bench.check("the recording ended after" in reasons, f"gaps: {reasons!r}")
    bench.check(report["window"]["seconds"] > SECONDS - 2, "the watch ended with the recording")
    bench.check([p["verdict"] for p in report["processes"]] == ["leaking"], "the leak is not reported")
    bench.check(os.listdir(folder) == ["recording"], f"on the disk: {os.listdir(folder)}")
    replayed = bench.dbleak.run("report", f"{folder}/recording")
    bench.check(replayed.status in (1, 3) and "cut off" in replayed.err, f"{replayed.status} {replayed.err[-200:]!r}")


@live("a recording ends at its limit, and the report is as without it", group="input")
def record_limit(bench):
    client, path = bench.client("keeper.py", "leak"), bench.file("recording")
    look = bench.dbleak.run("watch", "--duration", SECONDS, "--json", "-p", client.pid, "--record", path,
                            "--record-limit", "4K")
    bench.check(look.status == 1, f"status {look.status}: {look.err[-300:]}")
    bench.check("--record-limit" in look.out.decode(), "the limit is not told")
    bench.check(0 < os.stat(path).st_size <= 4096, f"{os.stat(path).st_size} bytes")
    bench.private(path)
    for wrong in ("", "0", "-1", "1T", "nan", "12KK", "1e30"):
        look = bench.dbleak.run("watch", "--record-limit", wrong, patience=10)
        bench.check(look.status == 2 and "--record-limit" in look.err, f"{wrong!r}: {look.status} {look.err[:200]!r}")


@live("a watch that holds more memory than it may ends early, with its report", group="input")
def max_memory(bench):
    client = bench.client("keeper.py", "leak")
    began = time.monotonic()
    look = bench.dbleak.run("watch", "--duration", 60, "--json", "-p", client.pid, "--max-memory", "4M")
    bench.check(time.monotonic() - began < 30, "it went on")
    bench.check(look.status in (0, 1), f"status {look.status}: {look.err[-300:]!r}")
    report = json.loads(look.out)
    reasons = [gap["reason"] for gap in report["coverage"]["gaps"]]
    bench.check(any("--max-memory" in reason for reason in reasons), f"gaps: {reasons}")
    bench.check([p["pid"] for p in report["processes"]] == [client.pid], "what was seen is not told")
    for wrong in ("0", "-1", "nan", "12KK"):
        look = bench.dbleak.run("watch", "--max-memory", wrong, patience=10)
        bench.check(look.status == 2 and "--max-memory" in look.err, f"{wrong!r}: {look.status} {look.err[:200]!r}")


def programs_held(pid):
    """Descriptors of BPF programs, maps and links that a process holds."""
    count = 0
    for entry in os.scandir(f"/proc/{pid}/fd"):
        try:
            count += os.readlink(entry.path).startswith(("anon_inode:bpf", "anon_inode:[perf_event]"))
        except FileNotFoundError:
            pass  # closed since it was listed
    return count


@live("a run that holds more memory than it may lets its command go on, unwatched", needs=(), group="input")
def run_max_memory(bench):
    report, started, began = bench.file("report"), bench.file("started"), time.monotonic()
    process = bench.dbleak.start("run", "--json", "-o", report, "--max-memory", "4M", "--", "/bin/sh", "-c",
                                 f"touch {started}; sleep 8; exit 7")
    bench.check(patient(lambda: os.path.exists(started), 20), "the command did not start")
    bench.check(programs_held(process.pid) > 0, "it was never watched")
    bench.check(patient(lambda: programs_held(process.pid) == 0, 5), "it is still watched")
    watched = time.monotonic() - began
    bench.check(process.poll() is None, "dbleak did not wait for its command")
    process.communicate(timeout=30)
    bench.check(process.returncode == 7, f"status {process.returncode}, not the command's 7")
    with open(report, "rb") as file:
        told = json.load(file)
    reasons = [gap["reason"] for gap in told["coverage"]["gaps"]]
    bench.check(any("--max-memory" in reason for reason in reasons), f"gaps: {reasons}")
    bench.check(told["window"]["seconds"] < watched, f"{told['window']['seconds']} s of {watched:.1f} s")


@live("a closed pipe is no success", group="input")
def closed_pipe(bench):
    client = bench.client("keeper.py", "well")
    reader, writer = os.pipe()
    os.close(reader)
    look = bench.dbleak.run("watch", "--json", "--duration", 2, "-p", client.pid, stdout=writer)
    os.close(writer)
    bench.check(look.status in (2, -13), f"status {look.status}")


@live("reports and recordings are never written through a symbolic link", group="input")
def symlink(bench):
    client = bench.client("keeper.py", "well")
    target, link = bench.file("target"), bench.file("link")
    with open(target, "w") as file:
        file.write("precious")
    os.symlink(target, link)
    for option in ("-o", "--record"):
        look = bench.dbleak.run("watch", "--duration", 2, "-p", client.pid, option, link)
        bench.check(look.status == 2, f"{option}: status {look.status}")
        bench.check("dbleak: " in look.err, f"{option}: {look.err[:200]!r}")
    look = bench.dbleak.run("record", "--duration", 2, "-p", client.pid, "-o", link)
    bench.check(look.status == 2, f"record -o: status {look.status}")
    with open(target) as file:
        bench.check(file.read() == "precious", "the target was overwritten")


def recording(bench):
    client = bench.client("keeper.py", "leak")
    path = bench.file("good")
    look = bench.dbleak.run("record", "-o", path, "-p", client.pid, "--duration", 5)
    if look.status not in (0, 1):
        raise RuntimeError(f"no recording: {look.err[-300:]}")
    with open(path, "rb") as file:
        return file.read()


def report_of(bench, content):
    path = bench.file("bad")
    with open(path, "wb") as file:
        file.write(content)
    return bench.dbleak.run("report", path, "--json", patience=20)


@live("a recording that is cut, corrupted or newer is named or read as far as it goes", group="input")
def bad_recordings(bench):
    good = recording(bench)
    noise = random.Random(7)
    for size in (0, 1, 8, 16, 64, len(good) // 3, len(good) // 2, len(good) - 3):
        look = report_of(bench, good[:size])
        bench.check(look.status in (1, 2, 3), f"cut at {size}: status {look.status}")
        bench.check(size > 64 or look.status == 2, f"cut at {size}: status {look.status}")
        bench.check(look.status == 2 or b"cut" in look.out or "cut" in look.err, f"cut at {size}: nobody says so")
    for number in range(60):
        bad = bytearray(good)
        for _ in range(noise.choice((1, 1, 4, 40))):
            bad[noise.randrange(len(bad))] = noise.randrange(256)
        look = report_of(bench, bytes(bad))
        bench.check(look.status in (0, 1, 2, 3), f"corrupted, number {number}: status {look.status}")
    newer = bytearray(good)
    struct.pack_into("<I", newer, VERSION_AT, 99)
    look = report_of(bench, bytes(newer))
    bench.check(look.status == 2, f"a newer version: status {look.status}")
    for junk in (b"not a recording at all, just words\n" * 100, bytes(4096), noise.randbytes(4096)):
        bench.one_sentence(report_of(bench, junk))


@live("a recording that is not there is an error", needs=(), group="input")
def no_recording(bench):
    bench.one_sentence(bench.dbleak.run("report", "/no/such/file"), "/no/such/file")
    bench.one_sentence(bench.dbleak.run("report", bench.janitor.folder))


@live("processes that die while they are watched do no harm", group="look")
def dying(bench):
    script = f"while :; do {' '.join(['/usr/bin/python3', '-c', 'pass'])}; done"
    restless = bench.client("/bin/sh", "-c", script, wait=False)
    client = bench.client("keeper.py", "well")

    def kill_one():
        victim = bench.client("keeper.py", "leak")
        victim.kill()

    look = bench.looked(bench.dbleak.watch("--duration", 6, during=kill_one))
    bench.check(restless.alive(), "the restless shell ended")
    if bench.check(look.process(client.pid), "the healthy process is missing"):
        bench.check(not look.process(client.pid)["findings"], "the healthy process is accused")


@live("a second tracer beside the first is no trouble", group="look")
def two_tracers(bench):
    client = bench.client("keeper.py", "leak")
    other = []
    look = bench.looked(bench.dbleak.watch(
        "--duration", 8, "-p", client.pid,
        during=lambda: other.append(bench.dbleak.watch("--duration", 5, "-p", client.pid))), 1)
    bench.looked(other[0], 1)
    for one in (look, other[0]):
        process = one.process(client.pid)
        bench.check(process and process["verdict"] == "leaking", "one of the two does not see the leak")
