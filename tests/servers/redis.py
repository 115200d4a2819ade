#!/usr/bin/env python3
"""Records in streams of a real Redis: every record of the golden cases, in order and byte for byte; users with few rights; a server
that is killed and comes back; far ends that hang, reset, refuse and lie.

    redis.py --binary build/earshot
"""
import argparse
import collections
import concurrent.futures
import glob
import json
import os
import re
import subprocess
import sys
import tempfile
import time

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "check")]
from counting import Count  # noqa: E402
from feeding import Fed, frames  # noqa: E402
from listening import ROOT  # noqa: E402
from redis_far import FAILURES, FarEnd, Redis  # noqa: E402
from server import Servers, Unavailable, free_ports  # noqa: E402

EVERYTHING = ("records.sip=messages", "records.media_interval=true", "records.flow=true", "records.refreshes=true")
USER = "user default off\nuser sensor on >pass-1 ~earshot:* -@all +xadd +select\n" \
       "user lab on >pass-2 ~* +@all\n"


def settings(port=None, **keys):
    """The words that configure one output of type redis."""
    pairs = {"type": "redis", **({"port": port} if port else {}), **keys}
    return [word for key, value in pairs.items() for word in ("--set", f"outputs.store.{key}={value}")]


def read(binary, captures, *words):
    return subprocess.run([binary, "-r", *captures, "--report", "none", "--deliver", *words], cwd=ROOT, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=300)


def by_dataset(lines):
    found = collections.defaultdict(list)
    for line in lines:
        found[json.loads(line)["event"]["dataset"]].append(line.rstrip(b"\n"))
    return found


# --- what goes right ---

def golden_cases():
    for path in sorted(glob.glob(os.path.join(ROOT, "tests/cases/*/case.yaml"))):
        with open(path, encoding="utf-8") as f:
            yield os.path.basename(os.path.dirname(path)), yaml.safe_load(f)


