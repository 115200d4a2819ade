#!/usr/bin/env python3
r"""mkpcap: writes captures from text, the same bytes on every machine.

    mkpcap.py SCRIPT [-o FILE]   one capture (preset: NAME.pcap beside the folder of the script)
    mkpcap.py --all              every pcaps/scripts/NAME.txt into pcaps/NAME.pcap, and README.md
    mkpcap.py --check            status 1 unless every committed capture, and the README, are what
                                 the scripts say
    mkpcap.py --readme           only pcaps/README.md

Scripts whose name begins with "_" are for `include` only. The comment at the head of a script is
its line in the README.

THE LANGUAGE. One directive a line; lines that are indented deeper are its body; `#` begins a
comment line.

  format pcap | ns | pcapng     microseconds (preset), nanoseconds, pcapng
  start 2026-01-05T09:00:00     the first moment (this is the preset)
  time +0.020 | time 12.5       go on by, or to so many seconds after the start
  gap 0.004                     what every message adds by itself (preset 1 ms)
  stamp TIME | stamp -3.5       the next frame keeps its place but carries this time, or is off by
                                so much
  vlan 100 [200] | vlan none    802.1Q tags (two: 802.1ad outside) on what follows
  gre SRC > DST | gre none      wraps what follows in IPv4 and GRE
  fragment 400 | fragment none  IP payloads are cut in pieces of so many bytes
  snap 96 | snap none           only so many bytes of a frame are captured
  mute ADDRESS | mute none      what it sends from now on is not captured

  sip SRC > DST [eol=lf|cr]     body: one message. Each line ends with CRLF; the empty line behind
                                the headers is added if it is missing; {content-length} is the
                                length of what follows it
  udp SRC > DST [hex]           body: one datagram, lines joined by CRLF; or digits
  raw                           body: a whole Ethernet frame in hex
  tcp open A > B                SYN, SYN+ACK, ACK
  tcp send A > B [split=N,M]    body: messages as with sip, several parted by a line "---"; one
                                segment, or cut at these offsets; B acknowledges
  tcp close A > B               FIN+ACK, FIN+ACK, ACK
  tcp refuse A > B              SYN, which B answers with RST+ACK
  tcp reset A > B               A's RST+ACK
  unreachable BY [code 3] [quote 548]
                                ICMP about the packet before, to its sender: "destination
                                unreachable" (presets: port, and as many bytes of it as there are)
  rtp A > B ssrc 0x1 pt 0 seq 1 ts 0 count 200 every 20ms [step 160] [bytes 160]
      [lose 3,5-7 | lose 1%] [dup 7] [swap 9] [jitter 2ms] [seed 1]
                                a stream from now on; the time stays where it is, so streams and
                                messages mix. Numbers count packets from 1; swap 9 sends 10 before
                                9; dup 7 sends 7 again 1 ms later; jitter delays each by 0 to so
                                much
  rtcp A > B sr|rr|bye ssrc 0x1 [packets N octets N ts N]
      [about 0x2 lost N fraction N highest N jitter N] [cname TEXT]
                                one compound packet
  Endpoints are 192.0.2.1:5060 or [2001:db8::1]:5060.

  set NAME VALUE                a variable, used as {NAME}
  repeat N [as NAME] [from K]   ... end: NAME counts from K (presets: i, 0)
  define NAME ARG ...           ... end: a piece of script, run by
  use NAME VALUE ...
  include NAME                  runs _NAME.txt

  {NAME} {i+1000} {i%7:03}      variables and whole-number arithmetic, with a width if wanted
  {content-length}              see sip
  {digest USER REALM PASSWORD METHOD URI NONCE [NC CNONCE]}
                                response of RFC 2617 MD5, with qop=auth if there is NC
  {branch KEY} {tag KEY} {token KEY}
                                text that looks random and is the same for the same key
  {hex TEXT} {unix} {date}      hex digits of a text; now in seconds and as in a Date header
  {words Busy_Here}             "Busy Here": how a value with spaces is given to a `define`
  {sdp ADDRESS PORT PT/NAME/RATE ...}
                                a description of one audio stream
  \xNN \t \n \r \0 \\            bytes; a brace is \x7b
"""

import argparse
import ast
import datetime
import decimal
import email.utils
import hashlib
import ipaddress
import operator
import os
import re
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PCAPS = os.path.join(os.path.dirname(HERE), "pcaps")
START = "2026-01-05T09:00:00"
SECOND = 10**9
LENGTH_MARK = "\0length\0"


