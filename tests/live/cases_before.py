# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""What was before the watch: age, SQL, user and session of transactions met in the middle."""
import time

from solo import live

SECONDS = 6
SQL = "select id, name from items where name <> ? and id = ?"


def left(bench, how, server="postgresql", way="tcp4", **more):
    """The client, two seconds after its connections fell silent, and the numbers of its sessions."""
    client = bench.client("left_before.py", how, server=server, way=way, **more)
    time.sleep(2)
    return client, {int(line.split()[1]) for line in client.said if line.startswith("session")}


def met(bench, client, status, *argv):
    """What a watch that comes afterwards says of the client."""
    look = bench.looked(bench.dbleak.watch("--duration", SECONDS, "--min-age", 3, "-p", client.pid, *argv), status)
    process = look.process(client.pid)
    bench.check(process, "the process is not in the report")
    return look, process


def stuck(bench, process, sessions, source):
    """The one finding is about these sessions and claims nothing that nobody saw."""
    findings = process["findings"] if process else []
    if not bench.check([f["cause"] for f in findings] == ["open-transaction"],
                       f"findings {[f['cause'] for f in findings]}"):
        return None
    finding = findings[0]
    told = {session["session"] for session in finding["sessions"]}
    bench.check(told == sessions, f"sessions {told}, not {sessions}")
    bench.check({session["source"] for session in finding["sessions"]} == {source},
                f"sources {[session['source'] for session in finding['sessions']]}")
    bench.check(finding["endpoint"].endswith("/shop as app"), f"the endpoint is {finding['endpoint']}")
    bench.check(finding["begin_unseen"] and finding["acquired"] is None and finding["kind"] != "frequent",
                f"begun {finding['acquired']}, {finding['kind']}")
    bench.check(finding["confidence"] == "likely", f"confidence {finding['confidence']}")
    bench.check(any(str(number) in finding["now"] for number in sessions), f"now: {finding['now']}")
    return finding


def by_title(way):
    @live(f"a transaction from before is told by the title of its server's process, {way}", group="before")
    def of_title(bench):
        client, sessions = left(bench, "inside", way=way)
        look, process = met(bench, client, 1)
        finding = stuck(bench, process, sessions, "title")
        if finding:
            bench.check(finding["oldest_is_minimum"], "an age that nobody knows is told as known")

    @live(f"connections from before that ended their transactions are well, {way}", group="before")
    def ended(bench):
        client, _ = left(bench, "ended", way=way)
        look, process = met(bench, client, 0)
        bench.check(process and not process["findings"] and process["endpoints"][0]["user"] == "app",
                    f"the process is {process}")


for each in ("tcp4", "tcp6", "unix"):
    by_title(each)
