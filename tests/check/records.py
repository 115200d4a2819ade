#!/usr/bin/env python3
"""Every record of the golden captures (and of strangers' where they are there) against the JSON Schema that the sensor prints
and against the published list of ECS names; identities do not repeat, sequences have no gaps, the sums of packets hold.

    records.py --binary build/earshot
"""
import argparse
import collections
import glob
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from counting import Count  # noqa: E402
from validate_records import absent_rule, no_twins  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CORPUS = os.path.join(os.path.dirname(ROOT), "shared", "corpus")
OWN = ("sip.", "rtp.", "earshot.")
EVERYTHING = ["--set", "records.sip=messages", "--set", "records.media_interval=true", "--set", "records.flow=true",
              "--set", "records.refreshes=true"] + [word for name in ("source", "account", "number", "none") for word in (
                  "--set", f"responses.{name}.hook=nothing", "--set", f"responses.{name}.target={name}", "--set", f"responses.{name}.severity=low")]


def leaves(value, path=""):
    for name, inner in value.items():
        full = f"{path}.{name}" if path else name
        if isinstance(inner, dict):
            yield from leaves(inner, full)
        else:
            yield full, inner


def names_outside(record, pinned):
    for name, value in leaves(record):
        if name.startswith(OWN):
            continue
        if name not in pinned:
            yield f"{name} is no ECS name"
        elif (pinned[name] == "array") != isinstance(value, list):
            yield f"{name} must be {'an array' if pinned[name] == 'array' else 'one value'}"


def check(binary, capture, validator, pinned):
    out = subprocess.run([binary, "-r", capture, "--records", "-", *EVERYTHING], stdin=subprocess.DEVNULL, capture_output=True)
    if out.returncode != 0:
        return [f"status {out.returncode}"] if out.returncode != 3 else []
    problems, seen, sequences = [], set(), collections.Counter()
    for number, line in enumerate(out.stdout.splitlines(), 1):
        record = json.loads(line.decode("utf-8"), object_pairs_hook=no_twins)
        dataset = record["event"]["dataset"]
        faults = [f"{f.json_path}: {f.message[:160]}" for f in validator.iter_errors(record)]
        faults += [f"{path} is null or empty" for path in absent_rule(record)] + list(names_outside(record, pinned))
        if record["event"]["id"] in seen:
            faults.append("event.id stands twice")
        seen.add(record["event"]["id"])
        if record["event"]["sequence"] != sequences[dataset]:
            faults.append(f"event.sequence {record['event']['sequence']}, expected {sequences[dataset]}")
        sequences[dataset] += 1
        if dataset == "earshot.sensor":
            sensor = record["earshot"]["sensor"]
            packets = sensor["packets"]
            if sensor["capture"]["packets"] != packets["decoded"] + packets["ignored"] + packets["malformed"]:
                faults.append("capture.packets is not decoded + ignored + malformed")
        problems += [f"record {number} ({dataset}): {fault}" for fault in faults[:5]]
        if len(problems) > 20:
            break
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    binary = os.path.abspath(parser.parse_args().binary)
    count = Count()
    try:
        import jsonschema
    except ImportError:
        count.skip("records against schema", "the python package jsonschema is not installed")
        count.end()
    schema = json.loads(subprocess.run([binary, "--docs", "schema"], capture_output=True, check=True).stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    pinned = {}
    with open(os.path.join(ROOT, "tests/check/ecs_fields.txt"), encoding="utf-8") as f:
        for line in f:
            if not line.startswith("#"):
                name, _, many = line.split()
                pinned[name] = many
    captures = sorted(glob.glob(os.path.join(ROOT, "pcaps", "*.pcap")))
    if os.path.isdir(CORPUS):
        captures += sorted(p for f in ("sip", "media") for p in glob.glob(os.path.join(CORPUS, f, "*")) if "expect" not in p)
    else:
        count.skip("records of the corpus", "../shared/corpus is not there")
    for capture in captures:
        if os.path.getsize(capture) < 1 << 20:
            count.check("records " + os.path.basename(capture), check(binary, capture, validator, pinned))
    count.end()


main()
