#!/usr/bin/env python3
"""What earshot has done about an attack, in the lab: blocked, seen, given back, and nobody else touched.

    tests/lab/respond.py --binary build/earshot [--keep FOLDER]

    1. Honest people for half a minute, with a response armed for every rule of every severity: nothing is done to anybody, and neither is
       it to the phone with last year's password, of which an alert tells.
    2. Guessing and a flood in the names of others, who hear the answers and echo nothing: refused, and the record says why.
    3. svcrack: blocked in the telephone system's namespace by the kernel's packet filter, read back, silent. Then every process of the sensor
       is killed and the filter flushed; the next start brings the block back, until its original end.

Needs what the lab needs. Prints a line for each step; skipped where namespaces are not allowed.
"""
import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
sys.path[:0] = [HERE, os.path.join(TESTS, "check")]
import crossing  # noqa: E402
from attacks import STRANGER  # noqa: E402
from counting import Count, broken_off  # noqa: E402
from crossing import Capture  # noqa: E402
from honest import PBX  # noqa: E402
from lab import Lab, office_hours, start_of  # noqa: E402
from listening import Sensor, frames  # noqa: E402
from processes import family  # noqa: E402
from story import seconds_of  # noqa: E402
from world import outside, tools_folder, why_not  # noqa: E402

HOOKS = os.path.join(os.path.dirname(TESTS), "conf", "hooks")
PROBE = os.path.join(TESTS, "hooks", "probe.py")
NOBODY = "198.51.100.150"  # an address that has never been heard of
PHONE = "192.0.2.130"  # an honest phone: it has proven that it hears us, and its account works
OLD_PASSWORD = "registration-device-failing"  # what is told of an honest phone in the lab
VICTIMS = {NOBODY: "nobody", PHONE: "an honest phone"}
DONE_STEPS = ("proposed", "applying", "active", "expiring", "revoked", "reconciled", "failed")  # all but refused and dry-run
TTL_S = 24
BLOCKED_S = 2.0
RUN_S_MAX = 500


class Attack:
    """What crossing.py asks of one."""

    def __init__(self, about):
        self.about, self.begun, self.ended = [about], time.time(), None


class Responding(Lab):
    def __init__(self, binary, folder):
        super().__init__(binary, folder, None)
        self.hooks = os.path.join(folder, "hooks")
        self.state = os.path.join(folder, "state")

    def tell(self, what, got):
        print(f"lab  {what:60}  {got}", flush=True)

    def install(self):
        os.makedirs(self.hooks, mode=0o755)
        os.makedirs(self.state, mode=0o700)
        for name, mode in (("nft-block", 0o755), ("earshot_hook.py", 0o644)):
            shutil.copy(os.path.join(HOOKS, name), self.hooks)
            os.chmod(os.path.join(self.hooks, name), mode)
        with open(os.path.join(self.hooks, "nft-block.conf"), "w", encoding="ascii") as f:
            f.write(f"command = nsenter --net={self.network.path('pbx')} nft\n")
        os.chmod(os.path.join(self.hooks, "nft-block.conf"), 0o600)

    def sensor(self, name, rules, severity):
        """One that blocks sources of these rules; none is all rules."""
        path = os.path.join(self.folder, name + ".yaml")
        shutil.copy(os.path.join(HERE, "earshot.yaml"), path)
        with open(path, "a", encoding="ascii") as f:
            f.write(f"""response:
  hooks: {self.hooks}
  stop_file: {self.folder}/stop
  protect: [{PBX}/32]
responses:
  strangers:
    rules: [{', '.join(rules)}]
    severity: {severity}
    hook: nft-block
    target: source
    mode: auto
    ttl: {TTL_S}s
""")
        return Sensor(self.binary, "-c", path, "--set", "site.timezone=" + office_hours(), "--state", self.state, interfaces=("mon0",), workers=2,
                      prefix=self.network.inside("sensor"))

    def blocked(self):
        """{address: seconds left}, read from the kernel by ourselves."""
        out = subprocess.run(self.network.inside("pbx", "nft", "-j", "list", "set", "inet", "earshot", "blocked4"), capture_output=True, text=True)
        if out.returncode:
            return {}
        return {e["elem"]["val"]: e["elem"]["expires"] for item in json.loads(out.stdout)["nftables"] for e in item.get("set", {}).get("elem", [])}

    def answered(self, seconds=0.5):
        """Does the attacker hear the telephone system?"""
        out = subprocess.run(self.network.inside("attacker", sys.executable, PROBE, STRANGER, PBX, "5060", str(seconds)), capture_output=True, text=True)
        return out.stdout.strip() == "200"

    def forge(self, *words):
        self.processes.start("forge-" + words[0], "attacker", sys.executable, os.path.join(HERE, "forge.py"), *words)
        self.processes.wait("forge-" + words[0], 60)