def words_of(case, folder):
    words = [word for option in (*case.get("options", []), *EVERYTHING) for word in ("--set", option)]
    if "config" in case:
        path = os.path.join(folder, "earshot.yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(case["config"])
        words += ["-c", path]
    return words


def one_case(binary, name, case, client, port):
    """Streams hold what --records wrote, in its order."""
    captures = case["capture"] if isinstance(case["capture"], list) else [case["capture"]]
    with tempfile.TemporaryDirectory() as folder:
        records = os.path.join(folder, "records.jsonl")
        out = read(binary, captures, *words_of(case, folder), "--records", records, *settings(port, stream_prefix=name + ":"))
        if out.returncode == 2:
            return 0, []  # a case about wrong configuration: nothing is read
        try:
            with open(records, "rb") as f:
                wanted = by_dataset(f)
        except FileNotFoundError:
            return 0, []
    problems = [f"ended with {out.returncode}: {out.stderr[-300:]}"] if out.returncode not in (0, 3) else []
    for dataset, lines in wanted.items():
        entries = client.entries(f"{name}:{dataset.removeprefix('earshot.')}")
        if [e["json"] for e in entries] != lines:
            problems.append(f"{dataset}: {len(entries)} entries for {len(lines)} records, or not the same")
        for entry in entries:
            if entry["dataset"].decode() != dataset or json.loads(entry["json"])["event"]["id"] != entry["id"].decode():
                problems.append(f"{dataset}: dataset or id of an entry is not its record's")
                break
    return sum(map(len, wanted.values())), problems


def check_golden(binary, count, client, port):
    total = 0
    for name, case in golden_cases():
        records, problems = one_case(binary, name, case, client, port)
        count.check(f"redis holds the records of {name}", problems)
        total += records
    count.check("redis got a fair number of records", [] if total > 2000 else [f"only {total}"])


def check_length(binary, count, client, port):
    """MAXLEN ~: whole nodes of 100 entries are cut, so a stream may keep up to two more than was asked."""
    out = read(binary, ["pcaps/sip-flood.pcap"], "--set", "records.sip=messages", *settings(port, stream_prefix="short:", maxlen=100))
    held, all_of_it = client("XLEN", "short:sip"), client.entries("sip-flood.fires:sip")
    problems = [] if out.returncode == 0 and 100 <= held <= 300 and len(all_of_it) > 400 else [f"{held} of {len(all_of_it)}, {out.stderr}"]
    if client.entries("short:sip")[-1]["json"] != all_of_it[-1]["json"]:
        problems.append("the newest is not the last")
    count.check("redis keeps streams at their length", problems)


# --- who may ---

def check_rights(binary, count, servers):
    port, = free_ports(1)
    path = os.path.join(servers.folder, "redis.sock")
    users = os.path.join(servers.folder, "users.acl")
    with open(users, "w", encoding="ascii") as f:
        f.write(USER)
    servers.start("guarded", ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--unixsocket", path, "--aclfile", users, "--save", ""],
                  ready=port)
    client = Redis(path)
    client("AUTH", "lab", "pass-2")
    demo = ["pcaps/demo.pcap"]
    good = {"user": "sensor", "password": "pass-1"}
    for what, out in (("tcp", read(binary, demo, *settings(port, db=2, **good))), ("a Unix socket", read(binary, demo, *settings(socket=path, **good)))):
        count.check(f"redis takes records of a user that may only XADD, over {what}", [] if out.returncode == 0 and not out.stderr else [out.stderr])
    held = [client("XLEN", "earshot:sip"), client("SELECT", 2), client("XLEN", "earshot:transaction")]
    count.check("redis holds them in the database that was asked for", [] if held[0] == 0 and held[2] > 0 else [str(held)])
    refusals = {"WRONGPASS": {"user": "sensor", "password": "pass-3"}, "NOAUTH": {}, "NOPERM": {**good, "stream_prefix": "other:"}}
    with concurrent.futures.ThreadPoolExecutor() as pool:
        runs = {code: pool.submit(read, binary, demo, *settings(port, **keys)) for code, keys in refusals.items()}
        for code, run in runs.items():
            out = run.result()
            said = [line for line in out.stderr.splitlines() if "redis at" in line]
            problems = [] if out.returncode == 1 and len(said) == 1 and code in said[0] else [out.stderr]
            problems += ["the password was said"] if "pass-" in out.stderr else []
            count.check(f"redis refuses with {code}, said once", problems)


# --- what breaks ---

def in_order(client, prefix):
    """(distinct ids, entries, problems): the order of each stream without the repeats."""
    ids, entries, problems = set(), 0, []
    for stream in client("KEYS", prefix + "*"):
        seen, last = set(), -1
        for entry in client.entries(stream.decode()):
            event = json.loads(entry["json"])["event"]
            entries += 1
            if event["id"] in seen:
                continue
            seen.add(event["id"])
            if event["sequence"] != last + 1:
                problems.append(f"{stream.decode()}: {event['sequence']} after {last}")
            last = event["sequence"]
        ids |= seen
    return ids, entries, problems[:5]


def check_killed(binary, count, servers):
    """SIGKILL in the middle, back after 2 s. What Redis acknowledged it had written (appendonly, no power was lost)."""
    port, = free_ports(1)
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"]
    server = servers.start("killed", command, ready=port)
    captured = frames("enumeration")
    records = os.path.join(servers.folder, "killed.jsonl")
    with Fed(binary, "--deliver", "--set", "records.sip=messages", "--records", records, *settings(port)) as sensor:
        for turn in range(40):
            sensor.feed(captured, again=4)
            time.sleep(0.05)
            if turn == 15:
                servers.kill(server)
                time.sleep(0.5)
            if turn == 25:
                servers.start("killed", command, ready=port)
        status, said = sensor.end()
    with open(records, "rb") as f:
        offered = sum(1 for _ in f)
    client = Redis(port)
    ids, entries, problems = in_order(client, "earshot:")
    problems += [f"ended with {status}: {said}"] if status != 0 else []
    problems += [f"{offered} offered, {len(ids)} held"] if len(ids) != offered else []
    problems += [f"{entries - len(ids)} repeats, at most 100 were on their way"] if entries - len(ids) > 100 else []
    problems += [f"the outage was said otherwise than once: {said}"] if said.count("error: output") != 1 else []
    count.check("redis killed and restarted under way: all records, in order, few twice", problems)
    print(f"     redis: {offered} records offered, {len(ids)} held, {entries - len(ids)} of them twice, over SIGKILL and restart")


def check_away(binary, count):
    """Nobody there at all, of two: each record is counted, the exit status says it, and nobody waits for one after the other, nor
    once for room and once more at the end."""
    port, = free_ports(1)
    second = [word.replace("outputs.store.", "outputs.depot.") for word in settings(port, queue="256KiB")]
    begun = time.monotonic()
    out = read(binary, ["pcaps/demo.pcap"], *settings(port, queue="256KiB"), *second, "--set", "records.sip=messages")
    took = time.monotonic() - begun
    problems = [] if out.returncode == 1 else [f"status {out.returncode}"]
    for name in ("store", "depot"):
        lines = [line for line in out.stderr.splitlines() if f"output {name}" in line]
        problems += [] if re.search(rf"{name}: \d+ records could not be delivered, 0 were", out.stderr) else [out.stderr]
        problems += [] if len(lines) == 1 and "Connection refused" in lines[0] else lines
    problems += [] if 25 < took < 45 else [f"it waited {took:.0f} s, not its 30"]
    count.check("redis away: every record is counted", problems)


def one_failure(binary, name, how, times, port):
    prefix = name.replace(" ", "-") + ":"
    far_end = FarEnd(how, times, port)
    with tempfile.NamedTemporaryFile() as records, Fed(binary, "--deliver", "--records", records.name,
                                                       *settings(far_end.port, stream_prefix=prefix)) as sensor:
        sensor.feed(frames("demo"))
        peak = 0
        for _ in range(20):
            time.sleep(0.1)
            with open(f"/proc/{sensor.process.pid}/status", encoding="ascii") as f:
                peak = max(peak, int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1)))
        problems = [] if sensor.runs() else ["the sensor ended"]
        sensor.feed(frames("call-answered"))
        status, said = sensor.end()
        offered = sum(1 for _ in records)
    client = Redis(port)
    ids, entries, wrong = in_order(client, prefix)
    problems += wrong
    problems += [f"ended with {status}: {said}"] if status != 0 else []
    problems += [f"{offered} offered, {len(ids)} held ({entries} entries)"] if len(ids) != offered else []
    problems += [f"{peak} KiB resident"] if peak > 2_000_000 else []
    problems += [f"unprintable: {said!r}"] if re.search(r"[^\n -~]", said) else []
    problems += [f"said too much: {said}"] if not 1 <= said.count("error: output") <= 2 else []
    far_end.close()
    return problems


