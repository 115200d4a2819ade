"""kamailio-htable against Kamailio, whose script ignores who is in the table."""
import os
import shutil
import signal
import socket
import subprocess
import time

from calling import DECISION, IN_TIME_S, PATIENCE_S, Hook, Problems, refuses_hostile_targets
from probe import options

CONFIGURATION = """
debug=0
children=1
disable_tcp=yes
auto_aliases=no
listen=udp:{address}:{port}
listen=udp:[::1]:{port}
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "ctl.so"
loadmodule "tm.so"
loadmodule "htable.so"
modparam("ctl", "binrpc", "unix:{folder}/ctl")
modparam("htable", "htable", "ipban=>size=8;autoexpire=3600;")
modparam("htable", "htable", "other=>size=8;")
request_route {{
    if ($sht(ipban=>$si) != $null) {{
        exit;
    }}
    sl_send_reply("200", "OK");
}}
"""
SHORT_S = 8  # of a block that must be seen, and seen to end
CALLERS = ("203.0.113.77", "2001:db8::a0bc:77")


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Kamailio:
    def __init__(self, world):
        for caller in CALLERS:
            subprocess.run(["ip", "addr", "add", caller, "dev", "lo", *(["nodad"] if ":" in caller else [])], check=True)
        self.world, self.folder, self.port = world, world.folder("kamailio"), free_port()
        self.command = f"kamcmd -s unix:{self.folder}/ctl"
        with open(os.path.join(self.folder, "cfg"), "w", encoding="ascii") as f:
            f.write(CONFIGURATION.format(address="127.0.0.1", port=self.port, folder=self.folder))
        self.start()

    def start(self):
        self.process = self.world.start("kamailio", "-DD", "-E", "-f", os.path.join(self.folder, "cfg"), "-Y", self.folder, "-m", "32", "-M", "4",
                                        "-P", os.path.join(self.folder, "pid"), log=os.path.join(self.folder, "log"))
        until = time.monotonic() + PATIENCE_S
        while self.ask("core.uptime").startswith(("error", "ERROR")) or not self.hears("127.0.0.1", False):
            if time.monotonic() > until:
                with open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as f:
                    raise AssertionError("Kamailio did not start: " + f.read()[-800:])
            time.sleep(0.1)

    def ask(self, *words):
        out = subprocess.run([*self.command.split(), *words], capture_output=True, text=True)
        return out.stdout + out.stderr

    def hears(self, source, expected=True):
        """Who is expected to be silent is not waited for as long."""
        return options(source, "::1" if ":" in source else "127.0.0.1", self.port, 10 if expected else 0.4) == "200"

def server(world):
    if not hasattr(world, "kamailio"):
        world.kamailio = Kamailio(world)
    kamailio = world.kamailio
    kamailio.ask("htable.flush", "ipban")
    return kamailio, Hook("kamailio-htable", world.folder("kamailio-hook"), f"command = {kamailio.command}\n")


def ignores_and_hears_again(world):
    """Both families: ignored while it lasts; one ends by revoke, one by its time."""
    (kamailio, hook), problems = server(world), Problems()
    problems.equal("check", (hook.check().status, hook.check().said), (0, {"ok": True, "targets": ["ip"], "changes": True}))
    problems.equal("before", [kamailio.hears(caller) for caller in CALLERS], [True, True])
    first, second = hook.apply(CALLERS[0], 600), hook.apply("2001:DB8:0:0:0:0:A0BC:0077", SHORT_S)
    begun = time.monotonic()
    problems.true(f"apply: {first}, {second}", first.status == second.status == 0 and first.applied() and second.applied())
    problems.equal("in the table", [kamailio.hears(caller, False) for caller in CALLERS], [False, False])
    listed = hook.list()
    problems.true(f"list says {listed}", set(listed) == set(CALLERS) and 560 <= listed[CALLERS[0]] <= 600 and listed[CALLERS[1]] <= SHORT_S)
    again = hook.apply("::ffff:" + CALLERS[0], 300)
    problems.true(f"renewed: {again}", again.status == 10 and 298 <= again.said["expires_s"] <= 300)
    problems.equal("revoke, and once more", [hook.revoke(CALLERS[0]).status, hook.revoke(CALLERS[0]).status], [0, 40])
    time.sleep(max(0, SHORT_S + 2.2 - (time.monotonic() - begun)))
    problems.equal("after its time", ([kamailio.hears(caller) for caller in CALLERS], hook.list(), hook.revoke(CALLERS[1]).status),
                   ([True, True], {}, 40))
    return problems


