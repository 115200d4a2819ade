"""redis-list against a real redis-server, and against things that only look like one."""
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

from calling import DECISION, IN_TIME_S, PATIENCE_S, Hook, Problems, refuses_hostile_targets

SHORT_S = 5  # of a block that must be seen, and seen to end
USER = "~earshot:block:* +set +get +pttl +del +zadd +zrange +zrem +multi +exec +ping"


class Server:
    def __init__(self, world):
        self.world, self.folder = world, world.folder("redis")
        self.path = os.path.join(self.folder, "socket")
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.start()
        self.ask("ACL", "SETUSER", "earshot", "on", ">two words", *USER.split())

    def start(self):
        self.process = self.world.start("redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", self.path, "--save", "",
                                        "--dir", self.folder, log=os.path.join(self.folder, "log"))
        until = time.monotonic() + PATIENCE_S
        while self.ask("PING") != "PONG":
            if time.monotonic() > until:
                raise AssertionError("redis-server did not start")
            time.sleep(0.05)

    def ask(self, *words):
        return subprocess.run(["redis-cli", "-p", str(self.port), *words], capture_output=True, text=True).stdout.strip()


def server(world):
    if not hasattr(world, "redis"):
        world.redis = Server(world)
    world.redis.ask("FLUSHALL")
    return world.redis, Hook("redis-list", world.folder("redis-hook"), f"address = 127.0.0.1:{world.redis.port}\n")


def there_and_gone(world):
    """By TCP and by socket, with a user that may do no more than it must; one ends by revoke, one by its time."""
    (redis, hook), problems = server(world), Problems()
    for settings in (f"address = 127.0.0.1:{redis.port}\n", f"address = {redis.path}\nuser = earshot\npassword = two words\n",
                     f"address = [::ffff:127.0.0.1]:{redis.port}\ndatabase = 3\n"):
        hook.configure(settings)
        problems.equal("check", hook.check().said, {"ok": True, "targets": ["ip"], "changes": True})
        first, second = hook.apply("203.0.113.66", 600), hook.apply("2001:0DB8::66", SHORT_S)
        begun = time.monotonic()
        problems.true(f"apply: {first}, {second}", first.status == second.status == 0 and first.applied() and second.applied())
        database = ["-n", "3"] if "database" in settings else []
        kept = json.loads(redis.ask(*database, "GET", "earshot:block:ip:203.0.113.66"))
        problems.equal("value", (kept["decision"], kept["rule"]), (DECISION, "registration-bruteforce"))
        problems.true("time-out", 560 <= int(redis.ask(*database, "TTL", "earshot:block:ip:203.0.113.66")) <= 600)
        listed = hook.list()
        problems.true(f"list says {listed}", set(listed) == {"203.0.113.66", "2001:db8::66"} and 560 <= listed["203.0.113.66"] <= 600)
        again = hook.apply("::ffff:203.0.113.66", 300)
        problems.true(f"renewed: {again}", again.status == 10 and 298 <= again.said["expires_s"] <= 300)
        problems.equal("revoke, and once more", [hook.revoke("203.0.113.66").status, hook.revoke("203.0.113.66").status], [0, 40])
        time.sleep(max(0, SHORT_S + 0.1 - (time.monotonic() - begun)))
        problems.equal("after its time", (hook.list(), redis.ask(*database, "ZCARD", "earshot:block:index:earshot"), hook.revoke("2001:db8::66").status), ({}, "0", 40))
    return problems


def only_what_is_ours(world):
    (redis, hook), problems = server(world), Problems()
    redis.ask("SET", "earshot:block:ip:203.0.113.1", "by hand")
    redis.ask("ZADD", "earshot:block:index:earshot", "1", "somebody")
    redis.ask("SET", "somebody", "1")
    hook.apply("203.0.113.2")
    hook.configure(f"address = 127.0.0.1:{redis.port}\nowner = edge2\n")
    hook.apply("203.0.113.3")
    problems.equal("listed by another owner", list(hook.list()), ["203.0.113.3"])
    hook.configure(f"address = 127.0.0.1:{redis.port}\n")
    problems.equal("listed", list(hook.list()), ["203.0.113.2"])
    redis.ask("DEL", "earshot:block:ip:203.0.113.2")
    problems.equal("what somebody deleted", hook.list(), {})
    return problems


def many(world):
    (redis, hook), problems = server(world), Problems()
    script = "for i=1,tonumber(ARGV[1]) do local k='earshot:block:ip:2001:db8:1111:2222:3333:4444:5555:'..string.format('%x',40960+i) " \
             "redis.call('SET',k,'x','EX',3000) redis.call('ZADD','earshot:block:index:earshot',i,k) end"
    redis.ask("EVAL", script, "0", "800")
    answer = hook.order("list")
    problems.true(f"{answer.bytes} bytes", answer.status == 0 and len(answer.said["targets"]) == 800 and answer.bytes <= 65536)
    redis.ask("EVAL", script, "0", "5000")
    answer = hook.order("list")
    problems.true(f"more than can be told: {answer}", answer.status == 20 and answer.said is None and "800" in answer.err)
    return problems


