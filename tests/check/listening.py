"""A watched interface, the wire that leads to it, what is sent into it, and the sensor that listens.

Used by the checks that listen live (tests/check/live.py, tests/lab). All of it works in the network namespace of the caller.
"""
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def ip(*words):
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


def pair(tap="tap0", wire="wire0"):
    """A watched interface and the wire that leads to it; neither speaks by itself."""
    ip("link", "add", tap, "type", "veth", "peer", "name", wire)
    for name in (tap, wire):
        path = f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6"
        if os.path.exists(path):
            with open(path, "w", encoding="ascii") as f:
                f.write("1")
        ip("link", "set", name, "mtu", "9000", "up")


def packets_sent_by(interface):
    return json.loads(ip("-j", "-s", "link", "show", interface))[0]["stats64"]["tx"]["packets"]


def frames(capture):
    """(seconds since the first, bytes) of a pcap file; a last frame that is not whole is left out."""
    with open(capture, "rb") as f:
        data = f.read()
    magic = struct.unpack_from("<I", data)[0]
    unit = {0xA1B2C3D4: 1e-6, 0xA1B23C4D: 1e-9}[magic]
    at, out, first = 24, [], None
    while at + 16 <= len(data):
        seconds, fraction, captured, _ = struct.unpack_from("<IIII", data, at)
        if at + 16 + captured > len(data):
            break
        stamp = seconds + fraction * unit
        first = stamp if first is None else first
        out.append((stamp - first, data[at + 16:at + 16 + captured]))
        at += 16 + captured
    return out


def capture_path(name):
    return os.path.join(ROOT, "pcaps", name + ".pcap")


class Wire:
    def __init__(self, interface="wire0"):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self.socket.bind((interface, 0))
        self.sent = 0

    def send(self, frame):
        for _ in range(1000):
            try:
                self.socket.send(frame)
                break
            except OSError as error:
                if error.errno != 105:  # ENOBUFS
                    raise
                time.sleep(0.001)
        self.sent += 1

    def play(self, captured):
        """At the pace of the capture."""
        begun = time.monotonic()
        for offset, frame in captured:
            rest = offset - (time.monotonic() - begun)
            if rest > 0:
                time.sleep(rest)
            self.send(frame)


class Sensor:
    running = []

    def __init__(self, binary, *arguments, interfaces=("tap0",), workers=1, prefix=()):
        self.folder = tempfile.mkdtemp()
        self.records = os.path.join(self.folder, "records.jsonl")
        watched = [word for name in interfaces for word in ("-i", name)]
        self.out = open(os.path.join(self.folder, "out"), "wb")
        self.err_path = os.path.join(self.folder, "err")
        self.err = open(self.err_path, "wb")
        command = [*prefix, binary, *watched, "--workers", str(workers), "--report", "json", "--records", self.records, *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.err)
        Sensor.running.append(self.process)
        self.wait_for(lambda: b"listening on" in self.said(), "it did not start")

    def said(self):
        with open(self.err_path, "rb") as f:
            return f.read()

    def wait_for(self, condition, why, seconds=30):
        until = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > until:
                self.process.kill()
                raise AssertionError(f"{why}; it said {self.said()!r}")
            time.sleep(0.05)

    def written(self, dataset=None):
        try:
            with open(self.records, encoding="utf-8") as f:
                lines = [json.loads(line) for line in f if line.endswith("\n")]
        except FileNotFoundError:
            return []
        return [r for r in lines if dataset is None or r["event"]["dataset"] == "earshot." + dataset]

    def stop(self, how=signal.SIGTERM):
        """(exit status, report)"""
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.wait()

    def wait(self):
        status = self.process.wait(timeout=60)
        with open(os.path.join(self.folder, "out"), "rb") as f:
            text = f.read()
        return status, json.loads(text) if text.strip() else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.out.close()
        self.err.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def read(binary, capture, *arguments):
    out = subprocess.run([binary, "-r", capture, "--report", "json", *arguments], capture_output=True, check=True)
    return json.loads(out.stdout)


# --- what holds for everyone who listens ---

def accounted(what, report, sent):
    """Nothing lost without a count, and nothing counted that was not there."""
    capture, packets = report["capture"], report["packets"]
    problems = []
    if capture["offered"] != sent:
        problems.append(f"{what}: {sent} frames were sent, the kernel had {capture['offered']}")
    if capture["offered"] != capture["packets"] + capture["dropped"]:
        problems.append(f"{what}: offered {capture['offered']} is not taken {capture['packets']} + dropped {capture['dropped']}")
    if capture["packets"] != packets["decoded"] + packets["ignored"] + packets["malformed"]:
        problems.append(f"{what}: packets do not add up: {capture['packets']} and {packets}")
    return problems


def silent(*interfaces):
    return [f"{name} sent {packets_sent_by(name)} packets" for name in interfaces if packets_sent_by(name) != 0]
