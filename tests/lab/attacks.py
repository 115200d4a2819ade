"""The attacks and faults of the lab, each with the rules that must tell it and where its threshold is crossed.

A fault is no attack, but the people of the site want to know of it all the same. `also` names rules that rightly speak while it
goes on: what a flood does to the registrar is not a false alarm. Everything else of severity 2 and more is one.
"""
import os
import signal
import sys
import time

import crossing
from honest import CARRIER, HERE, PBX, WEAK_PASSWORD
from network import SECOND_CARRIER

STRANGER = "203.0.113.66"
RELAY_USER = "203.0.113.68"
OPEN_SERVER = "192.0.2.30"
INSIDER = "192.0.2.66"
COSTLY = "+8816123456"  # satellite
ONE_RING = "+2479000"  # Ascension: an island whose calls are dear
FORGED = {f"198.51.100.{n}" for n in range(100, 250)} | {f"203.0.113.{n}" for n in range(100, 250)}  # see forge.py
ATTACKS = []


class Attack:
    """`tells`: {rule: where the threshold is crossed}. `about` is what its alerts name: one word of the entity, source or accounts."""

    def __init__(self, name, run, tells, about, also=()):
        self.name = name
        self.run = run
        self.tells = tells
        self.about = about
        self.also = set(also)
        self.begun = self.ended = None


def attack(name, tells, about, also=()):
    def note(function):
        ATTACKS.append(Attack(name, function, tells, about, also))
        return function
    return note


@attack("svmap", {"scan": crossing.scan, "scanner-fingerprint": crossing.first_request}, [STRANGER])
def look_for_servers(lab):
    lab.tool("svmap", "sipvicious_svmap", "-b", STRANGER, "-x", STRANGER, "192.0.2.10-192.0.2.30")


@attack("svwar", {"enumeration": crossing.enumeration}, [STRANGER], also=["enumeration-oracle"])
def look_for_users(lab):
    lab.tool("svwar", "sipvicious_svwar", "-b", STRANGER, "-x", STRANGER, "-m", "REGISTER", "-e", "1020-1080", PBX)


@attack("svcrack", {"registration-bruteforce": crossing.bruteforce, "registration-breach": crossing.breach}, [STRANGER, "1030"],
        also=["registration-failure-spike", "response-spike"])
def guess_a_password(lab):
    words = os.path.join(lab.folder, "words.txt")
    with open(words, "w", encoding="ascii") as f:
        f.write("\n".join(str(n) for n in [*range(1000, 1024), WEAK_PASSWORD]) + "\n")
    lab.tool("svcrack", "sipvicious_svcrack", "-b", STRANGER, "-x", STRANGER, "-u", "1030", "-d", words, PBX)


@attack("toll fraud", {"toll-fraud-account": crossing.first_costly_ring, "toll-fraud-concurrent": crossing.third_costly_answer},
        [STRANGER, "1030"], also=["toll-fraud-testcall", "toll-fraud-fan-in"])
def call_a_dear_number(lab):
    lab.honest.sipp("fraud-login", "attacker", STRANGER, 5071, "register_once", PBX, "-key", "user", "1030", "-s", "1030", "-au", "1030", "-ap",
                    WEAK_PASSWORD, "-m", "1", "-timeout", "30s")
    lab.processes.wait("fraud-login", 40)
    lab.honest.sipp("fraud-calls", "attacker", STRANGER, 5071, "call", PBX, "-s", COSTLY + "7", "-key", "user", "1030", "-au", "1030", "-ap",
                    WEAK_PASSWORD, "-d", "4500", "-m", "4", "-l", "4", "-r", "2", "-timeout", "60s")
    lab.processes.wait("fraud-calls", 70)


@attack("open relay", {"open-relay": crossing.relay_answer}, [RELAY_USER, OPEN_SERVER],
        also=["toll-fraud-account", "toll-fraud-testcall", "auth-missing"])
def use_a_server_without_login(lab):
    lab.honest.sipp("open-server", "pbx", OPEN_SERVER, 5060, "carrier", "-s", "anyone")
    lab.wait_bound("pbx", OPEN_SERVER + ":5060")
    lab.honest.sipp("relay-call", "attacker", RELAY_USER, 5060, "relay_try", OPEN_SERVER, "-s", COSTLY + "8", "-d", "3000", "-m", "1",
                    "-timeout", "40s")
    lab.processes.wait("relay-call", 50)