def check_failures(binary, count, servers):
    port, = free_ports(1)
    servers.start("behind", ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""], ready=port)
    with concurrent.futures.ThreadPoolExecutor(max_workers=10) as pool:
        runs = {name: pool.submit(one_failure, binary, name, how, times, port) for name, (how, times) in FAILURES.items()}
        away = pool.submit(check_away, binary, count)
        for name, run in runs.items():
            count.check(f"a far end that {name}, then redis: all records arrive", run.result())
        away.result()


def check_settings(binary, count):
    out = read(binary, ["pcaps/call-busy.pcap"], *settings(6379, address="192.0.2.9"))
    count.check("redis on another host in clear is refused", [] if out.returncode == 2 and "allow_plaintext" in out.stderr else [out.stderr])
    out = subprocess.run([binary, "--test-config", "--show", *settings(6379, user="sensor", password="open-sesame")], capture_output=True, text=True)
    shown = [line for line in out.stdout.splitlines() if ".store.password" in line]
    count.check("redis: --show does not show the password",
                [] if len(shown) == 1 and "(not shown)" in shown[0] and "open-sesame" not in out.stdout else shown)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    binary = os.path.abspath(parser.parse_args().binary)
    count = Count()
    check_settings(binary, count)
    try:
        with Servers() as servers:
            port, = free_ports(1)
            servers.start("redis", ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""], ready=port)
            client = Redis(port)
            check_golden(binary, count, client, port)
            check_length(binary, count, client, port)
            check_killed(binary, count, servers)
            with concurrent.futures.ThreadPoolExecutor() as pool:  # both wait for the 30 s after which a sensor gives up
                rights = pool.submit(check_rights, binary, count, servers)
                check_failures(binary, count, servers)
                rights.result()
    except Unavailable as why:
        count.skip("redis", str(why))
    count.end()


if __name__ == "__main__":
    main()
