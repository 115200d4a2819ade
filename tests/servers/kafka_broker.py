"""A real Kafka broker of one node on loopback, and its messages as kcat reads them.

    with Servers() as servers:
        broker = Broker(servers)
        broker.start()
        for message in broker.read("earshot.call"): message.key, message.value, message.headers, message.time_ms
        broker.kill(); broker.start()           the hard way; what it had acknowledged is there again
"""
import collections
import json
import os
import shutil
import socket
import subprocess
import time

from server import Unavailable, free_ports, maven

JAVA = ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
PARTITIONS = 4

Message = collections.namedtuple("Message", "topic partition offset time_ms key value headers")


class Broker:
    """`settings`: more lines of its properties. `proxy`: a port that clients are told instead of its own."""

    def __init__(self, servers, name="kafka", settings=(), proxy=None):
        if shutil.which("java") is None:
            raise Unavailable("java is not installed")
        if shutil.which("kcat") is None:
            raise Unavailable("kcat is not installed")
        self.servers = servers
        self.name = name
        self.jars = os.path.join(maven("kafka"), "*")
        self.folder = os.path.join(servers.folder, name)
        self.properties = os.path.join(self.folder, "server.properties")
        self.port, self.controller_port = free_ports(2)
        self.address = f"127.0.0.1:{self.port}"
        self.process = None
        os.makedirs(self.folder)
        lines = [
            "process.roles=broker,controller", "node.id=1", f"controller.quorum.voters=1@127.0.0.1:{self.controller_port}",
            f"listeners=PLAINTEXT://{self.address},CONTROLLER://127.0.0.1:{self.controller_port}",
            f"advertised.listeners=PLAINTEXT://127.0.0.1:{proxy or self.port}", "controller.listener.names=CONTROLLER",
            "inter.broker.listener.name=PLAINTEXT", "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "offsets.topic.replication.factor=1", "transaction.state.log.replication.factor=1", "transaction.state.log.min.isr=1",
            "group.initial.rebalance.delay.ms=0", f"num.partitions={PARTITIONS}", f"log.dirs={self.folder}/log", *settings]
        with open(self.properties, "w", encoding="ascii") as f:
            f.write("\n".join(lines) + "\n")
        tool = [*JAVA, "-cp", self.jars, "kafka.tools.StorageTool"]
        out = subprocess.run([*tool, "format", "-t", "earshot-kafka-test-00AA", "-c", self.properties], capture_output=True, text=True,
                             timeout=300)
        if out.returncode != 0:
            raise RuntimeError(f"the folder of Kafka cannot be made: {(out.stdout + out.stderr)[-500:]}")

    def start(self):
        self.process = self.servers.start(self.name, [*JAVA, "-cp", self.jars, "kafka.Kafka", self.properties], ready=self.is_up, seconds=300)

    def is_up(self):
        """It answers, and is the leader of what it has: a port that accepts is not enough after a crash."""
        if not port_accepts(self.port):
            return False
        out = self.kcat("-L", "-m", "2")
        return out.returncode == 0 and "1 brokers" in out.stdout and "Leader not available" not in out.stdout

    def kill(self):
        self.servers.kill(self.process)

    def stop(self):
        self.servers.stop(self.process)

    def kcat(self, *arguments, seconds=300):
        return subprocess.run(["kcat", "-b", self.address, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=seconds, errors="surrogateescape")

    def topics(self):
        meta = json.loads(self.kcat("-L", "-J").stdout)
        return sorted(t["topic"] for t in meta["topics"] if not t["topic"].startswith("__"))

    def count(self, topics):
        """Messages in these topics, by the ends of their partitions."""
        ends = [word for topic in topics for i in range(PARTITIONS) for word in ("-t", f"{topic}:{i}:-1")]
        out = self.kcat("-Q", *ends).stdout if ends else ""
        return sum(int(line.rsplit(" ", 1)[1]) for line in out.splitlines() if " offset " in line)

    def read(self, topic):
        """All messages of a topic, in the order of each partition."""
        out = self.kcat("-C", "-t", topic, "-o", "beginning", "-e", "-q", "-J")
        if out.returncode != 0:
            raise RuntimeError(f"kcat cannot read {topic}: {out.stderr[-300:]}")
        for line in filter(None, out.stdout.split("\n")):  # a key may hold what else Python takes for a line's end
            one = json.loads(line)
            names = one.get("headers") or []
            yield Message(one["topic"], one["partition"], one["offset"], one["ts"], one["key"], one["payload"],
                          dict(zip(names[::2], names[1::2])))


def port_accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


def wait_until(true, seconds, step=0.05):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if true():
            return True
        time.sleep(step)
    return False
