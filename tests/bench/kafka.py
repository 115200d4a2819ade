#!/usr/bin/env python3
"""Records a second from a capture to a real Kafka broker, beside a bare librdkafka producer that sends the same messages from memory
(goal: at least 0.90 of it), in alternated pairs.

    tests/bench/kafka.py --build build [--pairs 5] [--calls 15000] [--compression lz4]

Both begin with their process and end when every message is acknowledged. Two ratios: of records a second, for which the sensor needs
cores that decode while others send; and of the CPU that sending costs (the bare producer's, against what the sensor spends more than
when it writes the same records to /dev/null). Compare ratios of one run only: machines are noisy.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "servers"))
from kafka import key_of, output, time_ms, topic_of  # noqa: E402
from kafka_broker import Broker  # noqa: E402
from server import Servers  # noqa: E402

LINGER_MS = 50


def run(command):
    """(wall seconds, CPU seconds, peak MiB, exit status)"""
    begun = time.monotonic()
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return time.monotonic() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, child.returncode


def messages_of(records, path):
    """What the bare producer sends: topic, key, time, dataset, id and value of each record."""
    count = 0
    with open(records, encoding="utf-8") as lines, open(path, "w", encoding="utf-8") as out:
        for line in lines:
            record = json.loads(line)
            dataset = record["event"]["dataset"]
            out.write("\t".join((topic_of(dataset), key_of(record), str(time_ms(record)), dataset, record["event"]["id"], line)))
            count += 1
    return count


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--calls", type=int, default=15000)
    parser.add_argument("--compression", default="lz4")
    options = parser.parse_args()
    build = os.path.abspath(options.build)
    sensor = [os.path.join(build, "earshot"), "--report", "none", "--set", "records.sip=messages", "-r"]
    with Servers() as servers:
        capture, records, messages = (os.path.join(servers.folder, n) for n in ("load.pcap", "records.jsonl", "messages"))
        subprocess.run([os.path.join(build, "bench", "load"), "sip", str(options.calls), "3000", "1", capture], check=True,
                       capture_output=True)
        subprocess.run([*sensor, capture, "--records", records], check=True)
        count = messages_of(records, messages)
        broker = Broker(servers)
        broker.start()
        settings = output(broker, compression=options.compression, linger=f"{LINGER_MS}ms", timestamps="event")
        own = [*sensor, capture, "--deliver", *settings]
        null = [*sensor, capture, "--records", "/dev/null"]
        bare = [os.path.join(build, "bench", "bare_kafka"), broker.address, messages, options.compression, str(LINGER_MS)]
        pairs = []
        for pair in range(options.pairs + 1):  # the first warms up: topics, page cache, Java
            runs = run(bare), run(own), run(null)
            if any(one[3] != 0 for one in runs):
                raise SystemExit(f"bare producer, sensor, and sensor to /dev/null ended with {[one[3] for one in runs]}")
            pairs += [runs] if pair > 0 else []
        for name, which in (("bare", 0), ("earshot", 1)):
            print(f"{name}: {count / statistics.median(p[which][0] for p in pairs):.0f} records/s, "
                  f"{statistics.median(p[which][1] for p in pairs) / count * 1e6:.2f} us CPU a record, peak {max(p[which][2] for p in pairs):.0f} MiB")
        for name, ratios in (("records/s", [one[0] / other[0] for one, other, _ in pairs]),
                             ("CPU of sending", [one[1] / (other[1] - rest[1]) for one, other, rest in pairs])):
            print(f"{name}: ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) of {options.pairs} pairs, "
                  f"{count} records, {options.compression}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
        sent = broker.count(broker.topics())
        wanted = count * 2 * (options.pairs + 1)
        print(f"{sent} messages in the broker, {wanted} were sent")
        if sent != wanted:
            raise SystemExit("they are not the same")


if __name__ == "__main__":
    main()
