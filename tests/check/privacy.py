#!/usr/bin/env python3
"""Privacy: with hash and mask no user and no number of the clear run stands in any output, and hashes still join.

    privacy.py --binary build/earshot --load build/bench/load

Every golden case that has records, and a seeded load, run clear, hashed and masked, with records, the report as text and as JSON. The
names are those that the clear run holds in its private fields (by the program's own table of fields); they are searched as whole
words in all texts of the other runs. What is not private must be equal in all of them, byte for byte.
"""
import argparse
import collections
import concurrent.futures
import glob
import hashlib
import hmac
import ipaddress
import json
import os
import re
import subprocess
import sys
import tempfile

import yaml

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from counting import Count  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
KEY = "an example of a key, no secret"
EVERYTHING = ["--set", "records.sip=messages", "--set", "records.media_interval=true", "--set", "records.flow=true",
              "--set", "records.refreshes=true"]
MODES = {"clear": [], "hash": ["--set", "privacy.numbers=hash", "--set", "privacy.users=hash", "--set", f"privacy.key={KEY}"],
         "mask": ["--set", "privacy.numbers=mask", "--set", "privacy.users=mask"]}
# What stays by docs/privacy.md, and the identities that the key changes.
STAYS = re.compile(r"^(sip\.(call_id|cseq|code|status|version|via|user_agent|auth\.(scheme|realm)|content_type|(from|to)\.tag|.*uri\.(host|port|scheme)"
                   r"|contact\.(transport|expires|q))|.*\.call_ids?$|user\.domain|user_agent|event\.reason|.*\.(replaces|reason|session_id|branch|user_agent)$"
                   r"|related\.(hosts|ip)|observer|rule|threat|network|rtp|earshot\.sdp|.*\.(ip|address)$|@timestamp|event\.(start|end|created)"
                   r"|earshot\.alert\.(confidence_reason|advice|first_seen|last_seen|unit)|earshot\.sensor)")
IDENTITIES = {"event.id", "earshot.alert.id", "earshot.alert.chain_id", "earshot.alert.continues", "earshot.response.id",
              "earshot.response.alert_id"}
ALERT_TEXTS = {"earshot.alert.entity.value", "earshot.alert.secondary"}


