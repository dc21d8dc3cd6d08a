# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Every stack that is told of against what the program itself says of the same moment.  $DBLEAK_PYTHONS names
more interpreters to try than Debian's own, with colons between them."""
import glob
import json
import os
import shutil
import signal
import subprocess
import threading
import time

import records
from harness import CLIENTS, command_of, environment
from solo import live

PYTHONS = ["/usr/bin/python3"] + [p for p in os.environ.get("DBLEAK_PYTHONS", "").split(":") if p]
MOST = 64  # frames that are walked


def said_stacks(text):
    """{local port: [(function, file, line)]} as the program said them."""
    found = {}
    for line in text.splitlines():
        word, port, places = line.split(" ", 2)
        found[int(port)] = [(f, p, int(n)) for f, p, n in (place.rsplit(":", 2) for place in places.split("|"))]
    return found


def told_stacks(recording):
    """{local port: Stack} as they are recorded."""
    stacks = records.Stacks(recording)
    return {record.local_port: stacks.of(records.OPENED, record.id)
            for name, record in records.read(recording) if name == "identity"}


def differs(said, told):
    """What is wrong with a stack, or None."""
    if told is None:
        return "no stack"
    places = [(p.function, p.file, p.line) for p in told.places]
    if not told.flags & records.CUT:
        return None if places == said else f"{places[:4]} ({len(places)} frames)"
    if len(said) <= MOST or places != said[:len(places)] or len(places) < MOST - 8:
        return f"cut, {places[:4]} ({len(places)} frames)"
    return None


def compare(bench, python, before=(), after=()):
    recording, out = bench.file("recording"), bench.file("said")
    env = environment(bench.servers["postgresql"].endpoint("tcp4"))
    with open(out, "wb") as file:
        look = bench.dbleak.run("run", "--json", "-o", bench.file("report"), "--record", recording, "--",
                                *before, python, command_of(["stacks.py"])[1], *after, stdout=file, env=env)
    with open(out, encoding="utf-8") as file:
        said = said_stacks(file.read())
    told = told_stacks(recording)
    wrong = [f"{s[0][2]} {s[:4]} ({len(s)} frames) became {why}" for port, s in said.items()
             for why in [differs(s, told.get(port))] if why]
    bench.shown.update({python: {"stacks": len(said), "wrong": wrong[:5], "stderr": look.err[-500:]}})
    bench.check(len(said) >= 37, f"{python}: the program said {len(said)} stacks only")
    bench.check(not wrong, f"{python}: {len(wrong)} of {len(said)} stacks differ, the first: {wrong[:1]}")


@live("Python: each stack is as traceback has it, in threads, generators, coroutines, children and deep recursion",
      group="run")
def as_traceback_has_it(bench):
    for python in PYTHONS:
        compare(bench, python)


def parents():
    """{pid: (name, pid of its parent)} of all processes."""
    found = {}
    for stat in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(stat, encoding="utf-8", errors="replace") as file:
                text = file.read()
        except OSError:
            continue
        found[int(text.split(" ", 1)[0])] = (text[text.index("(") + 1:text.rindex(")")],
                                             int(text[text.rindex(")") + 2:].split()[1]))
    return found


def disturb(process, number, worker="dbleak-object"):
    """Sends each worker of that dbleak with that name a signal, until dbleak ends.  Returns how many got one."""
    struck = set()
    while process.poll() is None:
        everybody = parents()
        for pid, (name, parent) in everybody.items():
            if name == worker and everybody.get(parent, ("", 0))[1] == process.pid and pid not in struck:
                struck.add(pid)
                os.kill(pid, number)
        time.sleep(0.005)
    return len(struck)