class ScriptError(Exception):
    """What is wrong, and where."""


# --------------------------------------------------------------------------- text

def nanoseconds(text):
    """'1.5', '20ms', '2s' as ns."""
    unit = SECOND
    for suffix, ns in (("ms", 10**6), ("us", 10**3), ("ns", 1), ("s", SECOND)):
        if text.endswith(suffix):
            text, unit = text[:-len(suffix)], ns
            break
    try:
        return int(decimal.Decimal(text) * unit)
    except decimal.InvalidOperation as e:
        raise ScriptError(f"{text!r} is no time") from e


def moment(text):
    value = datetime.datetime.fromisoformat(text.removesuffix("Z"))
    value = value.replace(tzinfo=datetime.timezone.utc)
    whole = value.replace(microsecond=0)
    return int(whole.timestamp()) * SECOND + value.microsecond * 1000


def unescape(text):
    """Text with escapes as bytes."""
    out = bytearray()
    at = 0
    simple = {"t": 9, "n": 10, "r": 13, "0": 0, "\\": 92}
    while at < len(text):
        if text[at] != "\\":
            out += text[at].encode()
            at += 1
        elif text[at + 1:at + 2] == "x":
            out.append(int(text[at + 2:at + 4], 16))
            at += 4
        elif text[at + 1:at + 2] in simple:
            out.append(simple[text[at + 1]])
            at += 2
        else:
            raise ScriptError(f"unknown escape in {text!r}")
    return bytes(out)


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


def digest(user, realm, password, method, uri, nonce, nc=None, cnonce=None):
    one, two = md5(f"{user}:{realm}:{password}"), md5(f"{method}:{uri}")
    return md5(f"{one}:{nonce}:{nc}:{cnonce}:auth:{two}" if nc else f"{one}:{nonce}:{two}")


def sdp(script, address, port, *formats):
    address = address.strip("[]")
    kind = "IP6" if ":" in address else "IP4"
    types = [f.split("/", 1) for f in formats]
    return "\n".join([
        "v=0", f"o=- {script.now // SECOND} 1 IN {kind} {address}", "s=-",
        f"c=IN {kind} {address}", "t=0 0",
        f"m=audio {port} RTP/AVP " + " ".join(t[0] for t in types),
        *[f"a=rtpmap:{t[0]} {t[1]}" for t in types], "a=ptime:20", "a=sendrecv"])


def arithmetic(text, names):
    """Whole numbers, variables, + - * // % and brackets."""
    operators = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
                 ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod}

    def value(node):
        if isinstance(node, ast.BinOp) and type(node.op) in operators:
            return operators[type(node.op)](value(node.left), value(node.right))
        if isinstance(node, ast.Constant) and isinstance(node.value, int):
            return node.value
        if isinstance(node, ast.Name) and node.id in names:
            return int(names[node.id], 0)
        raise ScriptError(f"{text!r} cannot be worked out")

    try:
        return value(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError) as e:
        raise ScriptError(f"{text!r} cannot be worked out") from e


class Lcg:
    """Numbers that look random and are the same everywhere."""

    def __init__(self, seed):
        self.state = (seed * 2654435761 + 1) & 0xffffffff

    def next(self, below):
        self.state = (self.state * 1664525 + 1013904223) & 0xffffffff
        return (self.state >> 8) * below >> 24


# --------------------------------------------------------------------------- packets

def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def endpoint(text):
    match = re.fullmatch(r"\[([0-9a-fA-F:.]+)\]:(\d+)|([0-9.]+):(\d+)", text)
    if not match:
        raise ScriptError(f"{text!r} is no ADDRESS:PORT")
    return ipaddress.ip_address(match[1] or match[3]), int(match[2] or match[4])


def mac(address):
    return (b"\x02\x00" if address.version == 4 else b"\x02\x01") + address.packed[-4:]


def transport_checksum(source, target, protocol, segment):
    if source.version == 4:
        pseudo = source.packed + target.packed + struct.pack("!BBH", 0, protocol, len(segment))
    else:
        pseudo = source.packed + target.packed + struct.pack("!IHBB", len(segment), 0, 0, protocol)
    return checksum(pseudo + segment)


