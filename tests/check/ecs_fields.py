#!/usr/bin/env python3
"""Make or check tests/check/ecs_fields.txt: the names of the Elastic Common Schema that our records use, with their types.

usage: ecs_fields.py PACKAGE ...            print the list for the rows of outputs/fields.def with the flag ECS or HEAD
       ecs_fields.py --check PACKAGE ...    compare it with the committed one; exit status 1 when they differ
PACKAGE: an unpacked npm package @elastic/ecs (npm pack @elastic/ecs@VERSION). A name must be in every package that is given;
type and array rule are those of the last. Run it with the oldest and the newest version that we promise. (ecs_flat.ts is
read: ecs_flat.js beside it is the same stale file in 8.11.5 and 9.4.0.)
"""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PINNED = os.path.join(ROOT, "tests", "check", "ecs_fields.txt")
HEAD = """# Names and types of the Elastic Common Schema (github.com/elastic/ecs, Apache-2.0) that outputs/fields.def uses.
# Made by tests/check/ecs_fields.py from the npm packages @elastic/ecs %s; do not edit.
# A name that is in 8.11 is in every later 8.x, so in 8.17.
"""


def fields_of(package):
    with open(os.path.join(package, "generated", "ecs_flat.ts"), encoding="utf-8") as f:
        text = f.read()
    found = {}
    for block in re.finditer(r"\n  '?([@\w.]+)'?: \{\n(.*?)\n  \}", text, re.S):
        kind = re.search(r"\n    type: '(\w+)'", block.group(2))
        array = re.search(r"normalize: \[\s*'array'", block.group(2))
        found[block.group(1)] = (kind.group(1) if kind else "?", "array" if array else "one")
    return found


def version_of(package):
    with open(os.path.join(package, "package.json"), encoding="utf-8") as f:
        return re.search(r'"version": "([^"]+)"', f.read()).group(1)


def main():
    packages = [a for a in sys.argv[1:] if a != "--check"]
    if not packages:
        sys.exit(__doc__)
    with open(os.path.join(ROOT, "outputs", "fields.def"), encoding="utf-8") as f:
        rows = re.findall(r'^FIELD\(\w+,\s*"([^"]+)",\s*\w+,\s*(\w+),', f.read(), re.M)
    tables = [fields_of(p) for p in packages]
    lines, missing = [], []
    for name, flags in rows:
        if flags.startswith(("ECS", "HEAD")):
            if all(name in t for t in tables):
                lines.append("%s %s %s" % ((name,) + tables[-1][name]))
            else:
                missing.append(name)
    if missing:
        sys.exit("not in every version of ECS that was given: " + ", ".join(missing))
    text = HEAD % " and ".join(version_of(p) for p in packages) + "\n".join(lines) + "\n"
    if "--check" not in sys.argv:
        sys.stdout.write(text)
        return 0
    with open(PINNED, encoding="utf-8") as f:
        return 0 if f.read() == text else 1


if __name__ == "__main__":
    sys.exit(main())
