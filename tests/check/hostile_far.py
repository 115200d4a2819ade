"""Hostile strings at the far ends: syslog with JSON and CEF, the status page and /metrics, Redis, Kafka. Each is read by a parser of its own.

What must arrive is the record as the file has it. Keys of Kafka say the same, with hex for what could act.
"""
import collections
import html.parser
import json
import os
import re
import socket
import struct
import subprocess
import tempfile
import threading
import time
import urllib.request

import cef
from hostile_wire import ATTACK, EVERYTHING, acts
from kafka_broker import Broker
from listening import PATIENCE_S, much_room
from parse_back import NEVER
from server import Servers, Unavailable, free_ports

NAME = "<script>alert(1)</script>\x1b[31m\"'&"  # of an output
TEXT = r"[!-~]"
FRAME = re.compile(rf"<(\d{{1,3}})>1 (\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{6}}Z) ({TEXT}{{1,255}}) ({TEXT}{{1,48}}) ({TEXT}{{1,128}}) ({TEXT}{{1,32}})"
                   rf" ((?:\[[!#-<>-\\^-~]{{1,32}}(?: [!#-<>-\\^-~]{{1,32}}=\"(?:[^\"\\\]]|\\[\"\\\]])*\")*\])+) (.*)", re.S)


class Listener(threading.Thread):
    """All that one TCP connection after the other, or datagrams, bring."""

    def __init__(self, kind):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, kind)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.2)
        self.port = self.socket.getsockname()[1]
        self.stream, self.over, self.got = kind == socket.SOCK_STREAM, False, []
        if self.stream:
            self.socket.listen(8)
        else:
            much_room(self.socket)
        self.start()

    def run(self):
        while True:
            try:
                if self.stream:
                    connection, _ = self.socket.accept()
                    with connection:
                        connection.settimeout(PATIENCE_S)
                        self.got += octet_counted(b"".join(iter(lambda: connection.recv(1 << 16), b"")))
                else:
                    self.got.append(self.socket.recv(1 << 16))
            except socket.timeout:
                if self.over:
                    return

    def end(self):
        self.over = True
        self.join(2 * PATIENCE_S)
        self.socket.close()
        return self.got


def octet_counted(data):
    """RFC 6587 section 3.4.1."""
    frames, at = [], 0
    while at < len(data):
        space = data.index(b" ", at)
        length = int(data[at:space])
        frames.append(data[space + 1:space + 1 + length])
        at = space + 1 + length
    return frames


def deliver(binary, capture, outputs, options=(), feed=None):
    """The records as the file has them: the lines, and the same by event.id; `outputs`: as YAML, in JSON."""
    with tempfile.TemporaryDirectory() as folder:
        config, path = os.path.join(folder, "conf.yaml"), os.path.join(folder, "records")
        with open(config, "w", encoding="utf-8") as f:
            json.dump({"outputs": outputs}, f)
        command = [binary, "-r", capture, "--deliver", "-c", config, "--records", path, "--report", "none", *EVERYTHING, *ATTACK, *options]
        if feed is None:
            out = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=300)
            status, said = out.returncode, out.stderr
        else:
            status, said = feed(command)
        with open(path, encoding="utf-8") as f:
            lines = f.read().split("\n")[:-1]
    problems = acts(said) + ([] if status == 0 else [f"status {status}: {said[-300:]!r}"])
    return problems, {json.loads(line)["event"]["id"]: line for line in lines}


# --------------------------------------------------------------------------- syslog

def elements(text):
    return {name: re.sub(r"\\([\"\\\]])", r"\1", value) for name, value in re.findall(r" ([^= \]]+)=\"((?:[^\"\\\]]|\\.)*)\"", text)}


def parts_of(value, path=()):
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from parts_of(inner, (*path, name))
    else:
        yield path, json.dumps(value)


def judge_json(body, line, cut, _rows):
    if not cut:
        return [] if body == line else [f"{body[:300]!r} instead of {line[:300]!r}"]
    whole, part = dict(parts_of(json.loads(line))), dict(parts_of(json.loads(body)))
    return [f"{path} is {value}, the record has {whole.get(path)}" for path, value in part.items()
            if path not in (("earshot", "truncated"),) and whole.get(path) != value]


def judge_cef(body, line, cut, rows):
    if not cut:
        return cef.differences(body, json.loads(line), rows)
    cef.parse(body)
    return []


def judge_frames(frames, records, judge, most):
    """Problems, and the event.ids that arrived."""
    problems, arrived, rows = [], collections.Counter(), cef.table()
    for frame in frames:
        text = frame.decode("utf-8")
        match = FRAME.fullmatch(text)
        bad = [c for c in text if ord(c) in NEVER]
        if match is None or bad or len(frame) > most:
            problems.append(f"no frame ({bad[:1]}, {len(frame)} bytes): {text[:200]!r}")
            continue
        told = elements(match[7])
        if told.get("event_id") not in records or int(match[1]) > 191:
            problems.append(f"of no record: {text[:200]!r}")
            continue
        arrived[told["event_id"]] += 1
        try:
            problems += judge(match[8], records[told["event_id"]], "truncated" in told, rows)
        except (cef.Broken, ValueError) as error:
            problems.append(f"{error}: {match[8][:200]!r}")
    return problems, arrived


