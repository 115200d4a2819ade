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
    count.end()


main()
