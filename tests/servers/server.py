"""Real servers for tests: a temporary folder, free ports, a start that waits until they answer, and an end whatever happens.

    with Servers() as servers:
        port, = free_ports(1)
        redis = servers.start("redis", ["redis-server", "--port", str(port)], ready=port)
        ...
        servers.kill(redis)                     the hard way: SIGKILL; start it again as often as wanted

    jars = maven("kafka")                       tests/servers/kafka.pom.xml, kafka.sha256 -> folder of jars

What cannot be had here (a program, Maven Central) raises Unavailable: the test says `skip NAME: reason` and counts it.

Every server is the head of a process group of its own, ends with the group, and dies with the test if that is killed: the kernel
is told so before the program begins. Only what was started here is ever stopped, by its id.
"""
import ctypes
import hashlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PR_SET_PDEATHSIG = 1
DOWNLOAD_S_MAX = 240
COPY_JARS = "org.apache.maven.plugins:maven-dependency-plugin:2.8:copy-dependencies"
LIBC = ctypes.CDLL(None, use_errno=True)
PORTS_GIVEN = set()
TRIES = 3  # of a download


class Unavailable(Exception):
    """Why a server cannot be had on this machine."""


def given_by_kernel():
    """(first, last) of the ports that the kernel gives to whoever asks for any."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as f:
        first, last = map(int, f.read().split())
    return first, last


def is_free(port):
    try:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(socket.AF_INET, kind) as one:
                one.bind(("127.0.0.1", port))
        return True
    except OSError:
        return False


def free_ports(count):
    """Ports of loopback that nobody has, for TCP and for UDP. Between here and the server's start they are nobody's: so they are none that
    the kernel gives to a client or to another server that asks for any, and none comes twice. Many tests may look at once: by chance, then."""
    first, last = given_by_kernel()
    rest = [port for port in range(10000, 65000) if not first <= port <= last] or list(range(10000, 65000))
    chance = random.SystemRandom()
    found = []
    while len(found) < count:
        port = chance.choice(rest)
        if port not in PORTS_GIVEN and is_free(port):
            found.append(port)
            PORTS_GIVEN.add(port)
    return found


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


class Servers:
    """Owns a temporary folder (`folder`) and all that was started in it."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="earshot-servers-")
        self.running = []
        self.outputs = {}

    def __enter__(self):
        # A test that is told to end runs its `with` blocks to their end first.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        return self

    def __exit__(self, *_):
        for server in reversed(self.running):
            self.stop(server, seconds=5)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, name, command, ready=None, seconds=60, environment=None):
        """Starts a program in the folder. `ready`: a port of loopback that must accept, or a function that must become true.
        Its output goes into FOLDER/NAME.out and stands in the exception if it does not become ready in time. Gives the Popen."""
        program = shutil.which(command[0])
        if program is None:
            raise Unavailable(f"{command[0]} is not installed")
        path = os.path.join(self.folder, name + ".out")
        with open(path, "ab") as out:
            server = subprocess.Popen([program, *command[1:]], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                      env={**os.environ, **(environment or {})}, start_new_session=True,
                                      preexec_fn=lambda: LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL))
        self.running.append(server)
        self.outputs[server.pid] = path
        until = time.monotonic() + seconds
        while ready is not None and not (ready() if callable(ready) else answers(ready)):
            if server.poll() is not None:
                raise RuntimeError(f"{name} ended with {server.returncode}: {self.said(server)}")
            if time.monotonic() > until:
                raise RuntimeError(f"{name} was not ready after {seconds} s: {self.said(server)}")
            time.sleep(0.05)
        return server

    def said(self, server, bytes_max=2000):
        """The end of what it printed."""
        with open(self.outputs[server.pid], encoding="utf-8", errors="replace") as f:
            return f.read()[-bytes_max:]

    def stop(self, server, seconds=10):
        """SIGTERM, then SIGKILL to it and all that it started."""
        if server.poll() is None:
            server.terminate()
            try:
                server.wait(timeout=seconds)
            except subprocess.TimeoutExpired:
                pass
        self.kill(server)

    def kill(self, server):
        try:
            # The group outlives its head only while a member lives, so the number is not another's.
            os.killpg(server.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        server.wait()


def wrong_jars(folder, sums):
    """Names of the jars that are missing, unknown or not what was committed."""
    there = set(os.listdir(folder)) if os.path.isdir(folder) else set()
    wrong = sorted(there - set(sums))
    for name, wanted in sums.items():
        if name not in there:
            wrong.append(name)
            continue
        with open(os.path.join(folder, name), "rb") as f:
            if hashlib.sha256(f.read()).hexdigest() != wanted:
                wrong.append(name)
    return wrong


def maven(name):
    """The folder of the jars that tests/servers/NAME.pom.xml asks for, each held to its line in NAME.sha256 (as sha256sum prints it).
    They are fetched once from Maven Central and kept in ${XDG_CACHE_HOME:-~/.cache}/earshot/NAME. A new version: change the pom, run
    `mvn -q dependency:copy-dependencies -f NAME.pom.xml -DoutputDirectory=lib`, and `cd lib && sha256sum *.jar > NAME.sha256`."""
    with open(os.path.join(HERE, name + ".sha256"), encoding="ascii") as f:
        sums = {jar: digest for digest, jar in (line.split() for line in f)}
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache"), "earshot")
    folder = os.path.join(cache, name)
    if not wrong_jars(folder, sums):
        return folder
    if shutil.which("mvn") is None:
        raise Unavailable("maven is not installed")
    os.makedirs(cache, exist_ok=True)
    # Two tests may fetch at once: each into a folder of its own, and one that is whole stays.
    fetched = tempfile.mkdtemp(prefix=name + ".", dir=cache)
    try:
        for _ in range(TRIES):  # what one has fetched the next one finds
            out = subprocess.run(["mvn", "-q", "-B", "-f", os.path.join(HERE, name + ".pom.xml"), COPY_JARS,
                                  "-DoutputDirectory=" + fetched], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                 timeout=DOWNLOAD_S_MAX)
            if out.returncode == 0 and not wrong_jars(fetched, sums):
                break
        if out.returncode != 0:
            raise Unavailable(f"Maven Central: {(out.stdout + out.stderr).strip().partition(chr(10))[0][:300]}")
        wrong = wrong_jars(fetched, sums)
        if wrong:
            raise RuntimeError(f"{name}: what Maven Central gave is not what was committed: {', '.join(wrong[:5])}")
        shutil.rmtree(folder, ignore_errors=True)
        try:
            os.rename(fetched, folder)
        except OSError:
            if wrong_jars(folder, sums):  # not another test's, which was first
                raise
    except subprocess.TimeoutExpired as late:
        raise Unavailable(f"Maven Central: no answer in {DOWNLOAD_S_MAX} s") from late
    finally:
        shutil.rmtree(fetched, ignore_errors=True)
    return folder
