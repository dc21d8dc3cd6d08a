# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Connections met in mid-stream, whose first messages tell nothing: they are seen all the same."""
from solo import live

CLIENT = "my_midstream.py"


def watched(bench, habit):
    client = bench.client(CLIENT, habit, "8", server="mariadb", driver="pymysql")
    look = bench.looked(bench.dbleak.watch("-p", client.pid, "--duration", 25, "--min-age", 3))
    process = look.process(client.pid)
    if bench.check(process and process["endpoints"], f"the process is not in the report: {client.errors[-3:]}"):
        open_now = sum(endpoint["connections"]["open"] for endpoint in process["endpoints"])
        bench.check(open_now == 1, f"{open_now} connections are open, not 1")
    return process


@live("midstream: a transaction kept after commands that told nothing is found", needs=("mariadb",), group="midstream")
def kept(bench):
    process = watched(bench, "kept")
    found = process and [(one["cause"], one["verdict"]) for one in process["findings"]]
    bench.check(found == [("open-transaction", "stuck")], f"findings: {found}")


@live("midstream: work after commands that told nothing is seen, and well", needs=("mariadb",), group="midstream")
def well(bench):
    process = watched(bench, "well")
    bench.check(process and process["verdict"] == "ok", f"verdict {process and process['verdict']}")
