#!/usr/bin/env python3
"""A telephone system in network namespaces, honest people, real attackers, and earshot listening live.

    tests/lab/run --binary build/earshot [--only ATTACK] [--keep FOLDER] [--no-replay]      tests/lab/run --list

Prints what each attack was told as and how long after its threshold was crossed; README.md has the picture. Everything runs in
namespaces of its own (network, mounts, processes): the kernel takes all of it away when this program ends, however it ends.
Skipped where namespaces are not allowed or servers and tools are not installed (tools/setup --tests installs them).
"""
import argparse
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "check")]
from attacks import ATTACKS, FORGED, STRANGER  # noqa: E402
from counting import Count, broken_off  # noqa: E402
from crossing import Capture  # noqa: E402
from honest import ABROAD, Honest  # noqa: E402
from listening import Sensor, Wire, accounted, frames, packets_sent_by, pair, read  # noqa: E402
from network import INNOCENT, Network  # noqa: E402
from processes import Processes  # noqa: E402
from story import Alert, Told, belongs, differences, false_alarms, incidents  # noqa: E402
from world import outside, tools_folder, why_not  # noqa: E402

REPLAY_WORKERS = (1, 2, 4)
SIPVICIOUS = ("svmap", "svwar", "svcrack")
STORY = (*SIPVICIOUS, "toll fraud")
STORY_RULES = ("scan", "enumeration", "registration-bruteforce", "registration-breach", "toll-fraud-account")
STORY_ABOUT = (STRANGER, "1030")
RUN_S_MAX = 900
PATIENCE_S = 60  # for what takes a moment; a machine that is slow or busy is no failure
LONG_CALL_S = 300  # longer than the day: the calls are ended by the lab
BEGUN = time.time()
LATE_S = 1.0  # packet time from when a rule looks to what made it speak
LATE_WRITTEN_S = 2.0  # the same until the record is written, by the wall clock: this machine may be busy


def office_hours():
    """A time zone in which it was about eleven when the lab began: POSIX counts hours west of Greenwich."""
    west = (time.gmtime(BEGUN).tm_hour - 11 + 12) % 24 - 12
    return f"LAB{west:+d}"