def ipv4(source, target, protocol, payload, ident, offset=0, more=False, fragmented=False):
    flags = (0x2000 if more else 0) | offset // 8 if fragmented else 0x4000
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), ident, flags, 64, protocol, 0,
                       source.packed, target.packed)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def ipv6(source, target, protocol, payload):
    return struct.pack("!IHBB16s16s", 0x60000000, len(payload), protocol, 64, source.packed,
                       target.packed) + payload


def ethernet(source, target, tags, ether_type, payload):
    head = mac(target) + mac(source)
    for index, tag in enumerate(tags):
        head += struct.pack("!HH", 0x88a8 if index == 0 and len(tags) == 2 else 0x8100, tag)
    frame = head + struct.pack("!H", ether_type) + payload
    return frame + bytes(max(0, 60 - len(frame)))


# --------------------------------------------------------------------------- scripts

class Line:
    def __init__(self, number, text):
        self.number = number
        self.text = text.rstrip("\n")
        self.indent = len(self.text) - len(self.text.lstrip(" "))
        self.is_blank = self.text.strip() == ""


class Node:
    def __init__(self, line, body, children=None):
        self.number, self.text = line.number, line.text.strip()
        self.body, self.children = body, children


def parse(lines):
    """Lines as nodes: a directive with its body, or a block with its nodes."""
    nodes = []
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if line.is_blank or line.text.lstrip().startswith("#"):
            continue
        inner = []
        while at < len(lines) and (lines[at].is_blank or lines[at].indent > line.indent):
            inner.append(lines[at])
            at += 1
        if line.text.split()[0] in ("repeat", "define"):
            is_end = at < len(lines) and lines[at].text.strip() == "end"
            if not is_end or lines[at].indent != line.indent:
                raise ScriptError(f"line {line.number}: no `end` at the same depth")
            at += 1
            nodes.append(Node(line, None, parse(inner)))
        else:
            while inner and inner[-1].is_blank:
                inner.pop()
            margin = min((i.indent for i in inner if not i.is_blank), default=0)
            nodes.append(Node(line, [i.text[margin:] for i in inner]))
    return nodes