@live("Python: workers that read objects may die or hang: the report is whole, in time, and says so", group="run")
def with_workers_that_fail(bench):
    for number in (signal.SIGKILL, signal.SIGSTOP):
        report, out, recording = bench.file("report"), bench.file("said"), bench.file("recording")
        with open(out, "wb") as file:
            process = bench.dbleak.start("run", "--json", "-o", report, "--record", recording, "--", PYTHONS[0],
                                         command_of(["stacks.py"])[1], stdout=file,
                                         env=environment(bench.servers["postgresql"].endpoint("tcp4")))
            struck = []
            thread = threading.Thread(target=lambda: struck.append(disturb(process, number)))
            thread.start()
            look = bench.dbleak.finish(process, patience=90)
            thread.join()
        with open(report, encoding="utf-8") as file:
            told = json.load(file)
        with open(out, encoding="utf-8") as file:
            said, known = said_stacks(file.read()), told_stacks(recording)
        missing = sum(differs(places, known.get(port)) is not None for port, places in said.items())
        opened = sum(e["connections"]["opened"] for p in told["processes"] for e in p["endpoints"])
        gaps = [gap["reason"] for gap in told["coverage"]["gaps"]]
        bench.shown.update({number.name: {"struck": struck, "seconds": look.seconds, "gaps": gaps, "opened": opened,
                                          "missing": missing}})
        bench.check(struck[0], f"{number.name}: no worker was met")
        bench.check(opened == len(said) >= 37, f"{number.name}: {opened} connections are told of, {len(said)} were opened")
        # A worker that was met when its work was done cost nothing, and nothing is to be said.
        bench.check(not missing or told["losses"]["truncated"] or any("lines are missing" in gap for gap in gaps),
                    f"{number.name}: {missing} stacks are missing, and neither a gap nor a loss says so, but {gaps}")
        bench.check(look.seconds < 45, f"{number.name}: it took {look.seconds:.0f} s")


@live("Python: each stack is as traceback has it in a name space of processes, and where nobody else may look",
      group="run")
def in_a_name_space(bench):
    compare(bench, PYTHONS[0], before=("unshare", "--pid", "--fork"), after=("private",))


def debug_python():
    return shutil.which("python3-dbg") or next(iter(glob.glob("/usr/bin/python3.*-dbg")), None)


@live("Python: a debug build is not read, and the report says so", group="run",
      without=lambda: None if debug_python() else "python3-dbg")
def in_a_debug_build(bench):
    recording, report = bench.file("recording"), bench.file("report")
    look = bench.dbleak.run("run", "-v", "-o", report, "--record", recording, "--", debug_python(),
                            command_of(["stacks.py"])[1], "child", env=bench.endpoint())
    with open(report) as file:
        text = " ".join(file.read().split())
    told = [stack for stack in told_stacks(recording).values() if stack]
    bench.shown.update(stacks=[str(stack) for stack in told], report=text[-500:], stderr=look.err[-300:])
    bench.check("a debug build" in text, "the report does not say that it is a debug build")
    bench.check(not any(p.file.endswith(".py") for stack in told for p in stack.places), "Python frames are named")


def no_greenlets():
    found = subprocess.run([PYTHONS[0], "-c", "import greenlet"], capture_output=True)
    return "the Python module greenlet" if found.returncode else None


@live("Python: a stack that begins in a greenlet says so, others do not", group="run", without=no_greenlets)
def in_a_greenlet(bench):
    recording, out = bench.file("recording"), bench.file("said")
    with open(out, "wb") as file:
        bench.dbleak.run("run", "--json", "-o", bench.file("report"), "--record", recording, "--", PYTHONS[0],
                         command_of(["greenlets.py"])[1], stdout=file, env=bench.endpoint())
    with open(out) as file:
        ports = dict(line.split() for line in file)
    told = told_stacks(recording)
    stacks = {name: told.get(int(port)) for name, port in ports.items()}
    bench.shown.update(stacks={name: str(stack) for name, stack in stacks.items()})
    if bench.check(len(stacks) == 3 and all(stacks.values()), f"there are stacks of {sorted(stacks)} only"):
        flagged = [name for name, stack in stacks.items() if stack.flags & records.GREENLET]
        bench.check(flagged == ["greenlet"], f"said to begin in a greenlet: {flagged}")
        bench.check([p.function for p in stacks["greenlet"].places] == ["connect", "inside"], "the greenlet's frames")


