#!/usr/bin/env python3
"""Records a second to a real Kafka broker, beside a bare librdkafka producer that sends the same messages from memory, in alternated
pairs, each once as a warm-up.

    tests/bench/kafka.py --build build [--pairs 5] [--calls 15000] [--records 300000] [--compression lz4]

Records that stand ready: encoded and sent by the sensor's encoder and output (goal: at least 0.90 of the bare producer). Records from a capture:
the whole sensor, which also decodes, follows calls and makes the records, so it wants cores that do this while others send; beside
it the CPU that sending costs (the bare producer's, against what the sensor spends more than when it writes the same records to /dev/null).

All begin with their process and end when every message is acknowledged. Compare ratios of one run only: machines are noisy.
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
    """What the bare producer sends: topic, key, time, dataset, id, length and value of each record."""
    count = 0
    with open(records, encoding="utf-8") as lines, open(path, "w", encoding="utf-8") as out:
        for line in lines:
            record = json.loads(line)
            dataset = record["event"]["dataset"]
            out.write("\t".join((topic_of(dataset), key_of(record), str(time_ms(record)), dataset, record["event"]["id"],
                                 str(len(line.rstrip("\n").encode())), line)))
            count += 1
    return count


def said(name, ratios, count, options):
    print(f"{name}: ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) of {options.pairs} pairs, "
          f"{count} records, {options.compression}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)


def rate(name, runs, count):
    print(f"{name}: {count / statistics.median(one[0] for one in runs):.0f} records/s, "
          f"{statistics.median(one[1] for one in runs) / count * 1e6:.2f} us CPU a record, peak {max(one[2] for one in runs):.0f} MiB")


def in_turn(pairs, *commands):
    """[[run of each command] of each pair], behind one round that warms up topics, page cache and Java."""
    rounds = []
    for _ in range(pairs + 1):
        rounds.append([run(command) for command in commands])
        if any(one[3] != 0 for one in rounds[-1]):
            raise SystemExit(f"ended with {[one[3] for one in rounds[-1]]}: {commands}")
    return rounds[1:]


def ready_records(build, broker, servers, options):
    """Gives how many messages were sent."""
    messages, own = os.path.join(servers.folder, "ready"), os.path.join(build, "bench", "records_kafka")
    subprocess.run([own, "--messages", messages, str(options.records)], check=True)
    words = [options.compression, f"{LINGER_MS}"]
    rounds = in_turn(options.pairs, [os.path.join(build, "bench", "bare_kafka"), broker.address, messages, *words],
                     [own, broker.address, str(options.records), options.compression, f"{LINGER_MS}ms"])
    rate("bare", [one[0] for one in rounds], options.records)
    rate("encoder and output", [one[1] for one in rounds], options.records)
    said("records that stand ready, records/s", [bare[0] / own[0] for bare, own in rounds], options.records, options)
    return options.records * 2 * (options.pairs + 1)


def captured_records(build, broker, servers, options):
    sensor = [os.path.join(build, "earshot"), "--report", "none", "--set", "records.sip=messages", "-r"]
    capture, records, messages = (os.path.join(servers.folder, n) for n in ("load.pcap", "records.jsonl", "messages"))
    subprocess.run([os.path.join(build, "bench", "load"), "sip", str(options.calls), "3000", "1", capture], check=True,
                   capture_output=True)
    subprocess.run([*sensor, capture, "--records", records], check=True)
    count = messages_of(records, messages)
    settings = output(broker, compression=options.compression, linger=f"{LINGER_MS}ms", timestamps="event")
    rounds = in_turn(options.pairs,
                     [os.path.join(build, "bench", "bare_kafka"), broker.address, messages, options.compression, f"{LINGER_MS}"],
                     [*sensor, capture, "--deliver", *settings], [*sensor, capture, "--records", "/dev/null"])
    rate("bare", [one[0] for one in rounds], count)
    rate("sensor", [one[1] for one in rounds], count)
    said("records from a capture, records/s", [bare[0] / own[0] for bare, own, _ in rounds], count, options)
    said("records from a capture, CPU of sending", [bare[1] / (own[1] - rest[1]) for bare, own, rest in rounds], count, options)
    return count * 2 * (options.pairs + 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--calls", type=int, default=15000)
    parser.add_argument("--records", type=int, default=300000)
    parser.add_argument("--compression", default="lz4")
    options = parser.parse_args()
    build = os.path.abspath(options.build)
    with Servers() as servers:
        broker = Broker(servers)
        broker.start()
        wanted = ready_records(build, broker, servers, options) + captured_records(build, broker, servers, options)
        sent = broker.count(broker.topics())
        print(f"{sent} messages in the broker, {wanted} were sent")
        if sent != wanted:
            raise SystemExit("they are not the same")


if __name__ == "__main__":
    main()
