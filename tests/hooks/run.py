#!/usr/bin/env python3
"""The hooks that ship, each against what it is for: the kernel's packet filter, Kamailio, Redis, a web server, a program.

    tests/hooks/run.py [--binary build/earshot] [--only NAME]

Runs in network, mount and process namespaces of its own; without them (no root) what needs them is skipped.
"""
import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile

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

ROOMS = (protocol, notify, webhook, nft_block, kamailio_htable, redis_list, example, sensor)
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
        for room in ROOMS:
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


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", help="without it the hooks are not tried under a sensor")
    parser.add_argument("--only", help="part of a name")
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    parser.add_argument("--no-namespaces", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder:
        inside(options)
    out = subprocess.run([*NAMESPACES, "sh", "-c", READY + " && ip netns add hooks"], capture_output=True, text=True)
    folder = tempfile.mkdtemp(prefix="earshot-hooks-")
    os.chmod(folder, 0o755)
    command = [sys.executable, os.path.abspath(__file__), "--folder", folder, *(["--only", options.only] if options.only else []),
               *(["--binary", os.path.abspath(options.binary)] if options.binary else [])]
    if out.returncode == 0:
        command = ["setpriv", "--pdeathsig", "KILL", *NAMESPACES, "sh", "-c", READY + ' && exec "$@"', "sh", *command]
    else:
        command += ["--no-namespaces", "namespaces are not allowed here: " + out.stderr.strip()[:200]]
    world = subprocess.Popen(command, env={**os.environ, "TMPDIR": folder})
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    try:
        status = world.wait(timeout=RUN_S_MAX)
    except subprocess.TimeoutExpired:
        print(f"FAIL hooks: it did not end within {RUN_S_MAX} s\n0 passed, 1 failed, 0 skipped")
        status = 1
    finally:
        world.kill()
        world.wait()
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(status)


main()