SYSLOGS = (("tcp", "json", judge_json, 65536, 65536), ("tcp", "cef", judge_cef, 65536, 65536), ("udp", "json", judge_json, 0, 1472),
           ("udp", "cef", judge_cef, 0, 1472))


def syslog(binary, runs):
    """Four ways at once: every record is one frame of RFC 5424 without a control character, and its body is the record."""
    for capture in runs:
        listeners = [Listener(socket.SOCK_STREAM if row[0] == "tcp" else socket.SOCK_DGRAM) for row in SYSLOGS]
        outputs = {f"{NAME}{i}": {"type": "syslog", "transport": row[0], "format": row[1], "max_bytes": row[3], "port": one.port,
                                  "app_name": "a b\x07]\"", "hostname": "h\u202ei"} for i, (row, one) in enumerate(zip(SYSLOGS, listeners))}
        problems, records = deliver(binary, capture, outputs, ("--set", 'observer.name=o"]\\\x1b[1m|=<b>'))
        yield from problems
        for (transport, form, judge, _, most), listener in zip(SYSLOGS, listeners):
            wrong, arrived = judge_frames(listener.end(), records, judge, most)
            yield from (f"{os.path.basename(capture)} {transport} {form}: {problem}" for problem in wrong)
            if transport == "tcp" and sorted(arrived.elements()) != sorted(records):
                yield f"{os.path.basename(capture)} {transport} {form}: {sum(arrived.values())} frames, {len(records)} records"
            if transport == "udp" and len(arrived) < len(records) // 2:
                yield f"{os.path.basename(capture)} {transport} {form}: only {len(arrived)} of {len(records)} records arrived"


# --------------------------------------------------------------------------- page and figures

TAGS = {"html": {"lang"}, "meta": {"charset", "name", "content", "http-equiv"}, "link": {"rel", "href"}, "a": {"href"}, "div": {"class"},
        "ul": {"class"}, "li": {"class"}, "p": {"class"}, "article": {"class"}, "td": {"class"},
        **dict.fromkeys(("head", "title", "body", "header", "h1", "h2", "h3", "main", "section", "b", "br", "span", "em", "small", "table", "thead",
                         "tbody", "tr", "th", "footer"), set())}
WORDS = re.compile(r"[\w ./;=,:-]*")


