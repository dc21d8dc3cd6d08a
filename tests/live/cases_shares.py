# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Tables that all processes share: one process fills its part of them, and weakens nobody else."""
import signal
import time

from solo import live

SHARE = 16384   # of the prepared statements, for one process where the whole host is watched
ROOM = 131072   # for those of all processes
FEW = 200      # which nobody else hinders
PATIENCE = 40
GAP = f"more than {SHARE:,} prepared statements at once"
CAUSES = {"unclosed-statement", "cache-growth"}


def watched(bench, seconds):
    """A watch of the host, during which greedy clients fill what they can, before two others come."""
    recording = bench.file("recording")
    process = bench.dbleak.start("watch", "--json", "--record", recording, "--duration", 2 * PATIENCE)
    bench.dbleak.wait_watching(process)
    greedy = [bench.client("greedy.py", "kept", str(ROOM + 500), wait=False),
              bench.client("greedy.py", "closed", str(SHARE + 500), wait=False),
              bench.client("greedy.py", "turns", str(SHARE + 500), wait=False)]
    for client in greedy:
        bench.check(client.wait_ready(PATIENCE), f"a greedy client was not done in time: {client.errors[-3:]}")
    others = [bench.client("greedy.py", "kept", str(FEW)), bench.client("pq_statements", "lru")]
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    return bench.looked(bench.dbleak.examine(bench.dbleak.finish(process, recording))), *greedy, *others


@live("a client that prepares more names than all have room for weakens no finding but its own", group="shares")
def greedy_clients(bench):
    look, kept, closed, turns, leak, healthy = watched(bench, 4)
    gaps = [(gap["pid"], gap["reason"]) for gap in look.report["coverage"]["gaps"] if "prepared statements" in gap["reason"]]
    bench.check(sorted(pid for pid, reason in gaps if GAP in reason) == sorted((kept.pid, closed.pid)) and len(gaps) == 2,
                f"gaps {gaps}, not those of {kept.pid} and {closed.pid}")
    found = {client.pid: look.process(client.pid) for client in (kept, closed, turns, leak, healthy)}
    if not bench.check(all(found.values()), f"not in the report: {[pid for pid in found if not found[pid]]}"):
        return
    counts = {pid: process["endpoints"][0]["statements"] for pid, process in found.items()}
    bench.check(counts[kept.pid]["open"] == ROOM + 500, f"kept: {counts[kept.pid]}")
    for client in (closed, turns):
        bench.check(counts[client.pid] == {"prepared": SHARE + 500, "closed": SHARE + 500, "open": 0},
                    f"all closed: {counts[client.pid]}")
    bench.check(counts[leak.pid]["open"] == FEW, f"the honest leak: {counts[leak.pid]}")
    for client, causes in ((leak, CAUSES), (kept, CAUSES), (closed, set()), (turns, set()), (healthy, set())):
        told = {finding["cause"] for finding in found[client.pid]["findings"]}
        bench.check(told <= causes and bool(told) == bool(causes), f"findings of {client.pid}: {told}, of {list(found)}")
    sure = [finding["confidence"] for finding in found[leak.pid]["findings"]]
    bench.check(sure == ["certain"], f"the honest leak is {sure}")
    unsure = [finding["confidence"] for finding in found[kept.pid]["findings"]]
    bench.check("certain" not in unsure, f"the greedy client's is {unsure}")
