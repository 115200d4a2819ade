#!/usr/bin/env python3
"""Listening on interfaces: pairs of veth in network namespaces of their own, captures sent into one end, earshot on the other.

    live.py --binary build/earshot [--only NAME]

Every scenario runs in a fresh namespace that is gone when it ends. What must be equal to reading the same capture from a file is
compared with `-r`; what the kernel counts is compared with what was sent and what was told; and what the watched interface sent
must be nothing, always. Skipped where namespaces are not allowed.
"""
import argparse
import concurrent.futures
import ctypes
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from counting import Count, broken_off  # noqa: E402
from listening import PATIENCE_S, ROOT, Sensor, Wire, accounted, capture_path, frames, ip, pair, read, silent  # noqa: E402

WORKERS = (0, 1, 2, 4)
SCENARIOS = {}
SCENARIO_S_MAX = 600
TRIES = 3
CLONE_NEWNS = 0x20000  # linux/sched.h


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


# --- what must be equal ---

def calls(report):
    return sorted((c["id"], c["from"], c["to"], c["outcome"], c["status"]) for c in report["calls"])


def alerts(report):
    return sorted((a["rule"], a["severity"], a["source"] or "", a["count"]) for a in report["alerts"])


def streams(report):
    return sorted((s["source"], s["destination"], s["ssrc"], s["packets"], s["expected"], s["lost"], s["duplicates"], s["reordered"],
                   s["codec"], s["call"]) for s in report["streams"])


def sip(report):
    return {k: report["sip"][k] for k in ("messages", "requests", "responses", "malformed")}, report["registrations"]


def differences(what, got, wanted):
    return [f"{what}: {name} differ: {part(got)} instead of {part(wanted)}"
            for name, part in (("calls", calls), ("alerts", alerts), ("streams", streams), ("messages", sip))
            if part(got) != part(wanted)]


def answers(what, sensor, status=0):
    code, report = sensor.stop()
    problems = [f"{what}: status {code}, expected {status}: {sensor.said()!r}"] if code != status else []
    return problems, report


# --- scenarios: each a list of problems ---

@scenario
def equal_to_reading(binary):
    """The demo at its own pace, 0 to 4 workers at once: calls, streams, messages and incidents as with -r."""
    pair()
    wire = Wire()
    wanted = read(binary, capture_path("demo"))
    problems = []
    sensors = [(n, Sensor(binary, workers=n)) for n in WORKERS]
    wire.play(frames(capture_path("demo")))
    for n, sensor in sensors:
        with sensor:
            wrong, report = answers(f"{n} workers", sensor)
            problems += wrong + differences(f"{n} workers", report, wanted) + accounted(f"{n} workers", report, wire.sent)
            for record in sensor.written():
                if "created" not in record["event"] or "hostname" not in record["observer"]:
                    problems.append(f"{n} workers: a live record without event.created or observer.hostname: {str(record)[:300]}")
                    break
            if {r["observer"].get("ingress", {}).get("interface", {}).get("name") for r in sensor.written("media")} != {"tap0"}:
                problems.append(f"{n} workers: media records without their interface")
    return problems + silent("tap0")


