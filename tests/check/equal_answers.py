#!/usr/bin/env python3
"""Law 2: the same input gives the same records, byte for byte, whatever the number of workers, and again on a second run.

    equal_answers.py --binary build/earshot              pcaps/ and, where it is there, ../shared/corpus
    equal_answers.py ... --load build/bench/load         also loads that overflow small tables
    equal_answers.py --binary build-tsan/earshot --threads   pcaps/ with 4 workers under ThreadSanitizer
"""
import argparse
import concurrent.futures
import glob
import hashlib
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from counting import Count  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CORPUS = os.path.join(os.path.dirname(ROOT), "shared", "corpus")
EVERYTHING = ["--set", "records.sip=messages", "--set", "records.media_interval=true", "--set", "records.flow=true",
              "--set", "records.refreshes=true"]


def answer(binary, capture, workers, extra=()):
    """((exit status, hash of records, hash of report), last line of the error output)"""
    with tempfile.NamedTemporaryFile() as records:
        command = [binary, "-r", capture, "--workers", str(workers), *EVERYTHING, *extra, "--records", records.name, "--report", "json"]
        out = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=600)
        with open(records.name, "rb") as f:
            written = hashlib.sha256(f.read()).hexdigest()
    tail = out.stderr.decode("utf-8", "replace").strip().splitlines()
    return (out.returncode, written, hashlib.sha256(out.stdout).hexdigest()), tail[-1:] or [""]


def compare(binary, capture):
    first, _ = answer(binary, capture, 1)
    problems = []
    for what, workers, extra in (("a second run", 1, ()), ("no threads", 0, ()), ("2 workers", 2, ()), ("4 workers", 4, ())):
        other, tail = answer(binary, capture, workers, extra)
        if other != first:
            problems.append(f"{what}: {'records' if other[1] != first[1] else 'report or status'} differ {tail[0][:200]}")
    return problems


SMALL = []
for _table, _entries in (("streams", 64), ("flows", 64), ("tcp-streams", 16), ("transactions", 300), ("attempts", 64), ("bindings", 64),
                         ("accounts", 64), ("calls", 200), ("endpoints", 128), ("addresses", 64), ("incidents", 16),
                         ("source", 16), ("source-server", 16), ("source-account", 16)):
    SMALL += ["--set", f"tables.{_table}.entries={_entries}"]


def full_tables(count, binary, load):
    """What is forgotten when tables are full must not depend on the number of workers either."""
    with tempfile.TemporaryDirectory() as folder:
        for kind, calls, second in (("rtp", 60, 6), ("sip", 3000, 3000), ("flood", 20000, 100000)):
            capture = os.path.join(folder, kind + ".pcap")
            subprocess.run([load, kind, str(calls), str(second), "7", capture], check=True, capture_output=True)
            first, _ = answer(binary, capture, 0, SMALL)
            problems = [f"{workers} workers: {'records' if other[1] != first[1] else 'report or status'} differ"
                        for workers in (1, 2, 3, 4, 16) if (other := answer(binary, capture, workers, SMALL)[0]) != first]
            count.check(f"equal answers with full tables, {kind}", problems)


def race_free(binary, capture):
    (status, _, _), tail = answer(binary, capture, 4)
    return [] if status in (0, 3) else [f"status {status}: {tail[0][:300]}"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--threads", action="store_true")
    parser.add_argument("--load", help="bench/load: also runs with tables that are too small")
    options = parser.parse_args()
    binary = os.path.abspath(options.binary)
    captures = sorted(glob.glob(os.path.join(ROOT, "pcaps", "*.pcap*")))
    if not options.threads:
        for folder in ("sip", "media", "negative", "hostile"):
            captures += sorted(p for p in glob.glob(os.path.join(CORPUS, folder, "*")) if not p.endswith((".json", ".md")))
    count = Count()
    if not options.threads and not os.path.isdir(CORPUS):
        count.skip("equal answers over the corpus", "../shared/corpus is not there")
    work = race_free if options.threads else compare
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for capture, problems in zip(captures, pool.map(lambda c: work(binary, c), captures)):
            count.check("equal answers " + os.path.basename(capture), problems)
    if options.load:
        full_tables(count, binary, options.load)
    count.end()


main()
