# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""`dbleak run`: the command runs as its user and as if it had been started alone."""
import contextlib
import grp
import json
import os
import pty
import pwd
import resource
import shutil
import signal
import subprocess
import time

from harness import CLIENTS, environment
from solo import live

USER = "nobody"
CALLER = "SUDO_UID", "SUDO_GID", "SUDO_USER"


def probe(bench, say):
    """A program that any user can read and start, and the file it writes to."""
    script, out = bench.file("as_if.py"), bench.file("seen.json")
    shutil.copy(os.path.join(CLIENTS, "as_if.py"), script)
    os.chmod(script, 0o755)
    with open(out, "w"):
        os.chmod(out, 0o666)
    return ["/usr/bin/python3", script, out, say], out


def look(bench, *options, traced=True, dbleak=(), **more):
    """What the command saw, the status, and what was said on standard error."""
    command, out = probe(bench, "one  two")
    if traced:
        command = [*dbleak, bench.dbleak.program, "run", "-o", "/dev/null", *options, "--", *command]
    more.setdefault("env", environment({}))
    more.setdefault("stdin", subprocess.DEVNULL)
    more.setdefault("cwd", bench.janitor.folder)
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60, **more)
    with open(out) as file:
        text = file.read()
    seen = json.loads(text) if text else None
    if seen:
        del seen["descriptors"]["2"]  # each run has its own
    return seen, done.returncode, done.stderr.decode(errors="replace")


def started_oddly():
    """In the child: what nohup(1), make(1) and shells do to programs they start."""
    os.umask(0o027)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]  # sudo(8) lets no core be written
    resource.setrlimit(resource.RLIMIT_CORE, (4096 if hard == resource.RLIM_INFINITY else min(4096, hard), hard))


def differences(one, two):
    return {key: (one.get(key), two.get(key)) for key in {*one, *two} if one.get(key) != two.get(key)}


@live("run: the command finds descriptors, signals, limits, umask and folder as if alone", needs=(), group="run")
def run_as_if_alone(bench):
    reader, writer = os.pipe()
    lock = os.open(bench.file("lock"), os.O_RDWR | os.O_CREAT, 0o600)
    for pipes in (True, False):  # SIGPIPE as Python leaves it, and as others do
        more = dict(pass_fds=(reader, writer, lock), preexec_fn=started_oddly, restore_signals=pipes)
        alone, bare, _ = look(bench, traced=False, **more)
        traced, status, said = look(bench, **more)
        bench.check(bare == status == 0, f"status {status}, alone {bare}: {said[-300:]}")
        if bench.check(traced, f"the command was not started: {said[-300:]}"):
            odd = differences(alone, traced)
            bench.check(not odd, f"alone and traced: {odd}")
    for fd in (reader, writer, lock):
        os.close(fd)


@live("run: streams that were closed stay closed", needs=(), group="run")
def run_closed_streams(bench):
    def close_streams():
        os.close(0)
        os.close(1)

    alone, _, _ = look(bench, traced=False, preexec_fn=close_streams, stdin=None)
    traced, status, said = look(bench, preexec_fn=close_streams, stdin=None)
    bench.check(traced and traced["descriptors"] == alone["descriptors"],
                f"status {status}: {traced and traced['descriptors']}, alone {alone['descriptors']}: {said[-200:]}")


def caller(name):
    entry = pwd.getpwnam(name)
    return entry, environment(dict(zip(CALLER, (str(entry.pw_uid), str(entry.pw_gid), name)),
                                   SUDO_COMMAND="/usr/bin/dbleak", HOME="/root", USER="root", LOGNAME="root"))


def is_user(bench, seen, entry, groups):
    status = seen["status"]
    bench.check(status["Uid"] == " ".join([str(entry.pw_uid)] * 4), f"uid {status['Uid']}")
    bench.check(status["Gid"] == " ".join([str(entry.pw_gid)] * 4), f"gid {status['Gid']}")
    bench.check({int(group) for group in status["Groups"].split()} == groups, f"groups {status['Groups']}")
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        bench.check(int(status[name], 16) == 0, f"{name} {status[name]}")
    env = seen["environment"]
    found = env.get("HOME"), env.get("USER"), env.get("LOGNAME")
    bench.check(found == (entry.pw_dir, entry.pw_name, entry.pw_name), f"HOME, USER, LOGNAME {found}")
    bench.check(env["PATH"] == os.environ["PATH"], f"PATH {env['PATH']}")
    bench.check(not [name for name in env if name.startswith("SUDO_")], "it believes that it runs under sudo")


@live("run: under sudo the command runs as whoever called, with no right of root's", needs=(), group="run")
def run_as_caller(bench):
    alone, _, _ = look(bench, traced=False)
    for name in (USER, "postgres"):
        with contextlib.suppress(KeyError):
            entry, env = caller(name)
            seen, status, said = look(bench, env=env)
            if bench.check(seen and status == 0, f"{name}: status {status}: {said[-300:]}"):
                is_user(bench, seen, entry, set(os.getgrouplist(name, entry.pw_gid)))
                # What sudo itself needs when the command calls it.
                for key in ("NoNewPrivs", "CapBnd", "Seccomp"):
                    bench.check(seen["status"][key] == alone["status"][key], f"{key} {seen['status'][key]}")


