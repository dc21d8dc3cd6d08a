# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Where in its source each client leaks: the lines marked `LEAK: HABIT[/CAUSE] ...` in a comment.

The mark stands on the line of the call that a report must name; HABIT is what the client is called with.  A line
that many habits share is marked `any`: then the stack must come by a line of the habit, too.
"""
import glob
import os
import re

CLIENTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients")
MARK = re.compile(r"LEAK: ([\w/ -]+)")
READ = {".py": "python", "": "native"}  # whose lines must be known, by the ending of the client


def read_marks():
    """{file: {habit or habit/cause: lines}}"""
    marks = {}
    for path in glob.glob(os.path.join(CLIENTS, "*.*")):
        with open(path) as file:
            for number, line in enumerate(file, 1):
                if found := MARK.search(line):
                    for word in found[1].split():
                        marks.setdefault(os.path.basename(path), {}).setdefault(word, set()).add(number)
    return marks


MARKS = read_marks()


def habit_of(client):
    """["driver.py", "errors", "leak", "0.1"] is errors-leak."""
    return "-".join(word for word in client[1:] if re.fullmatch(r"[a-z][\w-]*", word))


def lines_of(client, *words):
    """{(file, line)} of this client's that are marked with one of these words."""
    return {(file, line) for file, marks in MARKS.items() if file_is_of(file, client[0])
            for word in words for line in marks.get(word, ())}


def file_is_of(file, program):
    """Its own source, or what clients of that language share."""
    stem, ending = os.path.splitext(program)
    shared = {".py": ("db.py",), "": ("pq.h", "my.h")}.get(ending, ())
    source = {"lite_static": "lite_calls"}.get(stem, stem)
    return file == program or file in shared or (not ending and file in (f"{source}.c", f"{source}.rs"))


def of(frame):
    return f"{frame['file']}:{frame['line']} {frame['function']}()" if frame else "nowhere"


def place(frame):
    return os.path.basename(frame["file"] or ""), frame["line"]


def faults(client, finding):
    """Does the finding name the line that its client marks?"""
    habit, cause, site = habit_of(client), finding["cause"], finding["site"]
    language = READ.get(os.path.splitext(client[0])[1])
    wanted, shared = lines_of(client, habit, f"{habit}/{cause}"), lines_of(client, "any")
    if not language:  # what is known of the others is told by tests of their own
        return []
    if not wanted:
        return [f"no line of {client[0]} is marked LEAK: {habit}/{cause}; it is at {of(site)}"]
    there = sorted(f"{file}:{line}" for file, line in wanted)
    if not site or site["language"] != language or place(site) not in wanted | shared:
        return [f"the {cause} is at {of(site)}, not at {' or '.join(there)}"]
    if not wanted & {place(frame) for frame in finding["stack"]}:
        return [f"the {cause} at {of(site)} does not come by {' or '.join(there)}: "
                f"{[of(frame) for frame in finding['stack']]}"]
    return []
