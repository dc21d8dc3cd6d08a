# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Leaves nothing behind: ends what the tests started and removes the temporary folder.

A child process holds the other end of a pipe; should the test program die without saying
goodbye, kill -9 included, the child sees the pipe end and cleans up in its place.  Only processes
that were registered here are ended, with their descendants, each by its number.
"""
import os
import shutil
import signal
import tempfile
import time


class Janitor:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="dbleak-live-")
        os.chmod(self.folder, 0o755)
        self.leaders = {}     # pid -> the signal that ends it
        self.last_words = []  # functions to call first, newest first
        reader, self.writer = os.pipe()
        self.child = os.fork()
        if self.child == 0:
            os.close(self.writer)
            self._stand_by(reader)
        os.close(reader)
        os.set_inheritable(self.writer, False)

    def _stand_by(self, reader):
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        words = b""
        while chunk := os.read(reader, 4096):
            words += chunk
        live = {}
        for word in words.decode().split():
            leader, _, polite = word[1:].partition(":")
            if word[0] == "+":
                live[int(leader)] = int(polite)
            else:
                live.pop(int(leader), None)
        self._end_all(live)
        shutil.rmtree(self.folder, ignore_errors=True)
        os._exit(0)

    def watch(self, leader, polite=signal.SIGKILL):
        """Remember a process that we started in a session of its own, and how to end it."""
        self.leaders[leader] = polite
        os.write(self.writer, b"+%d:%d " % (leader, polite))

    @staticmethod
    def processes():
        """One look at all processes: [(pid, parent, session)]."""
        found = []
        for name in os.listdir("/proc"):
            if name.isdigit():
                try:
                    with open(f"/proc/{name}/stat", "rb") as stat:
                        state, parent, _, session = stat.read().rpartition(b")")[2].split()[:4]
                except OSError:
                    continue
                if state != b"Z":
                    found.append((int(name), int(parent), int(session)))
        return found

    @classmethod
    def family(cls, *leaders):
        """All processes of these leaders' sessions and their descendants in whatever session."""
        seen = cls.processes()
        members = {pid for pid, _, session in seen if session in leaders or pid in leaders}
        while more := {pid for pid, parent, _ in seen if parent in members} - members:
            members |= more
        return members

    @staticmethod
    def _send(pid, number):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass

    @classmethod
    def _end_all(cls, leaders, patience=5):
        """Each leader gets its own signal; what is left of their families is killed."""
        family = cls.family(*leaders)
        known = {(pid, session) for pid, _, session in cls.processes()}
        polite = {leader: number for leader, number in leaders.items() if number != signal.SIGKILL and leader in family}
        for leader, number in polite.items():
            cls._send(leader, number)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and cls.family(*polite):
            time.sleep(0.05)
        for pid, _, session in cls.processes():
            if pid in family and (pid, session) in known:  # not a number used again meanwhile
                cls._send(pid, signal.SIGKILL)

    def end(self, *processes):
        """End processes that we started, with their families."""
        leaders = {process.pid: self.leaders.pop(process.pid) for process in processes if process.pid in self.leaders}
        if leaders:
            self._end_all(leaders)
            os.write(self.writer, b"".join(b"-%d " % leader for leader in leaders))
        for process in processes:
            process.wait()

    def leave(self):
        while self.last_words:
            try:
                self.last_words.pop()()
            except Exception as trouble:  # whatever one fails to tidy, the others still must
                print(f"live: while tidying: {trouble}")
        self._end_all(self.leaders)
        self.leaders.clear()
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self.writer)
        os.waitpid(self.child, 0)
