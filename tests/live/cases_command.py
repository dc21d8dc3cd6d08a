# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""The command line: run, watch, snapshot, record, and choosing what to watch."""
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import time

from harness import command_of, environment
from solo import live

SECONDS = 7


def causes(process):
    return {finding["cause"] for finding in process["findings"]}


def summed(process):
    """The connections of all endpoints: those that died young may stand in a line of their own."""
    keys = ("open", "opened", "closed", "pre_existing")
    return {key: sum(endpoint["connections"][key] for endpoint in process["endpoints"]) for key in keys}


def only(bench, look, *pids):
    """The report is about these processes and no other."""
    found = {process["pid"] for process in (look.report or {}).get("processes", [])}
    bench.check(found == set(pids), f"the report is about {sorted(found)}, not {sorted(pids)}")


def leaking(bench, look, pid):
    process = look.process(pid)
    if bench.check(process is not None, f"{pid} is not in the report"):
        bench.check(process["verdict"] == "leaking", f"verdict {process['verdict']}, not leaking")
        bench.check("unclosed-connection" in causes(process), f"causes {causes(process)}")


def well(bench, look, pid):
    process = look.process(pid)
    if bench.check(process is not None, f"{pid} is not in the report"):
        bench.check(process["verdict"] in ("ok", "bounded") and not process["findings"],
                    f"verdict {process['verdict']}, causes {causes(process)}")


# ---- choosing -------------------------------------------------------------------------------

@live("-p watches two chosen processes and no other", group="choose")
def by_pid(bench):
    leaker, twin, other = bench.client("keeper.py", "leak"), bench.client("keeper.py", "well"), \
        bench.client("keeper.py", "leak")
    look = bench.looked(bench.dbleak.watch("--duration", SECONDS, "-p", f"{leaker.pid},{twin.pid}"), 1)
    only(bench, look, leaker.pid, twin.pid)
    leaking(bench, look, leaker.pid)
    well(bench, look, twin.pid)
    bench.faults += bench.dbleak.losses(look)
    bench.check(look.process(other.pid) is None, "a process that was not chosen is reported")


@live("-p may repeat, and a healthy process ends with status 0", group="choose")
def healthy_pids(bench):
    one, two = bench.client("keeper.py", "well"), bench.client("persistent.py", "php", way="unix")
    look = bench.looked(bench.dbleak.watch("--duration", SECONDS, "-p", one.pid, "-p", two.pid), 0)
    only(bench, look, one.pid, two.pid)
    well(bench, look, one.pid)
    well(bench, look, two.pid)


@live("--comm watches processes of that name, later ones too", group="choose")
def by_comm(bench):
    first, other = bench.client("keeper.py", "well", "orders"), bench.client("keeper.py", "leak", "billing")
    later = []
    look = bench.looked(bench.dbleak.watch(
        "--duration", SECONDS + 3, "--comm", "orders",
        during=lambda: later.append(bench.client("keeper.py", "leak", "orders"))), 1)
    well(bench, look, first.pid)
    leaking(bench, look, later[0].pid)
    bench.check(look.process(other.pid) is None, "a process of another name is reported")


def cgroup_folder():
    """A place for a cgroup of the test's own, and how /proc/PID/cgroup will call it."""
    for root in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup", "/sys/fs/cgroup/pids"):
        if os.path.exists(f"{root}/cgroup.procs") and os.access(root, os.W_OK):
            return root
    return None


def by_cgroup(bench, path_of):
    root, name = cgroup_folder(), f"dbleak-live-{os.getpid()}-{time.monotonic_ns()}"
    folder = os.path.join(root, name)
    os.mkdir(folder)
    inside, outside = bench.client("keeper.py", "leak"), bench.client("keeper.py", "leak")
    bench.afterwards.append(lambda: remove_cgroup(root, folder))
    with open(f"{folder}/cgroup.procs", "w") as procs:
        procs.write(str(inside.pid))
    look = bench.looked(bench.dbleak.watch("--duration", SECONDS, "--cgroup", path_of(folder, name)), 1)
    only(bench, look, inside.pid)
    leaking(bench, look, inside.pid)
    bench.check(look.process(outside.pid) is None, "a process outside is reported")


