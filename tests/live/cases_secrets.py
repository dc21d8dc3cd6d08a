# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""What must stay at home: passwords and literals, in all that dbleak writes."""
import os
import re

from solo import live

MARK = "hush7Q"
PASSWORD, LITERAL, VALUE = MARK + "p", MARK + "l", MARK + "v"
ARGUMENTS = (
    f"--dsn=root:{PASSWORD}@tcp(db:3306)/shop", "--db-pass", PASSWORD, "--token", f"-{PASSWORD}",
    f'{{"user":"u","password":"{PASSWORD}"}}', f"ALTER ROLE a PASSWORD '{PASSWORD}'", f"-p{PASSWORD}", "-W", PASSWORD,
    f"postgres://u:{PASSWORD}@h/d", f"https://{PASSWORD}@h/x", f"host=h password='a {PASSWORD}' dbname=d",
    f"Authorization: Bearer {PASSWORD}", f"jdbc:mysql://h/d?password={PASSWORD}", f"--queue={VALUE}",
)


def said(look, record):
    """All bytes that a look left behind, by where."""
    with open(record, "rb") as file:
        return {"standard output": look.out, "standard error": look.err.encode(), "the recording": file.read()}


def silent_about(bench, written, *marks):
    for where, text in written.items():
        for mark in marks:
            at = text.find(mark.encode())
            bench.check(at < 0, f"{where} has {text[max(0, at - 60):at + 20]!r}")


@live("passwords and literals leave neither through reports nor through recordings", group="look")
def secrets_stay(bench):
    client = bench.client("secretive.py", bench.file("secret.db"), MARK, *ARGUMENTS)
    for option, marks in {"": (PASSWORD, LITERAL, VALUE), "--show-arguments": (PASSWORD, LITERAL),
                          "--show-literals": (PASSWORD, VALUE)}.items():
        look = bench.dbleak.watch("--duration", 6, "--min-age", 1, "-p", client.pid, *option.split())
        record = look.recording
        silent_about(bench, said(look, record), *marks)
        process = bench.looked(look, 1).process(client.pid)
        if not bench.check(process, f"{option}: the client is not in the report"):
            continue
        line = process["cmdline"]
        bench.check("secretive.py" in line and "--dsn=..." in line, f"{option}: the command line is {line}")
        bench.check((VALUE in line) == (option == "--show-arguments"), f"{option}: the command line is {line}")
        bench.check((LITERAL.encode() in look.out) == (option == "--show-literals"), f"{option}: literals")
        for how in "-v", "--json":
            again = bench.dbleak.run("report", record, how)
            bench.check(again.status == 1, f"report {how}: exit status {again.status}")
            silent_about(bench, {f"report {how}": again.out + again.err.encode()}, *marks)


@live("DBLEAK_DEBUG=all says why on standard error, without a secret, and leaves the JSON alone", group="look")
def diagnostics(bench):
    client = bench.client("secretive.py", bench.file("secret.db"), MARK, *ARGUMENTS)
    look = bench.dbleak.run("watch", "--json", "--duration", 6, "--min-age", 1, "-p", client.pid, "--show-arguments",
                            env=dict(os.environ, DBLEAK_DEBUG="all"))
    bench.looked(bench.dbleak.examine(look), 1)
    silent_about(bench, {"standard error": look.err.encode()}, PASSWORD, LITERAL, VALUE)
    lines = look.err.splitlines()
    astray = [line for line in lines if not re.match(r"dbleak: ([a-z]+: |watching the selected processes)", line)]
    bench.check(not astray, f"lines without a topic: {astray[:3]}")
    for line in (r"dbleak: probe: .*libsqlite3.*SQLite, [0-9]+ probes put in", rf"dbleak: host: process {client.pid} "):
        bench.check(any(re.match(line, said) for said in lines), f"no line {line} among {len(lines)}")