class Page(html.parser.HTMLParser):
    """Which elements a page has, and the text of each paragraph and cell."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.problems, self.texts, self.open = [], [""], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.texts.append("")
        self.open.append(tag)
        for name, value in attrs:
            if name not in TAGS.get(tag, ()) or not WORDS.fullmatch(value or ""):
                self.problems.append(f"<{tag} {name}={value!r}>")
        if tag not in TAGS:
            self.problems.append(f"<{tag}>")

    def handle_endtag(self, tag):
        self.texts.append("")

    def handle_data(self, data):
        self.texts[-1] += data

    def handle_comment(self, data):
        self.problems.append(f"a comment: {data[:80]!r}")

    def unknown_decl(self, data):
        self.problems.append(f"a declaration: {data[:80]!r}")

    def handle_pi(self, data):
        self.problems.append(f"an instruction: {data[:80]!r}")


def get(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE_S) as answer:
        return answer.read()


def judge_page(text, records):
    page = Page(text)
    yield from page.problems
    yield from acts(text.encode())
    alerts = [json.loads(line) for line in records.values() if '"earshot.alert"' in line]
    said = {cef.printable(alert["message"], False) for alert in alerts}
    found = sum(1 for sentence in said if sentence in page.texts)
    shown = page.open.count("article")
    if shown < 40 or found < shown:
        yield f"{shown} incidents, of which {found} say what a record says"
    if not any(cef.printable(NAME) in piece for piece in page.texts):
        yield "the name of the output is not there"


def judge_figures(text):
    """Label values are words of ours, but for the names of outputs."""
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        match = re.fullmatch(r"([a-z_:]+)(?:\{((?:[a-z_]+=\"(?:[^\"\\\n]|\\[\\n\"])*\",?)*)\})? (-?[0-9.eE+]+|\+Inf|NaN)", line)
        if match is None:
            yield f"no figure: {line!r}"
            continue
        for label, value in re.findall(r"([a-z_]+)=\"((?:[^\"\\]|\\.)*)\"", match[2] or ""):
            ours = re.fullmatch(r"[A-Za-z0-9_.+-]*", value)
            if not ours and not (label == "output" and re.sub(r"\\(.)", r"\1", value) == cef.printable(NAME)):
                yield f"the wire in a label: {line!r}"
    yield from acts(text.encode())


def until_shown(port, process):
    """The page once it holds the attack, and the figures."""
    page, until = "", time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        try:
            page = get(port, "/").decode("utf-8")
        except OSError:
            pass
        if page.count("<article") >= 50 or process.poll() is not None:
            break
        time.sleep(0.05)
    return page, get(port, "/metrics").decode("utf-8"), get(port, "/healthz").decode("utf-8")


def http(binary, runs):
    """Standard input stays open, so the page stays up."""
    capture = next(c for c in runs if "attack" in c)
    port, = free_ports(1)
    told = []

    def feed(command):
        with tempfile.TemporaryFile() as err:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=err)
            try:
                with open(capture, "rb") as f:
                    process.stdin.write(f.read())
                process.stdin.flush()
                told.extend(until_shown(port, process))
            finally:
                process.stdin.close()
                status = process.wait(timeout=2 * PATIENCE_S)
            err.seek(0)
            return status, err.read()

    problems, records = deliver(binary, "-", {NAME: {"type": "http", "port": port}}, feed=feed)
    yield from problems
    yield from judge_page(told[0], records)
    yield from judge_figures(told[1])
    if set(json.loads(told[2])) < {"status"}:
        yield f"/healthz says {told[2]!r}"


# --------------------------------------------------------------------------- Redis and Kafka

def resp(stream):
    """One value of RESP2."""
    head = stream.readline()
    kind, rest = head[:1], head[1:-2]
    if kind == b"*":
        return [resp(stream) for _ in range(int(rest))]
    if kind == b"$":
        return stream.read(int(rest) + 2)[:-2]
    return rest if kind != b"-" else AssertionError(rest)


def redis_says(port, *words):
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection, connection.makefile("rb") as stream:
        connection.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
        return resp(stream)


def redis(binary, runs):
    with Servers() as servers:
        port, = free_ports(1)
        servers.start("redis", ["redis-server", "--port", str(port), "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"], ready=port)
        for capture in runs:
            redis_says(port, b"FLUSHALL")
            problems, records = deliver(binary, capture, {NAME: {"type": "redis", "port": port}})
            yield from problems
            names = sorted(redis_says(port, b"KEYS", b"*"))
            wanted = {b"earshot:" + json.loads(line)["event"]["dataset"].removeprefix("earshot.").encode() for line in records.values()}
            if names != sorted(wanted):
                yield f"{capture}: the streams are {names}"
            found = {}
            for name in names:
                for _, fields in redis_says(port, b"XRANGE", name, b"-", b"+"):
                    values = dict(zip(fields[::2], fields[1::2]))
                    found[values[b"id"].decode("ascii")] = values[b"json"].decode("utf-8")
                    if list(values) != [b"dataset", b"id", b"json"] or values[b"dataset"].partition(b".")[2] != name.partition(b":")[2]:
                        yield f"{capture}: an entry of {name} has {fields[:5]}"
            if found != records:
                yield f"{capture}: {len(found)} records, and not those of the file ({len(records)})"


def key_of(record):
    dataset = record["event"]["dataset"]
    if dataset == "earshot.registration":
        return cef.field(record, "earshot.registration.aor")
    if dataset == "earshot.alert":
        return cef.field(record, "earshot.alert.entity.value")
    return cef.field(record, "sip.call_id")


def kafka(binary, runs):
    with Servers() as servers:
        broker = Broker(servers)
        broker.start()
        for number, capture in enumerate(runs):
            output = {"type": "kafka", "brokers": [broker.address], "topic": f"hostile-{number}"}
            problems, records = deliver(binary, capture, {NAME: output})
            yield from problems
            found = {}
            for message in broker.read(f"hostile-{number}"):
                record = json.loads(message.value)
                found[record["event"]["id"]] = message.value
                wanted = key_of(record)
                if wanted is not None and message.key != cef.printable(wanted, line_ends=False):
                    yield f"{capture}: the key {message.key!r} of {wanted!r}"
                if any(acts(str(v).encode("utf-8", "surrogateescape")) for v in (message.key, *message.headers.values())):
                    yield f"{capture}: key {message.key!r}, headers {message.headers!r}"
            if found != records:
                yield f"{capture}: {len(found)} records, and not those of the file ({len(records)})"


def rows(binary, runs, count, only):
    """[(name, problems)]; what needs a server that cannot be had is skipped."""
    def guarded(name, way):
        def problems():
            try:
                return list(way(binary, runs))
            except Unavailable as why:
                count.skip("hostile strings: " + name, str(why))
                return []
        return name, problems

    return [guarded(name, way) for name, way in (("syslog and CEF", syslog), ("status page and figures", http), ("Redis", redis), ("Kafka", kafka))
            if only in name]
