"""nft-block against the kernel: two namespaces, a ping and a SIP request before, during and after."""
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time

from calling import IN_TIME_S, PATIENCE_S, Hook, Problems, refuses_hostile_targets

NEAR = {4: "203.0.113.1", 6: "2001:db8::1"}
FAR = ("203.0.113.66", "203.0.113.67", "2001:db8::66")
SHORT_S = 12  # of a block that must be seen, and seen to end
PROBE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "probe.py")


def nft(*words):
    return subprocess.run(["nft", *words], check=True, capture_output=True, text=True).stdout


class Wire:
    """A host `far` behind a cable, and a telephone system here that answers every OPTIONS."""

    def __init__(self):
        for line in ("netns add far", "link add near type veth peer name eth0 netns far", "link set near up"):
            subprocess.run(["ip", *line.split()], check=True)
        for family, address in NEAR.items():
            subprocess.run(["ip", f"-{family}", "addr", "add", f"{address}/{24 if family == 4 else 64}", "dev", "near",
                            *(["nodad"] if family == 6 else [])], check=True)
        for address in FAR:
            self.inside("ip", "addr", "add", address + ("/64" if ":" in address else "/24"), "dev", "eth0", *(["nodad"] if ":" in address else []))
        self.inside("ip", "link", "set", "eth0", "up")
        for family, kind in ((4, socket.AF_INET), (6, socket.AF_INET6)):
            answering = socket.socket(kind, socket.SOCK_DGRAM)
            answering.bind((NEAR[family], 5060))
            threading.Thread(target=self.answer, args=(answering,), daemon=True).start()
        until = time.monotonic() + PATIENCE_S
        while not all(self.options(address) == "200" for address in FAR) and time.monotonic() < until:
            time.sleep(0.1)

    @staticmethod
    def answer(answering):
        while True:
            request, source = answering.recvfrom(4000)
            answering.sendto(request.replace(b"OPTIONS sip:pbx SIP/2.0", b"SIP/2.0 200 OK", 1), source)

    @staticmethod
    def inside(*command):
        return subprocess.run(["nsenter", "--net=/run/netns/far", *command], capture_output=True, text=True)

    def options(self, source, seconds=0.5):
        return self.inside(sys.executable, "-IS", PROBE, source, NEAR[6 if ":" in source else 4], "5060", str(seconds)).stdout.strip()

    def hears(self, source, expected=True):
        """Both ways: an answer to ping and to OPTIONS. Who is expected to be silent is not waited for as long."""
        ping = self.inside("ping", "-c", "1", "-W", "10" if expected else "1", "-I", source, NEAR[6 if ":" in source else 4]).returncode == 0
        options = self.options(source, 10 if expected else 0.5) == "200"
        if ping != options:
            raise AssertionError(f"{source}: ping {ping}, OPTIONS {options}")
        return ping


def hook_of(world):
    nft("flush", "ruleset")
    return Hook("nft-block", world.folder("nft"))


def blocks_and_gives_back(world):
    """Three addresses, both families: silence while it lasts, answers before and after; one ends by revoke, one by its time."""
    hook, wire, problems = hook_of(world), world.wire(), Problems()
    problems.equal("check", (hook.check().status, hook.check().said), (0, {"ok": True, "targets": ["ip"], "changes": True}))
    problems.equal("before", [wire.hears(a) for a in FAR], [True] * 3)
    first, second = hook.apply("203.0.113.66", 600), hook.apply("2001:0db8:0:0::66", SHORT_S)
    begun = time.monotonic()
    problems.true(f"apply: {first}, {second}", first.status == second.status == 0 and first.applied() and second.applied())
    problems.equal("blocked", [wire.hears(a, a == FAR[1]) for a in FAR], [False, True, False])
    listed = hook.list()
    passed = time.monotonic() - begun
    problems.true(f"list says {listed}", set(listed) == {"203.0.113.66", "2001:db8::66"} and 598 - passed <= listed["203.0.113.66"] < 600
                  and listed["2001:db8::66"] < SHORT_S)
    again = hook.apply("::ffff:203.0.113.66", 300)
    problems.true(f"the same, mapped: {again}", again.status == 10 and again.applied() and 298 <= again.said["expires_s"] <= 300)
    problems.equal("revoke, and once more", [hook.revoke("::ffff:203.0.113.66").status, hook.revoke("203.0.113.66").status], [0, 40])
    problems.equal("after the revoke", wire.hears("203.0.113.66"), True)
    time.sleep(max(0, SHORT_S + 0.3 - (time.monotonic() - begun)))
    problems.equal("after its time", (hook.list(), wire.hears("2001:db8::66"), hook.revoke("2001:db8::66").status), ({}, True, 40))
    return problems


def renews(world):
    """A second order counts from now: longer and shorter."""
    hook, problems = hook_of(world), Problems()
    hook.apply("203.0.113.66", 5)
    problems.equal("longer", hook.apply("203.0.113.66", 100).status, 10)
    time.sleep(5.2)
    left = hook.list()
    problems.true(f"longer: {left}", 60 <= left.get("203.0.113.66", 0) < 96)
    hook.apply("203.0.113.66", 1)
    time.sleep(1.3)
    problems.equal("shorter", hook.list(), {})
    problems.equal("after its end", hook.apply("203.0.113.66", 60).status, 0)
    return problems


