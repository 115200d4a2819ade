#!/usr/bin/env python3
"""Records in OpenSearch: every record of the golden cases is taken by the strict template and found again; what is no record of
ours is refused. Then the rules of conf/opensearch (opensearch_rules.py).

    opensearch.py --binary build/earshot
"""
import argparse
import collections
import copy
import glob
import ipaddress
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "check")]
from counting import Count  # noqa: E402
from opensearch_rules import check_rules  # noqa: E402
from opensearch_store import ROOT, Store  # noqa: E402
from server import Unavailable  # noqa: E402

ALL = "logs-earshot.*-cases"
EVERYTHING = ("records.sip=messages", "records.media_interval=true", "records.flow=true", "records.refreshes=true")
METHODS = "ACK BYE CANCEL INFO INVITE MESSAGE NOTIFY OPTIONS PRACK PUBLISH REFER REGISTER SUBSCRIBE UPDATE other".split()


def lines_of_case(binary, name, case, folder):
    """The records of one golden case; its name is the sensor's, so that no two cases share an identity."""
    captures = case["capture"] if isinstance(case["capture"], list) else [case["capture"]]
    command = [binary, "-r", *captures, "--records", "-"]
    if "config" in case:
        path = os.path.join(folder, "earshot.yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(case["config"])
        command += ["-c", path]
    for option in (*case.get("options", []), *EVERYTHING, f"observer.name={name}"):
        command += ["--set", option]
    out = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True)
    return out.stdout.splitlines(True)


def golden_lines(binary):
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for path in sorted(glob.glob(os.path.join(ROOT, "tests/cases/*/case.yaml"))):
            with open(path, encoding="utf-8") as f:
                lines += lines_of_case(binary, os.path.basename(os.path.dirname(path)), yaml.safe_load(f), folder)
    return lines


def at(record, path):
    """The values of a dotted name."""
    for name in path.split("."):
        record = record.get(name, {}) if isinstance(record, dict) else {}
    return record if isinstance(record, list) else [] if record == {} else [record]


def same(found, wanted):
    """Two lists of ids hold the same, each once."""
    if sorted(found) == sorted(wanted):
        return []
    return [f"{len(found)} found, {len(wanted)} expected; too many {sorted(set(found) - set(wanted))[:3]}, missing {sorted(set(wanted) - set(found))[:3]}"]


def ids_where(records, condition):
    return [r["event"]["id"] for r in records if condition(r)]


def check_taken(store, count, lines, records):
    first = store.load(lines, "cases")
    count.check("opensearch takes every record", [] if first == {"created": len(lines)} else [f"{len(lines)} offered: {dict(first)}"])
    again = store.load(lines, "cases")
    count.check("opensearch drops every repeat", [] if again == {"conflict": len(lines)} else [f"{len(lines)} offered again: {dict(again)}"])
    held = store.ask("GET", f"/{ALL}/_count")[1]["count"]
    count.check("opensearch holds what was offered", [] if held == len(lines) else [f"{len(lines)} offered, {held} held"])
    found = store.search(ALL, {"size": 0, "aggs": {"datasets": {"terms": {"field": "event.dataset", "size": 100}}}})
    held = {b["key"]: b["doc_count"] for b in found["aggregations"]["datasets"]["buckets"]}
    wanted = collections.Counter(r["event"]["dataset"] for r in records)
    count.check("opensearch holds each dataset", [] if held == wanted else [f"{held} instead of {dict(wanted)}"])


def check_addresses(store, count, records):
    for field in ("source.ip", "client.ip", "related.ip"):
        for prefix in ("192.0.2.0/24", "203.0.113.66/32", "198.51.100.0/25", "2001:db8::/32", "0.0.0.0/0"):
            network = ipaddress.ip_network(prefix)
            wanted = ids_where(records, lambda r: any(ipaddress.ip_address(a) in network for a in at(r, field)))
            problems = same(store.ids(ALL, {"term": {field: prefix}}), wanted)
            problems += same(store.ids(ALL, {"query_string": {"query": f'{field}:"{prefix}"'}}), wanted)
            count.check(f"opensearch finds {field} in {prefix}", problems)


