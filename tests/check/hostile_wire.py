"""The hostile strings, the captures that hold them, and what stands in each message, read from the bytes of the capture alone."""
import collections
import datetime
import os
import re
import struct
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))
import mkpcap  # noqa: E402
from cef import UNSEEN  # noqa: E402

CAPTURES = [os.path.join(ROOT, "pcaps", f"hostile-{name}.pcap") for name in ("fields", "attack", "strings")]
ATTACK = ["--set", "detectors.registration-bruteforce.failures=2", "--set", "responses.bar.hook=bar", "--set", "responses.bar.target=account",
          "--set", "responses.bar.severity=low"]  # a capture runs no hook, but tells what it would be asked
EVERYTHING = ["--set", "records.sip=messages", "--set", "records.media_interval=true", "--set", "records.flow=true",
              "--set", "records.refreshes=true"]
# Headers whose whole value stands in one field; of User-Agent and Server the first wins.
WHOLE = (("sip.call_id", ("call-id",)), ("sip.user_agent.original", ("user-agent", "server")), ("earshot.sip.reason", ("reason",)),
         ("earshot.sip.session_id", ("session-id",)), ("sip.content_type", ("content-type",)))
COOKED = re.compile(rb"[\r\n]")


def strings():
    """{s0} to {s51} as bytes."""
    made = mkpcap.Script(os.path.join(ROOT, "pcaps", "scripts", "_hostile.txt"))
    return [mkpcap.unescape(made.fill(made.names[f"s{i}"])) for i in range(int(made.names["strings"]))]


STRINGS = strings()


def acts(output):
    """What of an output a terminal would obey, or a person would not see."""
    try:
        text = output.decode("utf-8")
    except UnicodeDecodeError as error:
        return [f"is no UTF-8: {output[max(error.start - 40, 0):error.end + 10]!r}"]
    bad = [i for i, c in enumerate(text) if (ord(c) < 0x20 and c != "\n") or 0x7f <= ord(c) < 0xa0 or any(a <= ord(c) <= b for a, b in UNSEEN)]
    return [f"holds {text[bad[0]]!r}: {text[max(bad[0] - 60, 0):bad[0] + 20]!r}"] if bad else []


class Message(collections.namedtuple("Message", "timestamp payload")):
    @property
    def head(self):
        return self.payload.split(b"\r\n\r\n")[0]

    @property
    def whole(self):
        """No line end of an attacker cuts its lines."""
        return not any(COOKED.search(line) for line in self.head.split(b"\r\n")) and b"\r\n " not in self.head and b"\r\n\t" not in self.head

    def values(self):
        """(field, bytes) of the values that stand in a record whole."""
        lines = self.head.split(b"\r\n")
        headers = collections.OrderedDict()
        for line in lines[1:]:
            name, colon, value = line.partition(b":")
            if colon and re.fullmatch(rb"[A-Za-z-]+", name):
                headers.setdefault(name.decode().lower(), value.strip(b" \t"))
        answer = re.match(rb"SIP/2\.0 \d{3} (.*)", lines[0], re.S)
        if answer and answer[1]:
            yield "event.reason", answer[1]
        for field, names in WHOLE:
            found = [headers[name] for name in names if headers.get(name)]
            if found:
                yield field, found[0]


def messages(capture):
    """SIP messages over UDP and IPv4, as mkpcap writes them."""
    with open(capture, "rb") as f:
        data = f.read()
    at = 24
    while at < len(data):
        seconds, micros, length, _ = struct.unpack_from("<IIII", data, at)
        payload = data[at + 16 + 42:at + 16 + length]
        at += 16 + length
        if payload[:1] != b"\x80":
            stamp = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
            yield Message(f"{stamp}.{micros:06}Z", payload)
