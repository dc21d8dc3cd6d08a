# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""The JSON contracts: a report, and lines of --events, against user/report/dbleak.*.schema.json.

The schemas let readers ignore what they do not know.  Here a key that they do not have is a breach.
"""
import json
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))


def absolute(shape, name):
    """The schema with references that name their document."""
    if isinstance(shape, list):
        return [absolute(item, name) for item in shape]
    if not isinstance(shape, dict):
        return shape
    shape = {key: absolute(value, name) for key, value in shape.items()}
    if isinstance(ref := shape.get("$ref"), str):
        shape["$ref"] = name + ref if ref.startswith("#") else ref.removeprefix("../")
    return shape


def schema(kind):
    with open(os.path.join(HERE, "..", "..", "user", "report", f"dbleak.{kind}.schema.json")) as file:
        return absolute(json.load(file), f"dbleak.{kind}/1")


DOCUMENTS = {f"dbleak.{kind}/1": schema(kind) for kind in ("report", "events")}
SCHEMA, EVENTS = DOCUMENTS.values()

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "integer": int,
         "number": (int, float)}
KNOWN = {"$schema", "$id", "$defs", "$ref", "title", "description", "type", "properties", "required", "items", "enum",
         "pattern", "minimum", "anyOf", "allOf"}


def resolve(shape):
    """The schema with what it refers to in its place."""
    if unknown := shape.keys() - KNOWN:
        raise NotImplementedError(f"the schema has {sorted(unknown)}")
    if "$ref" in shape:
        name, path = shape["$ref"].split("#/")
        found = DOCUMENTS[name]
        for key in path.split("/"):
            found = found[key]
        return resolve(found)
    for part in map(resolve, shape.get("allOf", [])):
        shape = {**part, **shape, "required": part["required"] + shape["required"],
                 "properties": {**part["properties"], **shape["properties"]}}
    return shape


def is_of(value, name):
    if isinstance(value, bool):
        return name == "boolean"
    return isinstance(value, TYPES[name])


def breaches(value, shape=SCHEMA, where="report"):
    """All the places where `value` is not of `shape`, one sentence each."""
    shape = resolve(shape)
    if "anyOf" in shape:
        found = [breaches(value, part, where) for part in shape["anyOf"]]
        return [] if [] in found else max(found, key=len)
    types = shape.get("type", [])
    if types and not any(is_of(value, name) for name in ([types] if isinstance(types, str) else types)):
        return [f"{where} is {value!r}, not {types}"]
    if "enum" in shape and value not in shape["enum"]:
        return [f"{where} is {value!r}, none of {shape['enum']}"]
    if isinstance(value, str) and not re.search(shape.get("pattern", ""), value):
        return [f"{where} is {value!r}"]
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value < shape.get("minimum", value):
        return [f"{where} is {value!r}"]
    if isinstance(value, list):
        return [b for i, item in enumerate(value) for b in breaches(item, shape["items"], f"{where}[{i}]")]
    return keys(value, shape, where) if isinstance(value, dict) else []


def event_breaches(line, number):
    """The same for a line of --events."""
    kind = {"withdrawn": "gap"}.get(line.get("type"), line.get("type"))
    if kind == "finding" and "evidence" not in line:
        kind = "gone"
    if kind not in EVENTS["$defs"]:
        return [f"line {number} is of an unknown type: {line}"]
    return breaches(line, EVENTS["$defs"][kind], f"line {number} ({kind})")


def keys(value, shape, where):
    properties = shape["properties"]
    found = [f"{where} has an unknown key {key!r}" for key in value if key not in properties]
    found += [f"{where} lacks the key {key!r}" for key in shape["required"] if key not in value]
    for key in value.keys() & properties.keys():
        found += breaches(value[key], properties[key], f"{where}.{key}")
    return found


def contradictions(report):
    """Numbers that cannot all be true at once."""
    found = summary_faults(report)
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


def summary_faults(report):
    """The summary and the flat list say what the processes say."""
    processes, summary, found = report["processes"], report["summary"], []
    for verdict in ("leaking", "stuck", "big", "bounded", "unknown", "ok"):
        if summary[verdict] != sum(process["verdict"] == verdict for process in processes):
            found.append(f"the summary says {summary[verdict]} {verdict}")
    nested = [(process["pid"], finding) for process in processes for finding in process["findings"]]
    flat = [(finding["pid"], {key: value for key, value in finding.items()
                              if key not in ("pid", "comm", "container", "exited")}) for finding in report["findings"]]
    if flat != [(pid, {key: value for key, value in finding.items() if key != "stack"}) for pid, finding in nested]:
        found.append("the flat list of findings is not that of the processes")
    for pid, finding in nested:
        if len(finding["evidence_codes"]) != len(finding["evidence"]):
            found.append(f"[{pid}]: {len(finding['evidence'])} sentences, {len(finding['evidence_codes'])} codes")
        whole = finding["part_of"]
        if whole and not any(whole == other["fingerprint"] for its, other in nested if its == pid):
            found.append(f"[{pid}]: a finding is part of {whole}, which is not there")
        parts = [finding[key] for key in ("released", "leaked", "not_judged")]
        if None not in parts and finding["acquired"] != sum(parts):
            found.append(f"[{pid}]: {finding['acquired']} acquired, but {parts} released, leaked and not judged")
    return found
