# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Reads the records of a recording that the tests count by.  Layouts are those of bpf/event.h."""
import struct
from collections import namedtuple

HEAD = struct.Struct("<QIHH")  # when, checksum, kind, size
UNKNOWN64 = 2 ** 64 - 1

LAYOUTS = {  # kind: (name, format after the head, fields; "_" is passed over)
    4: ("process", "QQIIII16s256s16s72s64s",
        "start_ns _ pid _ _ libraries comm cmdline runtime container_id container_name"),
    7: ("connection", "12Q11I4B16s",
        "id start_ns born_ns used_ns _ _ _ _ _ _ requests rows _ _ _ _ prepared unprepared pid tid _ _ flags "
        "database signs status cursors comm"),
    8: ("identity", "Q16s4H108s64s64s64sI", "id address port local_port family _ path user name application _"),
    14: ("loss", "6Q", "ring_full map_full read_fault missed_return truncated _"),
    15: ("cost", "7QII", "cpu_ns bpf_ns events _ _ _ _ stepped_down _"),
    19: ("library", "5QIIII64s256s",
         "device inode seen_ns attached_ns hits library probes cheap detached build_id path"),
    20: ("site", "9QIIII32s32s",
         "start_ns site caller acquired released unseen failed last_ns rows pid resource database detached "
         "object release"),
    21: ("handle", "9Q8I",
         "start_ns handle parent connection born_ns used_ns site rows bytes acquired released pid tid resource "
         "database flags _"),
    22: ("handle_closed", "3QII", "start_ns handle born_ns pid resource"),
}
CONNECTION, STATEMENT, CURSOR, RESULT, MEMORY = 1, 3, 4, 5, 6  # enum ev_resource


def _maker(name, layout, fields):
    names = [f"skipped{n}" if field == "_" else field for n, field in enumerate(fields.split())]
    packed, kind = struct.Struct("<" + layout), namedtuple(name, ["ns"] + names)

    def make(ns, raw):
        if len(raw) != packed.size:
            raise ValueError(f"a {name} record has {len(raw)} bytes after its head, not {packed.size}: "
                             "tests/live/records.py and bpf/event.h differ")
        values = [value.split(b"\0")[0].decode(errors="replace") if isinstance(value, bytes) and len(value) != 16
                  or name == "process" and isinstance(value, bytes) else value for value in packed.unpack(raw)]
        return kind(ns, *values)
    return name, make


MAKERS = {number: _maker(*layout) for number, layout in LAYOUTS.items()}


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
