#!/usr/bin/env python3
"""Hostile strings reach no mouth of the sensor unescaped: terminal, log, JSON, CEF, syslog, HTML, /metrics, Redis, Kafka, hooks.

    hostile.py --binary build/earshot [--only TEXT]

The captures pcaps/hostile-*.pcap hold the strings of pcaps/scripts/_hostile.txt in every field that can hold a text of the wire, and in the
accounts of an attack. Each mouth is read by a parser of its own, that shares nothing with the sensor, and what it reads must be what stood on
the wire. Messages of nearly 64 KiB come last.
"""
import argparse
import json
import os
import pty
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "servers")]
sys.dont_write_bytecode = True
import hostile_far  # noqa: E402
import hostile_hooks  # noqa: E402
import hostile_long  # noqa: E402
from counting import Count  # noqa: E402
from hostile_wire import ATTACK, CAPTURES, EVERYTHING, ROOT, STRINGS, acts, messages  # noqa: E402
from parse_back import NEVER, expected  # noqa: E402
from validate_records import no_twins  # noqa: E402

RECORD_BYTES_MAX = 64 << 10
CUT_BYTES = 256
# What only the sensor fills, with words of its own: a hostile text in one of these is a fault, and so is a field that is not named here and
# never saw one. Of a URI the decoder gives scheme, host and port only as far as its grammar goes.
OWN_WORDS = re.compile(
    r"ecs\.|event\.(kind|category|type|module|dataset|outcome|action)$|rule\.|threat\.|observer\.|(source|destination|client|server)\.(geo|as)\."
    r"|network\.|sip\.(type|code|version|cseq\.code|contact\.expires|sdp\.connection\.address)$|rtp\.(ssrc|clock|mos_basis|encryption)$"
    r"|earshot\.(end_reason|sip\.(verdict|anomalies)|registration\.changed|call\.(outcome|disposition|ended_by|media\.srtp)|media\.direction"
    r"|flow\.|alert\.(continues|state|outcome|chain_severity|severity|confidence_reason|entity\.type|unit|advice)$|response\.(name|step|hook|action|mode|target\.type|guard\..*)$|sensor\.|truncated)|error\.|tags$")