class Script:
    """Runs a script; `frames` is what it made."""

    def __init__(self, path):
        self.path = path
        self.frames = []  # (place, order, stamp, captured bytes, wire length)
        self.format = "pcap"
        self.start = self.now = moment(START)
        self.gap = 10**6
        self.stamp = None
        self.tags, self.tunnel, self.piece, self.snap, self.muted = [], None, None, None, None
        self.idents = {}
        self.connections = {}
        self.last = None  # source and bytes of the last IP packet
        self.macros = {}
        self.names = {}
        self.run_file(path)

    def run_file(self, path):
        try:
            with open(path, encoding="utf-8") as f:
                lines = [Line(n, text) for n, text in enumerate(f, 1)]
        except OSError as e:
            raise ScriptError(f"{path}: {e.strerror}") from e
        try:
            self.run(parse(lines), path)
        except ScriptError as e:
            raise ScriptError(f"{path}: {e}") from e

    def run(self, nodes, path):
        for node in nodes:
            try:
                words = self.fill(node.text).split()
                handler = getattr(self, "do_" + words[0], None)
                if handler is None:
                    raise ScriptError(f"unknown directive {words[0]!r}")
                handler(words[1:], node)
            except ScriptError as e:
                text = str(e)
                where = "" if text.startswith("line ") else f"line {node.number}: "
                raise ScriptError(where + text) from e
            except (ValueError, IndexError, KeyError, TypeError) as e:
                raise ScriptError(f"line {node.number}: {node.text}: {e}") from e

    # ---- text

    def fill(self, text):
        """Replaces {...}, the innermost first."""
        while True:
            text, count = re.subn(r"\{([^{}]*)\}", lambda m: self.expand(m[1]), text)
            if count == 0:
                return text

    def expand(self, inside):
        words = inside.split()
        functions = {
            "digest": digest,
            "branch": lambda *key: "z9hG4bK" + md5("branch " + " ".join(key))[:16],
            "tag": lambda *key: md5("tag " + " ".join(key))[:10],
            "token": lambda *key: md5("token " + " ".join(key)),
            "hex": lambda *part: unescape(" ".join(part)).hex(),
            "words": lambda *part: " ".join(part).replace("_", " "),
            "sdp": lambda *parts: sdp(self, *parts),
        }
        if inside == "content-length":
            return LENGTH_MARK
        if inside == "unix":
            return str(self.now // SECOND)
        if inside == "date":
            return email.utils.formatdate(self.now // SECOND, usegmt=True)
        if words and words[0] in functions and len(words) > 1:
            return functions[words[0]](*words[1:])
        if inside in self.names:
            return self.names[inside]
        expression, _, width = inside.partition(":")
        return format(arithmetic(expression.strip(), self.names), width)

    def message(self, lines, eol=b"\r\n"):
        """A SIP message; {content-length} is worked out last."""
        text = self.fill("\n".join(lines)).split("\n")
        empty = text.index("") if "" in text else len(text)
        body = b"".join(unescape(line) + eol for line in text[empty + 1:])
        length = str(len(body))
        head = [unescape(line.replace(LENGTH_MARK, length)) + eol for line in text[:empty]]
        return b"".join(head) + eol + body

    # ---- frames

    def put(self, frame):
        stamp = self.now if self.stamp is None else self.stamp
        self.stamp = None
        captured = frame if self.snap is None else frame[:self.snap]
        self.frames.append((self.now, len(self.frames), stamp, captured, len(frame)))

    def put_ip(self, source, target, protocol, payload):
        for packet in self.packets(source, target, protocol, payload):
            self.last = source, packet
            if source == self.muted:
                continue
            ether_type = 0x0800 if source.version == 4 else 0x86dd
            ends = source, target
            if self.tunnel:
                ends = self.tunnel
                packet = ipv4(*ends, 47, struct.pack("!HH", 0, ether_type) + packet,
                              self.ident(ends[0]))
                ether_type = 0x0800
            self.put(ethernet(*ends, self.tags, ether_type, packet))

    def ident(self, source):
        last = self.idents.get(source, int.from_bytes(source.packed[-2:], "big"))
        self.idents[source] = last + 1 & 0xffff
        return self.idents[source]

    def packets(self, source, target, protocol, payload):
        ident = self.ident(source)
        if self.piece is None or len(payload) <= self.piece:
            if source.version == 4:
                return [ipv4(source, target, protocol, payload, ident)]
            return [ipv6(source, target, protocol, payload)]
        size = self.piece // 8 * 8
        out = []
        for offset in range(0, len(payload), size):
            part, more = payload[offset:offset + size], offset + size < len(payload)
            if source.version == 4:
                out.append(ipv4(source, target, protocol, part, ident, offset, more, True))
            else:
                head = struct.pack("!BBHI", protocol, 0, offset | more, ident)
                out.append(ipv6(source, target, 44, head + part))
        return out

    def put_udp(self, source, target, payload):
        (source, source_port), (target, target_port) = source, target
        head = struct.pack("!HHHH", source_port, target_port, 8 + len(payload), 0)
        total = transport_checksum(source, target, 17, head + payload) or 0xffff
        self.put_ip(source, target, 17, head[:6] + struct.pack("!H", total) + payload)

    def put_tcp(self, source, target, flags, payload=b""):
        (address, port), (other, other_port) = source, target
        numbers = self.connections[frozenset((source, target))]
        ack = numbers[target] if flags & 0x10 else 0
        head = struct.pack("!HHIIBBHHH", port, other_port, numbers[source], ack, 0x50, flags,
                           64240, 0, 0)
        total = transport_checksum(address, other, 6, head + payload)
        self.put_ip(address, other, 6, head[:16] + struct.pack("!H", total) + head[18:] + payload)
        numbers[source] = (numbers[source] + len(payload) + (1 if flags & 3 else 0)) & 0xffffffff
        self.now += self.gap

    # ---- directives

    def pair(self, words):
        if len(words) < 3 or words[1] != ">":
            raise ScriptError("wanted: SRC > DST")
        source, target = endpoint(words[0]), endpoint(words[2])
        if source[0].version != target[0].version:
            raise ScriptError("IPv4 and IPv6 do not mix")
        return source, target, words[3:]

    def do_format(self, words, _):
        if words[0] not in ("pcap", "ns", "pcapng"):
            raise ScriptError("formats are pcap, ns and pcapng")
        self.format = words[0]

    def do_start(self, words, _):
        self.start = self.now = moment(words[0])

    def do_time(self, words, _):
        step = nanoseconds(words[0].lstrip("+"))
        self.now = self.now + step if words[0][0] in "+-" else self.start + step

    def do_gap(self, words, _):
        self.gap = nanoseconds(words[0])

    def do_stamp(self, words, _):
        self.stamp = self.now + nanoseconds(words[0]) if words[0][0] in "+-" else moment(words[0])

    def do_vlan(self, words, _):
        self.tags = [] if words == ["none"] else [int(w) for w in words]

    def do_gre(self, words, _):
        self.tunnel = None
        if words != ["none"]:
            self.tunnel = (ipaddress.IPv4Address(words[0]), ipaddress.IPv4Address(words[2]))

    def do_fragment(self, words, _):
        self.piece = None if words == ["none"] else int(words[0])

    def do_snap(self, words, _):
        self.snap = None if words == ["none"] else int(words[0])

    def do_mute(self, words, _):
        self.muted = None if words == ["none"] else ipaddress.ip_address(words[0])

    def do_set(self, words, _):
        self.names[words[0]] = " ".join(words[1:])

    def do_include(self, words, _):
        self.run_file(os.path.join(os.path.dirname(self.path), f"_{words[0]}.txt"))

    def do_define(self, words, node):
        self.macros[words[0]] = (words[1:], node.children)

    def do_use(self, words, _):
        if words[0] not in self.macros:
            raise ScriptError(f"{words[0]!r} is not defined")
        arguments, nodes = self.macros[words[0]]
        if len(arguments) != len(words) - 1:
            raise ScriptError(f"{words[0]} wants {len(arguments)} values: {' '.join(arguments)}")
        self.within(dict(zip(arguments, words[1:])), nodes)

    def do_repeat(self, words, node):
        options = dict(zip(words[1::2], words[2::2]))
        name, first = options.get("as", "i"), int(options.get("from", 0))
        for i in range(int(words[0])):
            self.within({name: str(first + i)}, node.children)

    def within(self, names, nodes):
        kept = self.names
        self.names = {**kept, **names}
        try:
            self.run(nodes, self.path)
        finally:
            self.names = kept

    def do_sip(self, words, node):
        source, target, options = self.pair(words)
        eols = {"eol=lf": b"\n", "eol=cr": b"\r"}
        eol = eols[options[0]] if options else b"\r\n"
        self.put_udp(source, target, self.message(node.body, eol))
        self.now += self.gap

    def do_udp(self, words, node):
        source, target, options = self.pair(words)
        text = self.fill("\n".join(node.body))
        if options == ["hex"]:
            payload = bytes.fromhex(text)
        else:
            payload = b"\r\n".join(unescape(line) for line in text.split("\n"))
        self.put_udp(source, target, payload)
        self.now += self.gap

    def do_raw(self, _, node):
        self.put(bytes.fromhex(self.fill("\n".join(node.body))))
        self.now += self.gap

    def do_tcp(self, words, node):
        source, target, options = self.pair(words[1:])
        key = frozenset((source, target))
        if words[0] == "open":
            self.connections[key] = {e: int(md5(f"{e} {len(self.frames)}")[:8], 16)
                                     for e in (source, target)}
            self.put_tcp(source, target, 0x02)
            self.put_tcp(target, source, 0x12)
            self.put_tcp(source, target, 0x10)
        elif words[0] == "refuse":
            self.connections[key] = {source: int(md5(f"{source} {len(self.frames)}")[:8], 16), target: 0}
            self.put_tcp(source, target, 0x02)
            self.put_tcp(target, source, 0x14)
        elif words[0] == "reset":
            self.put_tcp(source, target, 0x14)
        elif words[0] == "close":
            self.put_tcp(source, target, 0x11)
            self.put_tcp(target, source, 0x11)
            self.put_tcp(source, target, 0x10)
        elif words[0] == "send":
            parts = "\n".join(node.body).split("\n---\n")
            data = b"".join(self.message(part.split("\n")) for part in parts)
            cuts = [int(n) for n in options[0].removeprefix("split=").split(",")] if options else []
            for begin, end in zip([0, *cuts], [*cuts, len(data)]):
                if not begin < end <= len(data):
                    raise ScriptError(f"a cut lies outside the {len(data)} bytes")
                self.put_tcp(source, target, 0x18, data[begin:end])
            self.put_tcp(target, source, 0x10)
        else:
            raise ScriptError("tcp open, send, close, refuse or reset")

    def do_unreachable(self, words, _):
        by, (asker, quoted) = ipaddress.ip_address(words[0]), self.last
        given = dict(zip(words[1::2], words[2::2]))
        kind, code, protocol = (3, 3, 1) if asker.version == 4 else (1, 4, 58)
        head = struct.pack("!BBHI", kind, int(given.get("code", code)), 0, 0)
        message = head + quoted[:int(given.get("quote", 548))]
        total = checksum(message) if asker.version == 4 else transport_checksum(by, asker, protocol, message)
        self.put_ip(by, asker, protocol, message[:2] + struct.pack("!H", total) + message[4:])
        self.now += self.gap

    def do_rtp(self, words, _):
        source, target, words = self.pair(words)
        given = dict(zip(words[::2], words[1::2]))
        count, every = int(given["count"]), nanoseconds(given["every"])
        ssrc, kind = int(given["ssrc"], 0), int(given["pt"])
        sequence, ts = int(given["seq"]), int(given["ts"])
        step = int(given.get("step", 160))
        size = int(given.get("bytes", 20 if kind == 18 else 160))
        chance, jitter = Lcg(int(given.get("seed", ssrc))), nanoseconds(given.get("jitter", "0"))
        lost, doubled, swapped = (numbers(given.get(k, ""), count, chance)
                                  for k in ("lose", "dup", "swap"))
        noise = Lcg(ssrc)
        began = self.now
        for n in range(1, count + 1):
            place = n + 1 if n in swapped else (n - 1 if n - 1 in swapped else n)
            marker = 0x80 if n == 1 else 0
            head = struct.pack("!BBHII", 0x80, marker | kind, sequence + n - 1 & 0xffff,
                               ts + (n - 1) * step & 0xffffffff, ssrc)
            payload = bytes((0xff if noise.next(2) else 0x7f) - noise.next(12) for _ in range(size))
            if n in lost:
                continue
            self.now = began + (place - 1) * every + (chance.next(jitter) if jitter else 0)
            self.put_udp(source, target, head + payload)
            if n in doubled:
                self.now += 10**6
                self.put_udp(source, target, head + payload)
        self.now = began

    def do_rtcp(self, words, _):
        source, target, words = self.pair(words)
        given = dict(zip(words[1::2], words[2::2]))
        number = {k: int(v, 0) for k, v in given.items() if k != "cname"}
        ssrc = number["ssrc"]
        report = b""
        if "about" in number:
            report = struct.pack("!IIIIII", number["about"],
                                 number.get("fraction", 0) << 24 | number.get("lost", 0) & 0xffffff,
                                 number.get("highest", 0), number.get("jitter", 0), 0, 0)
        sender = b""
        if words[0] == "sr":
            seconds, rest = divmod(self.now, SECOND)
            sender = struct.pack("!IIIII", seconds + 2208988800 & 0xffffffff,
                                 (rest << 32) // SECOND, number.get("ts", 0),
                                 number.get("packets", 0), number.get("octets", 0))
        body = struct.pack("!I", ssrc) + sender + report
        kind = 200 if words[0] == "sr" else 201
        packet = struct.pack("!BBH", 0x80 | bool(report), kind, len(body) // 4) + body
        name = given.get("cname", f"{ssrc:08x}@example.com").encode()
        item = struct.pack("!IBB", ssrc, 1, len(name)) + name
        item += bytes(4 - len(item) % 4)
        packet += struct.pack("!BBH", 0x81, 202, len(item) // 4) + item
        if words[0] == "bye":
            packet += struct.pack("!BBHI", 0x81, 203, 1, ssrc)
        self.put_udp(source, target, packet)
        self.now += self.gap

    # ---- files

    def bytes(self):
        frames = sorted(self.frames, key=lambda f: f[:2])
        if self.format == "pcapng":
            return self.pcapng(frames)
        magic, tick = (0xa1b23c4d, 1) if self.format == "ns" else (0xa1b2c3d4, 1000)
        out = [struct.pack("<IHHiIII", magic, 2, 4, 0, 0, 262144, 1)]
        for _, _, stamp, data, wire in frames:
            seconds, rest = divmod(stamp, SECOND)
            out.append(struct.pack("<IIII", seconds, rest // tick, len(data), wire) + data)
        return b"".join(out)

    @staticmethod
    def pcapng(frames):
        def block(kind, body):
            body += bytes(-len(body) % 4)
            length = struct.pack("<I", 12 + len(body))
            return struct.pack("<I", kind) + length + body + length

        out = [block(0x0a0d0d0a, struct.pack("<IHHq", 0x1a2b3c4d, 1, 0, -1)),
               block(1, struct.pack("<HHI", 1, 0, 262144) + struct.pack("<HHB3xI", 9, 1, 9, 0))]
        for _, _, stamp, data, wire in frames:
            head = struct.pack("<IIIII", 0, stamp >> 32, stamp & 0xffffffff, len(data), wire)
            out.append(block(6, head + data))
        return b"".join(out)


def numbers(text, count, chance):
    """'3,5-7' or '1%' as a set of packet numbers; of a share, exactly that many, spread evenly."""
    if text.endswith("%"):
        share = int(decimal.Decimal(text[:-1]) * count / 100)
        width = count // share if share else 1
        return {k * width + 2 + chance.next(max(width - 2, 1)) for k in range(share)}
    out = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        out.update(range(int(first), int(last or first) + 1))
    return out


# --------------------------------------------------------------------------- the folder

def scripts():
    folder = os.path.join(PCAPS, "scripts")
    names = sorted(n for n in os.listdir(folder) if n.endswith(".txt") and n[0] != "_")
    return [os.path.join(folder, n) for n in names]


def capture_name(path):
    return os.path.splitext(os.path.basename(path))[0] + ".pcap"


def described(path):
    """The comment at the head of a script."""
    words = []
    with open(path, encoding="utf-8") as f:
        for line in f:
            if not line.startswith("#"):
                break
            words.append(line[1:].strip())
    return " ".join(words).strip()


README = """# Captures

Captures that the project made itself. Each is written by `tools/mkpcap.py` from the text of the
same name in `scripts/` (names with `_` hold what they share); `tools/mkpcap.py --all` writes them
again, byte for byte, and `tools/mkpcap.py --check` holds the committed files to their scripts. This
page is written by it too.

- **Licence**: Apache-2.0, like the rest of the project; nothing in them comes from elsewhere.
- **Addresses, numbers, passwords** are those of documentation (RFC 5737, RFC 3849, 555-01xx) or
  made up; 1.1.1.1 stands where a scanner writes it by itself. MAC addresses are derived from the IP
  addresses, audio is noise.
- Ethernet, {note}.

| capture | packets | bytes | what it shows |
|---|---:|---:|---|
"""


def readme(built):
    rows = [f"| {name} | {len(script.frames):,} | {len(data):,} | {described(script.path)} |"
            for name, script, data in built]
    total = sum(len(data) for _, _, data in built)
    note = f"{len(built)} files, {total:,} bytes in all"
    return README.replace("{note}", note) + "\n".join(rows) + "\n"


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


def is_same(path, data):
    try:
        with open(path, "rb") as f:
            return f.read() == data
    except OSError:
        return False


def main():
    parser = argparse.ArgumentParser(description="writes captures from text",
                                     epilog="the language: see the head of this file")
    parser.add_argument("script", nargs="?")
    parser.add_argument("-o", "--output")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--readme", action="store_true")
    given = parser.parse_args()
    if bool(given.script) == (given.all or given.check or given.readme):
        parser.error("name a script, or say --all, --check or --readme")
    if given.script:
        made = Script(given.script)
        above = os.path.dirname(os.path.dirname(os.path.abspath(given.script)))
        write(given.output or os.path.join(above, capture_name(given.script)), made.bytes())
        return 0
    built = []
    for path in scripts():
        script = Script(path)
        built.append((capture_name(path), script, script.bytes()))
    files = [(os.path.join(PCAPS, name), data) for name, _, data in built]
    page = [(os.path.join(PCAPS, "README.md"), readme(built).encode())]
    if given.check:
        known = {os.path.basename(path) for path, _ in files}
        wrong = [path for path, data in files + page if not is_same(path, data)]
        wrong += [os.path.join(PCAPS, n) for n in sorted(os.listdir(PCAPS))
                  if n.endswith(".pcap") and n not in known]
        for path in wrong:
            print(f"{path}: is not what its script says (tools/mkpcap.py --all)", file=sys.stderr)
        count = len(files) + len(page)
        print(f"{count} files checked, {len(wrong)} differ")
        return 1 if wrong else 0
    for path, data in page if given.readme else files + page:
        write(path, data)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ScriptError as error:
        print(f"mkpcap: {error}", file=sys.stderr)
        sys.exit(2)
