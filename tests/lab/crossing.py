"""At which packet each attack crossed its documented threshold: read from the capture of the sensor's port, without the sensor.

The limits are those of the rules' pages (detectors/*.md), written down here a second time on purpose: an independent reader.

A crossing has two times. `packet` is that of the last packet that the threshold needs; where the limit is a span of silence, the
end of the span. `due` is when the rule looks by its own words: streams and servers are told at every mark (docs/definitions.md).
Most rules look at every packet.
"""
import math
import socket
import struct
from collections import defaultdict

PBX = "192.0.2.10"
EDGE_S = 0.2  # what falls so shortly before a mark may be told at the next one: packets come every 20 ms


class Crossing:
    def __init__(self, packet, due=None):
        self.packet = packet
        self.due = packet if due is None else due


def at_mark(time, edge=0):
    return Crossing(time, math.ceil(time + edge))


class Message:
    """One SIP message of the capture."""

    def __init__(self, time, source, destination, text):
        head, _, self.body = text.partition("\r\n\r\n")
        lines = head.split("\r\n")
        self.time, self.source, self.destination = time, source, destination
        self.first = lines[0]
        self.headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.headers.setdefault(name.strip().lower(), value.strip())
        words = self.first.split()
        self.status = int(words[1]) if words[0] == "SIP/2.0" else None
        self.method = self.headers.get("cseq", " ").split()[-1] if self.status else words[0]
        self.uri = None if self.status else words[1]

    def __getitem__(self, name):
        return self.headers.get(name, "")

    def transaction(self):
        return self["call-id"], self["cseq"]

    def branch(self):
        return self["via"].partition("branch=")[2].partition(";")[0]

    def has_login(self):
        return bool(self["authorization"] or self["proxy-authorization"])

    def user(self, name="to"):
        return self[name].partition("sip:")[2].partition("@")[0]


class Capture:
    """SIP messages in their order, and of every RTP stream the times of its packets."""

    def __init__(self, frames, started):
        self.messages = []
        self.media = defaultdict(list)
        self.unreachable = []  # (time, address that a packet did not get to), as ICMP says
        for offset, frame in frames:
            if frame[12:14] == b"\x08\x00" and frame[23] == socket.IPPROTO_UDP:
                self.datagram(started + offset, frame)
            elif frame[12:14] == b"\x08\x00" and frame[23] == socket.IPPROTO_ICMP and frame[34] == 3:
                self.unreachable.append((started + offset, socket.inet_ntoa(frame[58:62])))

    def datagram(self, time, frame):
        at = 14 + (frame[14] & 15) * 4
        ports = struct.unpack_from(">HH", frame, at)
        source, destination = (socket.inet_ntoa(frame[26:30]), ports[0]), (socket.inet_ntoa(frame[30:34]), ports[1])
        payload = frame[at + 8:14 + struct.unpack_from(">H", frame, 16)[0]]
        if len(payload) > 12 and payload[0] >> 6 == 2:
            if not 72 <= payload[1] & 0x7F <= 76:  # RTCP
                self.media[source, destination].append(time)
        elif b"SIP/2.0" in payload[:400]:
            self.messages.append(Message(time, source, destination, payload.decode("utf-8", "replace")))

    def requests(self, attack, method=None, source=None, destination=None):
        """Of the time of an attack."""
        return [m for m in self.messages if m.status is None and attack.begun <= m.time <= attack.ended + 1
                and method in (None, m.method) and source in (None, m.source[0]) and destination in (None, m.destination[0])]

    def answers(self, attack, method, codes, destination=None, source=None):
        return [m for m in self.messages if m.status in codes and m.method == method and attack.begun <= m.time <= attack.ended + 1
                and destination in (None, m.destination[0]) and source in (None, m.source[0])]


def nth_distinct(pairs, wanted, window):
    """When `wanted` distinct keys had come within the window; pairs of (time, key) in order."""
    seen = {}
    for time, key in pairs:
        seen[key] = time
        if sum(1 for t in seen.values() if time - t < window) >= wanted:
            return Crossing(time)
    return None


def first_of(messages):
    return Crossing(messages[0].time) if messages else None


def attacker_of(attack):
    return attack.about[0]


# --- one for each rule: a Crossing, or None where the capture has none ---

def scan(capture, attack):
    """8 endpoints asked within 60 s."""
    return nth_distinct([(m.time, m.destination) for m in capture.requests(attack, source=attacker_of(attack)) if ";tag=" not in m["to"]], 8, 60)


def first_request(capture, attack):
    return first_of(capture.requests(attack, source=attacker_of(attack)))


def enumeration(capture, attack):
    """15 users within 60 s that never registered."""
    known = {m.user() for m in capture.messages if m.status == 200 and m.method == "REGISTER"}
    return nth_distinct([(m.time, m.user()) for m in capture.requests(attack, source=attacker_of(attack))
                         if not m.has_login() and m.user() not in known], 15, 60)


