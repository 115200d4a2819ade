#!/usr/bin/env python3
"""Records to a real Kafka broker: read back, byte for byte what --records wrote, in order for each key, and what is lost is counted.

    kafka.py --binary build/earshot --load build/bench/load [--only NAME]

The broker, the watched interfaces and the sensors live in a network namespace of their own. Skipped: all without Java, Maven Central
or kcat; what listens, where namespaces are not allowed.
"""
import argparse
import calendar
import collections
import glob
import json
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "check")]
import listening  # noqa: E402
from cef import printable  # noqa: E402
from counting import Count  # noqa: E402
from kafka_broker import PARTITIONS, Broker, wait_until  # noqa: E402
from server import Servers, Unavailable, maven  # noqa: E402
from validate_records import absent_rule, no_twins  # noqa: E402

ROOT = listening.ROOT
EVERYTHING = ["--set", "records.sip=messages", "--set", "records.media_interval=true", "--set", "records.flow=true",
              "--set", "records.refreshes=true"]
SAMPLE = 600  # records of a run that are held against the schema
CALLS_A_SECOND = 200  # of about ten messages each
SECONDS = 40
OUTAGE_S = 20
SMALL_QUEUE_MIB = 32  # room for the calls of all 40 s, however long the broker takes to start, and for few of the messages


def output(broker, **more):
    words = {"type": "kafka", "brokers": broker if isinstance(broker, str) else broker.address, "compression": "lz4", **more}
    return [word for name, value in words.items() for word in ("--set", f"outputs.siem.{name}={value}")]


def topic_of(dataset, prefix="earshot."):
    return prefix + dataset.split(".", 1)[1].replace("_", "-")


def get(record, path):
    for name in path.split("."):
        record = record.get(name, {}) if isinstance(record, dict) else {}
    return record if record != {} else None


def key_of(record):
    """The rule of docs/kafka.md, from the message itself."""
    dataset = record["event"]["dataset"]
    key = None
    if dataset in ("earshot.sip", "earshot.transaction", "earshot.call", "earshot.media", "earshot.media_interval"):
        key = get(record, "sip.call_id")
    if key is None and dataset in ("earshot.media", "earshot.media_interval"):
        ends = [("[%s]:%s" if ":" in record[end]["ip"] else "%s:%s") % (record[end]["ip"], record[end]["port"])
                for end in ("source", "destination")]
        key = f"{ends[0]} {ends[1]} {record['network']['transport']} {record['rtp']['ssrc']}"
    names = {"earshot.registration": "earshot.registration.aor", "earshot.flow": "network.community_id",
             "earshot.alert": "earshot.alert.entity.value", "earshot.response": "earshot.response.target.value"}
    if dataset in names:
        key = get(record, names[dataset])
    return record["observer"]["name"] if key is None else printable(key, line_ends=False)


def murmur2(data):
    """As Java's producers have it, so that they and we choose the same partition."""
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    h = (0x9747B28C ^ len(data)) & mask
    whole = len(data) & ~3
    for (k,) in struct.iter_unpack("<I", data[:whole]):
        k = k * m & mask
        k = (k ^ k >> 24) * m & mask
        h = h * m & mask ^ k
    rest = data[whole:]
    for i in reversed(range(len(rest))):
        h ^= rest[i] << 8 * i
    if rest:
        h = h * m & mask
    h = (h ^ h >> 13) * m & mask
    return (h ^ h >> 15) & mask


def partition_of(key):
    return (murmur2(key.encode("utf-8", "surrogateescape")) & 0x7FFFFFFF) % PARTITIONS


def time_ms(record):
    seconds, fraction = record["@timestamp"].rstrip("Z").split(".")
    return calendar.timegm(time.strptime(seconds, "%Y-%m-%dT%H:%M:%S")) * 1000 + int(fraction[:3])


