"""Elastic's two public SIP rules and ours, as searches, on attacks and on 200 honest phones behind one address.

The public rules (elastic/detection-rules, pull requests 6538 and 6539) look at messages, so they need records.sip: messages:

  brute force    answers 401, 403 or 407 to REGISTER by client, server and To user in 5 minutes: one user 10 times; or 25 in all,
                 5 users, 5 of them at least twice
  enumeration    OPTIONS requests by client and server in 2 minutes: 20 To users

A challenge counts for them like a wrong password, and an OPTIONS of the own server like a stranger's. Ours, in conf/opensearch,
keep the windows and the numbers, but count transactions that failed (event.outcome), which records.sip: failures gives: a challenge
and an old nonce are no failure there, and an OPTIONS that is answered is none either.
"""
import copy
import json
import os
import subprocess
import sys
import tempfile

from opensearch_store import ROOT
from server import HERE

sys.path.insert(0, os.path.join(os.path.dirname(HERE), "honest"))
from sip import Net, Phone, Server  # noqa: E402

NAT, STRANGER = "198.51.100.9", "203.0.113.99"
PHONES = 200
CHALLENGES = ["401", "403", "407"]


def own(name):
    with open(os.path.join(ROOT, "conf", "opensearch", name + ".json"), encoding="utf-8") as f:
        return json.load(f)


def published(rule, conditions):
    """The same counting over messages instead of failed transactions."""
    rule = copy.deepcopy(rule)
    rule["query"]["bool"]["filter"] = conditions
    return rule


BRUTE_FORCE, ENUMERATION = own("register-brute-force"), own("extension-enumeration")
RULES = {
    "published brute force": (published(BRUTE_FORCE, [{"term": {"sip.type": "response"}}, {"term": {"sip.cseq.method": "REGISTER"}},
                                                      {"terms": {"sip.code": CHALLENGES}}]), "sip", "messages"),
    "published enumeration": (published(ENUMERATION, [{"term": {"sip.method": "OPTIONS"}}]), "sip", "messages"),
    "own brute force": (BRUTE_FORCE, "transaction", "failures"),
    "own enumeration": (ENUMERATION, "transaction", "failures"),
}


def phones():
    return [Phone(str(2000 + k), (NAT, 20000 + k), instance=f"5555{k:04x}") for k in range(PHONES)]


def morning(net):
    """Each phone registers once within a minute: a challenge, then the password."""
    for phone in phones():
        net.register(net.rng.uniform(0, 60), phone, Server())


def short_lives(net):
    """The same every minute for ten, because the NAT forgets; each time the server asks anew."""
    for phone in phones():
        first = net.rng.uniform(0, 60)
        for turn in range(10):
            net.register(first + 60 * turn, phone, Server(), expires=120)


def old_nonces(net):
    """The same, but the phones begin with the nonce of last time, which the server calls stale."""
    server = Server()
    for phone in phones():
        first = net.rng.uniform(0, 60)
        net.register(first, phone, server, expires=120)
        for turn in range(1, 10):
            net.register(first + 60 * turn, phone, server, expires=120, nonce=server.nonce(phone.end, 0))


def asked_by_server(net):
    """Their server asks each of them OPTIONS every minute, to keep the NAT open."""
    server = Server()
    for phone in phones():
        net.register(net.rng.uniform(0, 60), phone, server)
        for turn in range(4):
            net.ask(60 * turn + net.rng.uniform(60, 120), server.end, phone.end, user=phone.user)


def sweep(net):
    """A stranger asks the server OPTIONS for 30 extensions within a minute; it knows none of them."""
    for k in range(30):
        net.ask(2.0 * k, (STRANGER, 5060), Server().end, user=str(3000 + k), answer=404)


BRUTE, SPRAY, SWEEP = ("203.0.113.53", "192.0.2.10"), ("203.0.113.66", "192.0.2.10"), (STRANGER, "192.0.2.10")
HOME, OUT = (NAT, "192.0.2.10"), ("192.0.2.10", NAT)
# what -> (capture, or the traffic that makes one; who of it each rule must name, in the order of RULES)
TRAFFIC = {
    "a password guessed 12 times": ("registration-bruteforce", {BRUTE}, set(), {BRUTE}, set()),
    "one guessed 9 times": ("bruteforce-few", {BRUTE}, set(), set(), set()),
    "the demo: 60 extensions, then a password": ("demo", {SPRAY}, set(), {SPRAY}, {SPRAY}),
    "30 extensions asked by OPTIONS": (sweep, set(), {SWEEP}, set(), {SWEEP}),
    "12 addresses asked by OPTIONS": ("scan", set(), set(), set(), set()),
    "200 phones, once": (morning, set(), set(), set(), set()),
    "200 phones, every minute": (short_lives, {HOME}, set(), set(), set()),
    "200 phones with old nonces": (old_nonces, {HOME}, set(), set(), set()),
    "200 phones asked by their server": (asked_by_server, set(), {OUT}, set(), set()),
}


def capture_of(made, folder):
    if isinstance(made, str):
        return os.path.join(ROOT, "pcaps", made + ".pcap")
    net = Net(made.__name__)
    made(net)
    path = os.path.join(folder, made.__name__ + ".pcap")
    net.write(path)
    return path


def named(answer):
    """(client, server) of every bucket that a rule left; a stream that never got a record has no buckets."""
    windows = answer["aggregations"]["window"]["buckets"] if "aggregations" in answer else []
    return {(client["key"], server["key"]) for window in windows for client in window["client"]["buckets"]
            for server in client["server"]["buckets"]}


def check_rules(store, count, binary):
    with tempfile.TemporaryDirectory() as folder:
        for number, (what, (made, *wanted)) in enumerate(TRAFFIC.items()):
            capture = capture_of(made, folder)
            for level in ("failures", "messages"):
                out = subprocess.run([binary, "-r", capture, "--records", "-", "--set", "records.sip=" + level],
                                     stdin=subprocess.DEVNULL, capture_output=True, check=True)
                lines = out.stdout.splitlines(True)
                loaded = store.load(lines, f"{level}{number}")
                if loaded != {"created": len(lines)}:
                    count.fail(f"opensearch takes {what}", f"{len(lines)} offered: {dict(loaded)}")
            for (name, (body, dataset, level)), who in zip(RULES.items(), wanted):
                found = named(store.search(f"logs-earshot.{dataset}-{level}{number}", body))
                count.check(f"rule {name}: {what}", [] if found == who else [f"names {sorted(found)} instead of {sorted(who)}"])
