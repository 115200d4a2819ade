"""Namespaces of its own (network, mounts, processes) for a lab: the kernel takes all of it away when it ends, however it ends."""
import os
import shutil
import signal
import subprocess
import sys

from counting import Count

NEEDED = ("unshare", "nsenter", "ss", "setpriv", "ip", "tc", "nft", "ethtool", "mount", "sysctl", "tcpdump", "kamailio", "sipp", "baresip")
NAMESPACES = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")


def tools_folder():
    """Where tools/setup puts sipvicious."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(cache, "earshot", "lab", "bin")


def why_not():
    missing = [program for program in NEEDED if shutil.which(program) is None]
    if missing:
        return "not installed: " + ", ".join(missing)
    out = subprocess.run([*NAMESPACES, "sh", "-c", "mkdir -p /run/netns && mount -t tmpfs lab /run/netns && ip netns add lab && "
                          "ip link add br0 type bridge && tc qdisc add dev br0 handle ffff: ingress"], capture_output=True, text=True)
    return None if out.returncode == 0 else "namespaces are not allowed here: " + out.stderr.strip()[:200]


def outside(program, words, folder, seconds_max):
    """Starts `program` again, with --inside, in its namespaces and takes care that it ends with us; temporary files are in its folder."""
    command = [*NAMESPACES, sys.executable, program, *words, "--folder", folder, "--inside"]
    world = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], env={**os.environ, "TMPDIR": folder})

    for what in (signal.SIGINT, signal.SIGTERM):
        signal.signal(what, lambda *_: sys.exit(130))
    try:
        return world.wait(timeout=seconds_max)
    except subprocess.TimeoutExpired:
        count = Count()
        count.fail("lab", f"it did not end within {seconds_max} s")
        count.end()
    finally:
        world.kill()  # unshare: with it goes the first process of the namespace, and with that all the others
        world.wait()
