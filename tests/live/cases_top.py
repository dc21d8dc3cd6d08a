# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""`dbleak top` on a terminal, in tmux: the guilty line is on the first screen, keys do what htop's do, and the terminal
comes back as it was."""
import glob
import os
import re
import shlex
import signal
import time

from cases_held import line_of
from cases_terminal import Tmux, without
from solo import live

PATIENCE, QUICK = 20, 10  # seconds: to attach and to judge; to find the line once there is a screen
CLIENT, DRIVER = "unclosed.py", "psycopg2"


class Terminal:
    """A shell in a window of tmux, in a folder of its own."""

    def __init__(self, bench, width=80, height=24, **variables):
        self.bench, self.tmux = bench, Tmux(bench)
        self.folder = bench.file("top")
        os.mkdir(self.folder)
        env = {"TERM": "screen-256color", "LC_ALL": "C.UTF-8", "PS1": "shell> "} | variables
        words = [f"{name}={value}" for name, value in env.items() if value is not None]
        unset = [word for name, value in env.items() if value is None for word in ("-u", name)]
        self.tmux("set-option", "-g", "status", "off", ";", "new-session", "-d", "-x", width, "-y", height, "-s", "t",
                  "-c", self.folder, "exec " + shlex.join(["env", *unset, *words, "bash", "--norc", "--noprofile"]))
        self.wait(lambda screen: "shell>" in screen, "a shell")

    def screen(self):
        return self.tmux("capture-pane", "-p", "-t", "t")

    def keys(self, *names):
        self.tmux("send-keys", "-t", "t", *names)

    def line(self, text):
        self.tmux("send-keys", "-t", "t", "-l", text)
        self.keys("Enter")

    def resize(self, width, height):
        self.tmux("resize-window", "-t", "t", "-x", width, "-y", height)

    def wait(self, true, what, patience=5):
        """The screen once it is so; a fault if it never is."""
        deadline = time.monotonic() + patience
        while not true(screen := self.screen()) and time.monotonic() < deadline:
            time.sleep(0.1)
        self.bench.check(true(screen), f"{what} is not on the screen within {patience} s:\n{screen}")
        return screen

    def shows(self, *words, patience=5):
        return self.wait(lambda screen: all(word in screen for word in words), repr(words), patience)

    def top(self, *options):
        """Starts it, the settings of the terminal before and after in files."""
        command = shlex.join([self.bench.dbleak.program, "top", *map(str, options)])
        self.line(f"stty -a >before; clear; {command}; echo status $?; stty -a >after")

    def settings_are_back(self):
        kept = []
        for name in ("before", "after"):
            with open(os.path.join(self.folder, name)) as file:
                kept.append(re.sub(r"rows \d+; columns \d+", "", file.read()))
        self.bench.check(kept[0] and kept[0] == kept[1], f"the terminal was {kept[0]!r} and is {kept[1]!r}")

    def pid(self):
        """Of dbleak itself, the only child of the shell."""
        shell = self.tmux("display-message", "-p", "-t", "t", "#{pane_pid}").strip()
        with open(f"/proc/{shell}/task/{shell}/children") as file:
            return int(file.read().split()[0])


def leaker(bench):
    client = bench.client(CLIENT, DRIVER)
    return client, f"{CLIENT}:{line_of(CLIENT, DRIVER)[0]}"


@live("top shows the guilty line on its first screen, and Enter its stack and SQL", group="top", without=without)
def guilty_line(bench):
    client, line = leaker(bench)
    terminal = Terminal(bench)
    terminal.top("-p", client.pid, "--min-age", 1)
    terminal.shows("VERDICT", patience=PATIENCE)
    screen = terminal.shows("leaking", line, patience=QUICK)
    rows = [row for row in screen.splitlines() if str(client.pid) in row and "leaking" in row]
    bench.check(len(rows) == 1, f"{len(rows)} rows are of the leaker:\n{screen}")
    bench.check("LEAK: 1 process leaks connections" in screen, f"the answer is not there:\n{screen}")
    terminal.keys("Enter")
    screen = terminal.shows("stack", f"{client.pid}", line, "last SQL", "select id, name from items")
    bench.check("sesame" not in screen, f"a literal of SQL is shown:\n{screen}")
    terminal.keys("End")
    terminal.shows("holds", "connections open")
    terminal.keys("Escape")
    terminal.shows("VERDICT", "PROCESS")
    terminal.keys("q")
    screen = terminal.shows("status 1", "shell>", patience=PATIENCE)
    bench.check("VERDICT" not in screen, f"the screen is still there:\n{screen}")
    bench.check(re.search(r"[0-9]+ leaked", screen), f"there is no report:\n{screen}")
    terminal.settings_are_back()
    bench.check(not glob.glob(f"{terminal.folder}/.dbleak*") and not glob.glob(f"{terminal.folder}/dbleak*"),
                f"nobody asked for {os.listdir(terminal.folder)}")


@live("top marks what a baseline knows, and fails no more", group="top", without=without)
def baseline(bench):
    client, line = leaker(bench)
    first = bench.dbleak.run("watch", "-p", client.pid, "--min-age", 1, "-d", 6, "--brief", "-q")
    known = bench.file("known")
    with open(known, "wb") as file:
        file.write(first.out)
    bench.check(first.status == 1 and line.encode() in first.out, f"the first watch: {first.status} {first.out!r}")
    terminal = Terminal(bench)
    terminal.top("-p", client.pid, "--min-age", 1, "--baseline", known)
    screen = terminal.shows("leaking", f"{line} ", "(): known, ", patience=PATIENCE)
    bench.check("Nothing new" in screen, f"the answer does not say it:\n{screen}")
    terminal.keys("Enter")
    terminal.shows(" call, known\n")
    terminal.keys("q")
    terminal.shows("status 0", patience=PATIENCE)


@live("top sorts, filters, freezes and fits any size", group="top", without=without)
def keys(bench):
    client, line = leaker(bench)
    terminal = Terminal(bench)
    terminal.top("-p", client.pid, "--min-age", 1, "-q")
    terminal.shows("leaking", line, patience=PATIENCE)
    terminal.keys("/")
    terminal.line("nobody has this")
    terminal.shows("No row has that text")
    terminal.keys("Escape")
    terminal.shows(line)
    terminal.keys("F4")
    terminal.line("REPORT.MONTHLY")
    terminal.shows(line, 'only "REPORT.MONTHLY"')
    terminal.keys("Escape", "s", "Down", "Down", "Enter")
    terminal.shows("sorted by open", line)
    terminal.keys("2")
    terminal.shows("by line", f"{line} Report.monthly()")
    terminal.keys("3")
    terminal.shows("by database", "PostgreSQL 127.0.0.1")
    terminal.keys("1", "Space")
    frozen = terminal.shows("FROZEN", str(client.pid))
    time.sleep(2.5)
    bench.check(terminal.screen() == frozen, f"what is frozen moves:\n{frozen}\n{terminal.screen()}")
    terminal.keys("Space")
    terminal.wait(lambda screen: "FROZEN" not in screen and screen != frozen, "a screen that lives")
    for width, height in ((20, 5), (200, 50), (1, 1), (80, 24)):
        terminal.resize(width, height)
        if width > 1:
            terminal.shows(line)
    terminal.keys("q")
    screen = terminal.shows("status 1", patience=PATIENCE)
    bench.check("leaked" not in screen, f"-q has a report:\n{screen}")
    terminal.settings_are_back()


@live("a recording kept with r has all since top began, and replays", group="top", without=without)
def records(bench):
    client, line = leaker(bench)
    terminal = Terminal(bench)
    terminal.top("-p", client.pid, "--min-age", 1)
    terminal.shows("leaking", line, patience=PATIENCE)
    terminal.keys("r")
    terminal.shows("RECORDING", "Recording to dbleak-")
    terminal.keys("q")
    terminal.shows("status 1", "recording written to dbleak-", patience=PATIENCE)
    kept = glob.glob(f"{terminal.folder}/dbleak-*.rec")
    if bench.check(len(kept) == 1, f"{os.listdir(terminal.folder)}"):
        bench.private(kept[0])
        text = bench.dbleak.run("report", kept[0]).out.decode()
        bench.check(text.startswith("LEAK: 1 process leaks connections") and line in text, f"it says {text[:500]}")


@live("r says why no recording can be kept", group="top", without=without)
def cannot_record(bench):
    client, line = leaker(bench)
    for options, where, why in ((["--record-limit", "20K"], None, "more than --record-limit"),
                                ([], "/proc", "Cannot record to dbleak-")):
        terminal = Terminal(bench)
        terminal.line(f"cd {where or terminal.folder}; clear; {bench.dbleak.program} top -p {client.pid} --min-age 1 -q "
                      f"{' '.join(options)}; echo status $?")
        terminal.shows("leaking", line, patience=PATIENCE)
        terminal.keys("r")
        screen = terminal.shows(why)
        bench.check("RECORDING" not in screen, f"it says that it records:\n{screen}")
        terminal.keys("q")
        terminal.shows("status 1", patience=PATIENCE)
        bench.check(not os.listdir(terminal.folder), f"what is left: {os.listdir(terminal.folder)}")
        terminal.tmux("kill-server")


@live("Ctrl-Z, Ctrl-C and SIGQUIT give the terminal back", group="top", without=without)
def signals(bench):
    client, line = leaker(bench)
    terminal = Terminal(bench)
    terminal.top("-p", client.pid, "--min-age", 1)
    terminal.shows("leaking", line, patience=PATIENCE)
    terminal.keys("C-z")
    terminal.shows("Stopped", "shell>")
    terminal.line("stty -a >after")
    time.sleep(0.5)
    terminal.settings_are_back()
    terminal.line("fg")
    terminal.shows("VERDICT", line)
    terminal.keys("C-c")
    terminal.wait(lambda screen: "VERDICT" not in screen and "dbleak used" in screen and "leaked, all inside" in screen,
                  "the report after Ctrl-C", PATIENCE)
    terminal.top("-p", client.pid, "--min-age", 1)
    terminal.shows("leaking", line, patience=PATIENCE)
    os.kill(terminal.pid(), signal.SIGQUIT)
    terminal.shows("ended by SIGQUIT", "status 2", patience=PATIENCE)
    terminal.settings_are_back()


@live("a terminal that goes away ends top", group="top", without=without)
def hung_up(bench):
    client, line = leaker(bench)
    terminal = Terminal(bench)
    terminal.top("-p", client.pid, "--min-age", 1)
    terminal.shows("leaking", line, patience=PATIENCE)
    pid = terminal.pid()
    terminal.tmux("kill-session", "-t", "t")
    deadline = time.monotonic() + PATIENCE
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
        time.sleep(0.1)
    if not bench.check(not os.path.exists(f"/proc/{pid}"), "top lives on without a terminal"):
        os.kill(pid, signal.SIGKILL)


@live("without a terminal, or with one that nobody knows, top says what to use", needs=(), group="top", without=without)
def no_terminal(bench):
    bench.one_sentence(bench.dbleak.run("top"), "terminal", "dbleak watch")
    for kind, why in ((None, "TERM"), ("dumb", "TERM"), ("nosuch", "terminfo")):
        terminal = Terminal(bench, TERM=kind)
        terminal.line(f"{bench.dbleak.program} top; echo status $?")
        terminal.shows("status 2", why, "dbleak watch --duration 60s")
        terminal.tmux("kill-server")


@live("hostile names steer no terminal, and without UTF-8 and colours all is ASCII", group="top", without=without)
def hostile_names(bench):
    clients = [bench.client("hostile.py", "names"), bench.client("hostile.py", "long")]
    pids = ",".join(str(client.pid) for client in clients)
    terminal = Terminal(bench, width=100, height=40, LC_ALL="C", NO_COLOR="1")
    terminal.top("-p", pids, "--min-age", 1, "--show-arguments")
    screen = terminal.shows("leaking", *(str(client.pid) for client in clients), patience=PATIENCE)
    for keys_typed in ([], ["Enter"], ["End"], ["Escape"], ["2"], ["Down", "Enter"], ["Escape"], ["3"], ["4"]):
        if keys_typed:
            terminal.keys(*keys_typed)
            time.sleep(0.4)
        screen = terminal.screen()
        odd = sorted({ascii(c) for c in screen if c != "\n" and not " " <= c < "\x7f"})
        bench.check(not odd, f"after {keys_typed} the screen has {odd}:\n{screen}")
        bench.check("dbleak top" in screen.splitlines()[0], f"after {keys_typed} the screen is broken:\n{screen}")
    styled = terminal.tmux("capture-pane", "-p", "-e", "-t", "t")
    coloured = set(re.findall(r"\x1b\[[\d;]*?(3[0-7]|4[0-7])m", styled))
    bench.check(not coloured, f"NO_COLOR has colours {coloured}")
    terminal.keys("q")
    terminal.shows("status 1", patience=PATIENCE)