def forged_bye(lab, sender, caller):
    """Two softphones, because they answer to where a request came from; sipp answers to where the call came from."""
    callee, name = caller + 1, f"forge-{caller}"
    lab.honest.softphone(callee)
    time.sleep(1)
    lab.wait_registered([callee])
    lab.processes.start(name, "insider", sys.executable, os.path.join(HERE, "forge.py"), "bye", "spy1", f"192.0.2.{callee - 1000}:5060", sender)
    lab.wait_until(lambda: "hearing" in lab.processes.said(name), f"{name} does not hear")
    lab.honest.softphone(caller, calls=callee)
    lab.processes.wait(name, 60)
    time.sleep(10)
    lab.processes.stop(f"soft{caller - 1040}")
    lab.processes.stop(f"soft{callee - 1040}")


@attack("BYE by an insider", {"call-teardown": crossing.teardown_by_stranger}, [INSIDER])
def end_a_call(lab):
    forged_bye(lab, INSIDER + ":5060", 1043)


@attack("BYE with a forged address", {"call-teardown": crossing.teardown_forged}, ["192.0.2.45", "1046"])
def end_a_call_in_another_name(lab):
    forged_bye(lab, "192.0.2.45:5062", 1045)


@attack("wangiri", {"wangiri": crossing.wangiri}, [ONE_RING], also=["number-enumeration", "robocall"])
def ring_once(lab):
    with open(os.path.join(lab.folder, "rings.csv"), "w", encoding="ascii") as f:
        f.write("SEQUENTIAL\n")
        for n, user in enumerate(range(1017, 1029)):
            f.write(f"+120255501{user % 100};{ONE_RING}{n:02};\n")
    lab.honest.sipp("one-ring", "carrier", CARRIER, 5068, "ring_once", PBX, "-inf", "rings.csv", "-m", "12", "-r", "4", "-timeout", "20s")
    lab.processes.wait("one-ring", 20)


@attack("one-way call", {"one-way-audio": crossing.one_way}, ["192.0.2.103", "192.0.2.115", "1003", "1015"], also=["no-audio"])
def hear_nothing(lab):
    lab.network.drop("phones", "ip saddr 192.0.2.103 ip daddr 192.0.2.115 udp sport 6000-8000")
    name = lab.honest.call(1003, 1015, 15.5)
    lab.processes.wait(name, 60)
    lab.network.drop_no_more("phones")


@attack("INVITE flood", {"sip-flood": crossing.flood}, [PBX], also=["response-spike", "enumeration", "scan-distributed", "overload", "reflection"])
def flood(lab):
    lab.processes.start("flood", "attacker", sys.executable, os.path.join(HERE, "forge.py"), "flood", PBX, "120", "8")
    lab.processes.wait("flood", 60)


@attack("media stops", {"rtp-drop": crossing.media_stop}, None, also=["one-way-audio", "no-audio", "media-quality", "media-quality-site"])
def stop_all_media(lab):
    for host in ("phones", "desks"):
        lab.network.drop(host, "udp sport 6000-8000")
    time.sleep(9)
    for host in ("phones", "desks"):
        lab.network.drop_no_more(host)


@attack("second carrier ends", {"trunk-down": crossing.trunk_refused}, [SECOND_CARRIER], also=["server-crash"])
def end_the_second_carrier(lab):
    """Its port is closed, and its host says so."""
    lab.processes.stop("carrier2")
    time.sleep(7)


@attack("carrier stops", {"trunk-down": crossing.trunk_silent}, [CARRIER], also=["server-crash"])
def stop_the_carrier(lab):
    lab.processes.signal("carrier", signal.SIGSTOP)
    time.sleep(12.5)
    lab.processes.signal("carrier", signal.SIGCONT)
    time.sleep(1)


@attack("registrar stops", {"registrar-down": crossing.registrar_silent}, [PBX], also=["response-spike", "server-crash", "registration-failure-spike"])
def stop_the_registrar(lab):
    lab.processes.signal("pbx", signal.SIGSTOP)
    time.sleep(12.5)
    lab.processes.signal("pbx", signal.SIGCONT)
    time.sleep(1)