def check_words(store, count, records):
    """Every rule, every call, every text that wants to be more than text; a bare word; sums of counts."""
    for field, streams in (("rule.id", "alert"), ("sip.call_id", "call"), ("user_agent.original", "sip"), ("sip.from.display_info", "sip")):
        mine = [r for r in records if r["event"]["dataset"] == "earshot." + streams]
        problems, values = [], sorted({v for r in mine for v in at(r, field)})
        for value in values:
            found = store.ids(f"logs-earshot.{streams}-cases", {"term": {field: value}})
            problems += [f"{value!r}: {p}" for p in same(found, ids_where(mine, lambda r: value in at(r, field)))]
        count.check(f"opensearch finds each of {len(values)} {field}", problems or ([] if values else ["none is there"]))
    alerts = [r for r in records if "rule" in r]
    found = store.search(ALL, {"size": 0, "aggs": {"rules": {"terms": {"field": "rule.id", "size": 1000}}}})
    counted = {b["key"]: b["doc_count"] for b in found["aggregations"]["rules"]["buckets"]}
    wanted = collections.Counter(r["rule"]["id"] for r in alerts)
    count.check("opensearch counts alerts by rule", [] if counted == wanted else [f"{counted} instead of {dict(wanted)}"])
    word = "passwords"
    wanted = ids_where(records, lambda r: word in re.findall(r"\w+", r.get("message", "").lower()))
    count.check("opensearch finds a bare word", same(store.ids(ALL, {"query_string": {"query": word}}), wanted)
                or ([] if wanted else [f"no alert says {word}"]))
    field = "earshot.sensor.sip.responses.401"
    found = store.search(ALL, {"size": 0, "aggs": {"sum": {"sum": {"field": field}}}})["aggregations"]["sum"]["value"]
    wanted = sum(v for r in records for v in at(r, field))
    count.check("opensearch sums counts", [] if found == wanted > 0 else [f"{found} instead of {wanted}"])


def check_exact(store, count, records):
    """Microseconds order packets, thousandths stay thousandths."""
    mine = [r for r in records if r["event"]["dataset"] == "earshot.sip"]
    body = {"size": len(mine), "sort": [{"@timestamp": "asc"}, {"event.id": "asc"}], "_source": False}
    found = [hit["_id"] for hit in store.search("logs-earshot.sip-cases", body)["hits"]["hits"]]
    wanted = [r["event"]["id"] for r in sorted(mine, key=lambda r: (r["@timestamp"], r["event"]["id"]))]
    count.check("opensearch orders messages by microseconds", [] if found == wanted else ["another order"])
    for field in ("rtp.jitter_ms.max", "earshot.call.talk_ms", "earshot.transaction.response_ms"):
        found = store.search(ALL, {"size": 0, "aggs": {"values": {"terms": {"field": field, "size": 10000}}}})
        held = {float(f"{b['key']:.12g}"): b["doc_count"] for b in found["aggregations"]["values"]["buckets"]}
        wanted = collections.Counter(v for r in records for v in at(r, field))
        count.check(f"opensearch holds the thousandths of {field}", [] if held == wanted and wanted else
                    [f"{sorted(held.items() - wanted.items())[:5]} instead of {sorted(wanted.items() - held.items())[:5]}"])


def changed(record, path, value):
    """A copy with another id, in which the dotted name has this value."""
    record = copy.deepcopy(record)
    changed.copies += 1
    record["event"]["id"] = f"{changed.copies:032x}"
    inner = record
    *objects, last = path.split(".")
    for name in objects:
        inner = inner.setdefault(name, {})
    inner[last] = value
    return json.dumps(record).encode() + b"\n"


changed.copies = 0


def check_refused(store, count, records):
    call = next(r for r in records if r["event"]["dataset"] == "earshot.call")
    sensor = next(r for r in records if r["event"]["dataset"] == "earshot.sensor")
    for what, record, path, value, error in (
            ("a field that is no field", call, "colour", "red", "strict_dynamic_mapping_exception"),
            ("a field that is none inside an object", call, "earshot.call.colour", "red", "strict_dynamic_mapping_exception"),
            ("an object that is none", call, "host.name", "pbx", "strict_dynamic_mapping_exception"),
            ("an address that is none", call, "source.ip", "192.0.2.256", "mapper_parsing_exception"),
            ("a name for an address", call, "related.ip", ["pbx.example"], "mapper_parsing_exception"),
            ("text for a number", call, "source.port", "5060", "mapper_parsing_exception"),
            ("a fraction for a number", call, "source.port", 5060.5, "mapper_parsing_exception"),
            ("text for a truth", call, "earshot.capture_quality.one_sided", "yes", "mapper_parsing_exception"),
            ("a time that is none", call, "@timestamp", "yesterday", "mapper_parsing_exception"),
            ("an object for text", call, "sip.call_id", {"a": "b"}, "mapper_parsing_exception"),
            ("text for a count", sensor, "earshot.sensor.sip.responses.299", "many", "mapper_parsing_exception")):
        results = store.load([changed(record, path, value)], "cases")
        count.check(f"opensearch refuses {what}", [] if len(results) == 1 and next(iter(results)).startswith(error) else [str(dict(results))])


