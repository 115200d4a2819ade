#!/usr/bin/env python3
"""The output `syslog` against a real rsyslogd, and against far ends that hang, reset, never read, talk nonsense or come late.

    syslog.py --binary build/earshot

Every record that is offered is read back: count, order, head, structured data, JSON against the schema, CEF taken apart by
tests/check/cef.py and held against the JSON of the same record.
"""
import argparse
import glob
import json
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(ROOT, "tests", "check")]
import cef  # noqa: E402
from counting import Count  # noqa: E402
from listening import much_room  # noqa: E402
from server import Servers, Unavailable, answers, free_ports  # noqa: E402

EVERYTHING = ["--set", "records.sip=messages", "--set", "records.media_interval=true", "--set", "records.flow=true",
              "--set", "records.refreshes=true"]
RSYSLOG = """
global(workDirectory="{folder}" maxMessageSize="128k")
main_queue(queue.type="direct")
module(load="imudp")
module(load="imptcp")
input(type="imudp" address="127.0.0.1" port="{port}" rcvbufSize="8m")
input(type="imptcp" address="127.0.0.1" port="{port}")
template(name="raw" type="list" option.jsonf="on") {{
    property(outname="facility" name="syslogfacility" format="jsonf")
    property(outname="severity" name="syslogseverity" format="jsonf")
    property(outname="time" name="timestamp" dateFormat="rfc3339" format="jsonf")
    property(outname="host" name="hostname" format="jsonf")
    property(outname="app" name="app-name" format="jsonf")
    property(outname="process" name="procid" format="jsonf")
    property(outname="msgid" name="msgid" format="jsonf")
    property(outname="sd" name="structured-data" format="jsonf")
    property(outname="msg" name="msg" format="jsonf")
}}
action(type="omfile" file="{folder}/received" template="raw")
"""
SLOW_S = 36  # longer than a run waits for who takes nothing
SEVERITY = {21: "5", 47: "4", 73: "3", 99: "2"}


def captures():
    """Those of the golden cases, without the one whose time jumps: it would take the others' along."""
    return sorted(p for p in glob.glob(os.path.join(ROOT, "pcaps", "*.pcap"))
                  if os.path.getsize(p) < 1 << 20 and "clock-jump" not in p)


class Rsyslog:
    def __init__(self, servers):
        self.servers = servers
        self.port, = free_ports(1)
        self.path = os.path.join(servers.folder, "received")
        with open(os.path.join(servers.folder, "rsyslog.conf"), "w", encoding="ascii") as f:
            f.write(RSYSLOG.format(folder=servers.folder, port=self.port))
        self.start()

    def start(self):
        self.server = self.servers.start("rsyslog", ["rsyslogd", "-n", "-f", "rsyslog.conf", "-i", "pid"], ready=lambda: answers(self.port))

    def crash(self):
        self.servers.kill(self.server)
        if os.path.exists(os.path.join(self.servers.folder, "pid")):
            os.remove(os.path.join(self.servers.folder, "pid"))

    def forget(self):
        if os.path.exists(self.path):
            os.truncate(self.path, 0)

    def lines(self):
        if not os.path.exists(self.path):
            return []
        with open(self.path, "rb") as f:
            return f.read().split(b"\n")[:-1]

    def received(self, count, seconds=60):
        """What it wrote, once `count` are there or nothing comes any more."""
        until = time.monotonic() + seconds
        while len(self.lines()) < count and time.monotonic() < until:
            time.sleep(0.1)
        return [json.loads(line) for line in self.lines()]

    def bytes(self):
        return os.path.getsize(self.path) if os.path.exists(self.path) else 0

    def silent(self, seconds=3):
        """Until it has written nothing for so long."""
        size, since = -1, time.monotonic()
        while time.monotonic() - since < seconds:
            if size != self.bytes():
                size, since = self.bytes(), time.monotonic()
            time.sleep(0.1)


