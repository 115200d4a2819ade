"""wire: frames of Ethernet, IP, UDP, TCP and ICMP, and the capture that they make.

Frames are kept with their time and sorted when the capture is written, so a scenario may write its parties one
after the other. Checksums are right: sums of 16-bit words are taken modulo 65535, of which Python's integers of
any length make one division. Every address counts its IP ids, so no two of its packets look like mirror copies.
"""
import ipaddress
import random
import struct

ETHERNET_MAC = struct.Struct("!6s6sH")
IPV4 = struct.Struct("!BBHHHBBH4s4s")
IPV6 = struct.Struct("!IHBB16s16s")
UDP = struct.Struct("!HHHH")
TCP = struct.Struct("!HHIIBBHHH")
RECORD = struct.Struct("<IIII")
START = 1767603600  # Monday 2026-01-05 09:00:00 UTC
FIN, SYN, RST, PUSH, ACK = 1, 2, 4, 8, 16


def words(data):
    """Sum of 16-bit words, modulo 65535."""
    return int.from_bytes(data if len(data) % 2 == 0 else data + b"\0", "big") % 65535


def complement(total):
    """The checksum of what has this sum (UDP writes 65535 instead of 0)."""
    return 65535 - (total % 65535 or 65535)


class Path:
    """What is the same in every packet from one address to another."""

    def __init__(self, source, destination, stations):
        a, b = ipaddress.ip_address(source), ipaddress.ip_address(destination)
        self.version = a.version
        self.source, self.destination = a.packed, b.packed
        self.ends = words(self.source) + words(self.destination)
        mac = [bytes((2, stations.get(name, 0))) + address.packed[-4:] for name, address in ((destination, b), (source, a))]
        self.ethernet = ETHERNET_MAC.pack(*mac, 0x0800 if self.version == 4 else 0x86DD)
        self.ttl = 64 if source.startswith(("192.0.2.", "2001:db8:0:")) else 56


class Wire:
    def __init__(self, seed, start=START):
        self.rng = random.Random(seed)
        self.start = start
        self.frames = []
        self.paths = {}
        self.idents = {}
        self.ttl = {}  # of an address, where it is not the preset
        self.stations = {}  # address to number of the machine that has it now (a part of its MAC)

    # -- layers

    def packet(self, at, source, destination, protocol, make):
        """make(path) gives the bytes above IP."""
        key = source, destination
        path = self.paths.get(key)
        if path is None:
            path = self.paths[key] = Path(source, destination, self.stations)
        body = make(path)
        ttl = self.ttl.get(source, path.ttl)
        if path.version == 4:
            ident = self.idents.get(source, 0)
            self.idents[source] = (ident + 1) & 0xFFFF
            length = 20 + len(body)
            total = 0x4500 + length + ident + 0x4000 + (ttl << 8 | protocol) + path.ends
            head = IPV4.pack(0x45, 0, length, ident, 0x4000, ttl, protocol, complement(total), path.source, path.destination)
        else:
            head = IPV6.pack(0x60000000, len(body), protocol, ttl, path.source, path.destination)
        self.frames.append((at, len(self.frames), path.ethernet + head + body))

    def udp(self, at, source, destination, payload):
        """source and destination are (address, port)."""
        length = 8 + len(payload)

        def make(path):
            total = path.ends + 17 + 2 * length + source[1] + destination[1] + words(payload)
            return UDP.pack(source[1], destination[1], length, 65535 - total % 65535) + payload

        self.packet(at, source[0], destination[0], 17, make)

    def tcp(self, at, source, destination, flags, sequence, acknowledged, payload=b""):
        def make(path):
            total = path.ends + 6 + 20 + len(payload)
            head = TCP.pack(source[1], destination[1], sequence, acknowledged, 0x50, flags, 65535, 0, 0)
            total += words(head) + words(payload)
            return head[:16] + struct.pack("!HH", complement(total), 0) + payload

        self.packet(at, source[0], destination[0], 6, make)

    def tcp_visit(self, at, source, destination, question, answer):
        """A whole connection: opened, one question, one answer, closed."""
        a, b = self.rng.randrange(1 << 31), self.rng.randrange(1 << 31)
        steps = ((0, SYN, b""), (1, SYN | ACK, b""), (0, ACK, b""), (0, PUSH | ACK, question), (1, PUSH | ACK, answer), (0, FIN | ACK, b""),
                 (1, FIN | ACK, b""), (0, ACK, b""))
        sequence = [a, b]
        for side, flags, payload in steps:
            ends = (source, destination) if side == 0 else (destination, source)
            self.tcp(at, *ends, flags, sequence[side], sequence[1 - side] if flags & ACK else 0, payload)
            sequence[side] += len(payload) + (1 if flags & (SYN | FIN) else 0)
            at += 0.002
        return at

    def refuse(self, at, source, destination, payload):
        """ICMP port unreachable: what `source` sent to `destination` comes back in part."""
        def make(path):
            length = 28 + len(payload)
            total = 0x4500 + length + 0x4000 + (64 << 8 | 17) + path.ends
            inner = IPV4.pack(0x45, 0, length, 0, 0x4000, 64, 17, complement(total), path.destination, path.source)
            body = inner + UDP.pack(source[1], destination[1], 8 + len(payload), 0) + payload[:64]
            head = struct.pack("!BBHI", 3, 3, 0, 0)
            return struct.pack("!BBHI", 3, 3, complement(words(head + body)), 0) + body

        self.packet(at, destination[0], source[0], 1, make)

    # -- the capture

    def again(self, at, copy, ttl_less=0):
        """A frame once more, as a second tap delivers it: `copy` is one of self.frames."""
        frame = copy[2]
        if ttl_less:
            head = bytearray(frame)
            head[22] -= ttl_less
            head[24:26] = b"\0\0"
            head[24:26] = struct.pack("!H", complement(words(bytes(head[14:34]))))
            frame = bytes(head)
        self.frames.append((at, len(self.frames), frame))

    def write(self, path):
        """A pcap with nanoseconds; gives (frames, bytes)."""
        self.frames.sort()
        size = 24
        with open(path, "wb", buffering=1 << 20) as f:
            f.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1))
            for at, _, frame in self.frames:
                ns = round(at * 1e9)
                f.write(RECORD.pack(self.start + ns // 10**9, ns % 10**9, len(frame), len(frame)))
                f.write(frame)
                size += 16 + len(frame)
        return len(self.frames), size