class Lab:
    def __init__(self, binary, folder, only):
        self.binary = binary
        self.folder = folder
        self.network = Network(f"es{os.getpid():x}-{time.time_ns() & 0xFFFF:x}")
        self.processes = Processes(self.network, folder)
        self.honest = Honest(self.processes)
        self.attacks = [a for a in ATTACKS if only is None or a.name in only]
        self.broken = []  # what the lab itself did not manage

    def tool(self, name, program, *arguments):
        self.processes.start(name, "attacker", os.path.join(tools_folder(), program), *arguments, input_text="")
        self.processes.wait(name, 120)

    def wait_until(self, condition, what, seconds=PATIENCE_S):
        until = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > until:
                raise AssertionError(what)
            time.sleep(0.05)

    def wait_registered(self, users):
        """The registrar says so."""
        def missing():
            said = set(re.findall(r"registered (\d+)", self.processes.said("pbx")))
            return [user for user in users if str(user) not in said]
        self.wait_until(lambda: not missing(), "some phones did not register")

    def wait_bound(self, host, *ends):
        """Programs of a host have these ends (address:port) of UDP."""
        def missing():
            bound = self.network.run(host, "ss", "-Haun").split()
            return [end for end in ends if end not in bound]
        self.wait_until(lambda: not missing(), f"nobody of {host} listens at one of {', '.join(ends)}")

    def commit(self, *names):
        """One attack after the other."""
        for attack in self.attacks:
            if attack.name in names:
                attack.begun = time.time()
                try:
                    attack.run(self)
                except (AssertionError, OSError, subprocess.SubprocessError) as error:
                    self.broken.append(f"{attack.name}: {error}")
                finally:
                    attack.ended = time.time()

    def at_once(self, *chains):
        threads = [threading.Thread(target=self.commit, args=chain) for chain in chains]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def up(self):
        """Everything but people; the capture that tcpdump writes from now on."""
        self.network.up()
        self.honest.servers_up()
        capture = os.path.join(self.folder, "lab.pcap")
        self.processes.start("tcpdump", "sensor", "tcpdump", "-i", "mon0", "-n", "-s", "0", "-B", "65536", "-Z", "root",
                             "--time-stamp-precision=nano", "-w", capture)
        self.wait_until(lambda: "listening on" in self.processes.said("tcpdump"), "tcpdump did not start")
        self.wait_until(lambda: "Listening on" in self.processes.said("pbx"), "Kamailio did not start")
        return capture

    def capture_ends(self):
        """Before the capture is read: its last frames are written when tcpdump ends."""
        self.processes.stop("tcpdump", PATIENCE_S)

    def live(self):
        """(capture, alerts, problems): the whole day, heard by tcpdump and by earshot."""
        capture = self.up()
        with Sensor(self.binary, *configuration(), interfaces=("mon0",), workers=2, prefix=self.network.inside("sensor")) as sensor:
            told = Told(sensor)
            try:
                self.day()
            finally:
                time.sleep(1.5)
                status, report = sensor.stop()
                alerts = told.end()
                self.capture_ends()
                self.processes.stop_all()
            problems = [] if status == 0 else [f"the sensor ended with {status}: {sensor.said()!r}"]
        problems += accounted("live", report, report["capture"]["offered"])
        if report["capture"]["dropped"]:
            problems.append(f"the sensor lost {report['capture']['dropped']} frames: this machine was too busy")
        sent = json.loads(self.network.run("sensor", "ip", "-j", "-s", "link", "show", "mon0"))[0]["stats64"]["tx"]["packets"]
        if sent:
            problems.append(f"{sent} packets left on the watched interface")
        return capture, alerts, problems

    def morning(self):
        """Honest people only."""
        honest = self.honest
        honest.phones_up()
        time.sleep(3)
        self.wait_registered(honest.users())
        self.wait_bound("desks", *honest.desks())
        honest.softphone(1041, calls=1042)
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

    def day(self):
        self.morning()
        honest = self.honest
        long_calls = [honest.call(caller, desk, LONG_CALL_S, must_end=False)
                      for caller, desk in ((1001, 1011), (1002, 1012), (1003, 1016), (1004, 1011), (1005, 1012), (1006, 1016))]
        time.sleep(5)
        self.at_once(("svmap", "svwar", "svcrack", "toll fraud"), ("BYE by an insider",), ("BYE with a forged address",),
                     ("one-way call",), ("wangiri", "open relay"))
        self.broken += honest.failures()
        self.commit("INVITE flood")
        time.sleep(2)
        self.commit("media stops")
        time.sleep(2)
        for call in long_calls:
            self.processes.stop(call)
        self.commit("second carrier ends")
        self.commit("carrier stops")
        self.commit("registrar stops")


def configuration():
    return ["-c", os.path.join(HERE, "earshot.yaml"), "--set", "site.timezone=" + office_hours()]


def start_of(capture):
    with open(capture, "rb") as f:
        seconds, nanoseconds = struct.unpack_from("<II", f.read(40), 24)
    return seconds + nanoseconds * 1e-9


