# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Runs another program under a seccomp filter that kills on the system calls of probes, as a
container's filter does that has never heard of them.

filtered.py PROGRAM ARG...
"""
import ctypes
import os
import struct
import sys

URETPROBE, UPROBE = 335, 336  # on x86-64, since 6.11 and 6.18
ALLOW, KILL = 0x7fff0000, 0x80000000
rules = [(0x20, 0, 0, 0), (0x15, 1, 0, URETPROBE), (0x15, 0, 1, UPROBE), (0x06, 0, 0, KILL), (0x06, 0, 0, ALLOW)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *rule) for rule in rules))
filter_ = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(rules), ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.byref(filter_), 0, 0):
    raise OSError(ctypes.get_errno(), "seccomp")
os.execvp(sys.argv[1], sys.argv[1:])
