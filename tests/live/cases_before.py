# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""What was before the watch: age, SQL, user and session of transactions met in the middle."""
import os
import re
import socket
import subprocess
import time

import servers as kinds
from servers import PASSWORD
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


# ---- the server has hung up ----------------------------------------------------------------------

HUNG_UP = 24


def hung_up(how, driver):
    @live(f"connections that the server ended before are all found, {how} with {driver}", group="before")
    def of_all(bench):
        client = bench.client("hung_up.py", how, str(HUNG_UP), driver=driver)
        time.sleep(4)
        look = bench.looked(bench.dbleak.watch("--duration", 2, "--min-age", 3, "-p", client.pid), 1)
        process = look.process(client.pid) or {"findings": [], "verdict": "absent"}
        found = [f for f in process["findings"] if f["cause"] == "unclosed-connection"]
        if bench.check(len(found) == 1, f"{len(found)} findings, verdict {process['verdict']}"):
            bench.check(found[0]["verdict"] == "stuck", f"verdict {found[0]['verdict']}")
            bench.check(found[0]["open"] == HUNG_UP, f"{found[0]['open']} of {HUNG_UP} are counted")
            bench.check(found[0]["site"] is None, f"nobody saw the place {found[0]['site']}")
            bench.check(3 < found[0]["oldest_seconds"] < 60, f"the oldest for {found[0]['oldest_seconds']} s")


hung_up("kept", "psycopg2")
hung_up("refused", "psycopg")


@live("connections that the server ended before and that were closed are well", group="before")
def hung_up_and_closed(bench):
    client = bench.client("hung_up.py", "closed", str(HUNG_UP), driver="psycopg2")
    time.sleep(4)
    look = bench.looked(bench.dbleak.watch("--duration", 2, "--min-age", 3, "-p", client.pid), 0)
    process = look.process(client.pid) or {"findings": None}
    bench.check(process["findings"] == [], f"findings {process['findings']}")


# ---- a reply that nobody reads any more -----------------------------------------------------------

def given_up(server, driver):
    def met_reading(bench, how, status):
        client = bench.client("given_up.py", how, server=server, driver=driver)
        time.sleep(4)
        look = bench.looked(bench.dbleak.watch("--duration", 8, "--min-age", 3, "-p", client.pid), status)
        return look.process(client.pid) or {"findings": [], "verdict": "absent"}

    @live(f"a reply whose reading was given up before is found, {driver}", needs=(server,), group="before")
    def of_given(bench):
        process = met_reading(bench, "given", 1)
        found = [f for f in process["findings"] if f["cause"] == "unclosed-cursor"]
        if bench.check(len(found) == 1, f"{len(found)} findings, verdict {process['verdict']}"):
            codes = [fact["code"] for fact in found[0]["evidence_codes"]]
            bench.check(found[0]["verdict"] == "stuck", f"verdict {found[0]['verdict']}")
            bench.check(found[0]["open"] == 1, f"{found[0]['open']} of 1 is open")
            bench.check("reply-unread" in codes, f"evidence {codes}")
            bench.check(found[0]["oldest_seconds"] > 6, f"for {found[0]['oldest_seconds']} s")

    @live(f"a reply that is read slowly is well, {driver}", needs=(server,), group="before")
    def of_slow(bench):
        process = met_reading(bench, "slow", 0)
        bench.check(process["verdict"] != "absent" and not process["findings"],
                    f"{process['verdict']}, {[f['evidence'] for f in process['findings']]}")


given_up("postgresql", "psycopg")
given_up("mariadb", "pymysql")


# ---- the server is asked --------------------------------------------------------------------

def url(bench, server, way="tcp4", user="secret", password=PASSWORD):
    there, scheme = bench.servers[server], {"postgresql": "postgresql", "mariadb": "mysql"}[server]
    login = f"{user}:{password}" if password else user
    if way != "unix":
        host = {"tcp4": "127.0.0.1", "tcp6": "[::1]"}[way]
        return f"{scheme}://{login}@{host}:{there.port}/shop"
    path = there.folder if server == "postgresql" else there.socket
    path = path.replace("/", "%2F")
    return f"{scheme}://{login}@{path}:{there.port}/shop" if server == "postgresql" else \
        f"{scheme}://{login}@localhost/shop?socket={path}"


def in_file(bench, text):
    path = bench.file("dsn")
    with open(path, "w") as file:
        file.write(text + "\n")
    os.chmod(path, 0o600)
    return f"file:{path}"


def gaps(look):
    return [gap["reason"] for gap in look.report["coverage"]["gaps"] if "--dsn" in gap["reason"]]


def unsaid(bench, look):
    """No password is in anything that dbleak wrote."""
    with open(look.recording, "rb") as raw:
        kept = raw.read()
    bench.check(PASSWORD.encode() not in kept and PASSWORD not in f"{look.out}{look.err}", "the password is told")


def by_answer(server, way, asked):
    @live(f"a transaction from before is told by its server's answer, {server} {way}, asked over {asked}",
          needs=(server,), group="before")
    def of_answer(bench):
        driver = {"postgresql": "psycopg2", "mariadb": "pymysql"}[server]
        client, sessions = left(bench, "inside", server=server, way=way, driver=driver)
        look, process = met(bench, client, 1, "--dsn", in_file(bench, url(bench, server, asked)))
        bench.check(not gaps(look), f"gaps {gaps(look)}")
        unsaid(bench, look)
        finding = stuck(bench, process, sessions, "statistics")
        if not finding:
            return
        bench.check(not finding["oldest_is_minimum"] and SECONDS < finding["oldest_seconds"] < 40,
                    f"the age is {finding['oldest_seconds']}")
        ages = [session["transaction_seconds"] for session in finding["sessions"]]
        bench.check(all(age and age > SECONDS for age in ages), f"transactions are {ages} s old")
        if server == "postgresql":
            bench.check(finding["sql"] == SQL, f"the SQL is {finding['sql']}")

    @live(f"connections from before that ended their transactions are well when {server} answers, {way} and {asked}",
          needs=(server,), group="before")
    def well(bench):
        driver = {"postgresql": "psycopg2", "mariadb": "pymysql"}[server]
        client, _ = left(bench, "ended", server=server, way=way, driver=driver)
        look, process = met(bench, client, 0, "--dsn", in_file(bench, url(bench, server, asked)))
        bench.check(process and not process["findings"] and process["endpoints"][0]["user"] == "app",
                    f"the process is {process}")
        bench.check(not gaps(look), f"gaps {gaps(look)}")