def replay(binary, captured, started, folder):
    """{workers: incidents} of the same frames at the same pace, heard by one sensor for each count of workers."""
    pair()
    wire = Wire()
    sensors = [(n, Sensor(binary, *configuration(), workers=n)) for n in REPLAY_WORKERS]
    time.sleep((started - time.time()) % 5)  # intervals end at marks divisible by 5 s: begin where the capture does
    wire.play(captured)
    time.sleep(2)
    found, problems = {}, []
    for n, sensor in sensors:
        with sensor:
            status, report = sensor.stop()
            problems += [] if status == 0 else [f"{n} workers: the sensor ended with {status}: {sensor.said()!r}"]
            problems += accounted(f"{n} workers", report, wire.sent)
            records = sensor.written("alert")
            found[n] = incidents([Alert(r, None) for r in records])
            with open(os.path.join(folder, f"alerts-{n}.jsonl"), "w", encoding="utf-8") as f:
                f.writelines(json.dumps(r) + "\n" for r in records)
    if packets_sent_by("tap0"):
        problems.append(f"{packets_sent_by('tap0')} packets left on the watched interface")
    return found, problems


def read_again(binary, capture_file, folder):
    """Incidents of the capture, read from its file. That the sensor itself hears nothing is told live only."""
    records = os.path.join(folder, "read.jsonl")
    read(binary, capture_file, *configuration(), "--records", records)
    with open(records, encoding="utf-8") as f:
        alerts = [json.loads(line) for line in f if '"dataset":"earshot.alert"' in line]
    return incidents([Alert(r, None) for r in alerts])


def rules_of(binary):
    out = subprocess.run([binary, "--list", "detectors"], capture_output=True, text=True, check=True).stdout
    return {line.split()[0] for line in out.splitlines() if line.strip()}


def judge(count, table, capture, attack, rule, alerts, wrong):
    """One attack and one rule: a line of the table and a case."""
    crossed = attack.tells[rule](capture, attack)
    mine = [a for a in alerts if a.rule == rule and belongs(a, attack)]
    name = f"lab {attack.name}: {rule}"
    if crossed is None:
        count.fail(name, "the capture does not cross the threshold: the attack did not happen as it should")
        table.append((attack.name, rule, "not tried"))
    elif not mine:
        count.fail(name, f"not told; the threshold was crossed {crossed.packet - attack.begun:.3f} s after the attack began")
        table.append((attack.name, rule, "MISSED"))
    else:
        first = mine[0]
        late = first.decided - crossed.due, first.written - crossed.due
        problems = [f"decided {late[0]:.3f} s and written {late[1]:.3f} s after it was due: {first.sentence()}"
                    ] if late[0] > LATE_S or late[1] > LATE_WRITTEN_S else []
        if first.decided < crossed.packet - LATE_S:
            problems.append(f"told {crossed.packet - first.decided:.3f} s before its threshold was crossed: {first.sentence()}")
        count.check(name, problems)
        spans = first.decided - crossed.packet, *late, first.read - crossed.due
        meanwhile = sum(attack.begun <= a.decided <= attack.ended for a in wrong)
        table.append((attack.name, rule, "yes", str(max(a.level for a in mine)), *(f"{round(x, 3) + 0.0:.3f}" for x in spans),
                      str(meanwhile)))


def show(table, wrong):
    heads = ("attack", "rule", "caught", "severity", "packet-alert", "due-alert", "due-written", "due-read", "false alarms")
    lines = [heads, *table]
    widths = [max(len(line[i]) for line in lines if i < len(line)) for i in range(len(heads))]
    for line in lines:
        print("lab  " + "  ".join(word.ljust(width) for word, width in zip(line, widths)).rstrip())
    print(f"lab  false alarms of severity 2 and more, of the whole run: {len(wrong)}", flush=True)


def two_stories(alerts):
    """Scan, enumeration, guessing, breach and fraud of one attacker are one chain, and it is critical."""
    first = {a.rule: a.record["earshot"]["alert"] for a in reversed(alerts) if a.rule in STORY_RULES and a.is_about(STORY_ABOUT)}
    chains = {a["chain_id"] for a in first.values()}
    worst = max((a["chain_level"] for a in first.values()), default=0)
    return [] if set(first) == set(STORY_RULES) and len(chains) == 1 and worst == 4 else [f"chains {chains}, severity {worst}, of {sorted(first)}"]