class Sensor:
    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder

    def start(self, name, inputs, port, options, extra=()):
        """Starts `earshot -r`; its records as JSON lines go into a file beside."""
        conf = os.path.join(self.folder, name + ".yaml")
        records = os.path.join(self.folder, name + ".jsonl")
        options = {"type": "syslog", "port": port, **options}
        with open(conf, "w", encoding="ascii") as f:
            f.write("outputs:\n  siem: {" + ", ".join(f"{k}: {v}" for k, v in options.items()) + "}\n"
                    "responses:\n  edge: {severity: low, hook: nft-block}\n")  # with captures: records of what would be done
        command = [self.binary, "-r", *inputs, "-c", conf, "--deliver", "--report", "none", "--records", records, *extra]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env={**os.environ, "NO_COLOR": "1"})
        return process, records

    def run(self, *arguments, seconds=300):
        """(status, what it said, its records)."""
        process, records = self.start(*arguments)
        try:
            _, said = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            return None, "it did not end in time: " + process.communicate()[1], load(records)
        return process.returncode, said, load(records)


def load(path):
    if not os.path.exists(path):  # the configuration was refused
        return []
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def elements(text):
    """The structured data's parameters."""
    found = re.fullmatch(r'\[earshot@32473((?: [a-z_]+="(?:[^"\\\]]|\\.)*")*)\]', text)
    if found is None:
        return None
    pairs = re.findall(r' ([a-z_]+)="((?:[^"\\\]]|\\.)*)"', found.group(1))
    return {k: re.sub(r"\\(.)", r"\1", v) for k, v in pairs}


def head_problems(message, record):
    data = elements(message["sd"])
    if data is None:
        return [f"structured data {message['sd']!r}"]
    event = record["event"]
    wanted = {"facility": "16", "severity": SEVERITY.get(event.get("severity"), "6"), "time": record["@timestamp"], "host": "offline",
              "app": "earshot", "process": "-", "msgid": event["dataset"]}
    problems = [f"{k} is {message[k]!r}, expected {v!r}" for k, v in wanted.items() if message[k].replace("+00:00", "Z") != v]
    wanted = {"event_id": event["id"], "dataset": event["dataset"], "sequence": str(event["sequence"]),
              "observer": record["observer"]["name"]}
    problems += [f"{k} in structured data is {data.get(k)!r}, expected {v!r}" for k, v in wanted.items() if data.get(k) != v]
    if any(ord(c) < 0x20 or 0x7f <= ord(c) < 0xa0 for c in message["msg"]):
        problems.append("a control character in the message")
    return problems


def is_part(part, whole, path=""):
    """Where a shortened record says what the whole one does not."""
    for name, value in part.items():
        full = path + name
        if full in ("earshot.truncated", "event.created"):
            continue
        if name not in whole:
            yield f"{full} is not in the record"
        elif isinstance(value, dict):
            yield from is_part(value, whole[name], full + ".")
        elif value != whole[name]:
            yield f"{full} is {value!r}, not {whole[name]!r}"


def name_of(record):
    """What tells a record from all others of its run. (Flows of two captures that begin alike share their event.id.)"""
    return record["event"]["dataset"], str(record["event"]["sequence"])


def name_in(data):
    return (data or {}).get("dataset"), (data or {}).get("sequence")