def steps(sensor, target=None):
    """(step, record) of responses, in their order."""
    found = [(r["earshot"]["response"]["step"], r) for r in sensor.written("response")]
    return [(step, r) for step, r in found if target in (None, r["earshot"]["response"].get("target", {}).get("value"))]


def guards(found):
    return sorted({r["earshot"]["response"].get("guard", {}).get("failed", "none") for step, r in found if step == "refused"})


def acted(found):
    return [f"{step}: {r['message']}" for step, r in found if step in DONE_STEPS]


def nobody_is_touched(lab, count):
    """Honest people, then attacks in the names of others, all with every rule armed."""
    with lab.sensor("armed", [], "low") as sensor:
        lab.morning()
        honest = steps(sensor)
        lab.tell("honest people, every rule armed: actions", len(acted(honest)))
        lab.tell("                                 refusals, by guard", ", ".join(guards(honest)) or "none")
        count.check("lab respond: honest people", acted(honest) + lab.honest.failures())
        for victim, who in VICTIMS.items():
            lab.forge("guess", PBX, "1031", "40", victim)
            lab.forge("flood", PBX, "100", "4", victim)
            lab.wait_until(lambda who=victim: "two-way-proof" in guards(steps(sensor, who)), f"nothing is refused in the name of {who}")
            time.sleep(1.5)
            found = steps(sensor, victim)
            problems = [*acted(found), *(f"{address} is blocked" for address in lab.blocked())]
            problems += [] if "two-way-proof" in guards(found) else [f"no record says two-way-proof, but {guards(found)}"]
            lab.tell(f"guessing and flooding in the name of {who}: actions", len(acted(found)))
            lab.tell("                                 refusals, by guard", ", ".join(guards(found)) or "none")
            count.check(f"lab respond: in the name of {who}", problems)
        lab.wait_until(lambda: OLD_PASSWORD in [r["rule"]["id"] for r in sensor.written("alert")], "the phone with last year's password is not told of",
                       120)
        time.sleep(1)
        rest = [f"{address} is blocked" for address in lab.blocked()] + acted(steps(sensor))
        lab.tell("told of an honest phone that keeps trying: actions", len(rest))
        count.check("lab respond: an honest phone that keeps trying", rest)
        status, _ = sensor.stop()
        count.check("lab respond: the sensor", [] if status == 0 else [f"it ended with {status}: {sensor.said()!r}"])