def remove_cgroup(root, folder):
    with open(f"{folder}/cgroup.procs") as procs:
        for pid in procs.read().split():
            with open(f"{root}/cgroup.procs", "w") as home:
                home.write(pid)
    os.rmdir(folder)


NO_CGROUPS = lambda: None if cgroup_folder() else "a writable cgroup hierarchy"


@live("--cgroup takes the folder below /sys/fs/cgroup", group="cgroup", without=NO_CGROUPS)
def cgroup_by_folder(bench):
    by_cgroup(bench, lambda folder, name: folder)


@live("--cgroup takes the path of /proc/PID/cgroup", group="cgroup", without=NO_CGROUPS)
def cgroup_by_path(bench):
    by_cgroup(bench, lambda folder, name: "/" + name)


def no_match(bench, *selector):
    there = bench.client("keeper.py", "well", "orders")
    look = bench.dbleak.run("watch", "--duration", 3, "--json", *selector)
    bench.one_sentence(look)
    bench.check(look.out == b"", "something stands on standard output")
    return there, look


@live("-p that matches nothing ends with status 2 and lists what is there", group="choose")
def no_such_pid(bench):
    gone = subprocess.Popen(["true"])
    gone.wait()
    there, look = no_match(bench, "-p", gone.pid)
    bench.check(str(gone.pid) in look.err and str(there.pid) in look.err, "the list lacks a process that is there")


@live("--comm that matches nothing ends with status 2 and lists what is there", group="choose")
def no_such_comm(bench):
    there, look = no_match(bench, "--comm", "nosuchname")
    bench.check("nosuchname" in look.err and "orders" in look.err, "the list lacks a name that is there")


@live("--cgroup that matches nothing ends with status 2", group="choose")
def no_such_cgroup(bench):
    _, look = no_match(bench, "--cgroup", "/no/such/cgroup")
    bench.check("/no/such/cgroup" in look.err, "the sentence does not name it")


# ---- run ------------------------------------------------------------------------------------

def run_json(bench, *argv, server="postgresql", way="tcp4", options=(), **more):
    """`dbleak run --json -o FILE -- CMD`; the report is read from FILE."""
    report, recording = bench.file("report.json"), bench.file("recording")
    process = bench.dbleak.start("run", "--json", "-o", report, "--record", recording, *options, "--",
                                 *command_of(argv), env=bench.endpoint(server, way, **more))
    look = bench.dbleak.finish(process, recording)
    look.said, look.out = look.out, b""
    if bench.check(os.path.exists(report), f"no report was written: {look.err[-300:]}"):
        bench.private(report)
        with open(report, "rb") as file:
            look.out = file.read()
        if look.report is None and look.status not in (0, 1):
            status, look.status = look.status, 0  # CMD's own status: nothing was found
            bench.dbleak.examine(look)
            look.trouble = [t for t in look.trouble if "replay ends" not in t]
            look.status = status
        else:
            bench.dbleak.examine(look)
    return look


def first(look):
    return look.report["processes"][0] if look.report and look.report["processes"] else None


@live("run: a leaking program ends with status 1, its connections counted from the first", group="run")
def run_leaking(bench):
    look = bench.looked(run_json(bench, "short.py", "leak", "6", driver="psycopg2"), 1)
    if bench.check(first(look), "no process is reported"):
        bench.check(first(look)["verdict"] == "leaking", f"verdict {first(look)['verdict']}")
        bench.check("unclosed-connection" in causes(first(look)), f"causes {causes(first(look))}")
        counts = summed(first(look))
        bench.check(counts["pre_existing"] == 0 and 12 <= counts["opened"] <= 21, f"connections {counts}")


@live("run: a leaking program on MariaDB ends with status 1", needs=("mariadb",), group="run2")
def run_leaking_mariadb(bench):
    look = bench.looked(run_json(bench, "short.py", "leak", "6", server="mariadb", way="unix", driver="mysqldb"), 1)
    if bench.check(first(look), "no process is reported"):
        bench.check(first(look)["verdict"] == "leaking", f"verdict {first(look)['verdict']}")


