#!/usr/bin/env python3
"""Golden cases: each folder NAME/ of tests/cases holds case.yaml, expect.jsonl and expect.report.

    run.py --binary build/earshot [--bless] [--only TEXT] [--slow FACTOR]

case.yaml (its first line is a comment: what the case proves):
    capture: pcaps/NAME.pcap        or several, as a list
    options: ["records.sip=messages"]   --set of each
    config: |                       a configuration file, where the case is about one
    workers: [0, 1, 2, 4]           each must give the expected bytes (this is the default)
    datasets: [alert, call]         only these records are compared (default: all)
    report: text                    text (default), json or none
    status: 0                       exit status
    error: "text in the error output"
    memory_bytes_max: 268435456     peak resident memory of one run
    seconds_max: 10                 of one run
--bless writes what the sensor says now and shows the difference: a person reads it before it is committed.
"""
import argparse
import difflib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "check"))
from counting import Count  # noqa: E402

KEYS = {"capture", "options", "config", "workers", "datasets", "report", "status", "error", "memory_bytes_max", "seconds_max"}


def run(binary, case, workers, folder):
    """(status, records, report, error output, seconds, peak bytes)"""
    captures = case["capture"] if isinstance(case["capture"], list) else [case["capture"]]
    records = os.path.join(folder, "records")
    command = [binary, "-r", *captures, "--workers", str(workers), "--records", records, "--report", case.get("report", "text")]
    for option in case.get("options", []):
        command += ["--set", option]
    if "config" in case:
        path = os.path.join(folder, "earshot.yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(case["config"])
        command += ["-c", path]
    started = time.monotonic()
    child = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = child.communicate(timeout=300)
    seconds = time.monotonic() - started
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    lines = open(records, encoding="utf-8").read().splitlines(True) if os.path.exists(records) else []
    if os.path.exists(records):
        os.unlink(records)
    wanted = case.get("datasets")
    if wanted:
        lines = [line for line in lines if json.loads(line)["event"]["dataset"].split(".", 1)[1] in wanted]
    return (child.returncode, "".join(lines), out.decode("utf-8"), err.decode("utf-8", "replace").replace(folder + "/", ""),
            seconds, peak)


def difference(name, want, got):
    lines = difflib.unified_diff(want.splitlines(), got.splitlines(), "expected", "got", lineterm="", n=1)
    return [f"{name} differs:"] + [line[:400] for line in list(lines)[:16]]


def read(path):
    try:
        with open(path, encoding="utf-8") as f:
            return f.read()
    except FileNotFoundError:
        return ""


def check(binary, name, bless, slow):
    folder = os.path.join(HERE, name)
    text = read(os.path.join(folder, "case.yaml"))
    case = yaml.safe_load(text)
    problems = []
    if not text.startswith("# "):
        problems.append("the first line of case.yaml does not say what the case proves")
    if set(case) - KEYS:
        problems.append(f"case.yaml has unknown keys {sorted(set(case) - KEYS)}")
    expected = {"expect.jsonl": None, "expect.report": None}
    with tempfile.TemporaryDirectory() as scratch:
        for workers in case.get("workers", [0, 1, 2, 4]):
            status, records, report, error, seconds, peak = run(binary, case, workers, scratch)
            if status != case.get("status", 0):
                problems.append(f"{workers} workers: status {status}: {error.strip()[-300:]}")
            if case.get("error", "") not in error:
                problems.append(f"{workers} workers: '{case['error']}' is not in the error output: {error.strip()[-300:]}")
            if seconds > case.get("seconds_max", 60) * slow:
                problems.append(f"{workers} workers: {seconds:.1f} s")
            if slow == 1 and peak > case.get("memory_bytes_max", 1 << 40):
                problems.append(f"{workers} workers: {peak} bytes of memory")
            for file, got in (("expect.jsonl", records), ("expect.report", report)):
                path = os.path.join(folder, file)
                if bless and expected[file] is None:
                    if read(path) != got or not os.path.exists(path):
                        print("\n".join(difference(f"{name}/{file}", read(path), got)))
                        with open(path, "w", encoding="utf-8") as f:
                            f.write(got)
                if expected[file] is None:
                    expected[file] = read(path)
                if not os.path.exists(path):
                    problems.append(f"{file} is missing: run tools/test --bless and read it")
                if got != expected[file]:
                    problems += [f"{workers} workers:"] + difference(file, expected[file], got)
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--bless", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--slow", type=float, default=1, help="how much slower this build may be")
    options = parser.parse_args()
    count = Count()
    for name in sorted(n for n in os.listdir(HERE) if os.path.isfile(os.path.join(HERE, n, "case.yaml"))):
        if options.only in name:
            count.check("case " + name, check(os.path.abspath(options.binary), name, options.bless, options.slow))
    count.end()


main()
