#!/usr/bin/env python3
"""Checks of the tree itself: who may include whom, what may not be called, what is generated and fresh, what is whole.

    tests/check/run.py --binary build/earshot
"""
import argparse
import glob
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from counting import Count  # noqa: E402
from splunk_addon import splunk  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ROOMS = ("base", "decoders", "detectors", "outputs", "sensor")

# folder -> (folders it may include beside itself, single headers, external libraries as (header prefix, only file))
EDGES = {
    "base": ((), (), (("xxhash.h", "base/hash.c"),)),
    "decoders": (("base",), (), ()),
    "detectors": (("base",), (), ()),
    "outputs": (("base",), (), (("openssl/", None), ("xxhash.h", None), ("event2/", None), ("librdkafka/", "outputs/kafka.c"),
                              ("hiredis/", "outputs/redis_wire.c"))),
    "sensor/capture": (("base",), (), (("pcap", None), ("zlib.h", None), ("zstd.h", None))),
    "sensor/flows": (("base", "decoders"), (), (("ndpi", "sensor/flows/classify.c"),)),
    "sensor/lookup": (("base",), (), (("maxminddb.h", "sensor/lookup/geo.c"),)),
    "sensor/state": (("base", "decoders", "sensor/lookup"), ("sensor/flows/sighting.h", "detectors/fact.h", "detectors/facts.def"), ()),
    "sensor/telemetry": (("base", "decoders", "sensor/state", "sensor/lookup"),
                         ("detectors/frame/incident.h", "detectors/frame/frame.h", "outputs/record.h", "outputs/response.h",
                          "outputs/community_id.h", "sensor/flows/sighting.h"), ()),
    "sensor/run": (("base", "decoders", "detectors", "outputs", "sensor"), (), (("yaml.h", "sensor/run/settings.c"), ("event2/", "sensor/run/writer.c"))),
}
THREADS = {"pthread.h": ("sensor/run/", "base/log.c"), "stdatomic.h": ("base/ring", "base/counter", "base/lock", "sensor/run/", "base/log.c")}
FLOATING = ("sensor/state/quality", "base/sketch", "base/baseline")


def sources(pattern="**/*.[ch]"):
    for room in ROOMS:
        for path in sorted(glob.glob(os.path.join(ROOT, room, pattern), recursive=True)):
            yield os.path.relpath(path, ROOT)