def says_no(world):
    """Errors of Redis: what an operator must mend, and what passes."""
    (redis, hook), problems = server(world), Problems()
    redis.ask("ACL", "SETUSER", "weak", "on", ">x", "~other:*", "+@all")
    for settings, status, word in (("user = earshot\npassword = wrong\n", 50, "WRONGPASS"), ("user = weak\npassword = x\n", 50, "NOPERM"),
                                   ("database = 999999\n", 20, "DB index"), ("prefix = other:\nuser = earshot\npassword = two words\n", 50, "NOPERM")):
        hook.configure(f"address = 127.0.0.1:{redis.port}\n{settings}")
        for answer in (hook.check(), hook.apply("203.0.113.66")):
            problems.true(f"{settings!r}: {answer}", answer.status == status and word in answer.err and not answer.applied())
    hook.configure(f"address = 127.0.0.1:{redis.port}\n")
    redis.ask("SET", "earshot:block:index:earshot", "no set")
    answer = hook.apply("203.0.113.66")
    problems.true(f"an index of another type: {answer}", answer.status == 50 and "WRONGTYPE" in answer.err and not answer.applied())
    redis.ask("FLUSHALL")
    redis.ask("CONFIG", "SET", "maxmemory", "1")
    answer = hook.apply("203.0.113.66")
    redis.ask("CONFIG", "SET", "maxmemory", "0")
    problems.true(f"no memory: {answer}", answer.status == 20 and "OOM" in answer.err)
    redis.ask("REPLICAOF", "127.0.0.1", "1")
    answer = hook.apply("203.0.113.66")
    redis.ask("REPLICAOF", "NO", "ONE")
    problems.true(f"a replica: {answer}", answer.status == 20 and "READONLY" in answer.err)
    return problems


def only_looks_like_redis(world):
    """Answers that are none, or without end, or never; and a Redis that does what it is told to forget."""
    problems = Problems()
    hook = Hook("redis-list", world.folder("redis-odd"))
    for said in (b"", b"hello\r\n", b"+" + b"x" * 100_000, b"$99999999\r\n", b"*99999999\r\n", b"*-1\r\n" * 9, b"$5\r\nab", b":x\r\n", b"+OK\r\n" * 50,
                 b"*1\r\n" * 50, b"$-1\r\n" * 50, b":7\r\n" * 50, b"*2\r\n+a\r\n+b\r\n" * 50,
                 b"+PONG\r\n:-2\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:1\r\n$-1\r\n:-2\r\n", None):
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            listening.listen()
            threading.Thread(target=odd, args=(listening, said), daemon=True).start()
            hook.configure(f"address = 127.0.0.1:{listening.getsockname()[1]}\ntimeout_s = 2\n")
            answer = hook.apply("203.0.113.66")
            problems.true(f"{str(said)[:30]}: {answer}", answer.status == 20 and answer.err and not answer.applied() and answer.seconds < IN_TIME_S
                          and "Traceback" not in answer.err)
    return problems


def odd(listening, said):
    try:
        connection, _ = listening.accept()
        connection.recv(4000)
        if said is None:
            time.sleep(30)
        connection.sendall(said or b"")
        connection.recv(4000)
        connection.close()
    except OSError:
        pass


def hostile_targets(world):
    (_, hook), problems = server(world), Problems()
    refuses_hostile_targets(hook, problems)
    return problems


def killed_and_back(world):
    """It stands still, is killed, comes back empty: the list is not empty but unknown until then."""
    (redis, hook), problems = server(world), Problems()
    hook.configure(f"address = 127.0.0.1:{redis.port}\ntimeout_s = 2\n")
    hook.apply("203.0.113.66", 600)
    redis.process.send_signal(signal.SIGSTOP)
    answer = hook.order("list")
    problems.true(f"stands still: {answer}", answer.status == 20 and answer.said is None and answer.seconds < IN_TIME_S)
    redis.process.kill()
    redis.process.wait()
    answer = hook.order("list")
    problems.true(f"killed: {answer}", answer.status == 20 and answer.said is None)
    redis.start()
    problems.equal("back", (hook.list(), hook.apply("203.0.113.66", 600).status, list(hook.list())), ({}, 0, ["203.0.113.66"]))
    return problems


def why_not(_world):
    missing = [program for program in ("redis-server", "redis-cli") if shutil.which(program) is None]
    return "not installed: " + ", ".join(missing) if missing else None


SCENARIOS = (there_and_gone, only_what_is_ours, many, says_no, only_looks_like_redis, hostile_targets, killed_and_back)
