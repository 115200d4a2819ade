#!/usr/bin/env python3
"""Honest traffic that must stay silent, and attacks inside it that must not.

    run.py --binary build/earshot [--quick] [--only H6,H22] [--crowd] [--seed 1] [--seeds N] [--jobs N] [--keep FOLDER]
    run.py --readme       prints the tables into README.md
--crowd lays the honest entries over the traffic of another office.
--quick runs the scenarios that CI has time for, --keep leaves their captures (ENTRY-SEED.pcap) and configurations there.
Honest entries run with one seed, attacks with two, unless told otherwise.
"""
import argparse
import concurrent.futures
import datetime
import json
import os
import re
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "check")]
from counting import Count  # noqa: E402
import attacks  # noqa: E402,F401
import calls  # noqa: E402,F401
import media_entries  # noqa: E402,F401
import probes  # noqa: E402,F401
import registrations  # noqa: E402,F401
from office import neighbours  # noqa: E402
from scenario import ENTRIES, judge_attack, judge_honest  # noqa: E402
from sip import Net  # noqa: E402

SECONDS_MAX = 600


class Alert:
    """One record of earshot.alert, as far as it is judged."""

    def __init__(self, record):
        told = record["earshot"]["alert"]
        stamp = datetime.datetime.fromisoformat(record["@timestamp"].replace("Z", "+00:00"))
        self.at = stamp.timestamp()
        self.rule, self.message = record["rule"]["id"], record.get("message", "")
        self.state, self.level, self.chain_level = told["state"], told["level"], told.get("chain_level", 0)
        self.source, self.proven = record.get("source", {}).get("ip"), told.get("source_proven", False)
        self.entity = told.get("entity", {}).get("value", "")
        # What it is about: entity, second part, accounts, target and addresses.
        self.names = " ".join([self.entity, *told.get("secondary", []), told.get("target", ""), *told.get("accounts", []),
                self.source or "",
                               record.get("destination", {}).get("ip", "")])


def sense(binary, capture, options, folder):
    """(alerts, report, seconds of the sensor)"""
    configuration, records = os.path.join(folder, "earshot.yaml"), os.path.join(folder, "alerts.jsonl")
    with open(configuration, "w", encoding="utf-8") as f:
        f.write(f"outputs:\n  alerts:\n    type: file\n    path: {records}\n    append: false\n    datasets: [alert]\n")
    command = [binary, "-r", capture, "-c", configuration, "--deliver", "--report", "json"]
    for option in options:
        command += ["--set", option]
    started = time.monotonic()
    child = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS_MAX, check=False)
    seconds = time.monotonic() - started
    if child.returncode != 0:
        raise RuntimeError(f"status {child.returncode}: {child.stderr.decode(errors='replace')[-500:]}")
    with open(records, encoding="utf-8") as f:
        alerts = [Alert(json.loads(line)) for line in f]
    return alerts, json.loads(child.stdout), seconds


def play(name, seed, binary, keep, crowd):
    """One scenario, made, sensed and judged: a row of the table."""
    scenario = next(s for s in ENTRIES if s.name == name)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="honest-") as folder:
        net = Net(f"{name}:{seed}")
        wanted = scenario.make(net)
        if crowd:
            neighbours(net, media=net.unheard == 0)
        capture = os.path.join(os.path.abspath(keep) if keep else folder, f"{name}-{seed}.pcap")
        frames, size = net.write(capture)
        start, messages = net.start, net.messages
        del net
        made = time.monotonic() - started
        row = dict(name=name, seed=seed, problems=[], levels={}, rules={}, messages=messages, frames=frames, size=size, made=made,
                sensed=0.0)
        for options in ([scenario.options] if scenario.only_declared else {(): 1, tuple(scenario.options): 1}):
            try:
                alerts, report, seconds = sense(binary, capture, options, folder)
            except (RuntimeError, subprocess.TimeoutExpired) as e:
                row["problems"].append(str(e))
                continue
            problems = judge_attack(scenario, alerts, wanted, start) if scenario.attack else judge_honest(scenario, alerts, start)
            problems += judge_reading(scenario, report, messages)
            row["problems"] += [("declared: " if options else "") + problem for problem in problems]
            row["sensed"] += seconds
            tally(row, alerts)
    return row