@scenario
def the_same_incidents(binary):
    """Several attacks, bad media and their harmless twins at once: every worker count finds what -r finds."""
    pair()
    wire = Wire()
    names = ("enumeration", "enumeration-few", "fingerprint", "registration-breach", "registration-bruteforce", "rtp-bad-quality", "scan",
             "scan-few", "hostile-strings")
    together = sorted((offset, name, frame) for name in names for offset, frame in frames(capture_path(name)))
    problems = []
    with tempfile.NamedTemporaryFile("wb", suffix=".pcap") as f:
        f.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1))
        for offset, _, frame in together:
            nanoseconds = round(offset * 1e9)
            f.write(struct.pack("<IIII", 1000000000 + nanoseconds // 10**9, nanoseconds % 10**9, len(frame), len(frame)) + frame)
        f.flush()
        wanted = read(binary, f.name)
    sensors = [(n, Sensor(binary, workers=n)) for n in WORKERS]
    time.sleep(10 - time.time() % 10)  # intervals fall at marks divisible by 5 s: begin where the capture does
    wire.play([(offset, frame) for offset, _, frame in together])
    for n, sensor in sensors:
        with sensor:
            wrong, report = answers(f"{n} workers", sensor)
            problems += wrong + differences(f"{n} workers", report, wanted) + accounted(f"{n} workers", report, wire.sent)
    if len(wanted["alerts"]) < 7:
        problems.append(f"only {len(wanted['alerts'])} incidents: too little is tested")
    return problems + silent("tap0")


@scenario
def shapes_of_traffic(binary):
    """VLAN tags that the kernel took out of the frame, GRE, fragments of IPv6, TCP, 1 and 4 workers."""
    pair()
    problems = []
    for name in ("call-vlan-gre", "call-ipv6-fragments", "call-tcp", "sip-lenient", "hostile-strings"):
        wanted = read(binary, capture_path(name))
        wire = Wire()
        sensors = [(n, Sensor(binary, "--set", "records.sip=messages", workers=n)) for n in (1, 4)]
        wire.play(frames(capture_path(name)))
        for n, sensor in sensors:
            with sensor:
                what = f"{name}, {n} workers"
                wrong, report = answers(what, sensor)
                problems += wrong + differences(what, report, wanted) + accounted(what, report, wire.sent)
                tags = {str(r.get("network", {}).get("vlan")) for r in sensor.written("sip")}
                with tempfile.NamedTemporaryFile("r", encoding="utf-8") as f:
                    read(binary, capture_path(name), "--set", "records.sip=messages", "--records", f.name)
                    records = [json.loads(line) for line in f]
                offline = {str(r.get("network", {}).get("vlan")) for r in records if r["event"]["dataset"] == "earshot.sip"}
                if tags != offline:
                    problems.append(f"{what}: VLANs {tags} instead of {offline}")
    return problems + silent("tap0")


@scenario
def a_filter_knows_vlan(binary):
    """BPF in the kernel: `vlan` asks for the tag that is no longer in the frame."""
    pair()
    wire = Wire()
    plain = [f for _, f in frames(capture_path("call-busy"))]
    tagged = [f[:12] + b"\x81\x00\x00\x2a" + f[12:] for f in plain]
    problems = []
    for expression, wanted in (("vlan", len(tagged)), ("vlan 42 and udp", len(tagged)), ("vlan 43", 0), ("not vlan", len(plain)),
                               ("", len(plain) + len(tagged))):
        with Sensor(binary, "--set", "capture.filter=" + expression, workers=2) as sensor:
            for frame in plain + tagged:
                wire.send(frame)
            wrong, report = answers(repr(expression), sensor)
            problems += wrong + accounted(repr(expression), report, wanted)
    return problems + silent("tap0")


@scenario
def two_interfaces(binary):
    """The two directions of a line on two taps: merged by time, as if they were one."""
    pair("tap0", "wire0")
    pair("tap1", "wire1")
    for _ in range(TRIES):  # a machine that stands still for 50 ms makes frames late; a sensor that does, does so each time
        problems, late = both_directions(binary)
        if problems or not late:
            break
    return problems + late + silent("tap0", "tap1")


def both_directions(binary):
    """(problems, what came late)"""
    wires = Wire("wire0"), Wire("wire1")
    captured = frames(capture_path("registration-breach")) + [(t + 12, f) for t, f in frames(capture_path("call-auth-challenge"))]
    merged = read(binary, capture_path("registration-breach"))
    other = read(binary, capture_path("call-auth-challenge"))
    problems, late = [], []
    sensors = [(n, Sensor(binary, interfaces=("tap0", "tap1"), workers=n)) for n in (0, 1, 2)]
    begun = time.monotonic()
    for offset, frame in captured:
        time.sleep(max(0, offset - (time.monotonic() - begun)))
        wires[frame[26:30] < frame[30:34]].send(frame)
    sent = wires[0].sent + wires[1].sent
    if min(wires[0].sent, wires[1].sent) == 0:
        problems.append("all frames took one wire: nothing was tested")
    for n, sensor in sensors:
        with sensor:
            wrong, report = answers(f"{n} workers", sensor)
            problems += wrong + accounted(f"{n} workers", report, sent)
            if calls(report) != sorted(calls(merged) + calls(other)):
                problems.append(f"{n} workers: calls {calls(report)}")
            if streams(report) != sorted(streams(merged) + streams(other)):
                problems.append(f"{n} workers: streams {streams(report)}")
            if alerts(report) != sorted(alerts(merged) + alerts(other)):
                problems.append(f"{n} workers: alerts {alerts(report)} instead of {sorted(alerts(merged) + alerts(other))}")
            frames_late = report["packets"]["notes"].get("time.late", 0)
            late += [f"{n} workers: {frames_late} frames were late"] if frames_late else []
    return problems, late


@scenario
def silence_is_time_too(binary):
    """No packet comes: sensor records do, and an incident closes."""
    pair()
    wire = Wire()
    problems = []
    sensors = [(n, Sensor(binary, "--set", "detectors.scan.window=1s", workers=n)) for n in (0, 2)]
    for _, frame in frames(capture_path("scan")):
        wire.send(frame)
    for n, sensor in sensors:
        with sensor:
            sensor.wait_for(lambda s=sensor: len(s.written("sensor")) >= 2, f"{n} workers: no sensor records in silence")
            told = sensor.written("alert")
            problems += [] if told else [f"{n} workers: no alert while it ran"]
            marks = sensor.written("sensor")[-1]["earshot"]["sensor"]
            if marks["capture"]["packets"] != wire.sent or marks["capture"]["offered"] != wire.sent:
                problems.append(f"{n} workers: the sensor record says {marks['capture']}")
            wrong, _ = answers(f"{n} workers", sensor)
            problems += wrong
    return problems + silent("tap0")


def wait_up(*names):
    """The kernel tells its own queues of a carrier a moment later."""
    until = time.monotonic() + PATIENCE_S
    for name in names:
        while json.loads(ip("-j", "link", "show", name))[0]["operstate"] != "UP":
            if time.monotonic() > until:
                raise AssertionError(f"{name} does not come up")
            time.sleep(0.05)


@scenario
def down_and_up(binary):
    """An interface that goes down and comes up again is captured again, by all workers."""
    pair()
    wire = Wire()
    captured = [f for _, f in frames(capture_path("call-busy"))]
    problems = []
    sensors = [(n, Sensor(binary, workers=n)) for n in (0, 1, 3)]
    for frame in captured:
        wire.send(frame)
    Wire.settle()
    time.sleep(0.3)
    ip("link", "set", "tap0", "down")
    time.sleep(1)
    ip("link", "set", "tap0", "up")
    wait_up("tap0", "wire0")
    time.sleep(0.5)
    again = Wire()
    for frame in captured:
        again.send(frame)
    for n, sensor in sensors:
        with sensor:
            wrong, report = answers(f"{n} workers", sensor)
            problems += wrong + accounted(f"{n} workers", report, wire.sent + again.sent)
    return problems + silent("tap0")


@scenario
def gone_for_good(binary):
    """One interface of two vanishes: said, the other goes on; then the last one: the end, reported, status 3."""
    pair("tap0", "wire0")
    pair("tap1", "wire1")
    problems = []
    sensors = [(n, Sensor(binary, interfaces=("tap0", "tap1"), workers=n)) for n in (0, 2)]
    ip("link", "del", "tap0")
    for n, sensor in sensors:
        sensor.wait_for(lambda s=sensor: b"tap0" in s.said().split(b"listening on", 1)[1].split(b"\n", 1)[1], f"{n} workers: nothing said")
    wire = Wire("wire1")
    for _, frame in frames(capture_path("call-busy")):
        wire.send(frame)
    for n, sensor in sensors:
        sensor.wait_for(lambda s=sensor: s.written("transaction"), f"{n} workers: the call was not heard")
    time.sleep(0.5)
    if any(sensor.process.poll() is not None for _, sensor in sensors):
        problems.append("it ended although an interface was left")
    ip("link", "del", "tap1")
    for n, sensor in sensors:
        with sensor:
            status, report = sensor.wait()
            said = sensor.said()
            if status != 3 or b"no interface is left" not in said:
                problems.append(f"{n} workers: status {status}, said {said!r}")
            if said.count(b"tap0: ") != 1:
                problems.append(f"{n} workers: the lost interface is said {said.count(b'tap0: ')} times: {said!r}")
            if report is None or len(report["calls"]) != 1 or len(report["capture"]["faults"]) != 2:
                problems.append(f"{n} workers: report {str(report)[:500]}")
    return problems


@scenario
def lost_and_counted(binary):
    """The sensor is held while more comes than its ring takes: what is lost is counted to the frame, and told."""
    pair()
    problems = []
    frame = frames(capture_path("call-answered"))[20][1]
    for n in (0, 1, 2):
        wire = Wire()
        with Sensor(binary, "--set", "capture.buffer=1MiB", workers=n) as sensor:
            sensor.process.send_signal(signal.SIGSTOP)
            time.sleep(0.2)
            for _ in range(30000):
                wire.send(frame)
            sensor.process.send_signal(signal.SIGCONT)
            time.sleep(0.5)
            for _ in range(100):
                wire.send(frame)
            wrong, report = answers(f"{n} workers", sensor)
            problems += wrong + accounted(f"{n} workers", report, wire.sent)
            if report["capture"]["dropped"] == 0:
                problems.append(f"{n} workers: nothing was lost, so nothing was tested")
            last = sensor.written("sensor")[-1]["earshot"]["sensor"]
            if last["drops"]["kernel"] != report["capture"]["dropped"]:
                problems.append(f"{n} workers: the sensor record says {last['drops']}")
            outputs = last.get("outputs", {})  # as they stood before the last records
            taken = sum(outputs.get(word, {}).get("--records", 0) for word in ("acknowledged", "waiting"))
            if taken > len(sensor.written()) or "dropped" in outputs:
                problems.append(f"{n} workers: {len(sensor.written())} records were written, it says {outputs}")
            if not 0 < last["rss_bytes"] < 2 << 30 or not last["cpu_ms"] or last["uptime_s"] > 60 or last["lag_ms"] > 60000:
                problems.append(f"{n} workers: of itself it says {last}")
    return problems + silent("tap0")


@scenario
def an_output_that_hangs(binary):
    """Standard output is not read: capture goes on, what another output takes is whole, what is lost is counted; it ends when told."""
    pair()
    wire = Wire()
    problems = []
    reader, writer = os.pipe()
    folder = tempfile.mkdtemp()
    beside = os.path.join(folder, "beside.jsonl")
    process = subprocess.Popen([binary, "-i", "tap0", "--workers", "1", "--records", "-", "--set", "records.sip=messages",
                                "--set", "outputs.beside.type=file", "--set", f"outputs.beside.path={beside}"],
                               stdin=subprocess.DEVNULL, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    process.stderr.readline()
    captured = [f for _, f in frames(capture_path("demo"))]
    for _ in range(40):
        for frame in captured:
            wire.send(frame)
    Wire.settle()
    time.sleep(4)
    process.send_signal(signal.SIGTERM)
    try:
        status = process.wait(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        status = process.wait()
    said = process.stderr.read()
    os.set_blocking(reader, False)
    taken = os.read(reader, 1 << 20).count(b"\n")
    os.close(reader)
    with open(beside, encoding="utf-8") as f:
        written = [json.loads(line) for line in f]
    lost = re.search(rb"(\d+) records could not be delivered, (\d+) were", said)
    if status != 1 or lost is None:
        problems.append(f"ended with {status}, said {said!r}")
    elif int(lost[2]) != taken or int(lost[1]) + int(lost[2]) != len(written):
        problems.append(f"{len(written)} records, {taken} came through the pipe, it says {lost[0]!r}")
    if written[-1]["earshot"]["sensor"]["capture"]["packets"] != wire.sent:
        problems.append(f"{wire.sent} frames were sent, {written[-1]['earshot']['sensor']['capture']} were heard")
    shutil.rmtree(folder)
    return problems + silent("tap0")


@scenario
def reloads(binary):
    """SIGHUP: a good configuration is in force within seconds, one with a mistake is named with its place and changes nothing."""
    pair()
    problems = []

    def attack(letter):
        """The same logins as new transactions; sent again as they are they would be retransmissions."""
        for _, frame in frames(capture_path("registration-bruteforce")):
            frame = re.sub(rb"(Call-ID: ?|branch=z9hG4bK)(.)", lambda m: m[1] + letter, frame)
            wire.send(frame)

    def alarmed(sensor):
        return any(r["rule"]["id"] == "registration-bruteforce" for r in sensor.written("alert"))

    patient = "failures: 9000, failures_mid: 9000, failures_day: 9000, failures_week: 9000"

    for n in (0, 2):
        wire = Wire()
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "earshot.yaml")

            def write(text):
                with open(path, "w", encoding="ascii") as f:
                    f.write(text)

            write("detectors:\n  registration-bruteforce: {" + patient + "}\n  scanner-fingerprint: {enabled: false}\n")
            with Sensor(binary, "-c", path, workers=n) as sensor:
                attack(b"A")
                time.sleep(1.5)
                if alarmed(sensor):
                    problems.append(f"{n} workers: an alert before the reload")
                write("detectors:\n  registration-bruteforce: {failurs: 4}\n")
                sensor.process.send_signal(signal.SIGHUP)
                sensor.wait_for(lambda s=sensor: b"stays in force" in s.said(), f"{n} workers: the mistake was not said")
                for word in (b"earshot.yaml:2:", b"failurs", b"failures"):
                    if word not in sensor.said():
                        problems.append(f"{n} workers: {word!r} is not in {sensor.said()!r}")
                attack(b"B")
                time.sleep(1.5)
                if alarmed(sensor):
                    problems.append(f"{n} workers: the refused configuration changed something")
                write("capture: {filter: 'nonsense and'}\n")
                sensor.process.send_signal(signal.SIGHUP)
                sensor.wait_for(lambda s=sensor: s.said().count(b"stays in force") == 2, f"{n} workers: the filter was not refused")
                write("detectors:\n  registration-bruteforce: {failures: 4}\ncapture: {buffer: 8MiB}\nrecords: {sip: messages}\n"
                      "outputs: {more: {type: file, path: /dev/null}}\n")
                sensor.process.send_signal(signal.SIGHUP)
                sensor.wait_for(lambda s=sensor: b"is in force" in s.said(), f"{n} workers: no reload")
                for word in (b"capture.buffer: the change waits", b"outputs.more.type: the change waits",
                             b"detectors.scanner-fingerprint.enabled: the change waits"):
                    if word not in sensor.said():
                        problems.append(f"{n} workers: {word!r} is not in {sensor.said()!r}")
                if b"records.sip: the change" in sensor.said() or b"failures: the change" in sensor.said():
                    problems.append(f"{n} workers: it says that something waits that is in force: {sensor.said()!r}")
                attack(b"C")
                sensor.wait_for(lambda s=sensor: alarmed(s), f"{n} workers: no alert")
                sensor.wait_for(lambda s=sensor: s.written("sip"), f"{n} workers: records.sip did not change")
                for _ in range(20):
                    sensor.process.send_signal(signal.SIGHUP)
                    time.sleep(0.02)
                wrong, report = answers(f"{n} workers", sensor)
                problems += wrong + accounted(f"{n} workers", report, wire.sent)
    return problems + silent("tap0")


@scenario
def a_pipe_is_not_read_again(binary):
    """A configuration that has become a pipe nobody writes into: refused on SIGHUP, and the sensor still ends when told."""
    pair()
    problems = []
    for n in (0, 1):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "earshot.yaml")
            with open(path, "w", encoding="ascii") as f:
                f.write("records: {sip: messages}\n")
            with Sensor(binary, "-c", path, workers=n) as sensor:
                os.unlink(path)
                os.mkfifo(path)
                sensor.process.send_signal(signal.SIGHUP)
                sensor.wait_for(lambda s=sensor: b"stays in force" in s.said(), f"{n} workers: the pipe was not refused", seconds=10)
                wrong, _ = answers(f"{n} workers", sensor)
                problems += wrong
    return problems + silent("tap0")


@scenario
def what_the_kernel_parts_is_counted(binary):
    """Fragments have no ports to be hashed by: a flow of whole and fragmented datagrams comes by several rings, and is counted."""
    pair()
    captured = [f for _, f in frames(capture_path("call-ipv6-fragments"))]
    client = captured[0][22:38]
    problems = []
    for n in (1, 4):
        wire = Wire()
        with Sensor(binary, workers=n) as sensor:
            for i in range(32):  # so that some have their two places apart
                other = client[:-2] + bytes([i + 1, client[-1]])
                for frame in captured:
                    wire.send(frame.replace(client, other))
            time.sleep(0.5)
            wrong, report = answers(f"{n} workers", sensor)
            problems += wrong + accounted(f"{n} workers", report, wire.sent)
            notes = sensor.written("sensor")[-1]["earshot"]["sensor"]["packets"].get("notes", {})
            parted = notes.get("flow.split", 0)
            if n == 1 and parted != 0 or n == 4 and not 1 <= parted <= 32:
                problems.append(f"{n} workers: {parted} of 32 flows are said to be parted")
    return problems + silent("tap0")


@scenario
def blindness_is_told(binary):
    """A half-duplex mirror, one that doubles, one that falls silent, one that never spoke, frames lost: told as what they are, never as an attack."""
    talk = [f for _, f in frames(capture_path("call-answered")) if b"SIP/2.0" in f]
    guesses = [f for _, f in frames(capture_path("registration-bruteforce"))]
    caller = talk[0][26:30]
    taps = ("half", "double", "silent", "lossy", "mute")
    words = {"half": "only one direction is heard", "double": "the mirror doubles", "silent": "has brought no frame for",
             "lossy": "kernel or card lost", "mute": "has brought no frame at all"}
    levels = {"half": 3, "double": 1, "silent": 3, "lossy": 3, "mute": 2}
    problems = []

    def fresh(frame, number):
        """The same message of another call."""
        return re.sub(rb"(Call-ID: ?|branch=z9hG4bK)(.{6})", lambda m: m[1] + b"%06d" % number, frame)

    def blind(name):
        return [r for r in sensors[name].written("alert") if r["rule"]["id"] == "sensor-blind"]

    def guessing(name):
        return [r["earshot"]["alert"] for r in sensors[name].written("alert") if r["rule"]["id"] == "registration-bruteforce"]

    def attack(name):
        for frame in guesses:
            wires[name].send(frame)

    for name in taps:
        pair(name, name + "w")
    wires = {name: Wire(name + "w") for name in taps}
    arguments = ("--set", "detectors.sensor-blind.silence=5s", "--set", "detectors.sensor-blind.mute=10s", "--set", "capture.buffer=1MiB")
    sensors = {name: Sensor(binary, *arguments, interfaces=(name,), workers=n) for n, name in enumerate(taps)}
    begun = time.monotonic()
    deadline, number, lost, attacked = begun + 150, 0, False, False
    while time.monotonic() < deadline:
        at = time.monotonic() - begun
        number += 1
        for frame in (fresh(f, number) for f in talk):
            if at < 12 or frame[26:30] == caller:
                wires["half"].send(frame)
            wires["double"].send(frame)
            wires["double"].send(frame)
            if at < 12:
                wires["silent"].send(frame)
            if not attacked:
                wires["lossy"].send(frame)
        # In the middle of ten seconds: at their end the flood and what was lost of it would be judged apart.
        if at > 3 and not lost and 2 <= time.time() % 10 < 5:
            lost = True
            sensors["lossy"].process.send_signal(signal.SIGSTOP)
            time.sleep(0.2)
            for i in range(30000):
                wires["lossy"].send(fresh(talk[0], 900000 + i))
            sensors["lossy"].process.send_signal(signal.SIGCONT)
        if not attacked and any(words["lossy"] in r["message"] for r in blind("lossy")):  # its confidence is lower for ten seconds
            attacked = True
            attack("lossy")
            attack("double")
        if attacked and at > 26 and all(blind(name) for name in taps) and guessing("lossy") and guessing("double"):
            break
        time.sleep(0.1)
    for name in taps:
        told = blind(name)
        if not told or words[name] not in told[0]["message"] or told[0]["earshot"]["alert"]["level"] != levels[name]:
            problems.append(f"{name}: {[(r['earshot']['alert']['level'], r['message']) for r in told]}")
        if any("ip" in r.get("source", {}) for r in told):
            problems.append(f"{name}: somebody is named")
        others = {r["rule"]["id"] for r in sensors[name].written("alert")} - {"sensor-blind"}
        if others - ({"registration-bruteforce"} if name in ("lossy", "double") else set()):
            problems.append(f"{name}: alerts of {sorted(others)}")
        wrong, report = answers(name, sensors[name])
        problems += wrong + accounted(name, report, wires[name].sent)
    heard, doubted = guessing("double"), guessing("lossy")
    if not heard or not doubted or heard[0]["confidence"] - doubted[0]["confidence"] != 15:
        problems.append(f"confidence: {[(a['confidence'], a['confidence_reason']) for a in heard[:1] + doubted[:1]]}")
    elif "the sensor misses packets -15" not in doubted[0]["confidence_reason"]:
        problems.append(f"the reason is {doubted[0]['confidence_reason']}")
    for sensor in sensors.values():
        sensor.__exit__()
    return problems + silent(*taps)


@scenario
def countries_are_replaced(binary):
    """Files of countries that are replaced, cut and garbled under a running sensor: the new one answers, the others do no harm."""
    pair()
    problems = []
    files = os.path.join(ROOT, "tests", "cases", "geo-files")
    captured = frames(capture_path("registration-bruteforce"))[:2]  # a REGISTER of 203.0.113.53 and its 401

    def place(other):
        shutil.copy(os.path.join(files, other), path + ".new")
        os.rename(path + ".new", path)

    def ask(sensor, wanted):
        """New transactions from that address until one is told with this country."""
        def told():
            nonlocal asked
            asked += 1
            for _, frame in captured:
                wire.send(re.sub(rb"(Call-ID: ?|branch=z9hG4bK)(.)", lambda m: m[1] + b"%08d" % asked, frame))
            time.sleep(0.2)
            last = sensor.written("transaction")[-1:]
            return bool(last) and last[0]["source"].get("geo", {}).get("country_iso_code") == wanted

        asked = int(time.monotonic() * 10) % 10**7 * 10
        sensor.wait_for(told, f"{sensor.workers} workers: no record says {wanted}")

    for n in (0, 2):
        wire = Wire()
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "country.mmdb")
            place("country.mmdb")
            arguments = ("--set", f"geo.country_files={path}", "--set", "geo.check=1s", "--set", "records.sip=transactions")
            with Sensor(binary, *arguments, workers=n) as sensor:
                sensor.workers = n
                ask(sensor, "NL")
                place("country-after.mmdb")
                ask(sensor, "DE")
                os.truncate(path, 100)
                sensor.wait_for(lambda s=sensor: b"stays in use" in s.said(), f"{n} workers: the cut file was not said")
                ask(sensor, "DE")
                os.unlink(path)
                time.sleep(1.5)
                ask(sensor, "DE")
                place("country.mmdb")
                ask(sensor, "NL")
                wrong, report = answers(f"{n} workers", sensor)
                problems += wrong + accounted(f"{n} workers", report, wire.sent)
    return problems + silent("tap0")


@scenario
def a_card_that_counts_anew(binary):
    """What the card lost grows, begins again, and cannot be read any more: what was lost meanwhile is counted, and nothing else."""
    pair()
    wire = Wire()
    folder = "/sys/class/net/tap0/statistics"  # of this scenario alone, so that the figure can be set
    try:
        ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS)
        subprocess.run(["mount", "--make-rprivate", "/"], check=True, capture_output=True)
        subprocess.run(["mount", "-t", "tmpfs", "none", "/sys/class/net"], check=True, capture_output=True)
    except subprocess.CalledProcessError:
        return []  # nothing may be mounted here: as the kernel has it
    os.makedirs(folder)

    def lose(frames_lost):
        for name, figure in (("rx_missed_errors", frames_lost), ("rx_fifo_errors", 0)):
            with open(os.path.join(folder, name), "w", encoding="ascii") as f:
                f.write(f"{figure}\n")

    lose(100)
    sensors = [(n, Sensor(binary, workers=n)) for n in (0, 2)]
    for step in (103, 1, 2):  # three more, the driver is loaded again, one more
        time.sleep(2.5)
        lose(step)
    time.sleep(2.5)
    shutil.rmtree(os.path.dirname(folder))
    for _, frame in frames(capture_path("call-busy")):
        wire.send(frame)
    time.sleep(1.5)
    problems = []
    for n, sensor in sensors:
        with sensor:
            wrong, report = answers(f"{n} workers", sensor)
            problems += wrong + accounted(f"{n} workers", report, wire.sent)
            if report["capture"]["dropped_by_card"] != 4:
                problems.append(f"{n} workers: 4 frames were lost by the card, told are {report['capture']['dropped_by_card']}")
    return problems + silent("tap0")


