"""Texts of nearly 64 KiB in each place of a message: records, frames and sentences stay within their bounds, and are still what they are."""
import json
import os
import socket
import subprocess
import tempfile

import hostile_far
import mkpcap
from hostile_wire import ATTACK, EVERYTHING, acts
from parse_back import NEVER

LONG = 60000
LINE_BYTES_MAX = 6 * (64 << 10)  # a record of 64 KiB may hold nothing but bytes that JSON writes as six
FRAME_BYTES = 8192  # of syslog over TCP, as it is set
# What is repeated: a byte that JSON makes six of, an escape, a character that a cut may tear, HTML, what CEF and syslog escape.
PIECES = (r"\x01", r"\x1b[2J", r"\xe2\x80\xae", '<b>&"', r"|=\\]", r"\xff", r"a", r"=1+1,")
PLACES = ("Call-ID", "From: user", "From: display", "To: user", "To: host", "User-Agent", "Reason", "Session-ID", "Content-Type", "Diversion",
          "Contact: user", "Refer-To", "P-Asserted-Identity", "Allow", "Via", "tag", "username", "realm", "method", "uri", "phrase", "sdp")
HEAD = """{method} sip:{uri}@voice.example.com SIP/2.0
Via: SIP/2.0/UDP 203.0.113.66:5060;branch=z9hG4bK{number}{via}
From: "{from display}" <sip:{from user}@voice.example.com>;tag=a{tag}
To: <sip:{to user}@{to host}>
Call-ID: {number}{call-id}
CSeq: 1 {method}
Contact: <sip:{contact user}@203.0.113.66>
User-Agent: {user-agent}
Reason: {reason}
Session-ID: {session-id}
Content-Type: application/sdp{content-type}
Diversion: <sip:{diversion}@voice.example.com>
Refer-To: <sip:{refer-to}@voice.example.com>
P-Asserted-Identity: <sip:{p-asserted-identity}@voice.example.com>
Allow: {allow}
Authorization: Digest username="{username}", realm="{realm}", nonce="abc", uri="sip:x", response="def{number}"
"""
CROWD = ("Allow", "Supported", "Diversion", "Via")  # headers of which a record keeps 16 values each
ANSWER = """SIP/2.0 403 no{phrase}
Via: SIP/2.0/UDP 203.0.113.66:5060;branch=z9hG4bK{number}{via}
From: "{from display}" <sip:{from user}@voice.example.com>;tag=a{tag}
To: <sip:{to user}@{to host}>;tag=b
Call-ID: {number}{call-id}
CSeq: 1 {method}
"""


def filled(text, number, places, value):
    """The message with `value` in these places, and something short in the others."""
    names = {place.lower().replace(": ", " "): ("x" if place not in ("Via", "Content-Type") else "") for place in PLACES}
    names.update({"method": "REGISTER", "number": str(number), "to host": "voice.example.com", "call-id": "", "tag": "", "phrase": ""})
    for place in places:
        name = place.lower().replace(": ", " ")
        names[name] = {"via": ";x=", "content-type": ";x=", "method": "M"}.get(name, "") + value
    for name, put in names.items():
        text = text.replace("{" + name + "}", put)
    body = "\nv=0\ns=" + names["sdp"] + "\nm=audio 1 RTP/AVP 0\n" if text.startswith(names["method"]) else "\n"
    return b"".join(mkpcap.unescape(line) + b"\r\n" for line in (text + body).split("\n")[:-1])


def capture(path):
    """Each piece fills each place alone, then all of them together, then 80 values of lists; every request is answered."""
    made = mkpcap.Script(os.devnull)
    here, there = mkpcap.endpoint("203.0.113.66:5060"), mkpcap.endpoint("192.0.2.10:5060")
    number = 0
    for piece in PIECES:
        size = len(mkpcap.unescape(piece))
        for places in [(place,) for place in PLACES] + [PLACES]:
            number += 1
            shares = 2 * len(PLACES) if places == PLACES else 2 if places == ("method",) else 1  # a method stands in CSeq too
            value = piece * (LONG // size // shares)
            made.put_udp(here, there, filled(HEAD, number, places, value))
            made.now += 10**6
            made.put_udp(there, here, filled(ANSWER, number, places, value))
            made.now += 400 * 10**6
    for piece in PIECES:
        number += 1
        many = "".join(f"{name}: " + (f"SIP/2.0/UDP h{number};x=" if name == "Via" else "") + piece * (250 // len(mkpcap.unescape(piece))) + "\n"
                       for name in CROWD for _ in range(20))
        made.put_udp(here, there, filled(HEAD.replace("CSeq", many + "CSeq"), number, (), ""))
        made.now += 10**6
        made.put_udp(there, here, filled(ANSWER, number, (), ""))
        made.now += 400 * 10**6
    with open(path, "wb") as f:
        f.write(made.bytes())
    return 2 * number


def judge_records(path, wanted):
    told = longest = 0
    with open(path, "rb") as f:
        for line in f.read().split(b"\n")[:-1]:
            record = json.loads(line.decode("utf-8"))
            told += record["event"]["dataset"] == "earshot.sip"
            longest = max(longest, len(line))
            if any(ord(c) in NEVER for c in line.decode("utf-8")):
                yield f"a control character in {line[:200]!r}"
    if told != wanted:
        yield f"{told} messages, sent were {wanted}"
    if not 64 << 10 < longest <= LINE_BYTES_MAX:
        yield f"the longest record has {longest} bytes"


def bounded(binary):
    with tempfile.TemporaryDirectory() as folder:
        pcap, records, config = (os.path.join(folder, name) for name in ("long.pcap", "records", "conf.yaml"))
        wanted = capture(pcap)
        ways = [("json", hostile_far.judge_json, hostile_far.Listener(socket.SOCK_STREAM)),
                ("cef", hostile_far.judge_cef, hostile_far.Listener(socket.SOCK_STREAM))]
        with open(config, "w", encoding="utf-8") as f:
            json.dump({"outputs": {form: {"type": "syslog", "transport": "tcp", "format": form, "port": one.port} for form, _, one in ways}}, f)
        out = subprocess.run([binary, "-r", pcap, "--deliver", "-c", config, "--records", records, "--report", "text", *EVERYTHING, *ATTACK],
                             stdin=subprocess.DEVNULL, capture_output=True, timeout=300)
        if out.returncode != 0:
            yield f"status {out.returncode}: {out.stderr[-300:]!r}"
        yield from acts(out.stdout + out.stderr)
        if len(out.stdout) > 64 << 10:
            yield f"a report of {len(out.stdout)} bytes"
        yield from judge_records(records, wanted)
        with open(records, encoding="utf-8") as f:
            lines = {json.loads(line)["event"]["id"]: line for line in f.read().split("\n")[:-1]}
        for form, judge, listener in ways:
            problems, arrived = hostile_far.judge_frames(listener.end(), lines, judge, FRAME_BYTES)
            yield from (f"syslog {form}: {problem}" for problem in problems)
            if sorted(arrived.elements()) != sorted(lines):
                yield f"syslog {form}: {sum(arrived.values())} frames, {len(lines)} records"


def rows(binary):
    return [("64 KiB", lambda: bounded(binary))]
