#!/usr/bin/env python3
"""The hooks that ship, each against what it is for: the kernel's packet filter, Kamailio, Redis, a web server, a program.

    tests/hooks/run.py [--binary build/earshot] [--only NAME]

Runs in network, mount and process namespaces of their own; without them (no root) what needs them is skipped.
"""
import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "check")]
sys.dont_write_bytecode = True
import example  # noqa: E402
import kamailio_htable  # noqa: E402
import nft_block  # noqa: E402
import notify  # noqa: E402
import protocol  # noqa: E402
import redis_list  # noqa: E402
import sensor  # noqa: E402
import webhook  # noqa: E402
from counting import Count, broken_off  # noqa: E402

# Side by side, each in a world of its own: they wait nearly all the time.
LANES = ((protocol, notify, webhook, redis_list), (nft_block, kamailio_htable, example, sensor))
NAMESPACES = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
READY = "mkdir -p /run/netns && mount -t tmpfs hooks /run/netns && ip link set lo up"
RUN_S_MAX = 900


class World:
    """Folders, servers and the wire of a run; everything is gone when it ends."""

    def __init__(self, folder, no_namespaces, binary):
        self.base = folder
        self.binary = binary
        self.no_namespaces = no_namespaces
        self.servers = []
        self.cable = None

    def folder(self, name):
        path = os.path.join(self.base, name)
        os.makedirs(path, exist_ok=True)
        return path

    def wire(self):
        self.cable = self.cable or nft_block.Wire()
        return self.cable

    def start(self, *command, log):
        with open(log, "ab") as out:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        self.servers.append(process)
        return process

    def stop(self, process, how=signal.SIGTERM):
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(how)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def end(self):
        for process in self.servers:
            self.stop(process)


def inside(options):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    count, world = Count(), World(options.folder, options.no_namespaces, options.binary)
    try:
        for room in LANES[options.lane]:
            reason = room.why_not(world) if hasattr(room, "why_not") else None
            for scenario in room.SCENARIOS:
                name = f"hooks {room.__name__}: {scenario.__name__.replace('_', ' ')}"
                if options.only and options.only not in name:
                    continue
                if reason:
                    count.skip(name, reason)
                    continue
                try:
                    count.check(name, scenario(world))
                except Exception as error:  # whatever it is, it is a problem of this scenario and not the end of the others
                    count.fail(name, broken_off(error))
    finally:
        world.end()
    count.end()


class Lane:
    """Some rooms in a process and a folder of their own."""

    def __init__(self, number, options, forbidden):
        self.folder = tempfile.mkdtemp(prefix="earshot-hooks-")
        os.chmod(self.folder, 0o755)
        command = [sys.executable, os.path.abspath(__file__), "--folder", self.folder, "--lane", str(number),
                   *(["--only", options.only] if options.only else []),
                   *(["--binary", os.path.abspath(options.binary)] if options.binary else [])]
        if forbidden is None:
            command = ["setpriv", "--pdeathsig", "KILL", *NAMESPACES, "sh", "-c", READY + ' && exec "$@"', "sh", *command]
        else:
            command += ["--no-namespaces", forbidden]
        self.said = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(command, env={**os.environ, "TMPDIR": self.folder}, stdout=self.said)

    def wait(self, count, until):
        """Its lines, and its sum added to ours."""
        try:
            status = self.process.wait(timeout=max(1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            status = f"no end within {RUN_S_MAX} s"
        self.said.seek(0)
        *lines, last = self.said.read().splitlines() or [""]
        found = re.fullmatch(r"(\d+) passed, (\d+) failed, (\d+) skipped", last)
        print("\n".join(lines if found else [*lines, last]), end="\n" if lines or not found else "", flush=True)
        if found is None:
            count.fail("hooks", f"a lane broke off: {status}")
        else:
            count.passed, count.failed, count.skipped = (a + int(b) for a, b in zip((count.passed, count.failed, count.skipped), found.groups()))

    def end(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", help="without it the hooks are not tried under a sensor")
    parser.add_argument("--only", help="part of a name")
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    parser.add_argument("--lane", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--no-namespaces", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder:
        inside(options)
    out = subprocess.run([*NAMESPACES, "sh", "-c", READY + " && ip netns add hooks"], capture_output=True, text=True)
    forbidden = None if out.returncode == 0 else "namespaces are not allowed here: " + out.stderr.strip()[:200]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    count, until, lanes = Count(), time.monotonic() + RUN_S_MAX, []
    try:
        for number in range(len(LANES)):
            lanes.append(Lane(number, options, forbidden))
        for lane in lanes:
            lane.wait(count, until)
    finally:
        for lane in lanes:
            lane.end()
    count.end()


main()
