# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Opens connections from all kinds of places in Python code, and says of each where it was.  No library
but Python's own, so that any version can run it."""
import asyncio
import ctypes
import functools
import importlib.util
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

ADDRESS = (os.environ["PGHOST"], int(os.environ["PGPORT"]))
FIELDS = b"user\0app\0database\0shop\0\0"
STARTUP = struct.pack("!II", 8 + len(FIELDS), 196608) + FIELDS
KEPT, TURN = [], threading.Lock()


def say(s, frame):
    s.sendall(STARTUP)
    s.recv(1)
    place = "|".join("%s:%s:%d" % (getattr(f.f_code, "co_qualname", f.f_code.co_name), f.f_code.co_filename, line)
                     for f, line in traceback.walk_stack(frame))
    with TURN:
        KEPT.append(s)
        print("stack", s.getsockname()[1], place, flush=True)


def connect():
    s = socket.socket()
    s.connect(ADDRESS); say(s, sys._getframe())


def deep(n):
    return deep(n - 1) if n else connect()


class Shop:
    def orders(self):
        return [connect() for _ in range(1)], (lambda: connect())()

    @staticmethod
    def items():
        connect()

    def __del__(self):
        connect()


def rows():
    yield 1
    connect()
    yield 2


def delegated():
    yield from rows()


def wrapped(f):
    @functools.wraps(f)
    def around(*args):
        return f(*args)
    return around


@wrapped
def sorted_by(x):
    return sorted([2, 1], key=lambda v: (connect(), v)[1])


def on_many_lines():
    connect(
    )
    both = (1,
            connect(),
            2)
    try:
        raise ValueError
    except ValueError:
        connect()
    finally:
        connect()
    while both:
        with open(os.devnull), \
             open(os.devnull):
            connect()
        both = None


async def awaited(n):
    if n:
        await awaited(n - 1)
    else:
        connect()


async def gathered():
    await asyncio.gather(awaited(1), awaited(4))


def compiled():
    """Kept: what is freed at once may be gone before it can be read."""
    many = "def many(v):\n" + "".join("  if v == %d:\n    connect()\n\n" % i for i in range(300))
    for source, name in (("def caf\u00e9_\u540d():\n\n  connect()\ncaf\u00e9_\u540d()\n", "tmp\u00e9.py"),
                         ("connect()\n", "\x1b]0;owned\x07\x1b[2J.py"),
                         ("\n" * 400 + "connect()\n" + "x = 1\n" * 300 + "connect()\n", "long.py"),
                         (many + "for i in 0, 77, 255, 256, 299: many(i)\n", "many.py")):
        KEPT.append(compile(source, name, "exec"))
        exec(KEPT[-1], {"connect": connect})


def rewritten():
    """A module whose file is another by the time that it runs."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "changing.py")
        with open(path, "w") as file:
            file.write("def run(connect):\n    connect()\n")
        spec = importlib.util.spec_from_file_location("changing", path)
        KEPT.append(importlib.util.module_from_spec(spec))
        spec.loader.exec_module(KEPT[-1])
        with open(path, "w") as file:
            file.write("\n" * 30 + "def other():\n    pass\n")
        KEPT[-1].run(connect)


def signalled():
    signal.signal(signal.SIGUSR1, lambda number, frame: connect())
    os.kill(os.getpid(), signal.SIGUSR1)
    time.sleep(0)


def in_threads():
    threads = [threading.Thread(target=deep, args=(i,)) for i in range(5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def in_children():
    sys.stdout.flush()
    child = os.fork()
    if not child:
        connect()
        deep(2)
        time.sleep(0.5)  # else its memory may be gone before it can be read
        os._exit(0)
    os.waitpid(child, 0)
    said = subprocess.run([sys.executable, __file__, "child"], stdout=subprocess.PIPE, check=True)
    sys.stdout.write(said.stdout.decode())


def main():
    if sys.argv[1:] == ["child"]:
        connect()
        time.sleep(0.5)
        return
    if sys.argv[1:] == ["private"]:  # no other user may look into it
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE
    connect()
    for n in (3, 20, 49, 100):
        deep(n)
    shop = Shop()
    shop.orders()
    shop.items()
    del shop
    list(delegated())
    sorted_by(1)
    on_many_lines()
    asyncio.run(gathered())
    compiled()
    rewritten()
    signalled()
    in_threads()
    in_children()


sys.stdout.reconfigure(encoding="utf-8")
main()
