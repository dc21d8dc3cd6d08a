# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Garbage collections against what the language itself says of them, and what they prove of a leak."""
import json
import os
import shutil
import subprocess

from harness import CLIENTS, command_of
from solo import live

PYTHON = "/usr/bin/python3"  # Debian builds it with probes
WATCHED = 9


def counted(bench, *command):
    """(what the program says, what the report says), each as (full, partial)."""
    out, report = bench.file("said"), bench.file("report")
    with open(out, "wb") as file:
        look = bench.dbleak.run("run", "--json", "-o", report, "--", *command, stdout=file, env=bench.endpoint())
    with open(report, encoding="utf-8") as file:
        processes = json.load(file)["processes"]
    bench.shown.update(status=look.status, stderr=look.err[-1500:], processes=processes)
    with open(out, encoding="utf-8") as file:
        said = [tuple(int(n) for n in line.split()[1:]) for line in file if line.startswith("collected ")]
    told = [(p["collections"]["full"], p["collections"]["partial"])
            for p in processes if p["collections"]]
    return said, told


@live("collections of Python are counted as gc.get_stats() counts them", group="collections")
def as_python_counts(bench):
    said, told = counted(bench, PYTHON, *command_of(["collected.py", "counts"])[1:])
    if bench.check(len(said) == 1 and said[0][0] >= 5 and said[0][1] >= 100, f"the program said {said}"):
        bench.check(told == said, f"told are {told}, not {said}")


def java_lacks():
    return None if shutil.which("javac") and shutil.which("java") else "a JDK"


@live("collections of Java are counted as its GarbageCollectorMXBeans count them", group="collections", without=java_lacks)
def as_java_counts(bench):
    folder = bench.file("classes")
    subprocess.run(["javac", "-d", folder, os.path.join(CLIENTS, "Collected.java")], check=True)
    # Before a full collection the parallel collector makes a young one, which it announces together with that.
    for collector in (("-XX:+UseSerialGC",), ("-XX:+UseParallelGC", "-XX:-ScavengeBeforeFullGC"), ("-XX:+UseG1GC",)):
        said, told = counted(bench, "java", *collector, "-Xmx64m", "-Xmn8m", "-cp", folder, "Collected")
        if bench.check(len(said) == 1 and said[0][0] >= 5 and said[0][1] >= 3, f"{collector}: the program said {said}"):
            bench.check(told == said, f"{collector}: told are {told}, not {said}")


def leak_of(bench, how):
    client = bench.client("collected.py", how, wait=False)
    bench.check(client.wait_ready(), f"it did not get ready: {client.errors[-3:]}")
    look = bench.looked(bench.dbleak.watch("-p", client.pid, "--duration", WATCHED), 1)
    process = look.process(client.pid) or {"findings": []}
    return process, [f for f in process["findings"] if f["cause"] == "unclosed-connection"]


@live("a leak that outlives full collections is certain, and likely at most where none ran", group="collections")
def what_collections_prove(bench):
    for how, confidence, code in (("keeps", "certain", "outlived-collections"), ("never", "likely", "no-collection-since")):
        process, found = leak_of(bench, how)
        if not bench.check(len(found) == 1, f"{how}: {len(found)} findings"):
            continue
        codes = [fact["code"] for fact in found[0]["evidence_codes"]]
        bench.check(found[0]["confidence"] == confidence and code in codes, f"{how}: {found[0]['confidence']}, {codes}")
        bench.check((process["collections"] or {}).get("full", -1) >= 5 if how == "keeps" else
                    (process["collections"] or {}).get("full") == 0, f"{how}: {process['collections']}")


@live("where nothing tells of collections, the leak is as sure as before and the report says so", group="collections",
      without=lambda: None if shutil.which("node") else "nodejs")
def a_silent_collector(bench):
    for how in ("leak", "well"):
        client = bench.client("kept.js", how)
        look = bench.looked(bench.dbleak.watch("-p", client.pid, "--duration", WATCHED), how == "leak")
        process = look.process(client.pid)
        gaps = [gap["reason"] for gap in look.report["coverage"]["gaps"] if "garbage collector" in gap["reason"]]
        bench.check(process and process["collections"] is None, f"{how}: {process and process['collections']}")
        bench.check(len(gaps) == (how == "leak"), f"{how}: gaps {gaps}")