def full_set(world):
    """As many as fit are listed within 64 KiB; one more is to be tried again; one that is there can be renewed and taken out."""
    hook, problems = hook_of(world), Problems()
    hook.check()
    for name, addresses in (("blocked4", [f"198.51.100.{n // 4}" if n % 4 == 0 else f"192.0.2.{n // 4}" if n % 4 == 1 else
                                          f"203.0.113.{n // 4}" if n % 4 == 2 else f"198.18.0.{n // 4}" for n in range(400)]),
                            ("blocked6", [f"2001:db8:1111:2222:3333:4444:5555:{n:04x}" for n in range(0xA000, 0xA000 + 400)])):
        nft("add", "element", "inet", "earshot", name, "{ " + ", ".join(f"{a} timeout 3000s" for a in addresses) + " }")
    answer = hook.order("list")
    problems.true(f"{answer.bytes} bytes for {len(answer.said['targets'])}", answer.bytes <= 65536 and len(answer.said["targets"]) == 800)
    more = hook.apply("203.0.113.200")
    problems.true(f"one more: {more}", more.status == 20 and "full" in more.err and not more.applied())
    problems.equal("renewed", hook.apply("203.0.113.66", 3500).status, 10)
    problems.equal("room again", [hook.revoke("203.0.113.66").status, hook.apply("203.0.113.200").status], [0, 0])
    return problems


def flushed_by_others(world):
    """After a foreign flush the list is empty, and the next order makes everything again; nobody else's table is touched."""
    hook, wire, problems = hook_of(world), world.wire(), Problems()
    hook.apply("203.0.113.66")
    nft("flush", "ruleset")
    problems.equal("after a flush", (hook.list(), wire.hears("203.0.113.66")), ({}, True))
    nft("add table inet filter; add chain inet filter input { type filter hook input priority 0; }; "
        "add rule inet filter input ip saddr 203.0.113.67 udp dport 5060 counter accept")
    others = nft("-s", "list", "table", "inet", "filter")
    problems.equal("again", (hook.apply("203.0.113.66").status, wire.hears("203.0.113.66", False)), (0, False))
    nft("flush", "chain", "inet", "earshot", "block")
    problems.equal("without the rules nothing is blocked", (hook.list(), wire.hears("203.0.113.66")), ({}, True))
    again = hook.apply("203.0.113.66")
    problems.equal("mended", (again.applied(), list(hook.list()), wire.hears("203.0.113.66", False)), (True, ["203.0.113.66"], False))
    nft("delete", "rule", "inet", "earshot", "block", "handle", handle_of("blocked6"))
    problems.equal("one rule gone", (hook.apply("2001:db8::66").applied(), wire.hears("2001:db8::66", False), sorted(hook.list())),
                   (True, False, ["2001:db8::66", "203.0.113.66"]))
    problems.equal("the table of others", nft("-s", "list", "table", "inet", "filter"), others)
    nft("flush ruleset; add table inet earshot; add set inet earshot blocked4 { type ipv4_addr; flags interval; }")
    answer = hook.apply("203.0.113.66")
    problems.true(f"a table that is not ours: {answer}", answer.status == 50 and "nft delete table" in answer.err)
    nft("flush ruleset; add table inet earshot { flags dormant; }")
    answer = hook.check()
    problems.true(f"a table that sleeps: {answer}", answer.status in (20, 50) and "dormant" in answer.err)
    return problems


def handle_of(name):
    for item in json.loads(nft("-j", "list", "chain", "inet", "earshot", "block"))["nftables"]:
        if "rule" in item and "@" + name in str(item):
            return str(item["rule"]["handle"])
    raise AssertionError(f"no rule for {name}")


def hostile_targets(world):
    hook, problems = hook_of(world), Problems()
    refuses_hostile_targets(hook, problems)
    return problems


def elsewhere(world):
    """In another namespace, by `command`; and what is said where nft cannot work at all."""
    hook, problems = hook_of(world), Problems()
    world.wire()
    hook.configure("# the router\ncommand = ip netns exec far nft\n")
    problems.equal("there", (hook.apply("203.0.113.99").status, list(hook.list())), (0, ["203.0.113.99"]))
    problems.true("it is here, too", "203.0.113.99" not in nft("list", "ruleset"))
    for command, word in (("ip netns exec nowhere nft", "nowhere"), ("/nonexistent/nft", "started"), ("false", "exit status 1"),
                          ("setpriv --inh-caps=-all --bounding-set=-all nft", "not permitted"), ("echo {", "understood"), ("sh -c 'sleep 60'", "too long")):
        hook.configure(f"command = {command}\ntimeout_s = 2\n")
        found = hook.check(), hook.apply("203.0.113.98"), hook.order("list")
        for answer in found:
            problems.true(f"{command}: {answer}", answer.status in (20, 50) and word in answer.err and answer.seconds < IN_TIME_S and not answer.applied())
        problems.equal(f"{command}: the list is not empty but unknown", found[2].said, None)
    hook.configure("command = ip netns exec far nft\n")
    hook.revoke("203.0.113.99")
    return problems


def why_not(world):
    missing = [program for program in ("nft", "ip", "ping") if shutil.which(program) is None]
    return "not installed: " + ", ".join(missing) if missing else world.no_namespaces


SCENARIOS = (blocks_and_gives_back, renews, full_set, flushed_by_others, hostile_targets, elsewhere)
