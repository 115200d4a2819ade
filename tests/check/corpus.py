#!/usr/bin/env python3
"""Runs the sensor over captures that strangers made, where they are there: ../shared/corpus, never copied.

    corpus.py --binary build/earshot            figures against their expectations, and the SIP torture set
    corpus.py --binary build-asan/earshot --survive    hostile captures only: survive, whatever the figures
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from counting import Count  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHARED = os.path.join(os.path.dirname(ROOT), "shared")
DIFFERENCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus_differences.txt")


def known_differences():
    """file -> pattern of a difference that is explained beside it."""
    known = {}
    with open(DIFFERENCES, encoding="utf-8") as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                name, pattern = line.rstrip("\n").split("\t")[:2]
                known.setdefault(name, []).append(pattern)
    return known


def captures(count, binary, survive):
    command = [os.path.join(SHARED, "tools/check-corpus"), binary, os.path.join(SHARED, "corpus")]
    command += ["--timeout", "300"]  # for what hangs, not for who is slow
    if survive:
        command += ["--only", "hostile/*"]
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        subprocess.run(command + ["--json", out.name], capture_output=True, text=True)
        results = json.load(open(out.name, encoding="utf-8")) if os.path.getsize(out.name) else []
    if not results:
        count.fail("corpus", "check-corpus gave no result")
    known = known_differences()
    for result in results:
        left = [d for d in result["differences"] if not any(re.search(p, d) for p in known.get(result["file"], []))]
        count.check("corpus " + result["file"], left)


def torture(count, binary):
    for arguments in ([], ["--frag", "64"], ["--robust", "--only", "no such message"]):
        name = "torture " + " ".join(arguments)
        out = subprocess.run([os.path.join(SHARED, "tools/check-torture"), *arguments, binary], capture_output=True, text=True)
        count.check(name, [] if out.returncode == 0 else out.stdout.splitlines()[-20:])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--survive", action="store_true")
    options = parser.parse_args()
    count = Count()
    if not os.path.isdir(os.path.join(SHARED, "corpus")):
        for name in ("captures of the corpus",) if options.survive else ("captures of the corpus", "SIP torture set"):
            count.skip(name, "../shared/corpus is not there")
        count.end()
    captures(count, os.path.abspath(options.binary), options.survive)
    if not options.survive:
        torture(count, os.path.abspath(options.binary))
    count.end()


main()
