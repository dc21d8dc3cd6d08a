# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""The JSON contract, dbleak.report/1, as a table: every key, its type, and no key beside them.

Missing() marks what may be left out: additions to the contract's first text.
"""
import re


number = (int, float)

VERDICTS = ("leaking", "stuck", "big", "bounded", "ok", "unknown")
CAUSES = ("unclosed-connection", "unbounded-result", "cache-growth", "open-transaction",
          "unclosed-statement", "unclosed-cursor", "unfreed-result", "unfreed-memory", "wal-growth")
KINDS = ("frequent", "sporadic", "one-time", "implicit")
LANGUAGES = ("unknown", "native", "python", "perl", "php", "ruby", "javascript", "java", "go")
DATABASES = ("postgresql", "mysql", "sqlite", "unknown")


class OneOf:
    def __init__(self, *names):
        self.names = names


class Count:
    """A whole number, not negative; also null where `null` says so."""
    def __init__(self, nullable=False):
        self.nullable = nullable


class Maybe:
    def __init__(self, inner):
        self.inner = inner


class Missing:
    """The key may be missing."""
    def __init__(self, inner):
        self.inner = inner


COUNT, COUNT_OR_NULL = Count(), Count(nullable=True)
TIER = OneOf("off", "growth", "client", "full")
SITE = {"language": OneOf(*LANGUAGES), "function": Maybe(str), "file": Maybe(str), "line": COUNT_OR_NULL,
        "module": Maybe(str), "column": Missing(COUNT_OR_NULL), "line_exact": Missing(Maybe(bool))}

REPORT = {
    "schema": OneOf("dbleak.report/1"),
    "window": {"start": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"), "seconds": number,
               "mode": Missing(OneOf("watch", "run", "snapshot")), "cut": Missing(bool)},
    "host": {"kernel": str, "arch": str},
    "coverage": {
        "processes": COUNT,
        "libraries": [{"path": str, "build_id": Maybe(str), "probes": COUNT, "hits": COUNT}],
        "withdrawn": Missing({"pid": COUNT, "comm": str}),
                 "gaps": [{"pid": COUNT_OR_NULL, "reason": str}],
        "ended_earlier": Missing({"processes": COUNT, "connections": COUNT}),
    },
    "losses": dict.fromkeys(("ring_full", "map_full", "read_fault", "missed_return", "truncated"), COUNT),
    "cost": {"cpu_percent": Maybe(number), "events": COUNT, "rss_bytes": COUNT_OR_NULL,
             "kernel_bytes": COUNT_OR_NULL, "stepped_down": bool},
    "processes": [{
        "pid": COUNT, "comm": str, "cmdline": str, "exited": bool,
        "role": Missing(OneOf("client", "pooler", "server")), "verdict_reason": Missing(Maybe(str)),
        "container": Maybe({"runtime": str, "id": str, "name": Maybe(str), "pod": Maybe(str)}),
        "verdict": OneOf(*VERDICTS),
        "endpoints": [{
            "database": OneOf(*DATABASES), "address": str, "name": Maybe(str), "user": Maybe(str),
            "guessed": Missing(bool),
            "connections": {**dict.fromkeys(("open", "peak", "opened", "closed", "pre_existing", "close_wait"), COUNT),
                            # null: of some connection, older than the tracer or encrypted, it is not known
                            "idle": COUNT_OR_NULL, "in_transaction": COUNT_OR_NULL,
                            "oldest_idle_seconds": Missing(Maybe(number))},
            "statements": dict.fromkeys(("open", "prepared", "closed"), COUNT),
            "transactions": dict.fromkeys(("begun", "committed", "rolled_back", "open", "abandoned"), COUNT),
        }],
        "memory": {**dict.fromkeys(("rss_start_bytes", "rss_end_bytes", "rss_peak_bytes"), COUNT_OR_NULL),
                   "tier": Missing(TIER), "limit": Missing(Maybe(OneOf("none", "cgroup", "process", "host"))),
                   **dict.fromkeys(("anonymous_start_bytes", "anonymous_bytes", "anonymous_peak_bytes",
                                    "swapped_bytes", "limit_bytes", "limit_used_bytes"), Missing(COUNT_OR_NULL)),
                   "sites": Missing([{"tier": TIER, "site": Maybe(SITE), "object": Maybe(str), "at_least": bool,
                                      **dict.fromkeys(("held_bytes", "error_bytes", "taken_bytes", "taken", "freed"),
                                                      COUNT_OR_NULL)}])},
        "findings": [{
            "verdict": OneOf(*VERDICTS), "confidence": OneOf("certain", "likely", "possible"),
            "cause": OneOf(*CAUSES), "kind": OneOf(*KINDS),
            "resource": OneOf("connection", "transaction", "statement", "cursor", "result", "memory"),
            "database": OneOf(*DATABASES), "endpoint": Maybe(str),
            "acquired": COUNT_OR_NULL, "released": COUNT_OR_NULL, "open": COUNT_OR_NULL,
            "in_transaction": Missing(COUNT), "oldest_is_minimum": Missing(bool),
            "oldest_seconds": Maybe(number), "growth_per_minute": Maybe(number),
            "memory": Missing(Maybe({"tier": TIER, "at_least": bool, "in_seconds": Maybe(number),
                                     "bytes_per_minute": Maybe(number),
                                     **dict.fromkeys(("held_bytes", "error_bytes", "process_grown_bytes"),
                                                     COUNT_OR_NULL)})),
            "bytes": COUNT_OR_NULL, "rows": COUNT_OR_NULL, "rows_exact": Missing(Maybe(bool)),
            "site": Maybe(SITE),
            "stack": [{"function": Maybe(str), "file": Maybe(str), "line": COUNT_OR_NULL,
                       "module": Maybe(str), "offset": COUNT_OR_NULL, "language": Missing(OneOf(*LANGUAGES)),
                       "line_exact": Missing(Maybe(bool)), "build_id": Missing(Maybe(str)),
                       "inlined": Missing(bool)}],
            "sql": Maybe(str), "evidence": [str], "advice": str,
            "exhausts": Maybe({"limit": str, "in_seconds": number, "earliest_seconds": Missing(Maybe(number)),
                               "latest_seconds": Missing(Maybe(number))}),
        }],
    }],
}


def breaches(value, shape=REPORT, where="report"):
    """All the places where `value` is not of `shape`, one sentence each."""
    if isinstance(shape, (Maybe, Missing)):
        return [] if value is None and isinstance(shape, Maybe) else breaches(value, shape.inner, where)
    if isinstance(shape, dict):
        return keys(value, shape, where)
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [f"{where} is not a list"]
        return [b for i, item in enumerate(value) for b in breaches(item, shape[0], f"{where}[{i}]")]
    return [] if fits(value, shape) else [f"{where} is {value!r}"]


def keys(value, shape, where):
    if not isinstance(value, dict):
        return [f"{where} is not an object"]
    found = [f"{where} has an unknown key {key!r}" for key in value if key not in shape]
    for key, inner in shape.items():
        if key in value:
            found += breaches(value[key], inner, f"{where}.{key}")
        elif not isinstance(inner, Missing):
            found.append(f"{where} lacks the key {key!r}")
    return found


def fits(value, shape):
    if isinstance(shape, OneOf):
        return value in shape.names
    if isinstance(shape, Count):
        whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        return whole or (value is None and shape.nullable)
    if isinstance(shape, re.Pattern):
        return isinstance(value, str) and bool(shape.fullmatch(value))
    if shape is bool:
        return isinstance(value, bool)
    return isinstance(value, shape) and not isinstance(value, bool)


def contradictions(report):
    """Numbers that cannot all be true at once."""
    found = []
    for process in report["processes"]:
        who = f"{process['comm']}[{process['pid']}]"
        for endpoint in process["endpoints"]:
            found += [f"{who}: {what}" for what, true in sums(endpoint) if not true]
        verdicts = {finding["verdict"] for finding in process["findings"]}
        if verdicts and process["verdict"] not in verdicts:
            found.append(f"{who}: verdict {process['verdict']}, findings {sorted(verdicts)}")
        found += [f"{who}: the site {finding['site']} is not of its stack" for finding in process["findings"]
                  if finding["site"] and not any(is_same(finding["site"], frame) for frame in finding["stack"])]
        if process["verdict"] in ("leaking", "stuck", "big") and not verdicts:
            found.append(f"{who}: verdict {process['verdict']} without a finding")
    return found


def is_same(site, frame):
    return all(site[key] == frame[key] for key in ("language", "function", "file", "line", "module"))


def sums(endpoint):
    connections, statements = endpoint["connections"], endpoint["statements"]
    return (
        ("opened + pre_existing - closed is not open",
         connections["opened"] + connections["pre_existing"] - connections["closed"] == connections["open"]),
        ("peak is below open", connections["peak"] >= connections["open"]),
        ("more idle than open", (connections["idle"] or 0) <= connections["open"]),
        ("more in a transaction than open", (connections["in_transaction"] or 0) <= connections["open"]),
        ("more statements closed than prepared",
         statements["closed"] <= statements["prepared"] or connections["pre_existing"] > 0),
    )
