# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Reads the records of a recording that the tests count by, laid out as bpf/event.h says."""
import os
import re
import struct
from collections import namedtuple

EVENT_H = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bpf", "event.h")
HEAD = struct.Struct("<QIHH")  # when, checksum, kind, size
CODES = {"__u64": "Q", "__u32": "I", "__u16": "H", "__u8": "B"}
WANTED = ("connection", "loss", "cost", "library", "site", "handle", "handle_closed", "identity",
          "memory", "memory_site", "unfollowed")


def code_of(kind, length):
    """Text and arrays as bytes, numbers as numbers."""
    if kind == "char":
        return f"{length}s"
    return f"{length * struct.calcsize(CODES[kind])}s" if length else CODES[kind]


def declarations(text):
    """{NAME: [(field, struct code)]} of struct ev_NAME after its head; no struct has holes."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    sizes = dict(re.findall(r"^(?:#define|\s+)\s*(\w+)\s+(?:= )?(\d+)", text, re.MULTILINE))
    found = {}
    for name, body in re.findall(r"^struct ev_(\w+) \{(.*?)^\};", text, re.DOTALL | re.MULTILINE):
        fields = []
        for kind, names in re.findall(r"^\s*(?:struct )?(\w+) (.*?);", body, re.MULTILINE):
            for field, length in re.findall(r"(\w+)(?:\[(\w+)\])?", names):
                if kind != "ev_head":
                    fields.append((field, code_of(kind, length and int(sizes.get(length, length)))))
        found[name] = fields
    return found


def _maker(name, fields):
    packed = struct.Struct("<" + "".join(code for _, code in fields))
    kind = namedtuple(name, ["ns"] + [field for field, _ in fields])

    def make(ns, raw):
        if len(raw) != packed.size:
            raise ValueError(f"a {name} record has {len(raw)} bytes after its head, bpf/event.h says {packed.size}")
        return kind(ns, *(value.split(b"\0")[0].decode(errors="replace") if isinstance(value, bytes) else value
                          for value in packed.unpack(raw)))
    return name, make


def _makers():
    with open(EVENT_H) as file:
        text = file.read()
    structs = declarations(text)
    return {int(number): _maker(name.lower(), structs[name.lower()])
            for name, number in re.findall(r"^\s*EV_(\w+) = (\d+),", text, re.MULTILINE)
            if name.lower() in WANTED and structs.get(name.lower())}


MAKERS = _makers()
TICK = 3  # enum ev_kind
GROWTH = 1  # enum ev_tier
UNKNOWN = 2 ** 64 - 1
CONNECTION, STATEMENT, CURSOR, RESULT, MEMORY = 1, 3, 4, 5, 6  # enum ev_resource


def read(path):
    """Yields (name, record) in the order of the recording."""
    with open(path, "rb") as file:
        raw = file.read()
    at = 0
    while at < len(raw):
        ns, _, kind, size = HEAD.unpack_from(raw, at)
        if size < HEAD.size or at + size > len(raw):
            raise ValueError(f"a record of {size} bytes at {at}")
        if kind in MAKERS:
            name, make = MAKERS[kind]
            yield name, make(ns, raw[at + HEAD.size:at + size])
        at += size


class Records:
    """What a recording says in the end: the last record of each site, handle and connection."""

    def __init__(self, path):
        self.sites, self.handles, self.closed = {}, {}, set()
        self.connections, self.libraries, self.loss, self.cost = {}, {}, None, None
        for name, record in read(path):
            if name == "site":
                self.sites[record.pid, record.start_ns, record.site] = record
            elif name == "handle":
                self.handles[self._name(record)] = record
            elif name == "handle_closed":
                self.closed.add(self._name(record))
            elif name == "connection":
                self.connections[record.id] = record
            elif name == "library":
                self.libraries[record.device, record.inode, record.library] = record
            elif name in ("loss", "cost"):
                setattr(self, name, record)

    @staticmethod
    def _name(record):
        return record.pid, record.start_ns, record.resource, record.handle, record.born_ns

    def counts(self, pid):
        """{object: (acquired, released, unseen)} of one process."""
        found = {}
        for site in self.sites.values():
            if site.pid == pid:
                a, r, u = found.get(site.object, (0, 0, 0))
                found[site.object] = (a + site.acquired, r + site.released, u + site.unseen)
        return found

    def open_handles(self, pid, resource):
        """{address: record} of what was told of and not closed since."""
        return {name[3]: record for name, record in self.handles.items()
                if name[0] == pid and name[2] == resource and name not in self.closed}


Place = namedtuple("Place", "function file line flags language")
Stack = namedtuple("Stack", "places flags pid")
OPENED, BEGUN, PREPARED, ACQUIRED, SITE, LARGE = 1, 2, 3, 4, 5, 6  # enum ev_evidence_kind
CUT, GREENLET = 1, 4  # enum ev_stack_flag


def _head_of(name):
    """(number, struct, maker) of a record that is cut in its last field."""
    with open(EVENT_H) as file:
        text = file.read()
    fields = declarations(text)[name]
    if name != "evidence":
        fields = fields[:-1]
    number = int(re.search(rf"^\s*EV_{name.upper()} = (\d+),", text, re.MULTILINE)[1])
    return number, struct.Struct("<" + "".join(code for _, code in fields)), \
        namedtuple(name, [field for field, _ in fields])


class Stacks:
    """What a recording says of call stacks."""

    def __init__(self, path):
        self.frames, self.stacks, self.evidence = {}, {}, {}
        take = {"frame": self._frame, "stack": self._stack, "evidence": self._evidence}
        self.kinds = {number: (packed, kind, take[name])
                      for name in take for number, packed, kind in [_head_of(name)]}
        with open(path, "rb") as file:
            raw = file.read()
        at = 0
        while at < len(raw):
            _, _, number, size = HEAD.unpack_from(raw, at)
            if number in self.kinds:
                packed, kind, then = self.kinds[number]
                body = raw[at + HEAD.size:at + size]
                then(kind(*packed.unpack_from(body)), body[packed.size:])
            at += size

    def _frame(self, record, text):
        lengths = (record.function_length, record.file_length)
        function, file = text[:lengths[0]], text[lengths[0]:sum(lengths)]
        self.frames[record.id] = Place(function.decode(errors="replace"), file.decode(errors="replace"),
                                       record.line, record.flags, record.language)

    def _stack(self, record, ids):
        self.stacks[record.id] = (struct.unpack_from(f"<{record.count}Q", ids), record.flags, record.pid)

    def _evidence(self, record, _):
        self.evidence[record.kind, record.object, record.second] = record.stack

    def of(self, kind, object, second=0):
        """The stack of that moment, or None."""
        found = self.stacks.get(self.evidence.get((kind, object, second)))
        return found and Stack([self.frames[id] for id in found[0]], found[1], found[2])


class Memory:
    """What a recording says of the memory of processes, as the growth tier sees it."""

    def __init__(self, path):
        self.stacks, self.sizes, self.sites = Stacks(path), {}, {}
        self.limits = {}  # {pid: {(enum ev_limit, bytes)}}
        for name, record in read(path):
            if name == "memory":
                self.limits.setdefault(record.pid, set()).add((record.limit, record.limit_bytes))
                self.sizes.setdefault(record.pid, []).append((record.ns, record.anonymous_bytes + record.swapped_bytes))
            elif name == "memory_site" and record.tier == GROWTH:
                self.sites[record.pid, record.site] = record

    def sites_of(self, pid):
        """[(the last record of a site, its places)]"""
        found = []
        for (owner, _), site in self.sites.items():
            if owner == pid:
                stack = self.stacks.stacks.get(site.stack)
                found.append((site, [self.stacks.frames[id] for id in stack[0]] if stack else []))
        return found

    def grown(self, pid):
        """By how much its memory has grown since it was first sampled."""
        first = min((site.first_ns for site, _ in self.sites_of(pid)), default=0)
        before = [size for ns, size in self.sizes.get(pid, ()) if ns <= first]
        return self.sizes[pid][-1][1] - before[-1] if before else 0


def longest_silence(path):
    """Seconds from one tick to the next, at most: so long nothing was looked at."""
    with open(path, "rb") as file:
        raw = file.read()
    at, last, longest = 0, None, 0
    while at + HEAD.size <= len(raw):
        ns, _, kind, size = HEAD.unpack_from(raw, at)
        if kind == TICK:
            longest = max(longest, ns - (last or ns))
            last = ns
        at += size or len(raw)
    return longest / 1e9