@live("run: a healthy program ends with status 0", group="run2")
def run_healthy(bench):
    look = bench.looked(run_json(bench, "short.py", "fine", "5"), 0)
    if bench.check(first(look), "no process is reported"):
        bench.check(not first(look)["findings"], f"causes {causes(first(look))}")
        counts = summed(first(look))
        bench.check(counts["open"] == 0 and counts["opened"] == counts["closed"] >= 10, f"connections {counts}")
    bench.faults += bench.dbleak.losses(look)


@live("run: a short program that leaves one connection to its exit is well", group="run2")
def run_once(bench):
    look = bench.looked(run_json(bench, "short.py", "once"), 0)
    if bench.check(first(look), "no process is reported"):
        bench.check(not first(look)["findings"], f"causes {causes(first(look))}")


@live("run: a failing program without a finding gives its own status", group="run")
def run_failing(bench):
    bench.looked(run_json(bench, "short.py", "once", "7"), 7)


@live("run: a program that uses no database is well", needs=(), group="run2")
def run_nothing(bench):
    look = bench.dbleak.run("run", "--", "/bin/true")
    bench.looked(look, 0)
    bench.check(look.out == b"", "the report went to the program's standard output")


@live("run: a program that cannot be started is an error", needs=(), group="run2")
def run_no_program(bench):
    kept, recording = bench.file("kept"), bench.file("recording")
    for program, status in (("/no/such/program", 127), ("/etc/passwd", 126)):
        with open(kept, "w") as file:
            file.write("before")
        look = bench.dbleak.run("run", "-o", kept, "--record", recording, "--", program)
        bench.check(look.status == status, f"exit status {look.status}, not the {status} of a shell")
        bench.check(f"dbleak: cannot run {program}: " in look.err, f"standard error says {look.err[:200]!r}")
        bench.check(all(line.startswith("dbleak: ") for line in look.err.splitlines()), "there is a report")
        with open(kept) as file:
            bench.check(file.read() == "before", "a report on nothing took the place of a file")
        bench.check(not os.path.exists(recording), "there is a recording of nothing")


@live("run: --error-exitcode tells a leak from a failure, --fail-on what is one", group="run")
def run_exitcode(bench):
    def status(*argv):
        script, *options = argv
        told = bench.file("told.json")
        look = bench.dbleak.run("run", "--json", "-o", told, *options, "--", *command_of(script.split()),
                                env=bench.endpoint("postgresql", "tcp4", driver="psycopg2"))
        with open(told) as file:
            said = json.load(file)["summary"]["exit_status"]
        bench.check(said == look.status, f"summary.exit_status is {said}, and the status {look.status}")
        return look.status

    bench.check(status("short.py leak 6", "--error-exitcode", "99") == 99, "a leak has another status")
    bench.check(status("short.py once 7", "--error-exitcode", "99") == 7, "the command's own status is lost")
    bench.check(status("short.py leak 6", "--error-exitcode=0") == 0, "a leak fails although it should not")
    bench.check(status("short.py leak 6", "--fail-on", "big") == 1, "a leak is less than big")


@live("run: the program keeps its standard streams, the report goes to standard error", group="run")
def run_streams(bench):
    script = 'read line; echo "out $line"; echo "err $line" >&2'
    process = bench.dbleak.start("run", "--", "/bin/sh", "-c", script)
    process.communicate()  # standard input is empty there; once more with a line in it
    done = subprocess.run([bench.dbleak.program, "run", "--", "/bin/sh", "-c", script], input=b"hello\n",
                          capture_output=True, cwd=bench.janitor.folder)
    bench.check(done.stdout == b"out hello\n", f"standard output is {done.stdout!r}")
    bench.check(b"err hello\n" in done.stderr and len(done.stderr) > 40, f"standard error is {done.stderr[-300:]!r}")


@live("run: children of the program are traced too", group="run")
def run_children(bench):
    command = " ".join(command_of(["short.py", "leak", "6"])) + " & wait"
    look = bench.looked(run_json(bench, "/bin/sh", "-c", command), 1)
    bench.check(any("unclosed-connection" in causes(p) for p in (look.report or {"processes": []})["processes"]),
                "the child's leak is not found")