def lines_by_topic(path, datasets=None, prefix="earshot."):
    """{topic: lines} of what --records wrote."""
    out = collections.defaultdict(list)
    with open(path, encoding="utf-8", errors="surrogateescape") as f:
        for line in f:
            if line.endswith("\n"):
                dataset = json.loads(line)["event"]["dataset"]
                if datasets is None or dataset in datasets:
                    out[topic_of(dataset, prefix)].append(line[:-1])
    return out


def ids(lines):
    return {json.loads(line)["event"]["id"] for line in lines}


def read_all(broker, prefix="earshot."):
    return {topic: list(broker.read(topic)) for topic in broker.topics() if topic.startswith(prefix)}


def in_order(messages):
    """For each key, repeats aside, a dataset's numbers rise; each key lives in the partition that its hash names."""
    newest, seen = {}, set()
    for message in messages:
        event = json.loads(message.value)["event"]
        if message.partition != partition_of(message.key):
            yield f"{message.topic}: key {message.key!r} is in partition {message.partition}"
        if event["id"] in seen:
            continue
        seen.add(event["id"])
        if newest.get(message.key, -1) >= event["sequence"]:
            yield f"{message.topic}: key {message.key!r}: {event['sequence']} came after {newest[message.key]}"
        newest[message.key] = event["sequence"]


def dressed(message, record, splunk):
    """Key and headers say what the value says."""
    dataset = record["event"]["dataset"]
    wanted = {"content-type": "application/json", "earshot-schema": str(record["earshot"]["schema"]), "earshot-dataset": dataset,
              "event-id": record["event"]["id"]}
    if splunk:
        wanted["splunk.header.sourcetype"] = "earshot:" + dataset.split(".", 1)[1]
    if message.headers != wanted:
        yield f"{message.topic}: headers {message.headers}, expected {wanted}"
    if message.key != key_of(record):
        yield f"{message.topic}: key {message.key!r}, expected {key_of(record)!r}"


def schema_faults(binary, values):
    try:
        import jsonschema
    except ImportError:
        return ["python3-jsonschema is not installed"]
    schema = json.loads(subprocess.run([binary, "--docs", "schema"], capture_output=True, text=True, check=True).stdout)
    validator = jsonschema.Draft202012Validator(schema)
    problems = []
    for value in random.Random(9).sample(values, min(SAMPLE, len(values))):
        record = json.loads(value, object_pairs_hook=no_twins)
        problems += [f"{f.json_path}: {f.message[:160]}" for f in validator.iter_errors(record)]
        problems += [f"{path} is null or empty" for path in absent_rule(record)]
    return problems


def counted_loss(said):
    """What the sensor says at its end that it could not deliver; none said is none."""
    found = re.search(r"siem: (\d+) records could not be delivered", said)
    return int(found.group(1)) if found else 0


# --- captures ---

