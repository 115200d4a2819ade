"""CEF taken apart by its specification, and held against the JSON record of the same event.id.

What each key must hold is read from the table of docs/syslog.md, so the page, the encoder and this file agree or the test fails.
"""
import datetime
import ipaddress
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HEADER = ("version", "vendor", "product", "product_version", "id", "name", "severity")
UNSEEN = [(0x61c, 0x61c), (0x200b, 0x200f), (0x2028, 0x202e), (0x2060, 0x206f), (0xfeff, 0xfeff), (0xfff9, 0xfffb), (0xe0000, 0xe0fff)]


class Broken(Exception):
    """It is no CEF, and where."""


def unescape(text, allowed):
    out, i = [], 0
    while i < len(text):
        if text[i] == "\\":
            if i + 1 == len(text) or text[i + 1] not in allowed:
                raise Broken(f"a backslash before {text[i + 1:i + 2]!r}")
            i += 1
            out.append(allowed[text[i]])
        else:
            out.append(text[i])
        i += 1
    return "".join(out)


def parse(line):
    """(header, extension), both dicts of unescaped texts."""
    if not line.startswith("CEF:"):
        raise Broken("does not begin with CEF:")
    if any(ord(c) < 0x20 or 0x7f <= ord(c) < 0xa0 for c in line):
        raise Broken("holds a control character")
    parts, start, i = [], 4, 4
    while len(parts) < 7:
        if i >= len(line):
            raise Broken("fewer than seven parts")
        if line[i] == "\\":
            i += 1
        elif line[i] == "|":
            parts.append(unescape(line[start:i], {"\\": "\\", "|": "|"}))
            start = i + 1
        i += 1
    extension = line[start:]
    # A key is a word behind a space (or at the beginning) and before an equals sign that no backslash escapes.
    marks, i = [], 0
    while i < len(extension):
        if extension[i] == "\\":
            i += 1
        elif extension[i] == "=":
            space = extension.rfind(" ", 0, i)
            key = extension[space + 1:i]
            if re.fullmatch(r"[A-Za-z0-9]+", key) is None:
                raise Broken(f"{key!r} is no key")
            marks.append((space, key, i + 1))
        i += 1
    values = {}
    for number, (_, key, begin) in enumerate(marks):
        end = marks[number + 1][0] if number + 1 < len(marks) else len(extension)
        if key in values:
            raise Broken(f"the key {key} stands twice")
        values[key] = unescape(extension[begin:end], {"\\": "\\", "=": "=", "n": "\n", "r": "\r"})
    if marks and marks[0][0] > 0:
        raise Broken("text before the first key")
    return dict(zip(HEADER, parts)), values


def table():
    """[(key, [fields], label, form)] of docs/syslog.md."""
    rows = []
    with open(os.path.join(ROOT, "docs/syslog.md"), encoding="utf-8") as f:
        for line in f:
            cells = [c.strip() for c in line.strip().strip("|").split("|")]
            if line.startswith("| ") and len(cells) == 4 and cells[0] not in ("key", "---"):
                rows.append((cells[0], cells[1].replace("else ", "").split(", "), cells[2], cells[3]))
    return rows


def field(record, name):
    for part in name.split("."):
        if not isinstance(record, dict) or part not in record:
            return None
        record = record[part]
    return record


def printable(text, line_ends=True):
    """What a value of JSON looks like once nothing in it can act."""
    out = []
    for c in text:
        point = ord(c)
        if line_ends and c in "\n\r":
            out.append(c)
        elif point < 0x20 or 0x7f <= point < 0xa0 or any(a <= point <= b for a, b in UNSEEN):
            out += [f"\\x{byte:02X}" for byte in c.encode("utf-8")]
        else:
            out.append(c)
    return "".join(out)


def milliseconds(text):
    at = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    whole = int(at.replace(microsecond=0).timestamp())
    return str(whole * 1000 + at.microsecond // 1000)


def as_text(value, form):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(as_text(v, form) for v in value)
    if form == "milliseconds":
        return milliseconds(value)
    if form == "whole":
        return str(int(value))
    text = str(value)
    return printable(text.upper() if form == "upper case" and text.isascii() else text)


def expected(record, rows):
    """The extension that the record must have."""
    wanted = {}
    for key, fields, label, form in rows:
        for name in fields:
            value = field(record, name)
            if value is None or key in wanted:
                continue
            if form in ("IPv4", "IPv6") and form != f"IPv{ipaddress.ip_address(value).version}":
                continue
            if name == "sip.code" and not value.isdigit():
                continue
            wanted[key] = as_text(value, form)
            if label:
                wanted[key + "Label"] = label
    return wanted


def differences_of_part(line, record, rows):
    """The same for a line that was shortened: what it says must be so, and it must say that it was shortened."""
    try:
        header, values = parse(line)
    except Broken as broken:
        return [f"{broken}: {line[:300]!r}"]
    keys = expected(record, rows)
    problems = [] if values.pop("flexString2", "") and values.pop("flexString2Label", "") == "truncated" else ["it does not say what it lost"]
    if header["id"] != (field(record, "rule.id") or record["event"]["dataset"]):
        problems.append(f"header id: {header['id']!r}")
    # The category falls back on the dataset where its field went.
    return problems + [f"{key}: {value!r}, the record says {keys.get(key)!r}" for key, value in values.items()
                       if key != "cat" and keys.get(key) != value]


def differences(line, record, rows, version="0.1.0"):
    """What of a CEF line is not what the JSON record says."""
    try:
        header, values = parse(line)
    except Broken as broken:
        return [f"{broken}: {line[:300]!r}"]
    severity = field(record, "event.severity") or 0
    wanted = {"version": "0", "vendor": "earshot", "product": "earshot", "product_version": version,
              "id": field(record, "rule.id") or record["event"]["dataset"],
              "name": printable(field(record, "rule.name") or record["event"].get("action", record["event"]["dataset"]), False),
              "severity": {0: "0", 21: "3", 47: "5", 73: "8", 99: "10"}[severity]}
    problems = [f"header {k}: {header[k]!r}, the record says {wanted[k]!r}" for k in HEADER if header[k] != wanted[k]]
    keys = expected(record, rows)
    for key in sorted(set(keys) | set(values)):
        if keys.get(key) != values.get(key):
            problems.append(f"{key}: {values.get(key)!r}, the record says {keys.get(key)!r}")
    return [f"{record['event']['dataset']} {record['event']['id']}: {p}" for p in problems]