@live("the results of a program are the same with and without tracing", needs=("postgresql", "mariadb"), group="run2")
def same_results(bench):
    for server, way, driver in (("postgresql", "unix", "psycopg2"), ("mariadb", "tcp4", "pymysql")):
        env = bench.endpoint(server, way, driver=driver)
        bare = subprocess.run(command_of(["short.py", "sum"]), env=env, capture_output=True, cwd=bench.janitor.folder)
        traced = bench.dbleak.run("run", "--", *command_of(["short.py", "sum"]), env=env)
        bench.check(bare.stdout.startswith(b"checksum ") and traced.out == bare.stdout,
                    f"{server}: {bare.stdout!r} without, {traced.out!r} with tracing")


# ---- watch, snapshot, record, report ------------------------------------------------------------

@live("snapshot counts what is open, accuses nobody of growth, and is quick", group="look")
def snapshot(bench):
    client = bench.client("keeper.py", "hold", "7")
    look = bench.dbleak.examine(bench.dbleak.run("snapshot", "--json", "-p", client.pid))
    bench.looked(look)
    bench.check(look.seconds < 2, f"it took {look.seconds:.1f} s")
    only(bench, look, client.pid)
    if process := look.process(client.pid):
        counts = summed(process)
        bench.check(counts["open"] == counts["pre_existing"] == 7, f"connections {counts}")
        bench.check(process["verdict"] != "leaking", "one look cannot tell that it leaks")


@live("snapshot of the whole host sees TCP and Unix sockets of both databases",
      needs=("postgresql", "mariadb"), group="look")
def snapshot_host(bench):
    clients = [bench.client("keeper.py", "hold", "3", server=server, way=way, driver=driver)
               for server, way, driver in (("postgresql", "unix", "psycopg2"), ("postgresql", "tcp6", "psycopg2"),
                                           ("mariadb", "unix", "mysqldb"), ("mariadb", "tcp4", "pymysql"))]
    look = bench.looked(bench.dbleak.examine(bench.dbleak.run("snapshot", "--json")))
    for client in clients:
        process = look.process(client.pid)
        opened = process and sum(endpoint["connections"]["open"] for endpoint in process["endpoints"])
        bench.check(opened == 3, f"{client.process.args[-3:]}: {opened} open, not 3")


@live("watch ends with a report at SIGTERM", group="look")
def sigterm(bench):
    client = bench.client("keeper.py", "leak")
    recording = bench.file("recording")
    process = bench.dbleak.start("watch", "--json", "--record", recording, "-p", client.pid)
    bench.dbleak.wait_watching(process)
    time.sleep(5)
    process.send_signal(signal.SIGTERM)
    look = bench.looked(bench.dbleak.examine(bench.dbleak.finish(process, recording, patience=10)), 1)
    bench.check(look.seconds < 2, f"the report took {look.seconds:.1f} s")
    leaking(bench, look, client.pid)


@live("watch without a word watches the whole host and prints text", group="look")
def plain_watch(bench):
    client = bench.client("keeper.py", "leak", way="unix")
    look = bench.dbleak.run("--duration", SECONDS)
    bench.looked(look, 1)
    text = look.out.decode(errors="replace")
    bench.check(re.search(rf"^\S+\[{client.pid}\] ", text, re.MULTILINE),
                f"[{client.pid}] is missing:\n{text}")
    bench.check("\x1b" not in text, "there are colours although standard output is no terminal")
    lines = text.splitlines()
    bench.check(lines and lines[0].startswith("LEAK:"), "the first line is not the answer")
    bench.check(all(len(line) <= 80 for line in lines), "a line is longer than 80 columns")


@live("record writes a private recording that report reads", group="look")
def record(bench):
    client = bench.client("keeper.py", "leak")
    path = bench.file("recording")
    made = bench.dbleak.run("record", "-o", path, "-p", client.pid, "--duration", SECONDS)
    bench.check(made.status in (0, 1), f"exit status {made.status}: {made.err[-300:]}")
    bench.private(path)
    look = bench.looked(bench.dbleak.examine(bench.dbleak.run("report", path, "--json")), 1)
    leaking(bench, look, client.pid)


