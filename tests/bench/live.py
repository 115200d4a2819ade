#!/usr/bin/env python3
"""Goal F: at the highest rate at which `tcpdump -w /dev/null` drops nothing, earshot drops nothing, with rings of the same size.

    tests/bench/live.py --build build [--load rtp|sip|flood] [--workers 1,2] [--rates 300000,200000,...] [--buffer MIB]

A veth pair in a namespace of its own, tcpreplay at one end. Rates are tried downwards until tcpdump takes all; then earshot hears
the same at the same rate, after it has heard nothing for 2 s (what start, rounds and report cost). For each: packets sent, packets a second, what the kernel dropped, CPU a packet; and whether what the
kernel counted and what the sensor counted is the same. Needs root, tcpreplay and tcpdump. Compare inside one run only.
"""
import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

LOADS = {"rtp": ("rtp", 100, 30), "sip": ("sip", 20000, 3000), "flood": ("flood", 100000, 100000)}


def pair():
    subprocess.run("ip link add tap0 type veth peer name wire0 && "
                   "for i in tap0 wire0; do echo 1 >/proc/sys/net/ipv6/conf/$i/disable_ipv6; ip link set $i mtu 9000 up; done",
                   shell=True, check=True)


def play(path, rate):
    """(packets sent, packets a second)"""
    pace = ["--topspeed"] if rate == 0 else ["--pps", str(rate)]
    out = subprocess.run(["tcpreplay", "-q", "-K", "-i", "wire0", *pace, path], capture_output=True, text=True, check=True).stdout
    sent = int(re.search(r"Actual: (\d+) packets", out)[1])
    return sent, float(re.search(r"([\d.]+) pps", out)[1])


def heard_by(command, ready, path, rate):
    """(error output, standard output, sent, pps, CPU seconds) of a listener while the load is played."""
    with tempfile.NamedTemporaryFile() as err, tempfile.NamedTemporaryFile() as out:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        until = time.monotonic() + 20
        while ready not in open(err.name, "rb").read():
            if child.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"{command[0]} did not start: {open(err.name, 'rb').read()!r}")
            time.sleep(0.05)
        if path is None:
            time.sleep(1.5)
            sent, pps = 0, 0
        else:
            sent, pps = play(path, rate)
        time.sleep(0.5)
        child.send_signal(signal.SIGINT)
        _, _, usage = os.wait4(child.pid, 0)
        return open(err.name, encoding="utf-8").read(), open(out.name, encoding="utf-8").read(), sent, pps, usage.ru_utime + usage.ru_stime


def tcpdump(path, rate, mib):
    said, _, sent, pps, cpu = heard_by(["tcpdump", "-i", "tap0", "-Z", "root", "-B", str(mib << 10), "-w", "/dev/null"], b"listening on",
                                       path, rate)
    dropped = int(re.search(r"(\d+) packets? dropped by kernel", said)[1])
    return sent, pps, dropped, cpu


def earshot(binary, path, rate, mib, workers):
    command = [binary, "-i", "tap0", "--workers", str(workers), "--set", f"capture.buffer={mib}MiB", "--report", "json"]
    _, report, sent, pps, cpu = heard_by(command, b"listening on", path, rate)
    capture = json.loads(report)["capture"]
    equal = capture["offered"] == sent == capture["packets"] + capture["dropped"]
    return sent, pps, capture["dropped"], cpu, equal


def line(who, figures, equal=None):
    sent, pps, dropped, cpu = figures
    print(f"  {who:22} {sent:9} packets at {pps:9.0f} a second: {dropped} dropped, {cpu / sent * 1e9:5.0f} ns of CPU a packet"
          + ("" if equal is None else ", counts of kernel and sensor equal" if equal else ", COUNTS DIFFER"), flush=True)


def measure(options):
    pair()
    binary = os.path.join(options.build, "earshot")
    with tempfile.TemporaryDirectory() as folder:
        for name in options.load.split(","):
            kind, calls, second = LOADS[name]
            path = os.path.join(folder, name + ".pcap")
            subprocess.run([os.path.join(options.build, "bench", "load"), kind, str(calls), str(second), "1", path], check=True,
                           capture_output=True)
            print(f"{name}, rings of {options.buffer} MiB", flush=True)
            for rate in [int(r) for r in options.rates.split(",")]:
                figures = tcpdump(path, rate, options.buffer)
                line("tcpdump -w /dev/null", figures)
                if figures[2] == 0:
                    break
            else:
                print("  tcpdump drops at every rate: try lower ones")
                continue
            for workers in options.workers.split(","):
                idle = earshot(binary, None, 0, options.buffer, workers)[3]
                print(f"  earshot, {workers} workers       start, 2 s of silence, report: {idle * 1e3:.0f} ms of CPU")
                for _ in range(options.runs):
                    *figures, equal = earshot(binary, path, rate, options.buffer, workers)
                    line(f"earshot, {workers} workers", figures, equal)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--load", default="rtp,sip,flood")
    parser.add_argument("--workers", default="0,1,2")
    parser.add_argument("--rates", default="0,300000,200000,150000,100000,70000,50000,30000,20000", help="packets a second, 0 = as fast as it goes")
    parser.add_argument("--buffer", type=int, default=64, help="MiB")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    for tool in ("tcpreplay", "tcpdump", "unshare", "ip"):
        if shutil.which(tool) is None:
            raise SystemExit(f"{tool} is not installed")
    if options.inside:
        measure(options)
    else:
        raise SystemExit(subprocess.run(["unshare", "--net", sys.executable, os.path.abspath(__file__), *sys.argv[1:], "--inside"]).returncode)


main()
