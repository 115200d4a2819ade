"""Counts cases and ends a program the way tools/test reads it: FAIL and skip lines, then the sum."""
import sys


class Count:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def ok(self, _name):
        self.passed += 1

    def fail(self, name, why):
        self.failed += 1
        print(f"FAIL {name}: {why}", flush=True)

    def skip(self, name, why):
        self.skipped += 1
        print(f"skip {name}: {why}", flush=True)

    def check(self, name, problems):
        """One case; `problems` is a list of texts, empty = passed."""
        if problems:
            self.fail(name, "\n     ".join(problems[:20]))
        else:
            self.ok(name)

    def end(self):
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        sys.exit(1 if self.failed else 0)