def files(binary, broker, folder, count):
    """All captures of the project in one run: every line of --records is one message, and nothing else is."""
    captures = sorted(glob.glob(os.path.join(ROOT, "pcaps", "*.pcap")))
    for name, clock, splunk in (("golden", "auto", True), ("event", "event", False)):
        records = os.path.join(folder, name + ".jsonl")
        begun_ms = int(time.time() * 1000) - 1
        out = subprocess.run([binary, "-r", *captures, "--deliver", "--report", "none", "--records", records, *EVERYTHING,
                              *output(broker, topic_prefix=name + ".", splunk_headers=str(splunk).lower(), timestamps=clock)],
                             stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
        ended_ms = int(time.time() * 1000) + 1
        problems = [] if out.returncode == 0 else [f"status {out.returncode}: {out.stderr[-500:]}"]
        offered, got = lines_by_topic(records, prefix=name + "."), read_all(broker, name + ".")
        if sorted(offered) != sorted(got):
            problems.append(f"topics {sorted(got)}, expected {sorted(offered)}")
        values = []
        for topic, messages in got.items():
            values += [m.value for m in messages]
            # two captures may hold the same flow, so an id may stand in two lines
            if collections.Counter(m.value for m in messages) != collections.Counter(offered[topic]):
                problems.append(f"{topic}: {len(messages)} messages are not the {len(offered[topic])} lines of --records")
            problems += list(in_order(messages))
            for message in messages:
                record = json.loads(message.value)
                problems += list(dressed(message, record, splunk))
                wanted = (begun_ms, ended_ms) if clock == "auto" else (time_ms(record), time_ms(record))
                if not wanted[0] <= message.time_ms <= wanted[1]:
                    problems.append(f"{topic}: time {message.time_ms}, expected {wanted}")
        count.check(f"kafka {name}: {len(values)} messages are the records, in {len(got)} topics", problems)
        count.check(f"kafka {name}: the messages hold the schema", schema_faults(binary, values))


def parted(binary, servers, folder, count):
    """A broker that takes batches of 20,000 bytes only: they are parted until they fit."""
    broker = Broker(servers, "kafka-small", ["message.max.bytes=20000"])
    broker.start()
    records = os.path.join(folder, "small.jsonl")
    captures = sorted(glob.glob(os.path.join(ROOT, "pcaps", "*.pcap")))
    out = subprocess.run([binary, "-r", *captures, "--deliver", "--report", "none", "--records", records, *EVERYTHING,
                          *output(broker, compression="none")], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    offered, got = lines_by_topic(records), read_all(broker)
    problems = [] if out.returncode == 0 else [f"status {out.returncode}: {out.stderr[-500:]}"]
    if "a batch is too large" not in out.stderr:
        problems.append(f"nothing was too large: {out.stderr}")
    for topic, lines in offered.items():
        missing = ids(lines) - ids(m.value for m in got.get(topic, []))
        if missing:
            problems.append(f"{topic}: {len(missing)} of {len(lines)} did not arrive")
    count.check("kafka small batches: all arrives", problems)
    broker.stop()


# --- live ---

class Listener(listening.Sensor):
    """Two at most are needed; each with records in a file of its own, and its memory looked at."""

    def resident_mib(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1)) / 1024

    def open_signals(self):
        """Threads of the library that would take a signal of ours."""
        for task in glob.glob(f"/proc/{self.process.pid}/task/*/status"):
            with open(task, encoding="ascii") as f:
                status = f.read()
            blocked = int(re.search(r"SigBlk:\s+([0-9a-f]+)", status).group(1), 16)
            if "Name:\trdk:" in status and not blocked & 1 << signal.SIGTERM - 1:
                yield f"thread {re.search('Name:(.*)', status).group(1).strip()} takes SIGTERM"


def lost(listener, broker, prefix, datasets):
    """(what was offered by topic, the ids of it that did not arrive, messages by topic)"""
    offered = lines_by_topic(listener.records, datasets, prefix)
    got = read_all(broker, prefix)
    missing = {topic: ids(lines) - ids(m.value for m in got.get(topic, [])) for topic, lines in offered.items()}
    return offered, missing, got


def judge(name, listener, status, broker, prefix, datasets, count):
    """Lost = counted, exactly; order per key; repeats are told by event.id."""
    offered, missing, got = lost(listener, broker, prefix, datasets)
    said = listener.said().decode("utf-8", "replace")
    total = sum(map(len, missing.values()))
    sent = sum(map(len, offered.values()))
    repeats = sum(len(messages) - len(ids(m.value for m in messages)) for messages in got.values())
    problems = [p for messages in got.values() for p in in_order(messages)]
    if total != counted_loss(said):
        problems.append(f"{total} records did not arrive, {counted_loss(said)} were counted")
    if (status == 0) != (total == 0):
        problems.append(f"status {status} with {total} lost")
    print(f"kafka {name}: {sent} records, {sum(map(len, got.values()))} messages, {repeats} repeats, {total} lost, "
          f"{counted_loss(said)} counted", flush=True)
    count.check(f"kafka {name}: lost is what was counted, each key in order", problems)
    return missing, offered, said


def outages(binary, load, broker, folder, count):
    """2,000 records a second; the broker is killed and started again at once, then killed for OUTAGE_S. One sensor has room for all
    that, one has not."""
    capture = os.path.join(folder, "load.pcap")
    subprocess.run([load, "sip", str(CALLS_A_SECOND * SECONDS), str(CALLS_A_SECOND), "9", capture], check=True, capture_output=True)
    few = {"earshot.sip", "earshot.call", "earshot.alert", "earshot.sensor"}
    with Listener(binary, "--set", "records.sip=messages", *output(broker, topic_prefix="large.", queue="512MiB")) as large, \
            Listener(binary, "--set", "records.sip=messages", *output(broker, topic_prefix="small.", queue=f"{SMALL_QUEUE_MIB}MiB",
                                                                      datasets="sip,call,alert,sensor")) as small:
        feed = subprocess.Popen(["tcpreplay", "-q", "-i", "wire0", capture], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        time.sleep(5)
        count.check("kafka threads of the library block our signals", list(large.open_signals()))
        before = small.resident_mib()
        broker.kill()
        broker.start()
        time.sleep(6)
        broker.kill()
        until = time.monotonic() + OUTAGE_S
        while time.monotonic() < until:
            time.sleep(1)
            peak = small.resident_mib()
        broker.start()
        feed.wait(timeout=SECONDS * 5)
        time.sleep(2)  # the file of --records is a second behind
        offered = sum(map(len, lines_by_topic(large.records).values()))
        whole = wait_until(lambda: broker.count([t for t in broker.topics() if t.startswith("large.")]) >= offered, 240, step=1)
        endings, reports = zip(*[one.stop() for one in (large, small)])
        problems = [f"{report['capture']}" for report in reports if report["capture"]["dropped"] != 0]
        count.check("kafka outages: the capture lost nothing", problems)
        count.check("kafka outages: all is delivered once the broker is back", [] if whole else ["not after 240 s"])
        missing, _, said = judge("outages", large, endings[0], broker, "large.", None, count)
        problems = [f"{topic}: {len(gone)} lost" for topic, gone in missing.items() if gone]
        count.check("kafka outages: with room for all nothing is lost", problems)
        problems = [] if 1 <= said.count("no Kafka broker takes records") <= 2 else [said]
        count.check("kafka outages: each is said once", problems)
        missing, _, _ = judge("small queue", small, endings[1], broker, "small.", few, count)
        problems = [f"{topic}: {len(missing[topic])} lost" for topic in missing if topic != "small.sip" and missing[topic]]
        problems += [] if missing["small.sip"] else ["nothing was lost: the outage is too short for the queue"]
        count.check("kafka small queue: messages go first, then nothing else had to", problems)
        print(f"kafka small queue: {before:.0f} MiB resident before the outages, {peak:.0f} in them", flush=True)
        count.check("kafka small queue: memory is bounded",
                    [] if peak - before <= 2 * SMALL_QUEUE_MIB + 16 else [f"{before:.0f} MiB, then {peak:.0f}"])


def frozen(binary, broker, count):
    """A broker that stops in the middle and stays connected: the sensor ends in time. What it counted as lost may be there afterwards,
    because the broker finds it in its socket; nothing else is missing."""
    play = ["tcpreplay", "-q", "-t", "-i", "wire0", listening.capture_path("demo")]
    with Listener(binary, *EVERYTHING, *output(broker, topic_prefix="frozen.")) as sensor:
        subprocess.run(play, check=True, capture_output=True)
        time.sleep(3)
        os.kill(broker.process.pid, signal.SIGSTOP)
        try:
            subprocess.run(play, check=True, capture_output=True)
            time.sleep(1.5)
            begun = time.monotonic()
            status, _ = sensor.stop()
            took = time.monotonic() - begun
        finally:
            os.kill(broker.process.pid, signal.SIGCONT)
        time.sleep(2)
        _, missing, got = lost(sensor, broker, "frozen.", None)
        gone, counted = sum(map(len, missing.values())), counted_loss(sensor.said().decode("utf-8", "replace"))
        problems = [p for messages in got.values() for p in in_order(messages)]
        if status != 1 or took > 6:
            problems.append(f"status {status} after {took:.1f} s")
        if gone > counted or counted == 0:
            problems.append(f"{gone} did not arrive, {counted} were counted")
        print(f"kafka frozen: ended after {took:.1f} s, {gone} missing, {counted} counted", flush=True)
        count.check("kafka broker that freezes: the sensor ends in time, what is missing is counted", problems)


class CuttingProxy:
    """Leads to a broker, and resets all connections whenever CUT_BYTES have gone there, while `cutting`."""
    CUT_BYTES = 12 << 20

    def __init__(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.target = None
        self.cutting = True
        self.cuts = self.carried = 0
        self.lock = threading.Lock()
        self.pairs = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            one, _ = self.server.accept()
            other = socket.create_connection(("127.0.0.1", self.target))
            with self.lock:
                self.pairs.append((one, other))
            threading.Thread(target=self.carry, args=(one, other, self.cut), daemon=True).start()
            threading.Thread(target=self.carry, args=(other, one), daemon=True).start()

    @staticmethod
    def carry(source, sink, look=lambda count: None):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
                look(len(data))
        except OSError:
            pass

    def cut(self, count):
        """So many bytes more: is it time?"""
        with self.lock:
            self.carried += count
            if not self.cutting or self.carried < self.CUT_BYTES:
                return
            self.carried = 0
            gone, self.pairs = self.pairs, []
            self.cuts += 1
        for one in (one for pair in gone for one in pair):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()


def cut(binary, load, servers, folder, count):
    """Connections that are reset again and again in the middle of batches: all arrives, each key in order."""
    proxy = CuttingProxy()
    broker = Broker(servers, "kafka-cut", proxy=proxy.port)
    proxy.target = broker.port
    capture, records = os.path.join(folder, "cut.pcap"), os.path.join(folder, "cut.jsonl")
    subprocess.run([load, "sip", "3000", "3000", "4", capture], check=True, capture_output=True)
    proxy.cutting = False
    broker.start()
    proxy.cutting, proxy.cuts, proxy.carried = True, 0, 0
    out = subprocess.run([binary, "-r", capture, "--deliver", "--report", "none", "--records", records, "--set", "records.sip=messages",
                          *output(f"127.0.0.1:{proxy.port}", compression="none", queue="4MiB")],
                         stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    proxy.cutting = False
    offered, got = lines_by_topic(records), read_all(broker)
    problems = [] if out.returncode == 0 else [f"status {out.returncode}: {out.stderr[-500:]}"]
    problems += [] if proxy.cuts >= 3 else [f"the connection was cut {proxy.cuts} times only"]
    repeats = 0
    for topic, lines in offered.items():
        values = [m.value for m in got.get(topic, [])]
        repeats += len(values) - len(set(values))
        if set(values) != set(lines):
            problems.append(f"{topic}: {len(set(lines) - set(values))} of {len(lines)} did not arrive")
        problems += list(in_order(got.get(topic, [])))
    print(f"kafka cut: {sum(map(len, offered.values()))} records, {proxy.cuts} cuts, {repeats} repeats", flush=True)
    count.check("kafka connections that are cut: all arrives, each key in order", problems)
    broker.stop()


def bad_server(mode):
    """Accepts and says nothing, resets each second, or answers garbage. Its port."""
    server = socket.create_server(("127.0.0.1", 0))
    kept = []

    def serve():
        while True:
            one, _ = server.accept()
            if mode == "hangs":
                kept.append(one)
            elif mode == "resets":
                time.sleep(1)
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                one.close()
            else:
                try:
                    one.sendall(random.Random(1).randbytes(100000))
                    one.close()
                except OSError:
                    pass

    threading.Thread(target=serve, daemon=True).start()
    return server.getsockname()[1]


def bad_world(binary, count):
    """Four far ends that are no broker, at once: the sensor runs on, says it once, ends in time, and counts all."""
    modes = ("refuses", "hangs", "resets", "garbage")
    ports = {mode: bad_server(mode) if mode != "refuses" else 1 for mode in modes}
    sensors = {mode: Listener(binary, *EVERYTHING, *output(f"127.0.0.1:{port}")) for mode, port in ports.items()}
    subprocess.run(["tcpreplay", "-q", "-t", "-i", "wire0", listening.capture_path("demo")], check=True, capture_output=True)
    for mode, sensor in sensors.items():
        sensor.wait_for(lambda one=sensor: b"no Kafka broker takes records" in one.said(), f"{mode}: it is not said")
    time.sleep(6)  # and not again
    for mode, sensor in sensors.items():
        with sensor:
            problems = list(sensor.open_signals())
            begun = time.monotonic()
            status, report = sensor.stop()
            took = time.monotonic() - begun
            said = sensor.said().decode("utf-8", "replace")
            offered = sum(map(len, lines_by_topic(sensor.records).values()))
            if status != 1 or took > 6:
                problems.append(f"status {status} after {took:.1f} s")
            if counted_loss(said) != offered or offered < 100:
                problems.append(f"{offered} records, {counted_loss(said)} counted as lost")
            if said.count("no Kafka broker takes records") != 1 or len(said.splitlines()) > 8:
                problems.append(f"it said: {said}")
            if report["capture"]["dropped"] != 0 or report["capture"]["packets"] == 0:
                problems.append(f"capture {report['capture']}")
            count.check(f"kafka broker that {mode}: the sensor runs on, and ends in time", problems)


# --- all of it ---

SCENARIOS = ("files", "parted", "cut", "bad_world", "frozen", "outages")
LIVE = ("bad_world", "frozen", "outages")


def inside(options, count):
    binary = os.path.abspath(options.binary)
    wanted = [options.only] if options.only else SCENARIOS
    if options.live:
        listening.pair()
    with Servers() as servers:
        if "bad_world" in wanted and options.live:
            bad_world(binary, count)
        if "parted" in wanted:
            parted(binary, servers, servers.folder, count)
        if "cut" in wanted:
            cut(binary, os.path.abspath(options.load), servers, servers.folder, count)
        if {"files", "frozen", "outages"} & set(wanted):
            broker = Broker(servers)
            broker.start()
            if "files" in wanted:
                files(binary, broker, servers.folder, count)
            if "frozen" in wanted and options.live:
                frozen(binary, broker, count)
            if "outages" in wanted and options.live:
                outages(binary, os.path.abspath(options.load), broker, servers.folder, count)
    if not options.live:
        for name in (name for name in LIVE if name in wanted):
            count.skip(f"kafka {name}", "network namespaces or tcpreplay are not to be had here")


def may_listen():
    if shutil.which("tcpreplay") is None or shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "--net", "ip", "link", "add", "tap0", "type", "veth", "peer", "name", "wire0"],
                          capture_output=True).returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--load", required=True)
    parser.add_argument("--only", choices=SCENARIOS)
    parser.add_argument("--live", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    count = Count()
    try:
        maven("kafka")  # what it fetches cannot be fetched in the namespace
        if not options.live and may_listen():
            command = [sys.executable, os.path.abspath(__file__), *sys.argv[1:], "--live"]
            sys.exit(subprocess.run(["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *command]).returncode)
        inside(options, count)
    except Unavailable as why:
        count.skip("kafka", str(why))
    count.end()


if __name__ == "__main__":
    main()