@scenario
def sigint_ends_too(binary):
    pair()
    problems = []
    for n in (0, 1):
        with Sensor(binary, workers=n) as sensor:
            status, report = sensor.stop(signal.SIGINT)
            if status != 0 or report is None or report["capture"]["packets"] != 0:
                problems.append(f"{n} workers: status {status}, report {str(report)[:300]}")
    return problems


@scenario
def the_loopback(binary):
    """What this host says to itself, each frame once."""
    ip("link", "set", "lo", "up")
    problems = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for expression in ("", "udp"):
            with Sensor(binary, "--set", "capture.filter=" + expression, interfaces=("lo",)) as sensor:
                for _ in range(10):
                    sender.sendto(b"\0", ("127.0.0.1", 9))
                time.sleep(1)
                wrong, report = answers(repr(expression), sensor)
                problems += wrong + accounted(repr(expression), report, 10 if expression else report["capture"]["offered"])
    return problems


@scenario
def rest_while_silent(binary):
    """A line that is silent, or down, costs next to nothing."""
    pair()
    problems = []

    def busy_seconds(sensor):
        with open(f"/proc/{sensor.process.pid}/stat", encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    for n in (0, 2):
        with Sensor(binary, workers=n) as sensor:
            for state in ("up", "down"):
                ip("link", "set", "tap0", state)
                time.sleep(0.5)
                before = busy_seconds(sensor)
                time.sleep(3)
                share = (busy_seconds(sensor) - before) / 3
                if share > 0.3:
                    problems.append(f"{n} workers: {share * 100:.0f} % of a core while the interface is {state} and silent")
            ip("link", "set", "tap0", "up")
            wrong, _ = answers(f"{n} workers", sensor)
            problems += wrong
    return problems


@scenario
def refused_with_one_line(binary):
    """No such interface, one that is down, no permission, a wrong filter: one line that says what to do."""
    pair()
    ip("link", "set", "tap0", "down")
    ip("link", "set", "wire0", "up")
    problems = []
    for what, arguments, prefix, status, words in (
            ("no such interface", ["-i", "tap9"], [], 3, (b"tap9", b"wire0")),
            ("down", ["-i", "tap0"], [], 3, (b"tap0", b"ip link set tap0 up")),
            ("no permission", ["-i", "wire0"], ["setpriv", "--reuid", "65534", "--clear-groups", "--inh-caps=-all"], 3, (b"wire0", b"setcap")),
            ("wrong filter", ["-i", "lo", "--set", "capture.filter=nonsense and"], [], 2, (b"capture.filter",)),
            ("twice", ["-i", "wire0", "-i", "wire0"], [], 2, (b"wire0", b"twice")),
            ("both kinds", ["-i", "wire0", "-r", capture_path("demo")], [], 2, (b"-r", b"-i"))):
        if what == "wrong filter":
            ip("link", "set", "lo", "up")
        if prefix and not os.access(binary, os.X_OK):
            continue
        place = binary
        if prefix:  # a place that everybody may read
            place = os.path.join(tempfile.mkdtemp(dir="/var/tmp"), "earshot")
            os.chmod(os.path.dirname(place), 0o755)
            shutil.copy(binary, place)
        out = subprocess.run([*prefix, place, *arguments], capture_output=True, timeout=PATIENCE_S)
        if prefix:
            shutil.rmtree(os.path.dirname(place))
        if out.returncode != status or len(out.stderr.splitlines()) != 1 or any(w not in out.stderr for w in words):
            problems.append(f"{what}: status {out.returncode}, said {out.stderr!r}")
    return problems


@scenario
def nothing_is_sent(binary):
    """No call that could send, on any descriptor: beside the counters of the interface, the system calls."""
    if shutil.which("strace") is None:
        return None
    pair()
    wire = Wire()
    problems = []
    with tempfile.NamedTemporaryFile("r") as trace:
        process = subprocess.Popen(["strace", "-f", "-qq", "-e", "trace=sendto,sendmsg,sendmmsg,connect,socket", "-o", trace.name, binary,
                                    "-i", "tap0", "--workers", "2", "--report", "none"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        process.stderr.readline()
        for _, frame in frames(capture_path("call-busy")):
            wire.send(frame)
        time.sleep(1)
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True).stdout.split()
        os.kill(int(children[0]), signal.SIGTERM)
        process.wait(timeout=2 * PATIENCE_S)
        calls_made = trace.read().splitlines()
    if not any("AF_PACKET" in line for line in calls_made):
        problems.append("strace saw no packet socket, so nothing was tested")
    for line in calls_made:
        # libpcap asks the kernel about wireless interfaces through a netlink socket; that is no network
        if "send" in line.split("(")[0] and "AF_NETLINK" not in line and "NLMSG" not in line:
            problems.append(line)
    return problems + silent("tap0")


# --- running ---

def inside(name, binary):
    try:
        problems = SCENARIOS[name](binary)
    except Exception as error:  # whatever it is, it is a problem of this scenario and not the end of the others
        problems = [broken_off(error)]
    for process in Sensor.running:  # of a scenario that broke off
        if process.poll() is None:
            process.kill()
            process.wait()
    print(json.dumps(problems))


def outside(name, binary):
    try:
        out = subprocess.run(["unshare", "--net", sys.executable, os.path.abspath(__file__), "--binary", binary, "--inside", name],
                             capture_output=True, text=True, timeout=SCENARIO_S_MAX)
        return json.loads(out.stdout.strip().splitlines()[-1])
    except subprocess.TimeoutExpired:
        return [f"the scenario did not end within {SCENARIO_S_MAX} s"]
    except (IndexError, ValueError):
        return [f"the scenario ended with {out.returncode}: {out.stderr[-1000:]}"]


def why_not():
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return "unshare or ip is not installed"
    out = subprocess.run(["unshare", "--net", "ip", "link", "add", "tap0", "type", "veth", "peer", "name", "wire0"], capture_output=True, text=True)
    return None if out.returncode == 0 else "network namespaces are not allowed here: " + out.stderr.strip()[:200]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--inside")
    parser.add_argument("--only")
    options = parser.parse_args()
    binary = os.path.abspath(options.binary)
    if options.inside:
        inside(options.inside, binary)
        return
    names = [options.only] if options.only else list(SCENARIOS)
    count = Count()
    reason = why_not()
    if reason is not None:
        for name in names:
            count.skip("live " + name, reason)
        count.end()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for name, problems in zip(names, pool.map(lambda n: outside(n, binary), names)):
            if problems is None:
                count.skip("live " + name, "strace is not installed")
            else:
                count.check("live " + name, problems)
    count.end()


if __name__ == "__main__":
    main()
