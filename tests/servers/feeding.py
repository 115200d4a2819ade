"""A sensor that reads a capture from its standard input at the pace of the test: `earshot -r -`, piece by piece.

    with Fed(binary, "--deliver", "--set", "...") as sensor:
        sensor.feed(frames("demo"))            frames with their offsets in seconds, later ones after earlier ones
        ...                                    the sensor waits for more
        status, said = sensor.end()
"""
import os
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "check"))
from listening import capture_path, frames as frames_of  # noqa: E402

BEGUN = 1767600000  # of all that is fed: 2026-01-05 08:00:00 UTC


def frames(name):
    return frames_of(capture_path(name))


class Fed:
    def __init__(self, binary, *arguments):
        self.err = tempfile.TemporaryFile()
        self.process = subprocess.Popen([binary, "-r", "-", "--report", "none", *arguments], stdin=subprocess.PIPE,
                                        stdout=subprocess.DEVNULL, stderr=self.err)
        self.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1))
        self.offset = 0.0

    def write(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def feed(self, captured, again=1):
        """The frames; `again` and again, each round a second after the one before."""
        out = []
        for _ in range(again):
            for offset, frame in captured:
                nanoseconds = round((self.offset + offset) * 1e9)
                out.append(struct.pack("<IIII", BEGUN + nanoseconds // 10**9, nanoseconds % 10**9, len(frame), len(frame)) + frame)
            self.offset += captured[-1][0] + 1
        self.write(b"".join(out))

    def runs(self):
        return self.process.poll() is None

    def said(self):
        self.err.seek(0)
        return self.err.read().decode(errors="replace")

    def end(self, seconds=180):
        """(exit status, what it said)"""
        self.process.stdin.close()
        status = self.process.wait(timeout=seconds)
        return status, self.said()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.err.close()
