#!/usr/bin/env python3
"""Hold records against the schema that the program prints.

usage: validate_records.py SCHEMA RECORDS     RECORDS holds one JSON object a line; - is standard input
Exit status: 0 all valid, 1 something is not, 77 the python package jsonschema is not there.
"""
import json
import sys


def no_twins(pairs):
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise ValueError("a name twice in one object: %s" % sorted({n for n in names if names.count(n) > 1}))
    return dict(pairs)


def absent_rule(value, path=""):
    """What is not known is not there: never null, never empty text."""
    if value is None or value == "":
        yield path
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from absent_rule(inner, path + "." + name)
    elif isinstance(value, list):
        for inner in value:
            yield from absent_rule(inner, path + "[]")


def main():
    try:
        import jsonschema
    except ImportError:
        print("python package jsonschema is missing", file=sys.stderr)
        return 77
    with open(sys.argv[1], encoding="utf-8") as f:
        schema = json.load(f, object_pairs_hook=no_twins)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    stream = sys.stdin.buffer if sys.argv[2] == "-" else open(sys.argv[2], "rb")
    bad = count = 0
    for line in stream:
        count += 1
        if not line.endswith(b"\n") or b"\r" in line:
            print("line %d does not end with one line feed" % count)
            bad += 1
        try:
            record = json.loads(line.decode("utf-8"), object_pairs_hook=no_twins)
        except ValueError as fault:
            print("line %d: %s" % (count, fault))
            bad += 1
            continue
        faults = [f.json_path + ": " + f.message[:160] for f in validator.iter_errors(record)]
        faults += ["%s is null or empty" % path for path in absent_rule(record)]
        for fault in faults[:5]:
            print("line %d (%s): %s" % (count, record.get("event", {}).get("dataset"), fault))
        bad += bool(faults)
    if count == 0:
        print("no records")
    return 1 if bad or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