def only_what_is_ours(world):
    """Entries that somebody else made are neither listed nor taken out."""
    (kamailio, hook), problems = server(world), Problems()
    kamailio.ask("htable.sets", "ipban", "s:203.0.113.1", "s:by hand")
    kamailio.ask("htable.sets", "ipban", "s:name: 203.0.113.9", f"s:earshot-{DECISION}-")
    kamailio.ask("htable.sets", "ipban", "s:someone", f"s:earshot-{DECISION}-99999999999")
    kamailio.ask("htable.sets", "ipban", "s:203.0.113.3", f"s:edge2-{DECISION}-99999999999")
    hook.apply("203.0.113.2", 60)
    problems.equal("listed", list(hook.list()), ["203.0.113.2"])
    problems.equal("revoke", [hook.revoke("203.0.113.1").status, hook.revoke("203.0.113.3").status], [40, 40])
    problems.true("the entry of somebody else is gone", "by hand" in kamailio.ask("htable.get", "ipban", "s:203.0.113.1"))
    return problems


def errors_that_end_with_0(world):
    """kamcmd ends with 0 whatever happened."""
    (kamailio, hook), problems = server(world), Problems()
    problems.equal("kamcmd's own status", subprocess.run([*kamailio.command.split(), "htable.get", "nope", "s:x"], capture_output=True).returncode, 0)
    hook.configure(f"command = {kamailio.command}\ntable = nope\n")
    for answer in (hook.check(), hook.apply("203.0.113.66"), hook.revoke("203.0.113.66"), hook.order("list")):
        problems.true(f"no such table: {answer}", answer.status == 50 and "nope" in answer.err and not answer.applied())
    for command, status, word in ((kamailio.command + "\ntable = other", 50, "autoexpire"), ("echo Ok. Key set to new value.", 50, "ipban"),
                                  ("printf 'name: ipban\\n\\texpire: 600\\n'", 20, "does not have it"),
                                  ("false", 20, "exit status 1"), ("/nonexistent/kamcmd", 50, "started"),
                                  (kamailio.command + ".nowhere", 20, "connect")):
        hook.configure(f"command = {command}\n")
        answer = hook.apply("203.0.113.66")
        problems.true(f"{command}: {answer}", answer.status == status and word in answer.err and not answer.applied())
    return problems


def hostile_targets(world):
    (_, hook), problems = server(world), Problems()
    refuses_hostile_targets(hook, problems)
    return problems


def hangs_and_comes_back(world):
    """A Kamailio that stands still, is killed, and starts with an empty table."""
    (kamailio, hook), problems = server(world), Problems()
    hook.configure(f"command = {kamailio.command}\ntimeout_s = 2\n")
    hook.apply("203.0.113.66", 600)
    family = [kamailio.process.pid, *children(kamailio.process.pid)]
    for pid in family:
        os.kill(pid, signal.SIGSTOP)
    answer = hook.order("list")
    problems.true(f"stands still: {answer}, {answer.seconds:.1f} s", answer.status == 20 and answer.said is None and answer.seconds < IN_TIME_S)
    for pid in family:
        os.kill(pid, signal.SIGKILL)
    kamailio.process.wait()
    answer = hook.order("list")
    problems.true(f"killed: {answer}", answer.status == 20 and answer.said is None)
    kamailio.start()
    problems.equal("started again", (hook.list(), hook.apply("203.0.113.66", 600).status, list(hook.list())), ({}, 0, ["203.0.113.66"]))
    return problems


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return [int(word) for word in f.read().split()]


def why_not(world):
    missing = [program for program in ("kamailio", "kamcmd", "ip") if shutil.which(program) is None]
    return "not installed: " + ", ".join(missing) if missing else world.no_namespaces


SCENARIOS = (ignores_and_hears_again, only_what_is_ours, errors_that_end_with_0, hostile_targets, hangs_and_comes_back)