def text_of(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def folder_of(path):
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[0] == "sensor" else parts[0]


def layers():
    problems = []
    system = {os.path.basename(p) for p in glob.glob("/usr/include/*.h")}
    for path in list(sources()) + list(sources("**/*.def")):
        folder = folder_of(path)
        allowed, headers, external = EDGES[folder]
        for line in re.findall(r'^\s*#\s*include\s+([<"][^>"]+[>"])', text_of(path), re.M):
            name = line[1:-1]
            if line[0] == '"':
                target = folder_of(name)
                if target != folder and target not in allowed and name not in headers \
                        and not any(target.startswith(a + "/") for a in allowed):
                    problems.append(f"{path} includes {name}: {folder} may not")
                continue
            for prefix, only in external:
                if name.startswith(prefix) and only not in (None, path):
                    problems.append(f"{path} includes <{name}>: only {only} may")
            if any(name.startswith(p) for p in ("pcap", "zlib", "zstd", "yaml", "ndpi", "openssl", "xxhash", "event2", "librdkafka", "hiredis")) \
                    and not any(name.startswith(p) for p, _ in external):
                problems.append(f"{path} includes <{name}>: {folder} may not use this library")
            for header, places in THREADS.items():
                if name == header and not any(path.startswith(p) for p in places):
                    problems.append(f"{path} includes <{name}>: no threads outside {', '.join(places)}")
    del system
    return problems


def floating():
    """Floating point stays in three files: output must be the same on every compiler."""
    problems = []
    for path in sources():
        if any(path.startswith(p) for p in FLOATING):
            continue
        code = re.sub(r'/\*.*?\*/|"(\\.|[^"\\])*"', "", text_of(path), flags=re.S)
        if re.search(r"\b(double|float)\b", code):
            problems.append(f"{path} uses floating point")
    return problems


def heads():
    """The six lines that open every header."""
    problems = []
    for path in sources("**/*.h"):
        head = text_of(path)[:3000].split("*/")[0]
        if not head.startswith(f"/* {os.path.basename(path)} - "):
            problems.append(f"{path}: the head does not begin with its name")
        for word in ("Owns", "Borrows", "Time", "Bounds", "Errors", "Thread"):
            if not re.search(rf"^ \* {word} +\S", head, re.M):
                problems.append(f"{path}: the head has no line '{word}'")
    return problems


def whole():
    problems = []
    for path in sources():
        for number, line in enumerate(text_of(path).split("\n"), 1):
            if re.search(r"\b(TODO|FIXME|XXX|HACK)\b|not implemented|placeholder", line):
                problems.append(f"{path}:{number}: deferred work")
            if re.match(r"\s*#\s*if\s+0\b", line):
                problems.append(f"{path}:{number}: #if 0")
    return problems


def lengths():
    return [f"{path} has {n} lines: which two files is it?" for path in sources()
            if (n := text_of(path).count("\n")) > 1000]


def banned():
    """base/banned.h poisons; this catches what is not included through it."""
    problems = []
    names = r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|sscanf|atoi|atol|atof|alloca|rand|srand|system|popen)\s*\("
    for path in sources("**/*.c"):
        text = text_of(path)
        code = re.sub(r'/\*.*?\*/|"(\\.|[^"\\])*"', "", text, flags=re.S)
        for found in re.findall(names, code):
            problems.append(f"{path} calls {found}")
        if '#include "' not in text:
            problems.append(f"{path} includes no header of ours, so nothing is banned in it")
    return problems


def exported(binary):
    out = subprocess.run(["nm", "-D", "--defined-only", binary], capture_output=True, text=True, check=True).stdout
    names = [line.split()[-1] for line in out.splitlines() if line.split()[1] in "TtWw"]
    # the C start-up files of some toolchains leave these two
    return [f"exports {name}" for name in names if name not in ("_init", "_fini")]


def hardening(binary):
    problems = []
    head = subprocess.run(["readelf", "-hlWd", binary], capture_output=True, text=True, check=True).stdout
    if "DYN (" not in head:
        problems.append("not position independent")
    if "GNU_RELRO" not in head or "BIND_NOW" not in head and "FLAGS_1" not in head:
        problems.append("relocations stay writable")
    stack = re.search(r"GNU_STACK.*", head)
    if stack is None or "RWE" in stack.group(0):
        problems.append("the stack can be executed")
    symbols = subprocess.run(["nm", "-D", binary], capture_output=True, text=True, check=True).stdout
    if "__stack_chk_fail" not in symbols:
        problems.append("no stack protector")
    return problems


def docs(binary):
    problems = []
    pages = {"options": "docs/options.md", "records": "docs/records.md", "reasons": "docs/reasons.md",
             "detections": "docs/detections.md", "schema": "docs/records.schema.json",
             "template": "conf/opensearch/earshot-template.json", "man": "docs/earshot.8"}
    for page, path in pages.items():
        out = subprocess.run([binary, "--docs", page], capture_output=True, text=True)
        if out.returncode != 0:
            problems.append(f"--docs {page} ends with {out.returncode}: {out.stderr.strip()}")
        elif not os.path.exists(os.path.join(ROOT, path)):
            problems.append(f"{path} is missing: earshot --docs {page} > {path}")
        elif text_of(path) != out.stdout:
            problems.append(f"{path} is stale: earshot --docs {page} > {path}")
    return problems


# What no capture can bring about: the scenario of tests/check/live.py and the unit test that stand for its cases.
LIVE_ONLY = {"sensor-blind": ("blindness_is_told", "tests/unit/detectors/sensor_blind.c")}


def detectors():
    """Every detector has its page, its options' names in it, a firing case and a benign twin."""
    problems = []
    files = re.findall(r"^DETECTOR\(([a-z0-9_]+)\)", text_of("detectors/detectors.def"), re.M)
    cases = os.listdir(os.path.join(ROOT, "tests/cases"))
    for name in files:
        source = f"detectors/{name}.c"
        slug = name.replace("_", "-")
        code = text_of(source) if os.path.exists(os.path.join(ROOT, source)) else ""
        found = re.search(rf'\.slug\s*=\s*"{slug}"', code)
        if found is None:
            problems.append(f"{source} declares no detector with slug {slug}")
            continue
        page = f"detectors/{name}.md"
        if not os.path.exists(os.path.join(ROOT, page)):
            problems.append(f"{page} is missing")
        else:
            for word in ("sees", "blind", "false alarm", "tuning", "what to do"):
                if word not in text_of(page).lower():
                    problems.append(f"{page} says nothing of '{word}'")
        if slug in LIVE_ONLY:
            scenario, unit = LIVE_ONLY[slug]
            if f"def {scenario}(" not in text_of("tests/check/live.py") or ".example" not in text_of(unit):
                problems.append(f"{slug}: no scenario {scenario} in tests/check/live.py, or {unit} does not hold its example")
            continue
        if not any(c.startswith(slug + ".fires") for c in cases):
            problems.append(f"tests/cases/{slug}.fires* is missing")
        if not any(c.startswith(slug + ".silent") for c in cases):
            problems.append(f"tests/cases/{slug}.silent* is missing")
    return problems


def examples():
    """The alert that each rule shows as its example stands so in a golden case of its own."""
    problems = []
    told = {}
    for path in glob.glob(os.path.join(ROOT, "tests/cases/*/expect.jsonl")):
        with open(path, encoding="utf-8") as f:
            for record in map(json.loads, f):
                if "alert" in record.get("earshot", {}):
                    told.setdefault(record["rule"]["id"], set()).add(record["message"])
    for path in sorted(p for p in sources() if p.startswith("detectors/") and p.endswith(".c")):
        for slug, body in re.findall(r'\.slug = "([a-z-]+)"(.*?)^};', text_of(path), re.M | re.S):
            lines = re.search(r'\.example =\s*((?:"(?:[^"\\]|\\.)*"\s*)+),', body)
            if lines is None:
                problems.append(f"{path}: {slug} has no example")
                continue
            example = "".join(json.loads(part) for part in re.findall(r'"(?:[^"\\]|\\.)*"', lines.group(1)))
            if slug not in LIVE_ONLY and example not in told.get(slug, set()):
                problems.append(f"{path}: the example of {slug} is the message of none of its cases; one is: "
                                f"{min(told.get(slug, {'none'}))}")
    return problems


def plugins():
    """outputs.def and the files of outputs agree."""
    names = re.findall(r"^OUTPUT\(([a-z0-9_]+)\)", text_of("outputs/outputs.def"), re.M)
    return [f"outputs/{n}.c does not declare output_{n}" for n in names
            if not os.path.exists(os.path.join(ROOT, f"outputs/{n}.c"))
            or f"output_{n}" not in text_of(f"outputs/{n}.c")]


def formatted():
    tool = "clang-format-14"
    if subprocess.run(["which", tool], capture_output=True).returncode != 0:
        return None
    files = [p for p in sources() if not p.endswith(".def")]
    files += [os.path.relpath(p, ROOT) for p in glob.glob(os.path.join(ROOT, "tests/**/*.c"), recursive=True)]
    out = subprocess.run([tool, "--dry-run", "--Werror", "--ferror-limit=1", *files], cwd=ROOT, capture_output=True, text=True)
    return sorted(set(re.findall(r"^([^:\n]+):\d+:\d+: error", out.stderr, re.M)))


def captures():
    out = subprocess.run([sys.executable, "tools/mkpcap.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    return [] if out.returncode == 0 else [(out.stdout + out.stderr).strip()[-1500:]]


def names():
    """Only documentation addresses and numbers in what the project made itself."""
    problems = []
    for path in sorted(glob.glob(os.path.join(ROOT, "pcaps/scripts/*.txt"))):
        with open(path, encoding="utf-8", errors="replace") as f:
            text = f.read()
        for found in set(re.findall(r"\b(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})\b", text)):
            if not found.startswith(("192.0.2.", "198.51.100.", "203.0.113.")) \
                    and found not in ("1.1.1.1", "0.0.0.0", "255.255.255.255", "127.0.0.1"):
                problems.append(f"{os.path.relpath(path, ROOT)}: {found} is no documentation address")
    return problems


def readme(binary):
    """The picture of the output in README.md is what the demo prints."""
    out = subprocess.run([binary, "-r", "pcaps/demo.pcap"], cwd=ROOT, capture_output=True, text=True).stdout
    block = text_of("README.md").split("```\n")[1]
    missing = [line for line in block.splitlines() if line.strip() not in ("", "...") and line not in out.splitlines()]
    return [f"README.md shows a line that the demo does not print: {line}" for line in missing]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    binary = os.path.abspath(parser.parse_args().binary)
    count = Count()
    for check in (layers, floating, heads, whole, lengths, banned, plugins, detectors, examples, captures, names, splunk):
        count.check(f"check {check.__name__}", check())
    for check in (exported, hardening, docs, readme):
        count.check(f"check {check.__name__}", check(binary))
    wrong = formatted()
    if wrong is None:
        count.skip("check formatted", "clang-format-14 is not installed")
    else:
        count.check("check formatted", [f"{p} is not formatted" for p in wrong])
    count.end()


main()
