# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""What a program of `dbleak run` holds until it ends: told although its end released it; and what its end may leave."""
import os

from harness import CLIENTS, command_of
from solo import live

PATIENCE = 120
SLOTS, ENGINES, LITE = "lost_slots.py", "engines.py", "lite_held.py"


def line_of(client, mark):
    """The lines of a client that may answer: those marked for this leak, or any."""
    with open(os.path.join(CLIENTS, client)) as file:
        return [number for number, line in enumerate(file, 1)
                if "LEAK:" in line and {mark, "any"} & set(line.split("LEAK:")[1].split())]


def run_all(bench, argvs, server="postgresql", **endpoint):
    """{argv: (status, process)} of programs that each run below a dbleak of its own, side by side."""
    env, begun = bench.endpoint(server, **endpoint), []
    for argv in argvs:
        out = bench.file("held.json")
        given = [str(word) for word in argv]
        if argv[0] == LITE:
            given[2] = bench.file("folder")
            os.mkdir(given[2])
        begun.append((argv, out, bench.dbleak.start("run", "--json", "-o", out, "--", *command_of(given), env=env)))
    ended = {}
    for argv, out, process in begun:
        look = bench.dbleak.finish(process, patience=PATIENCE)
        with open(out, "rb") as file:
            look.out = file.read()
        bench.looked(bench.dbleak.examine(look))
        known = [one for one in look.report["processes"] if one["endpoints"]] if look.report else []
        if bench.check(len(known) == 1, f"{argv}: {len(known)} processes with a database: {look.err[-300:]}"):
            ended[argv] = look.status, known[0]
    return ended


def expect(bench, argv, ended, cause, verdicts, count=None, line=None, confidence=None):
    if argv not in ended:
        return
    status, process = ended[argv]
    found = [one for one in process["findings"] if one["cause"] == cause and one["verdict"] in verdicts]
    if not bench.check(found, f"{argv}: no {cause}, {verdicts}: {[f['cause'] for f in process['findings']]}"):
        return
    bench.check(status == 1, f"{argv}: status {status}")
    bench.check(count is None or found[0]["open"] == count, f"{argv}: {found[0]['open']} open, not {count}")
    bench.check(confidence is None or found[0]["confidence"] in confidence, f"{argv}: {found[0]['confidence']}")
    at = found[0]["site"] and found[0]["site"]["line"]
    bench.check(line is None or at in line, f"{argv}: line {at}, not {line}")


def silent(bench, argv, ended):
    if argv in ended:
        status, process = ended[argv]
        bench.check(not process["findings"] and status == 0,
                    f"{argv}: status {status}, {[(f['verdict'], f['cause']) for f in process['findings']]}")


@live("held: slots of a pool that are lost until the end are told, however the program ends", group="held")
def lost_slots(bench):
    kept, alone = (SLOTS, "session", "return", 3, 16), (SLOTS, "session", "exit", 1, 16)
    auto, filled = (SLOTS, "autocommit", "return", 4, 16), (SLOTS, "filled", "exit", 3, 16)
    ended = run_all(bench, (kept, alone, auto, filled))
    expect(bench, kept, ended, "unclosed-connection", ("leaking", "stuck"), 3, line_of(SLOTS, "session"))
    expect(bench, alone, ended, "open-transaction", ("stuck",), 1, line_of(SLOTS, "session"))
    expect(bench, auto, ended, "unclosed-connection", ("leaking", "stuck"), 4)
    expect(bench, filled, ended, "open-transaction", ("stuck", "leaking"), 3)


@live("held: slots lost until the end are told on MariaDB", needs=("mariadb",), group="held")
def lost_slots_mariadb(bench):
    kept, filled = (SLOTS, "session", "return", 3, 16), (SLOTS, "filled", "return", 2, 16)
    ended = run_all(bench, (kept, filled), "mariadb")
    expect(bench, kept, ended, "unclosed-connection", ("leaking", "stuck"), 3, line_of(SLOTS, "session"))
    expect(bench, filled, ended, "open-transaction", ("stuck",), 2)


@live("held: a connection left to the exit, a pool at rest and one in turns are well until the end", group="held")
def left_to_the_end(bench):
    twins = ((SLOTS, "script", "return", 1, 13), (SLOTS, "script", "exit", 1, 2), (SLOTS, "calm", "return", 8, 14),
             (SLOTS, "turns", "exit", 5, 14))
    ended = run_all(bench, twins)
    for twin in twins:
        silent(bench, twin, ended)


@live("held: a reader behind which SQLite's log grows is told although the end ended it", needs=("sqlite",), group="held")
def lite_reader(bench):
    readers = (LITE, "reader", None, 13), (LITE, "killed", None, 13)
    twins = (LITE, "finished", None, 13), (LITE, "exited", None, 13)
    ended = run_all(bench, readers + twins, "sqlite")
    for reader in readers:
        expect(bench, reader, ended, "wal-growth", ("leaking", "stuck"), 1, line_of(LITE, reader[1]))
    for twin in twins:
        silent(bench, twin, ended)


@live("held: what only the garbage collector closes is possible at most, and said to be its", group="held")
def collected(bench):
    argv = (ENGINES, "tests", 60)
    ended = run_all(bench, (argv,))
    expect(bench, argv, ended, "unclosed-connection", ("leaking", "stuck", "bounded"), line=line_of(ENGINES, "gc"),
           confidence=("possible",))
    if argv in ended:
        said = [code["code"] for one in ended[argv][1]["findings"] for code in one["evidence_codes"]]
        bench.check({"closed-by-collector", "others-closed-by-collector"} & set(said), f"the collector is not named: {said}")