def classes(binary):
    """field -> privacy class, as the program prints them."""
    table = subprocess.run([binary, "--docs", "records"], capture_output=True, text=True, check=True).stdout
    rows = [[cell.replace("`", "").strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("|")]
    return {row[0].removesuffix("[]"): (row[3], row[1]) for row in rows if len(row) >= 6 and row[3] in ("number", "user", "uri")}


def leaves(value, path=""):
    for name, inner in value.items():
        full = f"{path}.{name}" if path else name
        if isinstance(inner, dict):
            yield from leaves(inner, full)
        elif isinstance(inner, list):
            for one in inner:
                if isinstance(one, dict):
                    yield from leaves(one, full)
                else:
                    yield full, one
        else:
            yield full, inner


def is_address(text):
    try:
        ipaddress.ip_address(text.strip("[]"))
        return True
    except ValueError:
        return False


def is_number(text):
    return re.fullmatch(r"\+?[\d*#.() -]*", text) is not None and len(re.findall(r"\d", text)) >= 3


def normal(name):
    """The normal form of docs/definitions.md."""
    plain = re.sub(rb"%(?!25)([0-9a-fA-F]{2})", lambda m: bytes([int(m[1], 16)]), name.strip(" \t\r\n").encode())
    name = "".join(c if c.isprintable() else "".join(f"\\x{b:02x}" for b in c.encode()) for c in plain.decode("utf-8", "backslashreplace"))
    name = "".join(c.lower() if c.isascii() else c for c in name)
    head = name.split(";")[0]
    return re.sub(r"[-.() ]", "", head) if is_number(head) else name


def hashed(name):
    name = normal(name)
    digest = hmac.new(KEY.encode(), name.encode(), hashlib.sha256).hexdigest()[:16]
    return ("n-" if is_number(name) else "u-") + digest


def user_of(text):
    user = text.rpartition("@")[0] if "@" in text else text
    return "" if is_address(text) else user


def names_of_uri(text):
    for display in re.findall(r'^\s*"([^"]*)"', text):
        yield display
    inner = re.search(r"<([^>]*)", text)
    match = re.match(r"\s*(?:sips?:([^@]*)@|tel:([^;?]*))", inner[1] if inner else text, re.I)
    if match:
        yield (match[1] or match[2] or "").split(":")[0]


def private_values(record, fields):
    """(path, text) of what holds one name."""
    entity = record["earshot"].get("alert", {}).get("entity", {}).get("type", "")
    for path, text in leaves(record):
        if path in fields and fields[path][1] != "match_only_text" and path not in ALERT_TEXTS:
            yield path, text
        elif path == "earshot.alert.entity.value" and entity.startswith(("account", "number", "caller")) and text != "many":
            yield path, text
        elif path == "earshot.alert.secondary" and entity == "source-account":
            yield path, text


def names_in(records, fields):
    names = set()
    for record in records:
        for path, text in private_values(record, fields):
            names.update(names_of_uri(text) if fields[path][0] == "uri" else [user_of(text)])
    names = {name for name in names if not is_address(name) and not re.fullmatch(r"\W*", name)}
    return {name for name in names if len(name) >= 3}


def search_for(names):
    """One expression for all of them: whole words; points, dashes and colons hold addresses and times together."""
    ordered = sorted(names, key=len, reverse=True)
    return re.compile(r"(?<!\w)(?<!\w[.-])(?<!\d:)(" + "|".join(map(re.escape, ordered)) + r")(?!\w|[.-]\w|:\d|\*)") if ordered else None


def is_figure(text, match, words):
    """A number of a sentence's own ("15 users", "limit 100 failures"), or one of its words."""
    name = match[1]
    if name.lower() in words:
        return True
    before, behind = text[:match.start()], text[match.end():]
    asks = re.search(r"(account|called|calls|by|from|to|as|:|,|not hear) $", before)
    return name.isdigit() and not asks and re.match(r" (%|[a-z]+)", behind) is not None


class Runs:
    """What one case says in one mode."""

    def __init__(self, binary, command, mode, folder, workers=2):
        base = [binary, *command, *EVERYTHING, *MODES[mode], "--workers", str(workers)]
        path = os.path.join(folder, f"{mode}-{workers}")
        report = subprocess.run([*base, "--records", path, "--report", "json"], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, timeout=300)
        self.status = report.returncode
        self.bytes = open(path, "rb").read() if os.path.exists(path) else b""
        self.records = [json.loads(line) for line in self.bytes.decode().splitlines()]
        self.json = json.loads(report.stdout) if report.stdout else {}
        self.text = subprocess.run([*base, "--report", "text"], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, timeout=300).stdout.decode()


def leaks(runs, names, fields, words):
    find = search_for(names)
    if find is None:
        return
    for number, record in enumerate(runs.records, 1):
        for path, text in leaves(record):
            if isinstance(text, str) and not STAYS.match(path):
                for hit in find.finditer(text):
                    if fields.get(path, ("", ""))[1] != "match_only_text" or not is_figure(text, hit, words):
                        yield f"record {number} {path}: '{hit[1]}' in '{text[:160]}'"
    for path, text in leaves({k: runs.json.get(k) for k in ("calls", "alerts", "streams") if k in runs.json}):
        if isinstance(text, str) and path.split(".")[-1] not in ("id", "call", "start", "rule", "outcome", "source", "destination", "codec"):
            yield from (f"report json {path}: '{hit[1]}' in '{text}'" for hit in find.finditer(text))
    for line in runs.text.splitlines():
        called = re.match(r"    \S+  (.*? -> .*?)  ", line)
        for hit in find.finditer(called[1] if called else re.sub(r"\bcall \S+$", "", line)):
            if called or not (hit[1].isdigit() and len(hit[1]) < 6) and hit[1].lower() not in words:
                yield f"report text: '{hit[1]}' in '{line.strip()[:160]}'"


def without_names(record, fields):
    return [(path, text) for path, text in leaves(record) if path not in fields and path not in IDENTITIES]


def same_otherwise(clear, other, fields):
    if len(clear.records) != len(other.records):
        yield f"{len(other.records)} records, clear {len(clear.records)}"
    for number, (one, two) in enumerate(zip(clear.records, other.records), 1):
        left, right = without_names(one, fields), without_names(two, fields)
        if left != right:
            differs = next(((a, b) for a, b in zip(left, right) if a != b), ("more", "less"))
            yield f"record {number}: {differs[0]} became {differs[1]}"


def joins(clear, other, fields):
    """Each name has its own hash, the same everywhere, and it is the documented one."""
    seen, groups = {}, collections.defaultdict(lambda: [set(), set()])
    for number, (one, two) in enumerate(zip(clear.records, other.records), 1):
        left, right = list(private_values(one, fields)), list(private_values(two, fields))
        if [path for path, _ in left] != [path for path, _ in right]:
            yield f"record {number}: other private fields"
            continue
        for (path, name), (_, shown) in zip(left, right):
            if fields[path][0] == "uri" or not user_of(name):
                continue
            user, shown = user_of(name), user_of(shown)
            if len(name) < 250 and shown != hashed(user):
                yield f"record {number} {path}: {name} became {shown}, {hashed(user)} is documented"
            if seen.setdefault(normal(user), shown) != shown:
                yield f"record {number} {path}: {user} is {shown}, before {seen[normal(user)]}"
            groups[path][0].add((normal(user), number))
            groups[path][1].add((shown, number))
    if len(set(seen.values())) != len(seen):
        yield f"{len(seen)} names, {len(set(seen.values()))} hashes"
    for path, (names, hashes) in groups.items():
        if {(seen[name], number) for name, number in names} != hashes:
            yield f"{path}: the records of a person are not the records of the hash"
    ids = {(a["event"]["dataset"], a["event"]["id"]): b["event"]["id"] for a, b in zip(clear.records, other.records)}
    if len(set(ids.values())) != len(ids):
        yield "event.id stands twice"


def commands(folder, load):
    """(name, arguments): the golden cases, and a load."""
    for path in sorted(glob.glob(os.path.join(ROOT, "tests/cases/*/case.yaml"))):
        with open(path, encoding="utf-8") as f:
            case = yaml.safe_load(f)
        captures = case["capture"] if isinstance(case["capture"], list) else [case["capture"]]
        name = os.path.basename(os.path.dirname(path))
        sizes = [os.path.getsize(p) for c in captures if os.path.isfile(p := os.path.join(ROOT, c))]
        if name.startswith("privacy.") or case.get("status", 0) != 0 or len(sizes) != len(captures) or sum(sizes) > 600_000:
            continue
        command = ["-r", *captures]
        for option in case.get("options", []):
            command += ["--set", option]
        if "config" in case:
            conf = os.path.join(folder, name + ".yaml")
            with open(conf, "w", encoding="utf-8") as f:
                f.write(case["config"])
            command += ["-c", conf]
        yield name, command
    if load:
        capture = os.path.join(folder, "load.pcap")
        subprocess.run([load, "sip", "300", "100", "7", capture], check=True, capture_output=True)
        yield "seeded load", ["-r", capture]


def check(binary, name, command, fields, words, validator):
    """[(what, problems)]"""
    results = []
    with tempfile.TemporaryDirectory() as folder:
        clear = Runs(binary, command, "clear", folder)
        names = names_in(clear.records, fields)
        for mode in ("hash", "mask"):
            runs = Runs(binary, command, mode, folder)
            problems = [] if runs.status == clear.status else [f"status {runs.status}, clear {clear.status}"]
            problems += list(leaks(runs, names, fields, words))
            problems += list(same_otherwise(clear, runs, fields))
            if mode == "hash":
                problems += list(joins(clear, runs, fields))
            if validator is not None:
                problems += [f"record {i}: {fault.message[:160]}" for i, record in list(enumerate(runs.records, 1))[::7]
                             for fault in validator.iter_errors(record)]
            other = Runs(binary, command, mode, folder, 0)
            if (runs.bytes, runs.json, runs.text) != (other.bytes, other.json, other.text):
                problems.append("0 and 2 workers differ")
            results.append((f"privacy {name}, {mode}", problems))
    return results, len(names)


def recipe():
    """The commands of docs/privacy.md give what the sensor writes."""
    with open(os.path.join(ROOT, "docs/privacy.md"), encoding="utf-8") as f:
        command = re.search(r"```sh\n(.*?)```", f.read(), re.S)[1]
    problems = []
    for name in ("alice", "+15550100", "2001"):
        out = subprocess.run(["sh", "-c", command], env={**os.environ, "KEY": KEY, "NAME": name}, capture_output=True, text=True)
        if out.stdout.strip() != hashed(name)[2:]:
            problems.append(f"{name}: '{out.stdout.strip()}{out.stderr.strip()}', expected {hashed(name)[2:]}")
    return problems


def show_hides_key(binary):
    out = subprocess.run([binary, *MODES["hash"], "--test-config", "--show"], capture_output=True, text=True)
    return [] if out.returncode == 0 and KEY not in out.stdout + out.stderr else [f"status {out.returncode}, or the key is shown"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--load", help="bench/load: a seeded load too")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    binary = os.path.abspath(options.binary)
    count = Count()
    fields = classes(binary)
    static = subprocess.run([binary, "--docs", "detections"], capture_output=True, text=True, check=True).stdout
    words = {word for word in re.findall(r"[a-z]{3,}", static.lower())}
    try:
        import jsonschema
        schema = json.loads(subprocess.run([binary, "--docs", "schema"], capture_output=True, check=True).stdout)
        validator = jsonschema.Draft202012Validator(schema)
    except ImportError:
        validator = None
        count.skip("reduced records against the schema", "the python package jsonschema is not installed")
    total = 0
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(2) as pool:
        cases = [(name, command) for name, command in commands(folder, options.load) if options.only in name]
        for results, names in pool.map(lambda c: check(binary, *c, fields, words, validator), cases):
            total += names
            for what, problems in results:
                count.check(what, problems)
    count.check("names were found to search for", [] if total > 100 or options.only else [f"only {total}"])
    count.check("recipe of docs/privacy.md", recipe())
    count.check("the key is not shown", show_hides_key(binary))
    count.end()


main()