def follows(said, told):
    """What is wrong with a native stack, or None: the program's own frames must be there, in their order."""
    if told is None:
        return "no stack"
    if told.flags & records.CUT:
        return f"cut after {len(told.places)} frames"
    at = 0
    for function, file, line in said:
        while at < len(told.places) and told.places[at].function != function:
            at += 1
        if at == len(told.places):
            return f"without {function}"
        place = told.places[at]
        if not place.file.endswith("/" + file) or place.line != line:
            return f"with {function} at {place.file}:{place.line}, not {file}:{line}"
        at += 1
    return None


@live("C: each stack has the program's lines, without frame pointers, through libpq, threads, signals and children",
      group="run")
def as_the_program_says(bench):
    recording, out = bench.file("recording"), bench.file("said")
    env = environment(bench.servers["postgresql"].endpoint("tcp4"))
    with open(out, "wb") as file:
        look = bench.dbleak.run("run", "--json", "-o", bench.file("report"), "--record", recording, "--",
                                command_of(["native_stacks"])[0], stdout=file, env=env)
    with open(out, encoding="utf-8") as file:
        said = said_stacks(file.read())
    told = told_stacks(recording)
    wrong = [f"{[s[0] for s in stack]} became one {why}" for port, stack in said.items()
             for why in [follows(stack, told.get(port))] if why]
    bench.shown.update(stacks=len(said), wrong=wrong, stderr=look.err[-500:])
    bench.check(len(said) == 13, f"the program said {len(said)} stacks, not 13")
    bench.check(not wrong, f"{len(wrong)} of {len(said)} stacks differ, the first: {wrong[:1]}")


def go():
    return shutil.which("go") or next(iter(sorted(glob.glob("/usr/lib/go-*/bin/go"))), None)


@live("Go: each stack is as the program has it, in methods, closures and goroutines", group="run",
      without=lambda: None if go() else "golang-go")
def as_go_has_it(bench):
    program, recording, out = bench.file("stacks"), bench.file("recording"), bench.file("said")
    private = {"GOCACHE": bench.file("cache"), "GOPATH": bench.file("path"), "GO111MODULE": "off"}
    subprocess.run([go(), "build", "-o", program, os.path.join(CLIENTS, "stacks.go")], check=True,
                   env={**os.environ, **private})
    with open(out, "wb") as file:
        look = bench.dbleak.run("run", "--json", "-o", bench.file("report"), "--record", recording, "--", program,
                                stdout=file, env=bench.endpoint())
    with open(out) as file:
        said = said_stacks(file.read())
    told = told_stacks(recording)
    wrong = [f"{stack} became one {why}" for port, stack in said.items() for why in [follows(stack, told.get(port))] if why]
    bench.shown.update(stacks=len(said), wrong=wrong, stderr=look.err[-500:])
    bench.check(len(said) == 4, f"the program said {len(said)} stacks, not 4")
    bench.check(not wrong, f"{len(wrong)} of {len(said)} stacks differ, the first: {wrong[:1]}")


@live("C: results and connections that are lost are found at their lines, without frame pointers")
def lines_of_leaks(bench):
    watched = {}

    def start():
        watched["client"] = bench.client("leak_lines")

    look = bench.looked(bench.dbleak.watch("--duration", "12", during=start))
    client = watched["client"]
    lines = {words[1]: int(words[2]) for words in map(str.split, client.said) if words[0] == "line"}
    sites = {(f["resource"], f["site"] and (f["site"]["function"], f["site"]["line"]))
             for p in look.report["processes"] if p["pid"] == client.process.pid for f in p["findings"]}
    bench.shown.update(sites=sorted(map(str, sites)), lines=lines)
    for resource, function in (("result", "list_orders"), ("connection", "open_report")):
        bench.check((resource, (function, lines[function])) in sites,
                    f"no {resource} at {function}, line {lines[function]}, but {sorted(map(str, sites))}")
