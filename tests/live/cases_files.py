# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Files that other tools open: each is opened by its tool, which then shows the line that leaks."""
import json
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as xml

import contract
from harness import CLIENTS, environment
from places import MARKS
from solo import live

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden")
SUITE = "test_orders.py"
TEST = "test_orders.py::test_checkout"
RULE = "dbleak/unclosed-connection"
FILES = ("pprof", "folded", "speedscope", "sarif", "junit")

COUNT = {"type": "integer", "minimum": 0}
TEXT = {"type": "string", "pattern": "."}


def thing(required, **properties):
    return {"type": "object", "required": required.split(), "properties": properties}


def list_of(shape):
    return {"type": "array", "items": shape}


# As https://www.speedscope.app/file-format-schema.json has it, and stricter: no key but ours.
SPEEDSCOPE = thing(
    "$schema shared profiles", exporter=TEXT, name=TEXT, activeProfileIndex=COUNT,
    shared=thing("frames", frames=list_of(thing("name", name=TEXT, file=TEXT, line={"type": "integer", "minimum": 1}))),
    profiles=list_of(thing("type name unit startValue endValue samples weights", type={"enum": ["sampled"]}, name=TEXT,
                           unit={"enum": ["none", "bytes"]}, startValue={"enum": [0]}, endValue=COUNT,
                           samples=list_of(list_of(COUNT)), weights=list_of({"type": "integer", "minimum": 1}))),
    **{"$schema": {"enum": ["https://www.speedscope.app/file-format-schema.json"]}})

MESSAGE = thing("text", text=TEXT)
PLACE = dict(
    logicalLocations=list_of(thing("fullyQualifiedName kind", fullyQualifiedName=TEXT, kind={"enum": ["function"]})),
    physicalLocation=thing(
        "artifactLocation", region=thing("startLine", startLine={"type": "integer", "minimum": 1}),
        artifactLocation=thing("uri", uri={"type": "string", "pattern": r"^(file:///)?([\w.~/-]|%[0-9A-F]{2})+$"},
                               uriBaseId={"enum": ["SRCROOT"]})))
LOCATION = thing("logicalLocations", **PLACE)
STEP = thing("location nestingLevel executionOrder importance", nestingLevel=COUNT,
             executionOrder={"type": "integer", "minimum": 1}, importance={"enum": ["essential", "important", "unimportant"]},
             location=thing("logicalLocations physicalLocation message", message=MESSAGE, **PLACE))
ANY = {"type": ["string", "integer", "null"]}
# As the standard has it, SARIF 2.1.0, and stricter: no key but ours, and a fingerprint and a rule each.
SARIF = thing(
    "$schema version runs", version={"enum": ["2.1.0"]}, **{"$schema": TEXT},
    runs=list_of(thing(
        "tool results columnKind", columnKind={"enum": ["unicodeCodePoints"]},
        tool=thing("driver", driver=thing(
            "name rules", name={"enum": ["dbleak"]}, version=TEXT,
            rules=list_of(thing("id name shortDescription defaultConfiguration", name=TEXT, shortDescription=MESSAGE,
                                id={"type": "string", "pattern": "^dbleak/[a-z]+(-[a-z]+)+$"},
                                defaultConfiguration=thing("level", level={"enum": ["warning"]}))))),
        invocations=list_of(thing("executionSuccessful exitCode toolExecutionNotifications",
                                  executionSuccessful={"type": "boolean"}, exitCode=COUNT,
                                  toolExecutionNotifications=list_of(thing("level message", level=TEXT, message=MESSAGE)))),
        originalUriBaseIds=thing("", SRCROOT=thing("uri", uri={"type": "string", "pattern": "^file:///.*/$"})),
        results=list_of(thing(
            "ruleId ruleIndex kind level message locations partialFingerprints properties", ruleId=TEXT, ruleIndex=COUNT,
            kind={"enum": ["fail"]}, level={"enum": ["note", "warning", "error"]}, message=MESSAGE,
            locations=list_of(LOCATION), baselineState={"enum": ["new", "unchanged"]},
            partialFingerprints=thing("dbleak/v1", **{"dbleak/v1": {"type": "string", "pattern": "^[0-9a-f]{16}$"}}),
            stacks=list_of(thing("message frames", message=MESSAGE, frames=list_of(
                thing("location", location=LOCATION, module=TEXT)))),
            codeFlows=list_of(thing("threadFlows", threadFlows=list_of(thing("locations", locations=list_of(STEP))))),
            properties=thing("test", **dict.fromkeys(
                "verdict confidence resource database endpoint open comm pid processes container test".split(), ANY)))))))


def line():
    """Where the suite leaks."""
    return next(iter(MARKS[SUITE]["order"]))


def guilty():
    """The frame as all outputs have it."""
    return f"{SUITE}:{line()} order()"