def names_in(counts, slugs):
    """All names that a map of counts can hold; of outputs, whose names the configuration gives, more than anybody has."""
    if counts.endswith("sip.responses"):
        return [*map(str, range(100, 700)), "other"]
    if counts.endswith("sip.requests"):
        return METHODS
    return [f"output-{k}" for k in range(32)] if ".outputs." in counts else slugs


def check_worst(store, count, binary, records):
    """All names that maps of counts can hold at once, and the last moment that we can tell."""
    reasons = subprocess.run([binary, "--docs", "reasons"], capture_output=True, text=True, check=True).stdout
    slugs = re.findall(r"^\| `([^`]+)` \|", reasons, re.M)
    record = next(r for r in records if r["event"]["dataset"] == "earshot.sensor")
    mappings = store.ask("GET", "/_index_template/earshot")[1]["index_templates"][0]["index_template"]["template"]["mappings"]
    maps = [name for entry in mappings["dynamic_templates"] for name, what in entry.items() if what["mapping"]["type"] == "long"]
    for counts in maps:
        record = json.loads(changed(record, counts, {name: 1 for name in names_in(counts, slugs)}))
    results = store.load([changed(record, "earshot.sensor.capture.packets", 2**53)], "cases")
    problems = [] if results == {"created": 1} and len(slugs) > 100 and len(maps) > 6 else [f"{len(maps)} maps, {len(slugs)} slugs: {dict(results)}"]
    problems += same(store.ids(ALL, {"query_string": {"query": "hippopotamus"}}), [])
    count.check("opensearch takes all counts at once", problems)
    call = next(r for r in records if r["event"]["dataset"] == "earshot.call")
    results = store.load([changed(call, "@timestamp", "2262-04-11T23:47:16.854775Z"), changed(call, "@timestamp", "1970-01-01T00:00:00.000000Z")],
                         "cases")
    count.check("opensearch takes the first and the last moment", [] if results == {"created": 2} else [str(dict(results))])


def check_rollover(store, count, lines):
    """What docs/elastic.md says of a new backing index: it knows nothing of what the one before holds."""
    alert = next(line for line in lines if b'"earshot.alert"' in line)
    store.ask("POST", "/logs-earshot.alert-cases/_rollover")
    results = [dict(store.load([alert], "cases")) for _ in range(2)]
    count.check("opensearch takes a repeat once more after a rollover", [] if results == [{"created": 1}, {"conflict": 1}] else [str(results)])


def check_page(store, count, binary):
    """The commands of docs/elastic.md: the template is put, records go in, and come to nothing when they come again."""
    if shutil.which("jq") is None:
        count.skip("opensearch by the commands of docs/elastic.md", "jq is not installed")
        return
    with open(os.path.join(ROOT, "docs", "elastic.md"), encoding="utf-8") as f:
        put, load = re.findall(r"^```\n(.*?)^```", f.read().replace("localhost:9200", store.url), re.M | re.S)[:2]
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(os.path.join(ROOT, "conf"), os.path.join(folder, "conf"))
        subprocess.run([binary, "-r", "pcaps/demo.pcap", "--records", os.path.join(folder, "records.jsonl"), "--report", "none"], cwd=ROOT,
                       check=True)
        with open(os.path.join(folder, "records.jsonl"), encoding="utf-8") as f:
            offered = len(f.readlines())
        said = [subprocess.run(["bash", "-ec", command], cwd=folder, capture_output=True, text=True).stdout for command in (put, load, load)]
    wanted = ['{"acknowledged":true}', f"[[201,{offered}]]", f"[[409,{offered}]]"]
    found = ["".join(text.split()) for text in said]
    count.check("opensearch by the commands of docs/elastic.md", [] if found == wanted else [f"{found} instead of {wanted}"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    binary = os.path.abspath(parser.parse_args().binary)
    count = Count()
    try:
        with Store() as store:
            status, answer = store.put_template()
            count.check("opensearch takes the template", [] if status == 200 else [json.dumps(answer)[:600]])
            if status == 200:
                lines = golden_lines(binary)
                records = [json.loads(line) for line in lines]
                check_taken(store, count, lines, records)
                check_addresses(store, count, records)
                check_words(store, count, records)
                check_exact(store, count, records)
                check_refused(store, count, records)
                check_worst(store, count, binary, records)
                check_rollover(store, count, lines)
                check_rules(store, count, binary)
                check_page(store, count, binary)
    except Unavailable as why:
        count.skip("opensearch", why)
    count.end()


main()
