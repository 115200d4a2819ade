"""media: RTP as phones send it: one clock, rising sequence and time stamps, one source number for a stream."""
import struct


RTP = struct.Struct("!BBHII")
PAYLOADS = {"PCMU": (0, 8), "PCMA": (8, 8), "G729": (18, 1)}  # payload type, bytes a millisecond


class Stream:
    """One direction of one call. It may rest and go on, and move to another address."""

    def __init__(self, net, source, destination, codec="G729", ptime=20, ssrc=None):
        self.net, self.source, self.destination, self.ptime = net, source, destination, ptime
        self.kind, rate = PAYLOADS[codec]
        self.payload = bytes(net.rng.randrange(256) for _ in range(rate * ptime))
        self.ssrc = ssrc or net.rng.randrange(2, 1 << 32)
        self.sequence = net.rng.randrange(1 << 16)
        self.stamp = net.rng.randrange(1 << 32)
        self.last = None

    def run(self, start, end, lose=None, marker=False, late=None, jump=0):
        """Packets from start until end; `lose(number)` says which do not come, `late(number)` by how much."""
        step, every = self.ptime * 8, self.ptime / 1000
        if self.last is not None:  # the clock went on while the stream rested
            self.stamp += max(1, round((start - self.last) / every)) * step
        self.stamp += jump
        net, source, destination = self.net, self.source, self.destination
        at, number = start, 0
        while at < end:
            if lose is None or not lose(number):
                head = RTP.pack(0x80, self.kind | (0x80 if marker and number == 0 else 0), self.sequence & 0xFFFF,
                                self.stamp & 0xFFFFFFFF, self.ssrc)
                net.udp(at + (late(number) if late else 0), source, destination, head + self.payload)
            self.last = at
            self.sequence += 1
            self.stamp += step
            number += 1
            at = start + number * every
        self.stamp -= step
        return end


    def comfort(self, at):
        """One packet of comfort noise (RFC 3389; G.729 has its own, of 2 bytes): a pause begins, and the far end knows it."""
        if self.last is not None:
            self.stamp += max(1, round((at - self.last) / (self.ptime / 1000))) * self.ptime * 8
        self.net.udp(at, self.source, self.destination, RTP.pack(0x80, 18 if self.kind == 18 else 13, self.sequence & 0xFFFF,
                self.stamp & 0xFFFFFFFF, self.ssrc)
                     + (b"\x40\x40" if self.kind == 18 else b"\x40"))
        self.sequence += 1
        self.last = at


def talk(net, start, end, a, b, codec="G729", ptime=20, lose=None):
    """Both directions of a call that nothing disturbs; gives the streams."""
    streams = Stream(net, a, b, codec, ptime), Stream(net, b, a, codec, ptime)
    streams[0].run(start, end, lose)
    streams[1].run(start + 0.007, end, lose)
    return streams


def events(net, stream, start, digits, kind=101, times=3):
    """Key presses by RFC 4733 between the packets of a stream: three updates, the last one `times` times."""
    at = start
    for digit in digits:
        stamp = stream.stamp & 0xFFFFFFFF
        for part in range(3 + times):
            over = part >= 3
            stream.sequence += 1
            body = struct.pack("!BBH", "0123456789*#".index(digit), (0x80 if over else 0) | 10, 160 * (min(part, 3) + 1))
            net.udp(at, stream.source, stream.destination,
                    RTP.pack(0x80, kind | (0x80 if part == 0 else 0), stream.sequence & 0xFFFF, stamp, stream.ssrc) + body)
            at += 0.02
        at += 0.1
        stream.stamp += 160 * 11
    stream.last = at
    return at
