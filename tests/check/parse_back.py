#!/usr/bin/env python3
"""Parse hostile strings back out of JSON: reads lines "HEX-OF-THE-BYTES TAB JSON" and checks the member `message`.

A well-formed character must come back as itself; a byte that is no UTF-8 as the text \\xNN. The JSON text itself must not
hold a control character, U+2028, U+2029 or a bidirectional override. Exit status 1 if one line is wrong.
"""
import json
import sys

NEVER = set(range(0x20)) | set(range(0x7F, 0xA0)) | {0x2028, 0x2029} | set(range(0x202A, 0x202F)) | set(range(0x2066, 0x206A))


def expected(raw):
    out = []
    at = 0
    while at < len(raw):
        for length in (1, 2, 3, 4):
            try:
                out.append(raw[at:at + length].decode("utf-8"))
                at += length
                break
            except UnicodeDecodeError:
                continue
        else:
            out.append("\\x%02X" % raw[at])
            at += 1
    return "".join(out)


def main():
    bad = count = 0
    for line in sys.stdin.buffer.read().split(b"\n"):
        if not line:
            continue
        count += 1
        hexed, _, text = line.partition(b"\t")
        raw = bytes.fromhex(hexed.decode("ascii"))
        text = text.decode("utf-8")
        record = json.loads(text)
        found = record.get("message", "")
        if found != expected(raw):
            print("%s: %r instead of %r" % (hexed.decode(), found, expected(raw)))
            bad += 1
        if any(ord(c) in NEVER for c in text):
            print("%s: a character that must be escaped stands in the JSON text" % hexed.decode())
            bad += 1
        if ("\\x" in expected(raw)) and b"\\x" not in raw and record.get("tags") != ["invalid_utf8"]:
            print("%s: the tag invalid_utf8 is missing" % hexed.decode())
            bad += 1
    print("%d strings, %d wrong" % (count, bad))
    return 1 if bad or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