class Reader:
    """Compares what came with what was offered."""

    def __init__(self, binary):
        import jsonschema
        schema = json.loads(subprocess.run([binary, "--docs", "schema"], capture_output=True, check=True).stdout)
        self.validator = jsonschema.Draft202012Validator(schema)
        self.rows = cef.table()

    def json_problems(self, text, record, cut):
        try:
            got = json.loads(text)
        except ValueError as error:
            return [f"no JSON ({error}): {text[:200]!r}"]
        if not cut:
            return [] if got == record else ["the JSON is not the record"]
        if not got["earshot"].get("truncated"):
            return ["earshot.truncated does not say that it was cut"]
        return list(is_part(got, record)) + [f"{f.json_path}: {f.message[:160]}" for f in self.validator.iter_errors(got)]

    def message(self, message, record, form, bytes_max):
        problems = head_problems(message, record)
        data = elements(message["sd"]) or {}
        cut = data.get("truncated") == "true"
        if form == "json":
            problems += self.json_problems(message["msg"], record, cut)
        else:
            problems += (cef.differences_of_part if cut else cef.differences)(message["msg"], record, self.rows)
        if len(message["msg"].encode()) > bytes_max:
            problems.append(f"{len(message['msg'].encode())} bytes, allowed are {bytes_max}")
        return [f"{record['event']['dataset']} {record['event']['id']}: {p}" for p in problems], cut

    def compare(self, messages, records, form, bytes_max, cut):
        """`cut`: whether messages of that length no, may or must be shortened."""
        problems, cuts = [], 0
        if len(messages) != len(records):
            problems.append(f"{len(records)} records were offered, {len(messages)} came")
        names = [name_in(elements(m["sd"])) for m in messages]
        if names != [name_of(r) for r in records]:
            problems.append("they did not come in the order in which they were offered")
        offered = {name_of(r): r for r in records}
        for name, message in zip(names, messages):
            if name not in offered:
                problems.append(f"a message that nobody offered: {message['sd']!r}")
                continue
            found, was_cut = self.message(message, offered[name], form, bytes_max)
            problems += found
            cuts += was_cut
        if (cuts and cut == "no") or (not cuts and cut == "must"):
            problems.append(f"{cuts} messages were cut")
        return problems


# --- the real server ---

def everything_over_tcp(count, sensor, rsyslog, reader):
    for framing in ("octet-counting", "newline"):
        for form in ("json", "cef"):
            for limit in ("64KiB", "0", "1KiB"):
                if limit != "64KiB" and framing == "newline":
                    continue
                name = f"tcp-{framing}-{form}-{limit}"
                rsyslog.forget()
                status, said, records = sensor.run(name, captures(), rsyslog.port,
                                                   {"transport": "tcp", "framing": framing, "format": form, "max_bytes": limit}, EVERYTHING)
                messages = rsyslog.received(len(records))
                problems = [f"status {status}: {said[-500:]}"] if status != 0 else []
                missing = {"alert", "call", "registration", "response"} - {r["event"]["dataset"].split(".")[1] for r in records}
                if len(records) < 5000 or missing:
                    problems.append(f"only {len(records)} records, none of {sorted(missing)}: the captures are not there")
                bytes_max = {"64KiB": 65536, "0": 8192, "1KiB": 1024}[limit]
                count.check(name, problems + reader.compare(messages, records, form, bytes_max, "must" if limit == "1KiB" else "no"))


def everything_over_udp(count, sensor, rsyslog, reader):
    """A capture at a time, so that no burst is larger than a socket's buffer."""
    for form, limit in (("json", "0"), ("json", "60000"), ("cef", "0")):
        problems, total = [], 0
        for capture in captures()[::2 if form == "json" and limit == "0" else 5]:
            rsyslog.forget()
            status, said, records = sensor.run("udp", [capture], rsyslog.port, {"transport": "udp", "format": form, "max_bytes": limit})
            messages = rsyslog.received(len(records))
            total += len(records)
            if status != 0:
                problems.append(f"{os.path.basename(capture)}: status {status}: {said[-300:]}")
            problems += [f"{os.path.basename(capture)}: {p}" for p in
                         reader.compare(messages, records, form, 1472 if limit == "0" else 60000, "may" if limit == "0" else "no")]
        if total < 100:
            problems.append(f"only {total} records")
        count.check(f"udp-{form}-{limit}", problems)


def split_repeats(messages):
    """(order of first arrivals, names that came marked, names that came again without a mark)."""
    seen, order, marked, unmarked = set(), [], set(), []
    for message in messages:
        data = elements(message["sd"])
        name = name_in(data)
        if (data or {}).get("maybe_dup") == "true":
            marked.add(name)
        elif name in seen:
            unmarked.append(name)
        if name not in seen:
            seen.add(name)
            order.append(name)
    return order, marked, unmarked