def judge_all(lab, count, capture_file, alerts, problems):
    captured = frames(capture_file)
    capture = Capture(captured, start_of(capture_file))
    there = rules_of(lab.binary)
    wrong = false_alarms(alerts, lab.attacks, INNOCENT | FORGED)
    table = []
    for attack in lab.attacks:
        for rule in attack.tells:
            if rule in there:
                judge(count, table, capture, attack, rule, alerts, wrong)
            else:
                count.skip(f"lab {attack.name}: {rule}", "this earshot has no such detection")
    show(table, wrong)
    count.check("lab honest people", [a.sentence() for a in wrong])
    if all(a.begun for a in ATTACKS if a.name in STORY):
        count.check("lab one story", two_stories(alerts))
    count.check("lab the sensor", problems)
    count.check("lab itself", lab.broken)
    return captured


def inside(options):
    for what in (signal.SIGINT, signal.SIGTERM):
        signal.signal(what, lambda *_: sys.exit(130))
    lab = Lab(options.binary, options.folder, options.only)
    count = Count()
    if not os.path.exists(os.path.join(tools_folder(), "sipvicious_svmap")):
        for attack in [a for a in lab.attacks if a.name in SIPVICIOUS]:
            count.skip(f"lab {attack.name}", "sipvicious is not installed (tools/setup --tests needs PyPI for it)")
            lab.attacks.remove(attack)
    try:
        capture_file, alerts, problems = lab.live()
        with open(os.path.join(options.folder, "alerts.jsonl"), "w", encoding="utf-8") as f:
            f.writelines(json.dumps(a.record) + "\n" for a in alerts)
        captured = judge_all(lab, count, capture_file, alerts, problems)
        heard = {key: level for key, level in incidents(alerts).items() if key[0] != "sensor-blind"}
        count.check("lab read from the file", differences("-r", read_again(options.binary, capture_file, options.folder), heard))
        if options.no_replay:
            count.skip("lab replayed", "not wanted")
        else:
            found, problems = replay(options.binary, captured, start_of(capture_file), options.folder)
            for n in REPLAY_WORKERS:
                count.check(f"lab replayed with {n} workers", differences(f"{n} workers", found[n], incidents(alerts)))
            count.check("lab replayed, packets", problems)
    except Exception as error:  # whatever it is, it is a line of the result and not the end of it
        count.fail("lab", broken_off(error))
    finally:
        lab.processes.stop_all()
        for process in Sensor.running:
            if process.poll() is None:
                process.kill()
                process.wait()
    count.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary")
    parser.add_argument("--only", action="append", help="an attack of --list; as often as wanted")
    parser.add_argument("--keep", metavar="FOLDER", help="leave capture, alerts and what every program said there")
    parser.add_argument("--no-replay", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.list:
        print("\n".join(f"{a.name}: {', '.join(a.tells)}" for a in ATTACKS))
        return
    unknown = set(options.only or []) - {a.name for a in ATTACKS}
    if options.binary is None or unknown:
        parser.error("--binary is needed" if options.binary is None else f"no such attack: {', '.join(unknown)}")
    options.binary = os.path.abspath(options.binary)
    if options.inside:
        inside(options)
    reason = why_not()
    if reason is not None:
        count = Count()
        count.skip("lab", reason)
        count.end()
    options.folder = os.path.abspath(options.keep) if options.keep else tempfile.mkdtemp(prefix="earshot-lab-")
    os.makedirs(options.folder, exist_ok=True)
    words = ["--binary", options.binary, *(["--no-replay"] if options.no_replay else []),
             *(word for name in options.only or [] for word in ("--only", name))]
    try:
        status = outside(os.path.abspath(__file__), words, options.folder, RUN_S_MAX)
    finally:
        if not options.keep:
            shutil.rmtree(options.folder, ignore_errors=True)
    sys.exit(status)


if __name__ == "__main__":
    main()