@live("--library moves the line a finding names outwards", group="look")
def library_pattern(bench):
    golden = os.path.join(os.path.dirname(__file__), "..", "golden", "places.dbleak")

    def places(*options):
        look = bench.dbleak.examine(bench.dbleak.run("report", golden, "--json", *options))
        return {f["site"]["file"] for p in look.report["processes"] for f in p["findings"] if f["site"]["file"]}

    bench.check(places() == {"/srv/shop/app/report.py"}, f"without a pattern: {places()}")
    for pattern in ("app/report.py", "app", "monthly", "*/report.py"):
        found = places("--library", "nothing.py", "--library", pattern)
        bench.check(found == {"/srv/shop/main.py"}, f"--library {pattern}: {found}")
    refused = bench.dbleak.run("report", golden, "--library", "")
    bench.check(refused.status == 2 and "--library" in refused.err, f"an empty pattern: {refused.err!r}")


@live("report --explain tells why one process was judged so, and which ones there are", needs=(), group="look")
def explain(bench):
    golden = os.path.join(os.path.dirname(__file__), "..", "golden", "places.dbleak")
    look = bench.dbleak.run("report", golden, "--explain", 812)
    text = look.out.decode()
    bench.check(look.status == 1 and re.match(r"feed\[812\].* leaking$", text.splitlines()[0]), f"status {look.status}: {text[:200]}")
    bench.check("(rule_memory)" in text and "not proven: " in text, f"a rule is silent:\n{text}")
    bench.check("4711" not in text, "another process is told of")
    missing = bench.dbleak.run("report", golden, "--explain", 5)
    bench.check(missing.status == 2 and not missing.out, f"status {missing.status}: {missing.out!r}")
    bench.check("no process 5" in missing.err and "812 (feed)" in missing.err, f"{missing.err!r}")


@live("-o writes a private report and leaves standard output alone", group="look")
def to_file(bench):
    client, path = bench.client("keeper.py", "well"), bench.file("report.json")
    look = bench.dbleak.run("watch", "--duration", 2, "--json", "-o", path, "-p", client.pid, umask=0)
    bench.looked(look, 0)
    bench.check(look.out == b"", "something stands on standard output")
    bench.private(path)


@live("--show-literals shows the literals it was asked for", group="look")
def show_literals(bench):
    client = bench.client("keeper.py", "leak")
    look = bench.dbleak.run("watch", "--duration", SECONDS, "--json", "--show-literals", "-p", client.pid)
    bench.check(b"'sesame'" in look.out, "the literal is not there")


def on_terminal(bench, *argv, **env):
    """Runs dbleak on a terminal of 80 columns; returns (status, what it wrote)."""
    here, there = pty.openpty()
    process = bench.dbleak.start(*argv, stdout=there, stderr=there,
                                 env=environment(dict(TERM="xterm", **env)))
    os.close(there)
    said = b""
    while True:
        try:
            chunk = os.read(here, 65536)
        except OSError:
            break
        if not chunk:
            break
        said += chunk
    os.close(here)
    return process.wait(), said.decode(errors="replace")


@live("on a terminal there are colours, a first look and a line of progress", group="look")
def colours(bench):
    client = bench.client("keeper.py", "leak")
    status, said = on_terminal(bench, "watch", "--duration", str(SECONDS), "-p", str(client.pid))
    bench.shown["terminal"] = said
    bench.check(status == 1, f"exit status {status}")
    bench.check(re.search(r"\x1b\[[0-9;]*m", said), "there is no colour")
    bench.check(str(client.pid) in said.split("LEAK:")[0], "the first look does not come before the report")


@live("NO_COLOR is honoured", group="look")
def no_colour(bench):
    client = bench.client("keeper.py", "leak")
    status, said = on_terminal(bench, "watch", "--duration", str(SECONDS), "-p", str(client.pid), NO_COLOR="1")
    bench.shown["terminal"] = said
    bench.check(status == 1 and not re.search(r"\x1b\[[0-9;]*m", said), "there are colours")


