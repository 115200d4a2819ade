#!/usr/bin/env python3
"""Replays the committed inputs of every fuzz target with the sanitizer build: replay.py --build build-fuzz"""
import argparse
import glob
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "check"))
from counting import Count  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    build = os.path.abspath(parser.parse_args().build)
    count = Count()
    for source in sorted(glob.glob(os.path.join(HERE, "*.c"))):
        name = os.path.splitext(os.path.basename(source))[0]
        if name == "replay":
            continue
        inputs = sorted(glob.glob(os.path.join(HERE, "regress", name, "*")))
        out = subprocess.run([os.path.join(build, "fuzz", f"fuzz-{name}"), "-runs=0", *inputs], capture_output=True, text=True,
                             timeout=600)
        count.check(f"fuzz {name} ({len(inputs)} inputs)", [] if out.returncode == 0 else out.stderr.splitlines()[-15:])
    count.end()


main()