def crash_in_the_middle(count, sensor, rsyslog):
    """kill -9, twice, while records come; with a window larger than any buffer nothing may be lost."""
    rsyslog.forget()
    process, path = sensor.start("crash", captures() * 4, rsyslog.port,
                                 {"transport": "tcp", "unacked_window": "16MiB", "queue": "1MiB"}, EVERYTHING)
    kept, crashes = [], 0
    until = time.monotonic() + 300
    while process.poll() is None and time.monotonic() < until:
        if crashes < 2 and rsyslog.bytes() > (crashes + 1) << 20:  # of about 25
            rsyslog.crash()
            kept = rsyslog.lines()
            time.sleep(0.3)
            crashes += 1
            rsyslog.start()
        time.sleep(0.005)
    if process.poll() is None:
        process.kill()
    said = process.communicate()[1]
    records = load(path)
    rsyslog.silent()
    torn, messages = 0, []
    for line in rsyslog.lines():
        try:
            messages.append(json.loads(line))
        except ValueError:
            torn += 1
    order, marked, unmarked = split_repeats(messages)
    offered = [name_of(r) for r in records]
    lost = set(offered) - set(order)
    problems = [f"status {process.returncode}: {said[-500:]}"] if process.returncode != 0 else []
    if crashes < 2:
        problems.append(f"it was killed {crashes} times only, with {len(kept)} lines")
    if torn > crashes:
        problems.append(f"{torn} lines are torn")
    if len(lost) > torn:
        problems.append(f"{len(lost)} of {len(offered)} were lost")
    if unmarked:
        problems.append(f"{len(unmarked)} came again without a mark")
    if not marked:
        problems.append("nothing was marked as sent again")
    count.check("rsyslog killed twice", problems)


# --- far ends that misbehave ---

class FarEnd:
    """A TCP listener; `serve(connection)` is called for each connection, one after the other, in a thread."""

    def __init__(self, serve, delay=0.0, buffer_bytes=None):
        self.socket = socket.socket()
        if buffer_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.serve, self.delay = serve, delay
        self.streams, self.closing = [], False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        time.sleep(self.delay)
        self.socket.listen()
        self.socket.settimeout(0.2)
        while True:
            try:
                connection, _ = self.socket.accept()
            except socket.timeout:
                if self.closing:
                    return
                continue
            except OSError:
                continue
            self.streams.append(bytearray())
            with connection:
                connection.settimeout(0.2)
                self.serve(self, connection)

    def close(self):
        """Once what is on its way has been served: the other side has gone."""
        self.closing = True
        self.thread.join(60)
        self.socket.close()

    def read(self, connection, bytes_max):
        """Reads up to so many bytes; False when the other side has gone."""
        while bytes_max > 0:
            try:
                data = connection.recv(min(bytes_max, 65536))
            except socket.timeout:
                continue
            except OSError:
                return False
            if not data:
                return False
            self.streams[-1] += data
            bytes_max -= len(data)
        return True

    def messages(self):
        """Whole ones of all connections, octet-counted."""
        found = []
        for stream in self.streams:
            at = 0
            while (space := stream.find(b" ", at)) > 0:
                length = int(stream[at:space])
                if space + 1 + length > len(stream):
                    break
                text = stream[space + 1:space + 1 + length].decode()
                found.append({"sd": "[" + text.split(" [", 1)[1].split("] {", 1)[0] + "]"})
                at = space + 1 + length
        return found


def read_all(far_end, connection):
    far_end.read(connection, 1 << 40)


def read_slowly(far_end, connection):
    """Takes more than half a minute for what waits at the end, and never rests."""
    begun = time.monotonic()
    while time.monotonic() - begun < SLOW_S and far_end.read(connection, 1500):
        time.sleep(0.1)
    far_end.read(connection, 1 << 40)


