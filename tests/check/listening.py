"""A watched interface, the wire that leads to it, what is sent into it, and the sensor that listens.

Used by the checks that listen live (tests/check/live.py, tests/lab). All of it works in the network namespace of the caller.
"""
import errno
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
PATIENCE_S = 60  # for what takes a moment: a machine that is slow or busy is no failure
SETTLE_S_MAX = 20
ETH_P_ALL, SOL_PACKET, PACKET_STATISTICS, SO_RCVBUFFORCE = 3, 263, 6, 33  # linux/if_ether.h, linux/if_packet.h, asm-generic/socket.h
TAP_OF = {}  # of each wire that was made here


def ip(*words):
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


def pair(tap="tap0", wire="wire0"):
    """A watched interface and the wire that leads to it; neither speaks by itself."""
    ip("link", "add", tap, "type", "veth", "peer", "name", wire)
    TAP_OF[wire] = tap
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


def much_room(receiver):
    """For datagrams that come faster than a busy test reads; root may ask for more than the kernel's own limit."""
    for option in (socket.SO_RCVBUF, SO_RCVBUFFORCE):
        try:
            receiver.setsockopt(socket.SOL_SOCKET, option, 16 << 20)
        except PermissionError:
            pass


def capture_path(name):
    return os.path.join(ROOT, "pcaps", name + ".pcap")


class Wire:
    """What is sent into it comes out at the watched interface: at once, or when the kernel finds the time (Wire.settle)."""
    used = []

    def __init__(self, interface="wire0"):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self.socket.bind((interface, 0))
        self.sent = self.arrived = 0
        self.witness = None
        if interface in TAP_OF:
            self.witness = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            self.witness.bind((TAP_OF[interface], ETH_P_ALL))
            Wire.used.append(self)

    def send(self, frame):
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                self.socket.send(frame)
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS or time.monotonic() > until:
                    raise
                time.sleep(0.001)
        self.sent += 1

    def has_arrived(self):
        """The kernel has shown all of it to whoever listens at the watched interface; it counts what a listener does not read, too."""
        packets, _ = struct.unpack("II", self.witness.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
        self.arrived += packets
        return self.arrived >= self.sent

    @classmethod
    def settle(cls):
        """Waits for what is still on its way in the kernel, which may be long on a machine that is busy."""
        until = time.monotonic() + SETTLE_S_MAX
        for wire in cls.used:
            while not wire.has_arrived() and time.monotonic() < until:
                time.sleep(0.002)

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

    def wait_for(self, condition, why, seconds=PATIENCE_S):
        until = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > until:
                self.process.kill()
                raise AssertionError(f"{why}; it said {self.said()!r}")
            time.sleep(0.05)

    def written(self, dataset=None):
        try:
            with open(self.records, "rb") as f:  # the last line may still be written, and end within a character
                lines = [json.loads(line) for line in f.read().split(b"\n")[:-1]]
        except FileNotFoundError:
            return []
        return [r for r in lines if dataset is None or r["event"]["dataset"] == "earshot." + dataset]

    def stop(self, how=signal.SIGTERM):
        """(exit status, report); what was sent before comes before the end."""
        Wire.settle()
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.wait()

    def wait(self):
        status = self.process.wait(timeout=2 * PATIENCE_S)
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
