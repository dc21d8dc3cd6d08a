# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Reports on terminals of several widths, in tmux: they fit, no word is cut, and nothing is lost."""
import glob
import os
import re
import shlex
import shutil
import subprocess
import time

from solo import live

MARK = "======"
WIDTHS = (20, 60, 80, 200)
GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden")
COLOUR = re.compile(r"\x1b\[(?:1|32|1;33|1;31|0)m")
LONGEST_WORD = 12  # a longer one may be broken on the narrowest terminal
TABLE = re.compile(r"^  PROCESS .*?(?=^$)", re.MULTILINE | re.DOTALL)
PATH_LINE = re.compile(r"^    (where|also|waiting|holder|threads) |\.\.\.")


class Tmux:
    """A terminal for each window, on a server of our own."""

    def __init__(self, bench):
        self.socket, self.bench = bench.file("tmux"), bench
        bench.afterwards.append(lambda: subprocess.run([*self.command(), "kill-server"], capture_output=True))

    def command(self):
        return ["tmux", "-u", "-f", "/dev/null", "-S", self.socket]

    def __call__(self, *argv):
        done = subprocess.run([*self.command(), *map(str, argv)], capture_output=True, text=True,
                              env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TERM": "xterm", "SHELL": "/bin/sh"})
        if done.returncode:
            raise RuntimeError(f"tmux {argv[0]}: {done.stderr.strip()}")
        return done.stdout

    def start(self, width, commands):
        """A session that waits for Enter, runs the commands, and keeps what they print, marks between them."""
        name, raw, done = f"w{width}", self.bench.file("raw"), self.bench.file("done")
        script = f"stty -echo; read go; {''.join(f'{shlex.join(c)}; echo {MARK}; ' for c in commands)} >{done}; cat"
        self("set-option", "-g", "history-limit", 20000, ";", "set-option", "-g", "status", "off", ";",
             "new-session", "-d", "-x", width, "-y", 100, "-s", name, script, ";",
             "pipe-pane", "-t", name, f"cat >{raw}", ";", "send-keys", "-t", name, "Enter")
        return name, raw, done

    def screens(self, window):
        """For each command (lines, lines with those joined that the terminal had to wrap, the bytes)."""
        name, raw, done = window
        deadline = time.monotonic() + 30
        while not os.path.exists(done) and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.2)  # for tmux to read the last of it
        kept = [self("capture-pane", "-p", "-S", "-", *more, "-t", name) for more in ((), ("-J",))]
        with open(raw, encoding="utf-8", errors="surrogateescape") as file:
            kept.append(file.read())
        lines, joined, raws = (text.split(MARK)[:-1] for text in kept)
        return zip(map(stripped, lines), map(stripped, joined), raws)


def stripped(text):
    return [line.rstrip() for line in text.strip("\n").split("\n")]


def bare(text):
    return "".join(text.split())


def lost(line, shown):
    """What of a line in a file the terminal does not show; paths may be cut."""
    if PATH_LINE.search(line) or line.lstrip().startswith("/"):
        line = re.split(r"/|\.\.\.", line.rstrip("."))[-1]
    return "" if bare(line) in shown else line


def lost_of_table(table, shown):
    cells = [cell for row in table.splitlines()[1:] for cell in re.split(r" {2,}", row.strip())[:4]]
    return [cell for cell in cells if "..." not in cell and bare(cell.removeprefix("in ")) not in shown]


def cut(lines, wide, width):
    """Words that no wide report has, nor has in a word too long for the line."""
    def words(text):
        return {word.strip(",.:;()") for word in text.split()}

    whole = words(wide)
    whole |= {word.rsplit("/", 1)[1] for word in whole if "/" in word}  # of a path, its end
    long = [word for word in whole if len(word) > (LONGEST_WORD if width < 40 else width - 30)]
    return [word for word in words(re.sub(r"\S*\.\.\.\S*", "", "\n".join(lines))) - whole
            if word != "limit" and not any(word in other for other in long)]


def steering(raw):
    """Controls that are no colour of ours, and lines that end coloured."""
    plain = COLOUR.sub("", raw.replace("\r\n", "\n"))
    found = sorted({ascii(c) for c in plain if ord(c) < 32 and c != "\n" or 127 <= ord(c) < 160})
    for line in raw.split("\r\n"):
        codes = COLOUR.findall(line)
        if codes and codes[-1] != "\x1b[0m":
            found.append(f"a line that ends coloured: {line!r}")
    return found


def faults(width, piped, wide, screen):
    """What is wrong with a report on a terminal of that width."""
    lines, joined, raw = screen
    shown = bare("\n".join(lines))
    if len(lines) < 3:
        return [f"nothing is shown: {lines}"]
    found = [f"the terminal wrapped {set(joined) - set(lines)}"] if len(joined) != len(lines) else []
    found += [f"it steers the terminal: {fault}" for fault in steering(raw)]
    if not COLOUR.search(raw):
        found.append("it has no colours")
    table = TABLE.search(piped)
    rest = piped.replace(table[0], "") if table else piped
    found += [f"{part!r} is lost" for part in
              filter(None, [lost(line, shown) for line in rest.splitlines() if line.strip()])]
    found += [f"{part!r} of the table is lost" for part in (lost_of_table(table[0], shown) if table else [])]
    return found + [f"{word!r} is cut" for word in cut(lines, wide, width)]


def check(bench, recordings):
    tmux = Tmux(bench)
    windows = {width: tmux.start(width, [(bench.dbleak.program, "report", path) for path in recordings])
               for width in WIDTHS}
    texts = [[bench.dbleak.run("report", path, *more).out.decode() for more in ((), ("--wide",))]
             for path in recordings]
    for width, window in windows.items():
        screens = list(tmux.screens(window))
        bench.check(len(screens) == len(recordings), f"{len(screens)} reports on {width} columns")
        for path, (piped, wide), screen in zip(recordings, texts, screens):
            for fault in faults(width, piped, wide, screen):
                bench.check(False, f"{os.path.basename(path)} on {width} columns: {fault}")


def without():
    return None if shutil.which("tmux") else "tmux"


@live("on terminals of 20 to 200 columns a report fits, no word is cut and nothing is lost", needs=(),
      group="terminal", without=without)
def widths(bench):
    check(bench, sorted(glob.glob(os.path.join(GOLDEN, "*.dbleak"))))


@live("names of 10,000 bytes, from right to left, combining or steering, fit every terminal", group="terminal",
      without=without)
def hostile_names(bench):
    path, hostile = bench.file("recording"), "\u05d0\u202e\x1b[2J\u0301" + "e\u0301" * 3000
    clients = [bench.client("hostile.py", "names"), bench.client("hostile.py", "long", hostile)]
    look = bench.dbleak.run("record", "-o", path, "-p", ",".join(str(client.pid) for client in clients),
                            "--duration", 6, "--show-arguments")
    bench.check(look.status in (0, 1), f"status {look.status}: {look.err[-300:]}")
    check(bench, [path])
    text = bench.dbleak.run("report", path).out.decode()
    for client in clients:
        bench.check(f"[{client.pid}]" in text, f"{client.pid} is not in the report")