def never_read(far_end, _connection):
    while not far_end.closing:
        time.sleep(0.1)


def reset_each_time(far_end, connection):
    """Takes some, then slams the door with bytes unread."""
    far_end.read(connection, 1500000)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Absent:
    """A port that is ours and on which nobody listens."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def close(self):
        self.socket.close()

    def messages(self):
        return []


class Deaf:
    """A port whose accept queue is full: the kernel drops what asks for a connection."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(0)
        self.port = self.socket.getsockname()[1]
        self.callers = []
        for _ in range(4):
            caller = socket.socket()
            caller.setblocking(False)
            caller.connect_ex(("127.0.0.1", self.port))
            self.callers.append(caller)

    def close(self):
        for one in (*self.callers, self.socket):
            one.close()

    def messages(self):
        return []


def talk_nonsense(far_end, connection):
    stop = threading.Event()

    def talk():
        while not stop.is_set():
            try:
                connection.send(os.urandom(4096))
            except OSError:
                time.sleep(0.01)
    talker = threading.Thread(target=talk, daemon=True)
    talker.start()
    read_all(far_end, connection)
    stop.set()
    talker.join()


def told(said):
    """(dropped, delivered) of the sensor's last word."""
    found = re.search(r"siem: (\d+) records could not be delivered, (\d+) were", said)
    return (int(found.group(1)), int(found.group(2))) if found else (0, None)


def misbehave(count, sensor, name, far_end, inputs, options, judge):
    status, said, records = sensor.run(name, inputs, far_end.port, {"transport": "tcp", **options}, EVERYTHING)
    far_end.close()
    problems = judge(status, said, records, split_repeats(far_end.messages()))
    if said.count("no connection to") > 5:
        problems.append(f"it complained {said.count('no connection to')} times: {said[:800]}")
    count.check(name, problems)


def all_arrived(repeats):
    def judge(status, said, records, arrived):
        order, marked, unmarked = arrived
        problems = [f"status {status}: {said[-500:]}"] if status != 0 else []
        offered = [name_of(r) for r in records]
        if set(order) != set(offered):
            problems.append(f"{len(set(offered) - set(order))} of {len(offered)} did not come")
        elif order != offered:
            problems.append("first arrivals are not in order")
        if unmarked:
            problems.append(f"{len(unmarked)} came again without a mark")
        if bool(marked) != repeats:
            problems.append(f"{len(marked)} were marked as sent again")
        return problems
    return judge


def nobody_answers(status, said, records, arrived):
    problems = counts_are_true(status, said, records, arrived)
    return problems + ([] if "no answer in 5 s" in said else [f"it did not say why: {said[-400:]}"])


def counts_are_true(status, said, records, arrived):
    """What is not delivered is counted, and what is counted as delivered arrived at their kernel."""
    dropped, delivered = told(said)
    problems = [f"status {status}: {said[-500:]}"] if status != 1 else []
    if delivered is None:
        problems.append(f"no count at the end: {said[-500:]}")
    elif dropped == 0 or dropped + delivered != len(records):
        problems.append(f"{dropped} dropped and {delivered} delivered of {len(records)}")
    return problems


def far_ends(count, sensor):
    """Side by side: most of it is waiting."""
    everything = captures()
    few = [os.path.join(ROOT, "pcaps", "demo.pcap")]
    absent = Absent()
    plan = (
        ("far end that is never there", absent, few, {}, counts_are_true),
        ("far end that comes late", FarEnd(read_all, delay=3), few, {}, all_arrived(False)),
        ("far end that does not answer", Deaf(), few, {}, nobody_answers),
        ("far end that reads slowly", FarEnd(read_slowly, buffer_bytes=4096), few, {}, all_arrived(False)),
        ("far end that never reads", FarEnd(never_read, buffer_bytes=4096), everything, {"queue": "1MiB"}, counts_are_true),
        ("far end that resets", FarEnd(reset_each_time, buffer_bytes=65536), everything, {"unacked_window": "256KiB"}, all_arrived(True)),
        ("far end that talks nonsense", FarEnd(talk_nonsense), everything, {}, all_arrived(False)),
    )
    threads = []
    for name, far_end, inputs, options, judge in plan:
        threads.append(threading.Thread(target=misbehave, args=(count, sensor, name.replace(" ", "-"), far_end, inputs, options, judge)))
        threads[-1].start()
    for thread in threads:
        thread.join()