def kill(lab, sensor):
    """All its processes at once, and the filter flushed by somebody else."""
    for pid in family(sensor.process.pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    sensor.process.wait()
    lab.network.run("pbx", "nft", "flush", "ruleset")


def the_attacker_is(lab, count):
    """(attack, [(from, to)]: when it was blocked)"""
    words = os.path.join(lab.folder, "words.txt")
    with open(words, "w", encoding="ascii") as f:
        f.write("\n".join(str(n) for n in range(10000, 60000)) + "\n")
    with lab.sensor("guessing", ["registration-bruteforce"], "medium") as sensor:
        attack = Attack(STRANGER)
        lab.processes.start("svcrack", "attacker", os.path.join(tools_folder(), "sipvicious_svcrack"), "-b", STRANGER, "-x", STRANGER, "-u", "1030",
                            "-d", words, PBX, input_text="")
        lab.wait_until(lambda: STRANGER in lab.blocked(), f"not blocked; steps: {[step for step, _ in steps(sensor)]}; it said {sensor.said()!r}")
        blocked = time.time()
        sensor.wait_for(lambda: "active" in dict(steps(sensor)), "no record says active", 60)
        before = steps(sensor, STRANGER)
        end = seconds_of(dict(before)["active"]["earshot"]["response"]["expires_at"])
        count.check("lab respond: in the records", [] if [step for step, _ in before][-3:] == ["proposed", "applying", "active"]
                    and dict(before)["active"]["earshot"]["response"].get("verified") is True else [f"{[r['message'] for _, r in before]}"])
        time.sleep(2)
        killed = time.time()
        kill(lab, sensor)
    with lab.sensor("guessing", ["registration-bruteforce"], "medium") as sensor:
        again = time.time()
        lab.wait_until(lambda: STRANGER in lab.blocked(), f"the block did not come back: {steps(sensor)}; it said {sensor.said()!r}")
        back, left = time.time(), lab.blocked()[STRANGER]
        lab.tell("killed and flushed: back after the next start", f"{back - again:.2f} s, {left} s left of {TTL_S}")
        problems = [] if abs(back + left - end) <= 2.5 else [f"it ends {back + left - end:+.1f} s from its original end"]
        problems += ["the attacker is answered"] if lab.answered() else []
        lab.wait_until(lambda: STRANGER not in lab.blocked(), "it does not end", TTL_S + 30)
        ended = time.time()
        lab.tell("ended, seconds after the block began", f"{ended - blocked:.1f}, of {TTL_S}")
        lab.wait_until(lambda: "revoked" in dict(steps(sensor, STRANGER)), f"no record says revoked: {[step for step, _ in steps(sensor)]}")
        found = [step for step, _ in steps(sensor, STRANGER)]
        problems += [] if abs(ended - end) <= 3 else [f"it ended {ended - end:+.1f} s from its original end"]
        problems += [] if "reconciled" in found and found[-1] == "revoked" else [f"the records say {found}"]
        problems += [] if lab.answered(5) else ["the attacker is not answered afterwards"]
        attack.ended = time.time()
        lab.tell("records after the restart", ", ".join(found))
        count.check("lab respond: killed, flushed, brought back, undone", problems)
        sensor.stop()
    return attack, [(blocked, killed), (back, ended)]


def judge_silence(lab, count, capture_file, attack, spans):
    """From tcpdump's capture: when the limit was crossed, and what the attacker was answered from then on."""
    lab.capture_ends()
    capture = Capture(frames(capture_file), start_of(capture_file))
    crossed = crossing.bruteforce(capture, attack)
    if crossed is None:
        count.fail("lab respond: svcrack", "the attack did not happen as it should")
        return
    late = spans[0][0] - crossed.due
    problems = [] if late <= BLOCKED_S else [f"blocked {late:.1f} s after the limit was crossed"]
    lab.tell("svcrack: seconds from crossing to the block, read back", f"{late:.3f}")
    for begin, end in spans:
        asked = {m.branch() for m in capture.requests(attack, source=STRANGER) if begin < m.time < end}
        answers = [m.time for m in capture.messages if m.status and m.source[0] == PBX and m.destination[0] == STRANGER
                   and m.time < end and m.branch() in asked]  # what was asked before may still be answered
        lab.tell(f"         {end - begin:.1f} s blocked: requests, answers", f"{len(asked)}, {len(answers)}")
        problems += [f"{len(answers)} answers while it was blocked, the first after {answers[0] - begin:.2f} s"] if answers else []
        problems += [] if asked else ["nothing was asked while it was blocked: silence proves nothing"]
    count.check("lab respond: svcrack is blocked", problems)


def inside(options):
    for what in (signal.SIGINT, signal.SIGTERM):
        signal.signal(what, lambda *_: sys.exit(130))
    lab, count = Responding(options.binary, options.folder), Count()
    try:
        capture_file = lab.up()
        lab.install()
        nobody_is_touched(lab, count)
        if os.path.exists(os.path.join(tools_folder(), "sipvicious_svcrack")):
            judge_silence(lab, count, capture_file, *the_attacker_is(lab, count))
        else:
            count.skip("lab respond: svcrack", "sipvicious is not installed (tools/setup --tests needs PyPI for it)")
    except Exception as error:  # whatever it is, it is a line of the result and not the end of it
        count.fail("lab respond", broken_off(error))
    finally:
        lab.processes.stop_all()
        for process in Sensor.running:
            if process.poll() is None:
                process.kill()
                process.wait()
    count.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--keep", metavar="FOLDER", help="leave capture, records and what every program said there")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.binary = os.path.abspath(options.binary)
    if options.inside:
        inside(options)
    reason = why_not()
    if reason is not None:
        count = Count()
        count.skip("lab respond", reason)
        count.end()
    options.folder = os.path.abspath(options.keep) if options.keep else tempfile.mkdtemp(prefix="earshot-respond-")
    os.makedirs(options.folder, exist_ok=True)
    try:
        status = outside(os.path.abspath(__file__), ["--binary", options.binary], options.folder, RUN_S_MAX)
    finally:
        if not options.keep:
            shutil.rmtree(options.folder, ignore_errors=True)
    sys.exit(status)


main()
