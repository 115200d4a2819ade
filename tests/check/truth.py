#!/usr/bin/env python3
"""Seeded loads whose truth is counted by the generator alone: every stream's figures must be exact.

    truth.py --binary build/earshot --load build/bench/load [--seeds 20]
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from counting import Count  # noqa: E402


def compare(truth, streams):
    problems = []
    by_key = {(s["source"], s["destination"], s["ssrc"]): s for s in streams}
    if len(by_key) != len(truth):
        problems.append(f"{len(by_key)} streams, expected {len(truth)}")
    for want in truth:
        got = by_key.get((want["source"], want["destination"], want["ssrc"]))
        if got is None:
            problems.append(f"{want['source']} > {want['destination']} {want['ssrc']}: not reported")
            continue
        for figure in ("packets", "expected", "lost", "duplicates", "reordered", "call"):
            if got[figure] != want[figure]:
                problems.append(f"{want['ssrc']} {figure}: {got[figure]}, expected {want[figure]}")
        for part in ("mean", "max"):
            if abs(got["jitter_ms"][part] - want[f"jitter_{part}_ms"]) > 0.001:
                problems.append(f"{want['ssrc']} jitter {part}: {got['jitter_ms'][part]}, expected {want[f'jitter_{part}_ms']}")
    return problems


FLOOD_BYTES_MAX = 160 << 20


def flood(count, binary, load, folder):
    """Bounded memory: 300,000 INVITEs, each with its own Call-ID and source, and what was forgotten is said."""
    capture = os.path.join(folder, "flood.pcap")
    subprocess.run([load, "flood", "300000", "100000", "1", capture], check=True, capture_output=True)
    with open(os.path.join(folder, "report.json"), "wb") as out:
        child = subprocess.Popen([binary, "-r", capture, "--report", "json"], stdout=out)
        _, status, usage = os.wait4(child.pid, 0)
    problems = [] if status == 0 else [f"status {status}"]
    if usage.ru_maxrss * 1024 > FLOOD_BYTES_MAX:
        problems.append(f"{usage.ru_maxrss >> 10} MiB of memory, at most {FLOOD_BYTES_MAX >> 20} are allowed")
    with open(os.path.join(folder, "report.json"), encoding="utf-8") as f:
        report = json.load(f)
    if report["sip"]["requests"] != {"INVITE": 300000}:
        problems.append(f"requests {report['sip']['requests']}")
    count.check("flood of 300,000 INVITEs", problems)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--load", required=True)
    parser.add_argument("--seeds", type=int, default=20)
    options = parser.parse_args()
    count = Count()
    with tempfile.TemporaryDirectory() as folder:
        capture, truth = os.path.join(folder, "load.pcap"), os.path.join(folder, "truth.jsonl")
        for seed in range(1, options.seeds + 1):
            subprocess.run([options.load, "rtp", str(3 + seed % 9), str(4 + seed % 7), str(seed), capture, truth], check=True,
                           capture_output=True)
            out = subprocess.run([options.binary, "-r", capture, "--report", "json"], capture_output=True, check=True)
            with open(truth, encoding="utf-8") as f:
                count.check(f"truth of seed {seed}", compare([json.loads(line) for line in f], json.loads(out.stdout)["streams"]))
        flood(count, options.binary, options.load, folder)
    count.end()


main()