def nobody_over_udp(count, sensor):
    """Refused from the start: nothing counts as delivered."""
    status, said, records = sensor.run("udp-nobody", [os.path.join(ROOT, "pcaps", "call-answered.pcap")], free_ports(1)[0], {"transport": "udp"})
    dropped, delivered = told(said)
    problems = [f"status {status}: {said[-400:]}"] if status != 1 else []
    if (dropped, delivered) != (len(records), 0):
        problems.append(f"{dropped} dropped, {delivered} delivered of {len(records)}: {said[-400:]}")
    if said.count("cannot be reached") != 1:
        problems.append(f"said {said.count('cannot be reached')} times that it is away")
    count.check("udp-nobody-there", problems)


def late_over_udp(count, sensor, servers):
    """The receiver comes two seconds after it was missed: all arrive, the probes marked."""
    port, = free_ports(1)
    process, path = sensor.start("udp-late", [os.path.join(ROOT, "pcaps", "demo.pcap")], port, {"transport": "udp", "max_bytes": 60000})
    said = ""
    while "cannot be reached" not in said and (line := process.stderr.readline()):
        said += line
    time.sleep(2)
    with socket.socket(type=socket.SOCK_DGRAM) as receiver:
        much_room(receiver)
        receiver.bind(("127.0.0.1", port))
        said += process.stderr.read()
        process.wait()
        receiver.settimeout(0.3)
        ids = []
        try:
            while True:
                ids.append(re.search(rb'event_id="([0-9a-f]{32})"', receiver.recv(65536)).group(1).decode())
        except socket.timeout:
            pass
    offered = [r["event"]["id"] for r in load(path)]
    problems = [f"status {process.returncode}: {said[-400:]}"] if process.returncode != 0 else []
    if ids != offered:
        problems.append(f"{len(offered)} offered, {len(ids)} came")
    if said.count("takes records again") != 1:
        problems.append(f"it did not say that it works again: {said[-400:]}")
    count.check("udp-late", problems)


def names_are_refused(count, sensor):
    problems = []
    for options, word in (({"address": "siem.example"}, "names are not resolved"), ({"max_bytes": "1000"}, "max_bytes"),
                          ({"transport": "udp", "max_bytes": "64KiB"}, "max_bytes")):
        status, said, _ = sensor.run("refused", [os.path.join(ROOT, "pcaps", "demo.pcap")], 514, options)
        if status != 2 or word not in said:
            problems.append(f"{options}: status {status}: {said[-300:]}")
    count.check("options are refused", problems)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    binary = os.path.abspath(parser.parse_args().binary)
    count = Count()
    with Servers() as servers:
        sensor = Sensor(binary, servers.folder)
        beside = threading.Thread(target=far_ends, args=(count, sensor))
        beside.start()
        nobody = threading.Thread(target=nobody_over_udp, args=(count, sensor))
        nobody.start()
        names_are_refused(count, sensor)
        late_over_udp(count, sensor, servers)
        try:
            rsyslog = Rsyslog(servers)
            reader = Reader(binary)
            everything_over_tcp(count, sensor, rsyslog, reader)
            everything_over_udp(count, sensor, rsyslog, reader)
            crash_in_the_middle(count, sensor, rsyslog)
        except (Unavailable, ImportError) as why:
            count.skip("real rsyslog", why)
        nobody.join()
        beside.join()
    count.end()


main()