GRAMMAR = re.compile(r".*uri\.(scheme|host|port)$|sip\.via\.sent_by\.port$")
MARKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u202e<>`$|\"{}]|\\x|%[0189C-F][0-9A-F]|=cmd|\.\./|%s%n|onmouseover|earshot-owned|éé|@SUM|--help", re.I)


def records_of(binary, capture, *options):
    """(lines, records, report)"""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "records")
        out = subprocess.run([binary, "-r", capture, "--records", path, "--report", "json", *EVERYTHING, *options], stdin=subprocess.DEVNULL,
                             capture_output=True, timeout=300, check=True)
        with open(path, "rb") as f:
            lines = f.read().split(b"\n")
    assert lines.pop() == b"", "the last line has no end"
    return lines, [json.loads(line.decode("utf-8"), object_pairs_hook=no_twins) for line in lines], out.stdout


def leaves(value, path=""):
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, path)
    elif isinstance(value, str):
        yield path, value


# --------------------------------------------------------------------------- JSON

def lines_are_json(runs):
    for capture, (lines, _, _) in runs.items():
        for number, line in enumerate(lines, 1):
            if len(line) > RECORD_BYTES_MAX:
                yield f"{capture} record {number}: {len(line)} bytes"
            bad = [c for c in line.decode("utf-8") if ord(c) in NEVER]
            if bad:
                yield f"{capture} record {number}: {bad[0]!r} stands in the line"


def is_told(found, raw):
    """Whole, or what fits of it."""
    wanted = expected(raw)
    return found == wanted or (len(raw) > CUT_BYTES and found is not None and wanted.startswith(found) and len(found.encode()) > CUT_BYTES - 4)


def values_are_those_of_the_wire(runs):
    """Whole header values come back, byte for byte."""
    compared = 0
    for capture, (_, records, _) in runs.items():
        told = {r["@timestamp"]: r for r in records if r["event"]["dataset"] == "earshot.sip"}
        for message in messages(capture):
            record = told.get(message.timestamp)
            if record is None or not message.whole:
                continue
            for path, raw in message.values():
                found = dict(leaves(record)).get(path)
                compared += 1
                if not is_told(found, raw):
                    yield f"{capture} {message.timestamp} {path}: {found!r}, the wire has {raw!r}"
    if compared < 1000:
        yield f"only {compared} values were compared"


def text_fields(binary):
    """Names of the fields whose values are texts, by the program's own table."""
    table = subprocess.run([binary, "--docs", "records"], capture_output=True, text=True, check=True).stdout
    rows = [[cell.replace("`", "").strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("| `")]
    return {row[0].removesuffix("[]") for row in rows if len(row) >= 6 and row[1] in ("keyword", "match_only_text")}


def every_field_was_tried(binary, runs):
    seen = {}
    for _, records, _ in runs.values():
        for record in records:
            for path, text in leaves(record):
                if MARKS.search(text):
                    seen.setdefault(path, text)
    fields = text_fields(binary)
    identities = {f for f in fields if re.search(r"(^|[._])id$", f) and f != "sip.call_id" and not f.endswith("session_id")}
    for field in sorted(fields - identities):
        if OWN_WORDS.match(field) and field in seen and not field.startswith(("earshot.alert", "threat", "rule")):
            yield f"{field} is ours alone, and holds {seen[field]!r}"
        elif not OWN_WORDS.match(field) and not GRAMMAR.match(field) and field not in seen:
            yield f"no hostile text was put into {field}"


def report_json_is_json(runs):
    for capture, (_, records, report) in runs.items():
        text = report.decode("utf-8")
        bad = [c for c in text if ord(c) in NEVER and c != "\n"]
        if bad:
            yield f"{capture}: {bad[0]!r} stands in the report"
        told = json.loads(text, object_pairs_hook=no_twins)
        calls = sorted(r["sip"]["call_id"] for r in records if r["event"]["dataset"] == "earshot.call" and "call_id" in r["sip"])
        if sorted(c["id"] for c in told["calls"] if c["id"]) != calls:
            yield f"{capture}: other calls than the records"
        sentences = {r["message"] for r in records if r["event"]["dataset"] == "earshot.alert"}
        yield from (f"{capture}: no record says {a['message']!r}" for a in told["alerts"] if a["message"] not in sentences)


# --------------------------------------------------------------------------- terminal

def in_terminal(command):
    """What a terminal of 100 columns gets."""
    master, slave = pty.openpty()
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, cwd=ROOT, env={**os.environ, "COLUMNS": "100", "TERM": "xterm"})
    os.close(slave)
    out = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:
            break
        if not part:
            break
        out += part
    process.wait()
    os.close(master)
    return out


def reports_do_nothing(binary, runs):
    for capture in runs:
        command = [binary, "-r", capture, *EVERYTHING, *ATTACK]
        plain = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=300, env={**os.environ, "COLUMNS": "100"})
        yield from (f"{capture}: {what}" for what in acts(plain.stdout + plain.stderr))
        # Of what a terminal gets, our colours and line of progress are taken away: an escape of somebody else would stay, or be missing.
        ours = re.sub(rb"\r[^\r\n]*?(\x1b\[K|(?=\r))|\x1b\[[0-9;]*m", b"", in_terminal(command).replace(b"\r\n", b"\n"))
        if re.sub(rb"\s+", b" ", ours).strip() != re.sub(rb"\s+", b" ", plain.stdout).strip():
            yield f"{capture}: in a terminal it says something else: {ours[:200]!r}"


def words_of(folder, name):
    """Everything that a person may name on the command line or in a file, with a hostile name in it."""
    path = os.path.join(os.fsencode(folder), b"file " + name.replace(b"/", b"_"))
    with open(path, "wb") as f:
        f.write(name)
    config = os.path.join(os.fsencode(folder), b"conf " + name.replace(b"/", b"_"))
    quoted = json.dumps(name.decode("utf-8", "replace")).encode()
    return config, [
        ([b"-r", b"absent/" + name], b""), ([b"-r", path], b""), ([b"-r", name, b"--report", name], b""), ([b"--set", name + b"=1"], b""),
        ([b"--set", b"records.sip=" + name], b""), ([b"--set", b"observer.name=" + name, b"--test-config", b"--show"], b""),
        ([b"--explain", name], b""), ([b"--list", name], b""), ([b"--docs", name], b""), ([b"--" + name], b""), ([name], b""),
        ([b"-r", CAPTURES[0].encode(), b"--records", b"absent/" + name], b""), ([b"-c", b"absent/" + name], b""),
        ([b"-i", name, b"--test-config"], b""), ([b"-r", CAPTURES[0].encode(), b"--workers", name], b""),
        ([b"-r", CAPTURES[0].encode(), b"--filter", name], b""),
        ([b"-c", config], name), ([b"-c", config], b"? " + quoted + b"\n: 1\n"), ([b"-c", config], b"records: {sip: " + quoted + b"}\n"),
        ([b"-c", config], b"outputs: {" + quoted + b": {type: " + quoted + b"}}\n"),
        ([b"--test-config", b"--show", b"-c", config], b"outputs: {" + quoted + b": {type: file, path: " + quoted + b"}}\n"),
        ([b"--list", b"memory", b"-c", config], b"outputs: {" + quoted + b": {type: syslog}}\n"),
        ([b"-r", CAPTURES[0].encode(), b"--deliver", b"-c", config], b"outputs: {" + quoted + b": {type: file, path: /absent/x}}\n"),
        ([b"-c", config], b"responses: {" + quoted + b": {hook: " + quoted + b", rules: [" + quoted + b"]}}\n"),
        ([b"-c", config], b"numbers: {files: [" + quoted + b"]}\nzones: {" + quoted + b": [" + quoted + b"]}\n"),
        ([b"--evidence", name], b""), ([b"-r", CAPTURES[0].encode(), b"--state", b"/dev/null/" + name], b"")]


def complaints_do_nothing(binary):
    """Error messages about file names, options, keys and values."""
    tried = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in STRINGS:
            name = name.replace(b"\0", b"\x01")[:200]
            config, rows = words_of(folder, name)
            for arguments, text in rows:
                with open(config, "wb") as f:
                    f.write(text)
                out = subprocess.run([os.fsencode(binary), *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=120, cwd=folder)
                tried += 1
                yield from (f"{b' '.join(arguments)!r} {text!r}: {what}" for what in acts(out.stdout + out.stderr))
                if out.returncode not in (0, 1, 2, 3):
                    yield f"{b' '.join(arguments)!r} {text!r}: status {out.returncode}"
                if len(out.stderr.splitlines()) > 6:
                    yield f"{b' '.join(arguments)!r} {text!r}: {len(out.stderr.splitlines())} lines of complaint"
        yield from (f"somebody ran a name: {left}" for left in os.listdir(folder) if left == "earshot-owned")
    if tried < 1000:
        yield f"only {tried} complaints"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    binary = os.path.abspath(options.binary)
    count = Count()
    runs = {capture: records_of(binary, capture, *ATTACK) for capture in CAPTURES}
    rows = [("JSON lines", lambda: lines_are_json(runs)), ("values", lambda: values_are_those_of_the_wire(runs)),
            ("every field", lambda: every_field_was_tried(binary, runs)), ("report as JSON", lambda: report_json_is_json(runs)),
            ("report as text", lambda: reports_do_nothing(binary, runs)), ("complaints", lambda: complaints_do_nothing(binary)),
            *hostile_far.rows(binary, runs, count, options.only), *hostile_hooks.rows(runs, count), *hostile_long.rows(binary)]
    for name, problems in rows:
        if options.only in name:
            count.check("hostile strings: " + name, list(problems()))
    count.end()


if __name__ == "__main__":
    main()