@live("run: --user names somebody else, root too; a number without an entry has no group", needs=(), group="run")
def run_as_wanted(bench):
    entry, env = caller(USER)
    seen, _, said = look(bench, "--user", "root", env=env)
    bench.check(seen and seen["status"]["Uid"] == "0 0 0 0", f"--user root: {seen and seen['status']}: {said[-200:]}")
    for wanted in (USER, str(entry.pw_uid)):
        seen, _, said = look(bench, "--user", wanted)
        if bench.check(seen, f"--user {wanted}: {said[-300:]}"):
            is_user(bench, seen, entry, set(os.getgrouplist(USER, entry.pw_gid)))
    seen, _, said = look(bench, "--user", "54321")
    nogroup = grp.getgrgid(65534).gr_gid
    bench.check(seen and (seen["status"]["Uid"].split()[0], seen["status"]["Groups"]) == ("54321", str(nogroup)),
                f"--user 54321: {seen and seen['status']}: {said[-200:]}")


@live("run: whoever cannot be told apart from root is refused, not taken for root", needs=(), group="run")
def run_as_nobody_known(bench):
    for value in ("", "root", "-1", "4294967295", "1000x"):
        seen, status, said = look(bench, env=environment({"SUDO_UID": value}))
        bench.check(seen is None and status == 2 and "--user" in said, f"SUDO_UID={value!r}: {status}: {said[-200:]}")
    seen, status, said = look(bench, "--user", "no-such-user")
    bench.check(seen is None and status == 2 and "no-such-user" in said, f"--user no-such-user: {status}: {said}")
    seen, _, said = look(bench)
    bench.check(seen and seen["status"]["Uid"] == "0 0 0 0" and not said, f"plain root: {seen and said}")


@live("run: on a terminal the command is in the foreground, of this user", needs=(), group="run")
def run_on_terminal(bench):
    entry, env = caller(USER)
    for options in ({}, {"env": env}):
        here, there = pty.openpty()
        os.fchown(there, entry.pw_uid, -1)

        def take_terminal():
            os.setsid()
            import fcntl
            import termios
            fcntl.ioctl(there, termios.TIOCSCTTY, 0)

        seen, status, said = look(bench, stdin=there, pass_fds=(), preexec_fn=take_terminal, **options)
        name = os.ttyname(there)
        bench.check(seen and status == 0 and seen["terminal"] == {"name": name, "foreground": True},
                    f"terminal {seen and seen['terminal']}, status {status}: {said[-200:]}")
        bench.check(seen and seen["same_group"], "the command is in another process group")
        os.close(here)
        os.close(there)


@live("run: the command's end by a signal is told as a shell tells it, signals are passed on", needs=(), group="run")
def run_signals(bench):
    for name in ("SEGV", "KILL", "TERM"):
        done = bench.dbleak.run("run", "--", "/bin/sh", "-c", f"kill -{name} $$")
        bench.check(done.status == 128 + signal.Signals["SIG" + name], f"SIG{name}: status {done.status}")
    script = "trap 'exit 9' USR1; echo ready; while :; do sleep 0.1; done"
    for number, expected in ((signal.SIGUSR1, 9), (signal.SIGTERM, 128 + signal.SIGTERM),
                             (signal.SIGQUIT, 128 + signal.SIGQUIT)):
        process = bench.dbleak.start("run", "-o", "/dev/null", "--user", USER, "--", "/bin/sh", "-c", script)
        process.stdout.readline()
        process.send_signal(number)
        done = bench.dbleak.finish(process, patience=20)
        bench.check(done.status == expected, f"{number!r}: status {done.status}: {done.err[-200:]}")


@live("run: who reads the command's pipes waits for the command alone", needs=(), group="run")
def run_pipes(bench):
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    process = subprocess.Popen(
        [bench.dbleak.program, "run", "-o", "/dev/null", "--", "/bin/sh", "-c",
         f"exec {writer}>&- >/dev/null </dev/null; sleep 20"], pass_fds=(writer,),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    bench.janitor.watch(process.pid, signal.SIGTERM)
    os.close(writer)
    began = time.monotonic()
    bench.check(os.read(reader, 1) == b"" and process.stdout.read() == b"", "bytes came out of the pipes")
    took = time.monotonic() - began
    bench.check(took < 15, f"they ended after {took:.0f} s, with the command")
    os.close(reader)
    process.terminate()
    process.communicate()


@live("run: a report into a pipe of the shell's reaches it, and the command has no end of it", needs=(), group="run")
def run_report_pipe(bench):
    command, out = probe(bench, "x")
    reader, writer = os.pipe()
    done = subprocess.Popen([bench.dbleak.program, "run", "--json", "-o", f"/dev/fd/{writer}", "--", *command],
                            pass_fds=(writer,), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    bench.janitor.watch(done.pid, signal.SIGTERM)
    os.close(writer)
    with open(reader, "rb") as pipe:
        report = json.loads(pipe.read())
    _, said = done.communicate()
    bench.check(done.returncode == 0 and report["schema"].startswith("dbleak.report/"), f"{done.returncode}: {said}")
    with open(out) as file:
        bench.check(str(writer) not in json.load(file)["descriptors"], "the command holds the report's pipe")


@live("run: the report reaches a folder of somebody else's, beside which nothing is left", needs=(), group="run")
def run_report_file(bench):
    folder, (entry, env) = bench.file("home"), caller(USER)
    os.mkdir(folder, 0o755)
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    path = os.path.join(folder, "report.json")
    for before in (None, "old"):
        if before:
            with open(path, "w") as file:
                file.write(before)
            os.chown(path, entry.pw_uid, entry.pw_gid)
        done = bench.dbleak.run("run", "--json", "-o", path, "--", "/bin/true", env=env)
        bench.check(done.status == 0, f"status {done.status}: {done.err[-300:]}")
        bench.check(os.listdir(folder) == ["report.json"], f"the folder holds {os.listdir(folder)}")
        with open(path) as file:
            bench.check(json.load(file)["schema"].startswith("dbleak.report/"), "it is no report")
        bench.private(path)
        bench.check(os.stat(path).st_uid == entry.pw_uid, "the caller of sudo does not own the report")