@live("doctor names the flags by which a program tells its lines", needs=(), group="look")
def doctor_flags(bench):
    """A program called java, without a map of its code, and then with one."""
    folder = bench.dbleak.path("flags")
    os.makedirs(folder)
    program = shutil.copy("/bin/sleep", os.path.join(folder, "java"))
    sleeper = subprocess.Popen([program, "60"])
    code = f"/tmp/perf-{sleeper.pid}.map"

    def line():
        found = json.loads(bench.dbleak.run("doctor", "--json").out)["features"]
        return next(feature for feature in found if feature["name"] == "lines of Java")
    try:
        without = line()
        with open(code, "x"):
            there = line()
        bench.check(without["available"] is False and "Compiler.perfmap" in without["remedy"], f"said {without}")
        bench.check(there["detail"] != without["detail"], f"with a map it still says {there}")
    finally:
        sleeper.kill()
        sleeper.wait()
        if os.path.exists(code):
            os.remove(code)


@live("doctor says what the host allows", needs=(), group="look")
def doctor(bench):
    look = bench.dbleak.run("doctor")
    lines = look.out.decode().splitlines()
    bench.check(look.status == 0 and lines[1].startswith("OK: dbleak can watch this host"), f"doctor says {lines[:2]}")
    bench.check(not any(re.match(r"(yes|\?) ", line) for line in lines), "old words, or something untried")
    more = bench.dbleak.run("doctor", "-v").out.decode()
    bench.check("ring buffer" in more and "CAP_BPF" in more, "-v does not list all features and rights")
    bench.check("ring buffer" not in look.out.decode(), "what is there is listed without -v")
    bench.check(re.search(r"^(ok|no) +--heap full ", look.out.decode(), re.MULTILINE), "--heap full is not told")
    python = re.search(r"^(?:ok|no) +Python +(\d+) of (\d+) Python process", look.out.decode(), re.MULTILINE)
    bench.check(python and int(python[1]) >= 1, "this Python's lines cannot be read")
    bench.check("Ruby" not in look.out.decode() and "Ruby" in more, "who does not run has a row without -v")
    look = bench.dbleak.run("doctor", user="nobody", group="nogroup", extra_groups=[])
    bench.check(look.status == 2 and b"\nNO: dbleak needs root" in look.out and b"Run with sudo" in look.out,
                f"without root: {look.status} {look.out[:200]!r}")
    look = bench.dbleak.run("doctor", "--json")
    bench.check(look.out.strip().startswith(b"{"), f"doctor --json gives {look.out[:100]!r}")


@live("a topic that DBLEAK_DEBUG does not have is wrong usage", needs=(), group="look")
def debug_topic(bench):
    look = bench.dbleak.run("watch", "--duration", 1, env=dict(os.environ, DBLEAK_DEBUG="host,probes"))
    bench.one_sentence(look, "DBLEAK_DEBUG", "did you mean probe?")


@live("a divisor that DBLEAK_ROOM does not have is wrong usage", needs=(), group="look")
def wrong_room(bench):
    for wrong in ("3", "0", "2048", "-1", "many", ""):
        look = bench.dbleak.run("watch", "--duration", 1, env=dict(os.environ, DBLEAK_ROOM=wrong))
        bench.one_sentence(look, "DBLEAK_ROOM", "power of two")
    bench.check(look.out == b"", "there is a report")


@live("a command line of 50,000 bytes keeps its end, and the script that it runs", group="look")
def long_arguments(bench):
    for count, size in ((60, 20), (700, 60)):
        options = [f"--option-{number}-{'x' * size}=1" for number in range(count)]
        client = bench.client("hostile.py", "names", *options, "--last", wait=False)
        bench.check(client.wait_ready(), f"it did not get ready: {client.errors[-3:]}")
        look = bench.looked(bench.dbleak.run("snapshot", "--json", "-p", client.pid))
        argv = json.loads(look.out)["processes"][0]["argv"]
        bench.check(argv[1].endswith("/hostile.py") and argv[-1] == "--last" and "[...]" in argv, f"argv is {argv}")