def missing():
    lacks = [name for name in ("go", "xmllint") if not shutil.which(name)]
    tried = subprocess.run(["/usr/bin/python3", "-c", "import pytest, psycopg2"], capture_output=True)
    return ", ".join(lacks + ["pytest or psycopg2"] * (tried.returncode != 0)) or None


def options(bench, **more):
    """{option: path} for each output, and the same as arguments."""
    paths = {name: bench.file(name) for name in FILES}
    return paths, [word for name, path in paths.items() for word in (f"--{name}", path)]


def in_pprof(bench, path):
    """What go tool pprof shows first of the connections: how many, and the frame."""
    env = environment({"HOME": bench.janitor.folder, "PPROF_TMPDIR": bench.janitor.folder})
    shown = subprocess.run(["go", "tool", "pprof", "-top", "-sample_index=connections", path], env=env, timeout=60,
                           capture_output=True, text=True, cwd=bench.janitor.folder)
    bench.check(shown.returncode == 0, f"pprof: {shown.stderr[-300:]}")
    rows = re.findall(r"^ *(\d+) +[\d.]+% +[\d.]+% +\d+ +[\d.]+% +(.*)$", shown.stdout, re.M)
    return (int(rows[0][0]), rows[0][1].strip()) if rows else (0, shown.stdout)


def in_folded(path):
    """As flamegraph.pl reads it: {frame: number of connections below it}."""
    found = {}
    with open(path) as file:
        for row in file:
            frames, number = re.fullmatch(r"(.+) (\d+)\n", row).groups()
            frames = frames.split(";")
            for frame in set(frames) if frames[0] == "connections" else ():
                found[frame] = found.get(frame, 0) + int(number)
    return found


def in_speedscope(bench, path):
    """The profile that is shown first: its name, and {frame: weight below it}."""
    with open(path) as file:
        document = json.load(file)
    bench.faults += contract.breaches(document, SPEEDSCOPE, "speedscope")
    profile, frames, found = document["profiles"][document["activeProfileIndex"]], document["shared"]["frames"], {}
    for one in document["profiles"]:
        bench.check(len(one["samples"]) == len(one["weights"]) and sum(one["weights"]) == one["endValue"],
                    "a profile of speedscope does not add up")
        bench.check(all(index < len(frames) for sample in one["samples"] for index in sample), "a frame is missing")
    for sample, weight in zip(profile["samples"], profile["weights"]):
        for index in set(sample):
            found[frames[index]["name"]] = found.get(frames[index]["name"], 0) + weight
    return profile["name"], found


def in_sarif(bench, path):
    with open(path) as file:
        document = json.load(file)
    bench.faults += contract.breaches(document, SARIF, "sarif")
    run = document["runs"][0]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    bench.check(len(set(rules)) == len(rules), "two rules have one name")
    for result in run["results"]:
        bench.check(rules[result["ruleIndex"]] == result["ruleId"], "a rule's number is not that of its name")
    return run


def in_junit(bench, path):
    """The suite, as Python reads it; xmllint must take it, too."""
    checked = subprocess.run(["xmllint", "--noout", path], capture_output=True, text=True, timeout=60)
    bench.check(checked.returncode == 0 and not checked.stderr, f"xmllint: {checked.stderr[:300]}")
    suite = xml.parse(path).getroot().find("testsuite")
    cases = suite.findall("testcase")
    counts = {"tests": len(cases), "failures": len(suite.findall("testcase/failure")),
              "skipped": len(suite.findall("testcase/skipped"))}
    bench.check(all(int(suite.get(name)) == number for name, number in counts.items()), f"its counts are not {counts}")
    return suite


def suite_run(bench, *more):
    """dbleak run of the suite, with all outputs; (look, paths)."""
    paths, arguments = options(bench)
    report = bench.file("report")
    look = bench.dbleak.run("run", "-q", "-o", report, "--github", *arguments, *more, "--", "/usr/bin/python3", "-m",
                            "pytest", "-q", "-p", "no:cacheprovider", SUITE, cwd=CLIENTS,
                            env={**bench.endpoint(), "SRCROOT": CLIENTS})
    with open(report) as file:
        paths["report"] = file.read()
    bench.shown.update(status=look.status, stdout=look.out[-1500:], stderr=look.err[-1500:], report=paths["report"][-3000:])
    bench.check(look.status == 1, f"exit status {look.status}, not 1: {look.err[-300:]}")
    return look, paths


