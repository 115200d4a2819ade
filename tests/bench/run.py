#!/usr/bin/env python3
"""CPU of the sensor per packet beside an empty pcap_loop over the same file, in alternated pairs.

    tests/bench/run.py --build build [--pairs 5] [--calls 1000] [--only rtp|sip|flood]

Prints, for each load, packets, the ratio sensor / pcap_loop (median, smallest, largest of the pairs), ns a packet of both
(minima), wall seconds and peak memory. Loads are made by bench/load into a temporary folder. Compare ratios of one run
only: machines are noisy.
"""
import argparse
import os
import statistics
import subprocess
import tempfile
import time

LOADS = {"rtp": ("rtp", 1000, 30), "sip": ("sip", 100000, 3000), "flood": ("flood", 300000, 100000)}


def run(command):
    """(CPU seconds, wall seconds, peak bytes)"""
    started = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        raise SystemExit(f"{command[0]} ended with {status}")
    return usage.ru_utime + usage.ru_stime, time.monotonic() - started, usage.ru_maxrss * 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--only", choices=LOADS)
    parser.add_argument("--scale", type=float, default=1, help="of the number of calls")
    parser.add_argument("--workers", default="0,1")
    parser.add_argument("--set", action="append", default=[])
    options = parser.parse_args()
    sensor = os.path.join(options.build, "earshot")
    floor = os.path.join(options.build, "bench", "floor")
    with tempfile.TemporaryDirectory() as folder:
        for name, (kind, calls, second) in LOADS.items():
            if options.only not in (None, name):
                continue
            path = os.path.join(folder, name + ".pcap")
            made = subprocess.run([os.path.join(options.build, "bench", "load"), kind, str(int(calls * options.scale)), str(second),
                                   "1", path], capture_output=True, text=True, check=True)
            packets = int(made.stderr.split()[0])
            run([floor, path])
            for workers in options.workers.split(","):
                command = [sensor, "-r", path, "--workers", workers, "--report", "none"]
                for setting in options.set:
                    command += ["--set", setting]
                run(command)
                pairs = [(run([floor, path]), run(command)) for _ in range(options.pairs)]
                ratios = [own[0] / empty[0] for empty, own in pairs]
                print(f"{name} workers={workers}: {packets} packets, ratio {statistics.median(ratios):.2f} "
                      f"({min(ratios):.2f} to {max(ratios):.2f}), {min(o[0] for _, o in pairs) / packets * 1e9:.0f} ns against "
                      f"{min(e[0] for e, _ in pairs) / packets * 1e9:.0f} ns a packet, wall {min(o[1] for _, o in pairs):.3f} s, "
                      f"peak {max(o[2] for _, o in pairs) >> 20} MiB", flush=True)
            os.unlink(path)


main()
