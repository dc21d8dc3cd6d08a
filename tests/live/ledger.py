# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Reads a recording as bpf/event.h describes it: the header itself is the format's description."""
import os
import re
import struct
from types import SimpleNamespace

HEADER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bpf", "event.h")
CODES = {"__u64": "Q", "__u32": "I", "__u16": "H", "__u8": "B"}


def shapes(text):
    """{record name: [(field, struct code)]} and {constant: number}"""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    numbers = {name: int(value) for name, value in re.findall(r"^#define (EV_\w+)\s+(\d+)\b", text, re.MULTILINE)}
    numbers.update((name, int(value, 0)) for name, value in re.findall(r"\b(EV_\w+) = (0x[0-9a-f]+|\d+)", text))
    records = {}
    for name, body in re.findall(r"struct ev_(\w+) \{(.*?)\};", text, re.DOTALL):
        fields = []
        for kind, names in re.findall(r"(__u\d+|char) ([^;]+);", body):
            for field, size in re.findall(r"(\w+)(?:\[(\w+)\])?,? ?", names):
                count = numbers.get(size) or int(size or 1)
                fields.append((field, f"{count}s" if kind == "char" else f"{count if size else ''}{CODES[kind]}"))
        records[name] = fields
    return records, numbers


with open(HEADER, encoding="ascii") as header:
    RECORDS, NUMBERS = shapes(header.read())
HEAD = struct.Struct("<QIHH")
NAMES = {NUMBERS[f"EV_{name.upper()}"]: name for name in RECORDS if f"EV_{name.upper()}" in NUMBERS}


def read(path):
    """Each record as a namespace: its kind's name in .record, when in .ns, then its fields.  Text is str."""
    with open(path, "rb") as recording:
        data = recording.read()
    at = 0
    while at + HEAD.size <= len(data):
        ns, _, kind, size = HEAD.unpack_from(data, at)
        if kind in NAMES:
            yield decode(NAMES[kind], ns, data[at + HEAD.size:at + size])
        at += size


def decode(name, ns, body):
    layout = struct.Struct("<" + "".join(code for _, code in RECORDS[name]))
    values = iter(layout.unpack(body.ljust(layout.size, b"\0")))
    out = SimpleNamespace(record=name, ns=ns)
    for field, code in RECORDS[name]:
        if code[:-1] and code[-1] != "s":
            setattr(out, field, tuple(next(values) for _ in range(int(code[:-1]))))
            continue
        value = next(values)
        setattr(out, field, value.split(b"\0")[0].decode(errors="replace") if isinstance(value, bytes) else value)
    return out


class Ledger:
    """What a recording says in the end of each site, handle and connection of one process."""

    def __init__(self, path, pid):
        self.sites, self.handles, self.connections = {}, {}, {}
        self.identities, self.files, self.texts, self.statements = {}, {}, {}, {}
        self.statements_closed, self.findings = 0, []
        for r in read(path):
            getattr(self, "on_" + r.record, lambda r: None)(r) if getattr(r, "pid", pid) == pid else None
        mine = set(self.connections)
        for known in (self.identities, self.files, self.texts, self.statements):
            for key in [key for key in known if (key[0] if isinstance(key, tuple) else key) not in mine]:
                del known[key]

    def on_site(self, r):
        self.sites[r.start_ns, r.site] = r

    def on_handle(self, r):
        self.handles[r.handle, r.resource] = r

    def on_handle_closed(self, r):
        self.handles.pop((r.handle, r.resource), None)

    def on_connection(self, r):
        self.connections[r.id] = r

    def on_identity(self, r):
        self.identities[r.id] = r

    def on_file(self, r):
        self.files[r.id] = r

    def on_sql(self, r):
        self.texts[r.id] = r

    def on_statement(self, r):
        self.statements[r.id, r.statement] = r

    def on_statement_closed(self, r):
        self.statements.pop((r.id, r.statement), None)

    def counts(self):
        """{object: (acquired, released, unseen, failed)} over all sites"""
        total = {}
        for site in self.sites.values():
            row = (site.acquired, site.released, site.unseen, site.failed)
            total[site.object] = tuple(a + b for a, b in zip(total.get(site.object, (0, 0, 0, 0)), row))
        return total

    def open_connections(self):
        return [c for c in self.connections.values() if not c.flags & NUMBERS["EV_CONN_CLOSED"]]