def judge_reading(scenario, report, messages):
    """What was sent is what was read: else the alerts mean nothing."""
    problems = []
    if report["sip"]["messages"] != messages and not scenario.name.startswith("H34"):
        problems.append(f"the sensor read {report['sip']['messages']} messages, {messages} were sent")
    if report["sip"]["malformed"] or report["packets"]["malformed"]:
        problems.append(f"malformed: {report['sip']['malformed']} messages, {report['packets']['malformed']} frames: "
                f"{report['packets']['malformed_by']}")
    return problems


def tally(row, alerts):
    """Incidents by rule and highest severity; of two configurations the one that says more."""
    seen, levels, rules = {}, {}, {}
    for alert in alerts:
        key = alert.rule, alert.entity
        seen[key] = max(seen.get(key, 0), alert.level)
    for (rule, _), level in seen.items():
        levels[level] = levels.get(level, 0) + 1
        rules[f"{rule} {level}"] = rules.get(f"{rule} {level}", 0) + 1
    for kept, new in ((row["levels"], levels), (row["rules"], rules)):
        for key, number in new.items():
            kept[key] = max(kept.get(key, 0), number)


def order(name):
    match = re.match(r"H(\d+)", name)
    return (0, int(match[1]), name) if match else (1, 0, name)


def allowed(scenario):
    limits = ", ".join(f"{rule} {level}" if rule != "*" else f"any {level}" for rule, level in sorted(scenario.allow.items()))
    return (limits or "1") + (f" (“{scenario.words}”)" if scenario.words else "")


def table(attacks_too):
    """Lines of the README: the honest entries, or the attacks."""
    lines = ["| name | what it is | declared | " + ("must be told |" if attacks_too else "highest severity allowed |"),
            "| --- | --- | --- | --- |"]
    for s in sorted(ENTRIES, key=lambda s: order(s.name)):
        if s.attack == attacks_too:
            options = ", ".join(f"`{o}`" for o in s.options) or "–"
            lines.append(f"| {s.name} | {s.what} | {options} | {s.words if s.attack else allowed(s)} |")
    return "\n".join(lines) + "\n"


def readme():
    """The README with the tables of this program in it, and as it is."""
    with open(os.path.join(HERE, "README.md"), encoding="utf-8") as f:
        text = f.read()
    fresh = text
    for mark, attacks_too in (("honest", False), ("attacks", True)):
        fresh = re.sub(rf"(<!-- {mark} -->\n).*?(<!-- end -->)", lambda m, a=attacks_too: m[1] + table(a) + m[2], fresh, flags=re.S)
    return fresh, text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--crowd", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep")
    parser.add_argument("--readme", action="store_true")
    options = parser.parse_args()
    if options.readme:
        text, _ = readme()
        with open(os.path.join(HERE, "README.md"), "w", encoding="utf-8") as f:
            f.write(text)
        return
    if not options.binary:
        parser.error("--binary is needed")
    only = [name for name in options.only.split(",") if name]
    chosen = [s for s in sorted(ENTRIES, key=lambda s: order(s.name)) if (s.name in only if only else s.quick or not options.quick)
              and not (options.crowd and (s.attack or s.alone))]
    runs = [(s.name, seed) for s in chosen
            for seed in range(options.seed, options.seed + (options.seeds or (2 if s.attack and not options.quick else 1)))]
    if options.keep:
        os.makedirs(options.keep, exist_ok=True)
    count = Count()
    print(f"{'entry':28} {'seed':>4} {'messages':>8} {'frames':>8} {'MB':>6} {'made s':>6} {'sensed':>6}  1  2  3  4  verdict", flush=True)
    with concurrent.futures.ProcessPoolExecutor(options.jobs) as pool:
        waiting = [pool.submit(play, name, seed, os.path.abspath(options.binary), options.keep, options.crowd) for name, seed in runs]
        for row in (w.result() for w in waiting):
            levels = " ".join(f"{row['levels'].get(level, 0) or '-':>2}" for level in (1, 2, 3, 4))
            print(f"{row['name']:28} {row['seed']:>4} {row['messages']:>8} {row['frames']:>8} {row['size'] / 1e6:>6.1f} "
                    f"{row['made']:>6.1f} "
                  f"{row['sensed']:>6.1f} {levels}  {'FAIL' if row['problems'] else 'ok':4} "
                  f"{', '.join(f'{rule} x{n}' for rule, n in sorted(row['rules'].items()))}", flush=True)
            count.check(f"{row['name']} seed {row['seed']}", row["problems"])
    if not only:
        fresh, text = readme()
        count.check("README.md is fresh (run.py --readme)", [] if fresh == text else ["its tables are not what the scenarios say"])
    count.end()


if __name__ == "__main__":
    main()