for each in (("postgresql", "tcp4", "tcp4"), ("postgresql", "unix", "unix"), ("postgresql", "tcp6", "unix"),
             ("mariadb", "tcp4", "tcp4"), ("mariadb", "tcp6", "unix")):
    by_answer(*each)


@live("a password on the command line is overwritten, and the child that asks has no rights", group="before")
def hidden(bench):
    client, _ = left(bench, "inside")
    seen = {}

    def during():
        for pid in list(bench.dbleak.pids):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    words = file.read()
                children = subprocess.run(["pgrep", "-P", str(pid), "-x", "dbleak-dsn"], capture_output=True,
                                          text=True).stdout.split()
            except OSError:
                continue
            if b"--dsn" in words and children:
                seen["words"] = words
                with open(f"/proc/{children[0]}/limits") as file:
                    seen["limits"] = file.read()
                with open(f"/proc/{children[0]}/status") as file:
                    seen["status"] = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)

    look = bench.looked(bench.dbleak.watch("--duration", SECONDS, "--min-age", 3, "-p", client.pid, "--dsn",
                                           url(bench, "postgresql"), during=during), 1)
    if bench.check(seen, "the child was not seen"):
        bench.check(PASSWORD.encode() not in seen["words"], "the password shows in ps")
        status = seen["status"]
        bench.check(set(status["CapPrm"] + status["CapEff"]) == {"0"}, f"capabilities {status['CapEff']}")
        bench.check(status["Uid"].split() == ["65534"] * 4, f"users {status['Uid']}")
        bench.check(re.search(r"Max data size +268435456 +268435456", seen["limits"]), f"limits {seen['limits']}")
        bench.check(status["Seccomp"] == "2" and status["NoNewPrivs"] == "1", "nothing is forbidden to it")
    unsaid(bench, look)
    bench.check(not gaps(look), f"gaps {gaps(look)}")


def in_vain(why, told, target):
    @live(f"a server that {why} costs the report nothing but a gap", group="before")
    def asked_in_vain(bench):
        client, sessions = left(bench, "inside")
        began = time.monotonic()
        look, process = met(bench, client, 1, "--dsn", target(bench))
        bench.check(time.monotonic() - began < SECONDS + 12, "the report came late")
        stuck(bench, process, sessions, "title")
        bench.check(len(gaps(look)) == 1 and told in gaps(look)[0], f"gaps {gaps(look)}")
        unsaid(bench, look)


def nobody_listens(bench):
    return in_file(bench, f"postgresql://secret:{PASSWORD}@127.0.0.1:{kinds.free_port()}/shop")


def listens_only(bench):
    server = socket.create_server(("127.0.0.1", 0))
    bench.afterwards.append(server.close)
    return in_file(bench, f"postgresql://secret:{PASSWORD}@127.0.0.1:{server.getsockname()[1]}/shop")


in_vain("refuses the connection", "nobody listens there", nobody_listens)
in_vain("does not answer", "did not answer within 3 s", listens_only)
in_vain("refuses the login", "password authentication failed",
        lambda bench: in_file(bench, url(bench, "postgresql", password="wrong")))


@live("a user who may not see other sessions is a gap", group="before")
def blind(bench):
    bench.servers["postgresql"].sql("create role blind login")
    bench.afterwards.append(lambda: bench.servers["postgresql"].sql("drop role blind"))
    client, sessions = left(bench, "inside")
    look, process = met(bench, client, 1, "--dsn", in_file(bench, url(bench, "postgresql", user="blind", password="")))
    bench.check(len(gaps(look)) == 1 and "pg_monitor" in gaps(look)[0], f"gaps {gaps(look)}")
    bench.check(process and process["verdict"] == "stuck", "the transactions are not found")


@live("a DSN that is none is refused without being shown", group="before")
def no_dsn(bench):
    for bad in (f"http://secret:{PASSWORD}@127.0.0.1", "env:DBLEAK_NO_SUCH", "file:/no/such/file", "x"):
        look = bench.dbleak.run("watch", "--duration", "1", "--dsn", bad)
        bench.one_sentence(look, "--dsn")
        bench.check(PASSWORD not in look.err, "the password is told")


@live("a snapshot asks the server, too", needs=("mariadb",), group="before")
def snapshot(bench):
    client, _ = left(bench, "inside", server="mariadb", driver="pymysql")
    look = bench.looked(bench.dbleak.examine(bench.dbleak.run(
        "snapshot", "--json", "-p", client.pid, "--dsn", in_file(bench, url(bench, "mariadb")))), 0)
    process = look.process(client.pid)
    if bench.check(process, "the process is not in the report"):
        inside = process["endpoints"][0]["connections"]["in_transaction"]
        bench.check(inside == 3 and process["endpoints"][0]["user"] == "app", f"{inside} are inside a transaction")
    bench.check(not gaps(look), f"gaps {gaps(look)}")
