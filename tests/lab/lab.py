#!/usr/bin/env python3
"""A telephone system in network namespaces, honest people, real attackers, and earshot listening live.

    tests/lab/lab.py --binary build/earshot [--only NAME] [--keep FOLDER] [--list] [--no-replay]

Prints what each attack was told as, and how long after its threshold was crossed; README.md has the picture. Everything runs in
namespaces of its own (network, mounts, processes): the kernel takes all of it away when this program ends, however it ends.
Skipped where namespaces are not allowed or the servers and tools are not installed (tools/setup --tests installs them).
"""
import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "check"))
from attacks import ATTACKS  # noqa: E402
from counting import Count  # noqa: E402
from crossing import Capture  # noqa: E402
from honest import ABROAD, Honest  # noqa: E402
from listening import Sensor, Wire, accounted, frames, packets_sent_by, pair  # noqa: E402
from network import Network  # noqa: E402
from processes import Processes  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
NEEDED = ("unshare", "ip", "tc", "nft", "ethtool", "mount", "tcpdump", "kamailio", "sipp", "baresip")
NAMESPACES = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
LATE_S = 1.0  # an alert must leave within this, counted from the crossing


def tools_folder():
    """Where tools/setup puts sipvicious."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(cache, "earshot", "lab", "bin")


class Told:
    """Alert records of a live sensor, with the moment at which a reader of the file had each."""

    def __init__(self, sensor):
        self.sensor = sensor
        self.alerts = []
        self.ending = False
        self.thread = threading.Thread(target=self.read)
        self.thread.start()

    def read(self):
        while not os.path.exists(self.sensor.records):
            time.sleep(0.01)
        rest = ""
        with open(self.sensor.records, encoding="utf-8") as f:
            while True:
                last = self.ending
                rest += f.read()
                *lines, rest = rest.split("\n")
                now = time.time()
                self.alerts += [(now, json.loads(line)) for line in lines if '"dataset":"earshot.alert"' in line]
                if last:
                    return
                time.sleep(0.01)

    def end(self):
        self.ending = True
        self.thread.join()


def seconds_of(stamp):
    """2026-01-02T03:04:05.678901234Z -> seconds since the epoch"""
    whole, _, fraction = stamp.rstrip("Z").partition(".")
    return calendar_seconds(whole) + float("0." + (fraction or "0"))


def calendar_seconds(whole):
    import calendar
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S"))


def incident_key(record):
    """(rule, what it is about)"""
    alert = record["earshot"]["alert"]
    return record["rule"]["id"], alert["entity"]["type"], alert["entity"].get("value", ""), ",".join(alert.get("secondary", []))


def incidents(records):
    """{(rule, key): highest severity}"""
    found = {}
    for record in records:
        key = incident_key(record)
        found[key] = max(found.get(key, 0), record["earshot"]["alert"]["level"])
    return found


def words_of(record):
    """All that an alert names."""
    alert = record["earshot"]["alert"]
    return [alert["entity"].get("value", ""), alert.get("target", ""), record.get("source", {}).get("ip", ""),
            record.get("destination", {}).get("ip", ""), *alert.get("secondary", []), *alert.get("accounts", [])]


def is_about(record, attack):
    if attack.about is None:
        return True
    return any(word in named for word in attack.about for named in words_of(record))


class Lab:
    def __init__(self, binary, folder, only):
        self.binary = binary
        self.folder = folder
        self.network = Network(f"es{os.getpid():x}{int(time.time()) % 4096:x}")
        self.processes = Processes(self.network, folder)
        self.honest = Honest(self.processes)
        self.attacks = [a for a in ATTACKS if only is None or a.name == only]
        self.broken = []

    def tool(self, name, program, *arguments):
        self.processes.start(name, "attacker", os.path.join(tools_folder(), program), *arguments, input_text="")
        self.processes.wait(name, 40)

    def wait_until(self, condition, what, seconds=10):
        until = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > until:
                raise AssertionError(what)
            time.sleep(0.05)

    def commit(self, *names):
        """One attack after the other."""
        for attack in self.attacks:
            if attack.name in names:
                attack.begun = time.time()
                try:
                    attack.run(self)
                except (OSError, subprocess.SubprocessError) as error:
                    self.broken.append(f"{attack.name}: {error}")
                attack.ended = time.time()

    def at_once(self, *chains):
        threads = [threading.Thread(target=self.commit, args=chain) for chain in chains]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    # --- the day ---

    def run(self):
        self.network.up()
        self.honest.servers_up()
        capture = os.path.join(self.folder, "lab.pcap")
        self.processes.start("tcpdump", "sensor", "tcpdump", "-i", "mon0", "-n", "-s", "0", "-B", "65536", "-Z", "root",
                             "--time-stamp-precision=nano", "-w", capture)
        self.wait_until(lambda: "listening on" in self.processes.said("tcpdump"), "tcpdump did not start")
        self.wait_until(lambda: "Listening on" in self.processes.said("pbx"), "Kamailio did not start: " + self.processes.said("pbx"))
        with Sensor(self.binary, *self.configuration(), interfaces=("mon0",), workers=2,
                    prefix=self.network.inside("sensor")) as sensor:
            told = Told(sensor)
            try:
                self.day()
            finally:
                time.sleep(1.5)
                status, report = sensor.stop()
                told.end()
                self.processes.stop_all()
            problems = [] if status == 0 else [f"the sensor ended with {status}: {sensor.said()!r}"]
            records = sensor.written()
        return capture, told.alerts, records, report, problems

    def configuration(self):
        return ["-c", os.path.join(HERE, "earshot.yaml")]

    def day(self):
        honest = self.honest
        honest.phones_up()
        time.sleep(3)
        honest.softphone(1041)
        honest.call(1001, 1011, 5)
        honest.call(1002, 1012, 3, "call_hold")
        honest.call(1003, 1013, 0, "call_busy")
        honest.call(1004, 1014, 3, "call_cancel")
        honest.call(1005, ABROAD, 9)
        honest.incoming(1011, 4)
        time.sleep(13)
        honest.call(1006, 1015, 5)
        honest.call(1007, 1016, 2, "call_hold")
        honest.call(1008, 1013, 0, "call_busy")
        honest.call(1009, 1014, 2, "call_cancel")
        honest.incoming(1012, 5)
        time.sleep(8)
        longest = [honest.call(caller, desk, 75, must_end=False)
                   for caller, desk in ((1001, 1011), (1002, 1012), (1003, 1016), (1004, 1011), (1005, 1012), (1006, 1016))]
        time.sleep(5)
        self.honest_until = time.time()
        self.at_once(("svmap", "svwar", "svcrack", "toll fraud"), ("BYE by an insider",), ("BYE with a forged address",),
                     ("one-way call", "open relay"), ("wangiri",))
        self.broken += honest.failures()
        self.commit("INVITE flood")
        time.sleep(2)
        self.commit("media stops")
        time.sleep(2)
        for call in longest:
            self.processes.stop(call)
        self.commit("carrier stops")
        self.commit("registrar stops")


def folder_of_run(keep):
    if keep:
        os.makedirs(keep, exist_ok=True)
        return keep
    return tempfile.mkdtemp(prefix="earshot-lab-")


def inside(options):
    lab = Lab(options.binary, options.folder, options.only)
    try:
        capture, told, records, report, problems = lab.run()
    finally:
        lab.processes.stop_all()
    json.dump([(t, r) for t, r in told], open(os.path.join(options.folder, "alerts.json"), "w"))
    print(lab.broken, problems)
    for a in lab.attacks: print(a.name, a.begun, a.ended)
    fr = frames(capture)
    import struct
    head = open(capture, "rb").read(40)
    s, n = struct.unpack_from("<II", head, 24)
    c = Capture(fr, s + n * 1e-9)
    for a in lab.attacks:
        for rule, f in a.tells.items():
            t0 = time.time()
            x = f(c, a)
            mine = [(t, r) for t, r in told if r["rule"]["id"] == rule and is_about(r, a)]
            print(a.name, rule, x and x - a.begun, [(r["earshot"]["alert"]["level"], x and seconds_of(r["@timestamp"]) - x, x and seconds_of(r["event"]["created"]) - x, x and t - x) for t, r in mine][:2], f"{time.time()-t0:.1f}")
    for k, v in incidents([r for _, r in told]).items(): print(k, v)
    print({k: report["capture"][k] for k in ("packets", "offered", "dropped")})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--only")
    parser.add_argument("--keep")
    parser.add_argument("--folder")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.binary = os.path.abspath(options.binary)
    if options.inside:
        return inside(options)
    options.folder = folder_of_run(options.keep)
    subprocess.run([*NAMESPACES, sys.executable, os.path.abspath(__file__), "--binary", options.binary, "--folder", os.path.abspath(options.folder), "--inside"] + (["--only", options.only] if options.only else []))


main()
