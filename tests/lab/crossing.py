"""At which packet each attack crossed its documented threshold: read from the capture of the sensor's port, without the sensor.

The limits are those of the rules' pages (detectors/*.md), written down here a second time on purpose: an independent reader.
A crossing is a time; where a limit is a span of silence, it is the end of the span.
"""
import socket
import struct
from collections import defaultdict

SECOND = 1.0


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

    def has_login(self):
        return bool(self["authorization"] or self["proxy-authorization"])

    def user(self, name="to"):
        return self[name].partition("sip:")[2].partition("@")[0]


class Capture:
    """SIP messages in their order, and of every RTP stream the times of its packets."""

    def __init__(self, frames, started):
        self.messages = []
        self.media = defaultdict(list)
        for offset, frame in frames:
            if frame[12:14] == b"\x08\x00" and frame[23] == socket.IPPROTO_UDP:
                self.datagram(started + offset, frame)

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
        return [m for m in self.messages if m.status is None and attack.begun <= m.time <= attack.ended + 1 and (method in (None, m.method))
                and source in (None, m.source[0]) and destination in (None, m.destination[0])]

    def answers(self, attack, method, codes, destination=None, source=None):
        return [m for m in self.messages if m.status in codes and m.method == method and attack.begun <= m.time <= attack.ended + 1
                and destination in (None, m.destination[0]) and source in (None, m.source[0])]

    def answered(self, request):
        return any(m.status and m.transaction() == request.transaction() and m.source[0] == request.destination[0]
                   and m.time >= request.time for m in self.messages)


def nth_distinct(pairs, wanted, window):
    """Time at which `wanted` distinct keys came within the window; pairs of (time, key) in order."""
    seen = {}
    for time, key in pairs:
        seen[key] = time
        if sum(1 for t in seen.values() if time - t < window) >= wanted:
            return time
    return None


def attacker_of(attack):
    return attack.about[0]


# --- one for each rule ---

def scan(capture, attack):
    """8 endpoints asked within 60 s."""
    return nth_distinct([(m.time, m.destination) for m in capture.requests(attack, source=attacker_of(attack)) if ";tag=" not in m["to"]], 8, 60)


def first_request(capture, attack):
    found = capture.requests(attack, source=attacker_of(attack))
    return found[0].time if found else None


def enumeration(capture, attack):
    """15 users within 60 s that never registered."""
    known = {m.user() for m in capture.messages if m.status == 200 and m.method == "REGISTER"}
    return nth_distinct([(m.time, m.user()) for m in capture.requests(attack, source=attacker_of(attack))
                         if not m.has_login() and m.user() not in known], 15, 60)


def bruteforce(capture, attack):
    """10 answers 401 or 403 within 60 s to requests with credentials, for one account."""
    tried = {m.transaction() for m in capture.requests(attack, "REGISTER", source=attacker_of(attack)) if m.has_login()}
    return nth_distinct([(m.time, m.transaction() + (m["via"],)) for m in capture.answers(attack, "REGISTER", (401, 403), attacker_of(attack))
                         if m.transaction() in tried and login_of(capture, m)], 10, 60)


def login_of(capture, answer):
    """Whether the request of an answer carried credentials: svcrack uses its CSeq numbers again, so its branch decides."""
    branch = answer["via"].partition("branch=")[2].partition(";")[0]
    return any(m.status is None and m.has_login() and f"branch={branch}" in m["via"] for m in capture.messages)


def breach(capture, attack):
    """The first 200 to a login."""
    found = [m for m in capture.answers(attack, "REGISTER", (200,), attacker_of(attack))]
    return found[0].time if found else None


def first_costly_ring(capture, attack):
    found = capture.answers(attack, "INVITE", (180, 183), attacker_of(attack))
    return found[0].time if found else None


def third_costly_answer(capture, attack):
    """The third call that is answered while the first two go on."""
    ended = {m["call-id"]: m.time for m in reversed(capture.requests(attack, "BYE"))}
    return nth_distinct([(m.time, m["call-id"]) for m in capture.answers(attack, "INVITE", (200,), attacker_of(attack))
                         if ended.get(m["call-id"], m.time + 1) > m.time], 3, 3600)


def relay_answer(capture, attack):
    found = [m for m in capture.answers(attack, "INVITE", (180, 183, 200), attacker_of(attack)) if m.status == 200 or m.body]
    return found[0].time if found else None


def teardown(capture, attack, source):
    """A BYE past the proxy, answered; then 2 s and 40 packets of media of the one who is said to have hung up."""
    byes = [m for m in capture.requests(attack, "BYE", source=source) if m.destination[1] == 5070]
    if not byes:
        return None
    bye = byes[0]
    caller = f"192.0.2.{int(bye.user('from')) - 900}"
    after = [t for (one, other), times in capture.media.items() if one[0] == caller and other[0] == bye.destination[0]
             for t in times if bye.time < t < attack.ended]
    late = sorted(t for t in after if t >= bye.time + 2)
    return late[0] if len(after) >= 40 and late else None


def teardown_own(capture, attack):
    return teardown(capture, attack, attacker_of(attack))


def teardown_forged(capture, attack):
    return teardown(capture, attack, attacker_of(attack))


def wangiri(capture, attack):
    """The tenth of our numbers at which a call of one block of callers ended within 8 s of ringing."""
    rang = {m["call-id"] for m in capture.answers(attack, "INVITE", (180,))}
    return nth_distinct([(m.time, m.uri) for m in capture.requests(attack, "CANCEL") if m["call-id"] in rang
                         and m.user("from").startswith(attacker_of(attack)) and m.source[0] != "192.0.2.10"], 10, 3600)


def one_way(capture, attack):
    """5 s after the answer."""
    found = [m for m in capture.answers(attack, "INVITE", (200,)) if m.user("from") == "1003" and m.user() == "1015"]
    return found[0].time + 5 if found else None


def flood(capture, attack):
    """5 s of more than 50 requests a second that nobody knows."""
    found = [m.time for m in capture.requests(attack, "INVITE", destination=attacker_of(attack)) if m["call-id"].startswith("flood-")]
    for time in found:
        if all(sum(1 for t in found if time - 5 + n <= t < time - 4 + n) > 50 for n in range(5)):
            return time
    return None


def media_stop(capture, attack):
    """10 streams, and 30 % of those that were heard, silent for 3 s."""
    active = {k: [t for t in v if t < attack.ended] for k, v in capture.media.items() if any(attack.begun - 5 < t < attack.begun for t in v)}
    last = sorted(max(v) for v in active.values() if max(v) < attack.begun + 2)
    wanted = max(10, -(-len(active) * 3 // 10))
    return last[wanted - 1] + 3 if len(last) >= wanted else None


def silence_of(capture, attack, requests, span):
    unanswered = [m for m in requests if m.time > attack.begun and not any(
        a.status and a.transaction() == m.transaction() and m.time <= a.time < attack.begun + span for a in capture.messages)]
    return unanswered


def trunk_silent(capture, attack):
    """10 s with 5 requests and no answer."""
    found = silence_of(capture, attack, capture.requests(attack, destination=attacker_of(attack)), 12)
    return found[0].time + 10 if len(found) >= 5 else None


def registrar_silent(capture, attack):
    """10 s with 10 requests from 5 sources and no answer."""
    found = silence_of(capture, attack, capture.requests(attack, destination=attacker_of(attack)), 12)
    enough = len(found) >= 10 and len({m.source[0] for m in found}) >= 5
    return found[0].time + 10 if enough else None