def shows_profiles(bench, paths):
    number, frame = in_pprof(bench, paths["pprof"])
    bench.check(frame == guilty() and number >= 10, f"pprof shows {number} at {frame!r}")
    tags = subprocess.run(["go", "tool", "pprof", "-tags", "-sample_index=connections", paths["pprof"]], text=True,
                          env=environment({"HOME": bench.janitor.folder}), capture_output=True, timeout=60).stdout
    bench.check(re.search(rf"^ test: Total {number}\.0\n +{number}\.0 \(.*\): {TEST}$", tags, re.M), f"tags: {tags}")
    found = in_folded(paths["folded"]).get(guilty(), 0)
    bench.check(found == number, f"folded: {found} connections, pprof {number}")
    name, weights = in_speedscope(bench, paths["speedscope"])
    bench.check(name == "connections held" and weights.get(guilty()) == number, f"speedscope: {name}, {weights}")
    bench.check(weights.get(f"{SUITE}:{line()} order()") == sum(
        weight for frame, weight in weights.items() if frame.endswith(" test_checkout()")), f"of both tests: {weights}")


def shows_findings(bench, look, paths):
    results = in_sarif(bench, paths["sarif"])["results"]
    leak = next((one for one in results if one["ruleId"] == RULE), None)
    if bench.check(leak, f"sarif has {[one['ruleId'] for one in results]}"):
        place = leak["locations"][0]["physicalLocation"]
        bench.check(place == {"artifactLocation": {"uri": SUITE, "uriBaseId": "SRCROOT"}, "region": {"startLine": line()}},
                    f"sarif: {place}")
        way = leak["codeFlows"][0]["threadFlows"][0]["locations"]
        aim = [step["location"] for step in way if step["importance"] == "essential"]
        bench.check([one["physicalLocation"] for one in aim] == [place], f"sarif: the way leads to {aim}")
        bench.check([step["location"]["logicalLocations"][0]["fullyQualifiedName"] for step in way].index("test_checkout") <
                    [step["importance"] for step in way].index("essential"), f"sarif: {way}")
        bench.check(leak["properties"]["test"] == TEST and leak["level"] == "error", f"sarif: {leak['properties']}")
    suite = in_junit(bench, paths["junit"])
    case = suite.find("testcase")
    seen = [case.get(name) for name in ("classname", "file", "line")] + [case.get("name").split(":")[0]]
    bench.check(seen == [SUITE, SUITE, str(line()), "test_checkout"], f"junit: {seen}")
    bench.check(case.find("failure").get("type") == RULE, "junit: the rule is another")
    notes = [row for row in look.out.decode().splitlines() if row.startswith("::")]
    bench.check(notes and notes[0].startswith(f"::error file={SUITE},line={line()},title="), f"github: {notes}")
    bench.check(re.search(rf"^ +test +{TEST}$", paths["report"], re.M), "the report does not name the test")


@live("files: one run of a suite gives each tool a file in which it shows the leaking line", group="files", without=missing)
def files_of_a_run(bench):
    look, paths = suite_run(bench)
    shows_profiles(bench, paths)
    shows_findings(bench, look, paths)
    for name in FILES:
        bench.private(paths[name])


@live("files: with the first report as a baseline the second one fails no more", group="files", without=missing)
def files_with_a_baseline(bench):
    recording, baseline = bench.file("recording"), bench.file("baseline")
    suite_run(bench, "--record", recording)
    first = bench.dbleak.run("report", "--json", "-o", baseline, recording)
    bench.check(first.status == 1, f"exit status {first.status}, not 1")
    paths, arguments = options(bench)
    again = bench.looked(bench.dbleak.run("report", "--baseline", baseline, "--json", "--error-exitcode", 9, *arguments,
                                          recording), 0)
    found = json.loads(again.out)
    bench.faults += contract.breaches(found)
    bench.check(found["baseline"]["known"] and not found["baseline"]["new"] and not found["baseline"]["gone"],
                f"baseline: {found['baseline']}")
    bench.check({one["baselineState"] for one in in_sarif(bench, paths["sarif"])["results"]} == {"unchanged"}, "sarif")
    bench.check(in_junit(bench, paths["junit"]).get("failures") == "0", "junit: a known leak fails")
    notes = bench.dbleak.run("report", "--baseline", baseline, "--github", "-o", "/dev/null", recording)
    bench.check(notes.status == 0 and not notes.out, f"github: {notes.out[:200]}")
    brief = bench.dbleak.run("report", "--brief", "--baseline", baseline, recording).out.decode().splitlines()
    bench.check(brief and all(len(row.split("\t")) == 8 and row.endswith("\tknown") for row in brief), f"brief: {brief}")
    gone = bench.file("gone")
    with open(gone, "w") as file:
        file.write("0123456789abcdef\n")
    text = bench.dbleak.run("report", "--baseline", gone, recording)
    bench.check(text.status == 1 and "not seen any more: 0123456789abcdef" in " ".join(text.out.decode().split()),
                f"status {text.status}: what is gone is not told")


def golden(name):
    return os.path.join(GOLDEN, f"{name}.dbleak")


