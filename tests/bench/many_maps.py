#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""many_maps.py MAPPINGS DSN: a process with many mappings that, when told to, leaves a transaction open."""
import mmap
import sys

import psycopg2


def mappings():
    with open("/proc/self/maps") as maps:
        return len(maps.readlines())


def leak(dsn):
    connection = psycopg2.connect(dsn)
    connection.cursor().execute("select 1")
    return connection


def main():
    kept = []
    while mappings() < int(sys.argv[1]):
        kept.append(mmap.mmap(-1, 4096, prot=mmap.PROT_READ if len(kept) % 2 else mmap.PROT_WRITE))
    print("ready", flush=True)
    sys.stdin.readline()
    kept.append(leak(sys.argv[2]))
    print("done", flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    main()