def bruteforce(capture, attack):
    """10 answers 401 or 403 within 60 s to requests with credentials. svcrack uses its CSeq numbers again: the branch decides."""
    tried = {m.branch() for m in capture.requests(attack, "REGISTER", source=attacker_of(attack)) if m.has_login()}
    return nth_distinct([(m.time, m.branch()) for m in capture.answers(attack, "REGISTER", (401, 403), attacker_of(attack))
                         if m.branch() in tried], 10, 60)


def breach(capture, attack):
    """The first login that is accepted."""
    return first_of(capture.answers(attack, "REGISTER", (200,), attacker_of(attack)))


def first_costly_ring(capture, attack):
    return first_of(capture.answers(attack, "INVITE", (180, 183), attacker_of(attack)))


def third_costly_answer(capture, attack):
    """The third call that is answered while the first two go on."""
    ended = {m["call-id"]: m.time for m in reversed(capture.requests(attack, "BYE"))}
    return nth_distinct([(m.time, m["call-id"]) for m in capture.answers(attack, "INVITE", (200,), attacker_of(attack))
                         if ended.get(m["call-id"], m.time + 1) > m.time], 3, 3600)


def relay_answer(capture, attack):
    """200, or ringing with a session description, to a call without login."""
    return first_of([m for m in capture.answers(attack, "INVITE", (180, 183, 200), attacker_of(attack)) if m.status == 200 or m.body])


def teardown(capture, attack, seconds):
    """A BYE past the proxy, accepted; then so many seconds and 40 packets of media of the one who is said to have hung up."""
    byes = [m for m in capture.requests(attack, "BYE", source=attacker_of(attack)) if m.destination[0] != PBX]
    accepted = [m.time for bye in byes for m in capture.answers(attack, "BYE", (200,)) if m.branch() == bye.branch()]
    if not accepted:
        return None
    caller = f"192.0.2.{int(byes[0].user('from')) - 1000}"
    after = sorted(t for (one, other), times in capture.media.items() if one[0] == caller and other[0] == byes[0].destination[0]
                   for t in times if accepted[0] < t < attack.ended)
    late = [t for n, t in enumerate(after) if t >= accepted[0] + seconds and n >= 40]
    return at_mark(late[0], EDGE_S) if late else None


def teardown_by_stranger(capture, attack):
    return teardown(capture, attack, 2)


def teardown_forged(capture, attack):
    """The address is one of the call, the port is not."""
    return teardown(capture, attack, 5)


def wangiri(capture, attack):
    """The CANCEL at the tenth of our numbers that rang for a call of one block of callers, within 8 s."""
    rang = {m["call-id"] for m in capture.answers(attack, "INVITE", (180,))}
    return nth_distinct([(m.time, m.uri) for m in capture.requests(attack, "CANCEL") if m["call-id"] in rang
                          and m.user("from").startswith(attacker_of(attack)) and m.source[0] != PBX], 10, 3600)


def one_way(capture, attack):
    """10 s after the answer, by the last whole interval."""
    found = [m for m in capture.answers(attack, "INVITE", (200,)) if m.user("from") == "1003" and m.user() == "1015"]
    return at_mark(found[0].time + 10) if found else None


def flood(capture, attack):
    """Five whole seconds with more than 25 requests of strangers in each and 250 in all."""
    found = [int(m.time) for m in capture.requests(attack, "INVITE", destination=attacker_of(attack)) if m["call-id"].startswith("flood-")]
    for second in sorted(set(found)):
        counts = [found.count(second + n) for n in range(5)]
        if min(counts) > 25 and sum(counts) > 250:
            return Crossing(second + 5)
    return None


def media_stop(capture, attack):
    """10 streams, and 30 % of those that were heard, silent for 3 s."""
    flowing = [[t for t in times if t < attack.ended] for times in capture.media.values()
               if any(attack.begun - 5 < t < attack.begun for t in times)]
    last = sorted(times[-1] for times in flowing if times[-1] < attack.begun + 2)
    wanted = max(10, math.ceil(len(flowing) * 0.3))
    if len(last) < wanted:
        return None
    return at_mark(last[wanted - 1] + 3, EDGE_S)


def unanswered(capture, attack):
    """Requests to a server while it stood still."""
    answers = {m.transaction() for m in capture.messages if m.status and attack.begun < m.time < attack.begun + 12}
    return [m for m in capture.requests(attack, destination=attacker_of(attack)) if m.transaction() not in answers]


def trunk_silent(capture, attack):
    """10 s with 5 requests and no answer."""
    found = unanswered(capture, attack)
    return at_mark(found[0].time + 10) if len(found) >= 5 else None


def trunk_refused(capture, attack):
    """Three refusals, the last half of 5 s behind the first, and 5 s since then."""
    found = [time for time, address in capture.unreachable if address == attacker_of(attack) and attack.begun <= time <= attack.ended]
    enough = next((time for n, time in enumerate(found) if n >= 2 and time - found[0] >= 2.5), None)
    return at_mark(max(found[0] + 5, enough)) if enough else None


def registrar_silent(capture, attack):
    """10 s with 10 requests from 5 sources and no answer."""
    found = unanswered(capture, attack)
    return at_mark(found[0].time + 10) if len(found) >= 10 and len({m.source[0] for m in found}) >= 5 else None
