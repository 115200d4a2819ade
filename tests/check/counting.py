"""Counts cases and ends a program the way tools/test reads it: FAIL and skip lines, then the sum."""
import sys
import threading
import traceback


def broken_off(error):
    """What an exception says, and where it was raised: of a test that could not go on."""
    places = [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    return f"{type(error).__name__}: {error} (at {', '.join(places[-4:])})"


class Count:
    """Threads may count side by side."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.lock = threading.Lock()

    def ok(self, _name):
        with self.lock:
            self.passed += 1

    def fail(self, name, why):
        with self.lock:
            self.failed += 1
            print(f"FAIL {name}: {why}", flush=True)

    def skip(self, name, why):
        with self.lock:
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