@live("files: a full disk or a closed pipe makes status 2, and spoils no other file", needs=(), group="files")
def files_that_fail(bench):
    for name in FILES:
        other = bench.file("other")
        beside = ("--junit" if name != "junit" else "--sarif", other)
        full = bench.dbleak.run("report", "-o", "/dev/null", f"--{name}", "/dev/full", *beside, golden("two-lines"))
        bench.check(full.status == 2 and "No space left" in full.err, f"{name}: {full.status} {full.err[-200:]}")
        bench.check(os.path.exists(other), f"{name}: the other file is not there")
        reader, writer = os.pipe()
        os.close(reader)
        closed = bench.dbleak.run("report", "-o", "/dev/null", f"--{name}", "-", golden("two-lines"), stdout=writer)
        os.close(writer)
        bench.check(closed.status == 2 and "Broken pipe" in closed.err, f"{name}: {closed.status} {closed.err[-200:]}")


@live("files: two outputs in one file, a folder, a baseline that is none: refused before anything starts", needs=(),
      group="files")
def files_refused(bench):
    marker, path = bench.file("marker"), bench.file("both")
    start = ("--", "touch", marker)
    for words, arguments in (
            (("cannot be one file",), ("--pprof", path, "--sarif", path)),
            (("cannot be one file",), ("--pprof", path, "-o", path)),
            (("cannot be one file",), ("--pprof", path, "--record", path)),
            (("cannot be one file",), ("--folded", "-", "--sarif", "/dev/stdout")),
            (("directory",), ("--pprof", bench.janitor.folder)),
            (("no such file",), ("--junit", os.path.join(bench.janitor.folder, "no", "such"))),
            (("cut, or not JSON",), ("--baseline", cut_report(bench))),
            (("neither a report",), ("--baseline", "/bin/true"))):
        bench.one_sentence(bench.dbleak.run("run", *arguments, *start), *words)
        bench.check(not os.path.exists(marker), f"{arguments}: the command was started")
        bench.check(not os.path.exists(path), f"{arguments}: a file was left")


def cut_report(bench):
    path = bench.file("cut.json")
    with open(os.path.join(GOLDEN, "two-lines.json")) as whole, open(path, "w") as cut:
        cut.write(whole.read()[:2000])
    return path


@live("files: a recording that is cut gives files that open, and say so", needs=(), group="files",
      without=lambda: None if shutil.which("go") and shutil.which("xmllint") else "go or xmllint")
def files_of_a_cut_recording(bench):
    path = bench.file("cut")
    with open(golden("two-lines"), "rb") as whole, open(path, "wb") as cut:
        cut.write(whole.read()[:-100])
    paths, arguments = options(bench)
    look = bench.dbleak.run("report", "-o", "/dev/null", *arguments, path)
    bench.check(look.status == 1 and "covers what came before" in look.err, f"{look.status}: {look.err}")
    number, frame = in_pprof(bench, paths["pprof"])
    bench.check((number, frame) == (12, "app.py:16 monthly()"), f"pprof shows {number} at {frame!r}")
    in_speedscope(bench, paths["speedscope"])
    bench.check(in_folded(paths["folded"]).get("app.py:16 monthly()") == 12, "folded has another number")
    run = in_sarif(bench, paths["sarif"])
    bench.check(not run["invocations"][0]["executionSuccessful"], "sarif does not say that it is cut")
    bench.check("was cut" in in_junit(bench, paths["junit"]).findtext("system-err"), "junit does not say so")


@live("files: names with escape sequences are harmless in each, and give GitHub no command", needs=(), group="files",
      without=lambda: None if shutil.which("go") and shutil.which("xmllint") else "go or xmllint")
def files_with_hostile_names(bench):
    paths, arguments = options(bench)
    bench.dbleak.run("report", "-o", "/dev/null", *arguments, golden("places"))
    in_pprof(bench, paths["pprof"])
    in_speedscope(bench, paths["speedscope"])
    in_sarif(bench, paths["sarif"])
    in_junit(bench, paths["junit"])
    for name in ("folded", "speedscope", "sarif", "junit"):
        with open(paths[name], "rb") as file:
            text = file.read()
        bench.check(b"\x1b" not in text, f"{name} has an escape sequence")
    bench.check(b"load\\x1b[2J" in text, "junit does not have the hostile name")
    rows = bench.dbleak.run("report", "--github", golden("places")).out.decode().splitlines()
    stop = re.fullmatch(r"::stop-commands::([0-9a-f]{32})", rows[0])
    if bench.check(stop, f"the report is not kept from giving commands: {rows[0]}"):
        end = rows.index(f"::{stop[1]}::")
        bench.check(all(row.startswith(("::error ", "::warning ", "::notice ")) for row in rows[end + 1:]) and rows[end + 1:],
                    f"after the report: {rows[end + 1:]}")
