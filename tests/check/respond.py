#!/usr/bin/env python3
"""Responses live: a hook that does its work, hooks that do not, and what is left when processes are killed.

    tests/check/respond.py --binary build/earshot [--only SCENARIO]

The hook is written here, into a temporary folder; what it blocks are files in a folder. How it misbehaves stands in a file beside it.
Each scenario has a network namespace of its own.
"""
import argparse
import concurrent.futures
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from counting import Count, broken_off  # noqa: E402
from listening import PATIENCE_S, Sensor, Wire, capture_path, frames, packets_sent_by, pair  # noqa: E402

ATTACKER = bytes([203, 0, 113, 53])
SCENARIO_S_MAX = 400
TTL_S = 25  # of a block that outlives a killed sensor and its next start

HOOK = r'''#!/usr/bin/python3 -IS
import json, os, sys, time, signal
here = os.path.dirname(os.path.abspath(__file__))
world = os.path.join(here, "world")
verb = sys.argv[1]
def manner():
    try:
        with open(os.path.join(here, "manner")) as f:
            return dict(line.split() for line in f)
    except FileNotFoundError:
        return {}
how = manner().get(verb, "well")
with open(os.path.join(here, "log"), "a") as f:
    fds = [n for n in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + n)]
    umask = os.umask(0); os.umask(umask)
    f.write(json.dumps({"verb": verb, "pid": os.getpid(), "argv": sys.argv[1:], "env": sorted(os.environ), "cwd": os.getcwd(), "umask": umask,
                        "group": os.getpgid(0) == os.getpid(), "fds": sorted(map(int, fds)), "at": time.time()}) + "\n")
if how == "hang":
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with open(os.path.join(here, "grandchild"), "w") as f:
            f.write(str(os.getpid()))
        time.sleep(600)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)
if how == "wanders":
    os.setpgid(0, os.getpgid(os.getppid()))
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)
if how == "stops":
    os.kill(os.getpid(), signal.SIGSTOP)
if how == "forks":
    for i in range(20):
        if os.fork() == 0:
            time.sleep(600)
    how = "well"
if how == "flood":
    while True:
        os.write(1, b"x" * 65536)
if how == "dies":
    os.kill(os.getpid(), signal.SIGSEGV)
if how == "deaf":
    print(json.dumps({"applied": True, "verified": True}))
    sys.exit(0)
order = json.loads(sys.stdin.buffer.read())
assert order["schema"] == 1 and order["action"] == verb
with open(os.path.join(here, "orders"), "a") as f:
    f.write(json.dumps(order) + "\n")
value = order.get("target", {}).get("value", "")
path = os.path.join(world, value.replace(":", "_"))
if how.isdigit():
    sys.stderr.write("it is \x1b[31mnot my day\n")
    sys.exit(int(how))
if verb == "check":
    answer = {"ok": how == "well", "targets": ["ip"], "changes": True, "error": "" if how == "well" else how}
elif verb == "apply":
    if how == "well":
        with open(path, "w") as f:
            json.dump({"ends": time.time() + order["ttl_s"], "order": order}, f)
    answer = {"applied": True, "verified": how != "unread" and (how == "claims" or os.path.exists(path)), "expires_s": order["ttl_s"]}
elif verb == "revoke":
    if not os.path.exists(path):
        sys.exit(40)
    os.unlink(path)
    answer = {"applied": False, "verified": not os.path.exists(path)}
else:
    answer = {"targets": [{"type": "ip", "value": n.replace("_", ":"), "expires_s": 5} for n in sorted(os.listdir(world))]}
print(json.dumps(answer))
sys.exit(20 if how == "away" else 0)
'''


class Place:
    """A folder with a hook, its world, a state folder and a configuration."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="earshot-respond-")
        os.chmod(self.folder, 0o755)
        self.hooks = os.path.join(self.folder, "hooks")
        os.mkdir(self.hooks, 0o755)
        self.world = os.path.join(self.hooks, "world")
        os.mkdir(self.world)
        self.hook = os.path.join(self.hooks, "wall")
        self.state = os.path.join(self.folder, "state")
        os.mkdir(self.state, 0o700)
        self.stop_file = os.path.join(self.folder, "stop")
        self.install()

    def install(self, mode=0o755):
        """In one step: the sensor may try it at any moment."""
        new = os.path.join(self.folder, "wall.new")
        with open(new, "w", encoding="utf-8") as f:
            f.write(HOOK)
        os.chmod(new, mode)
        os.rename(new, self.hook)

    def manner(self, **verbs):
        new = os.path.join(self.folder, "manner.new")
        with open(new, "w", encoding="utf-8") as f:
            f.writelines(f"{verb} {how}\n" for verb, how in verbs.items())
        os.rename(new, os.path.join(self.hooks, "manner"))

    def options(self, **more):
        settings = {"response.hooks": self.hooks, "response.stop_file": self.stop_file, "response.timeout": "2s",
                    "responses.block.hook": "wall", "responses.block.mode": "auto", "responses.block.ttl": "1h",
                    "responses.block.rules": "registration-bruteforce", **more}
        return [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]

    def sensor(self, binary, **more):
        return Sensor(binary, "--state", self.state, *self.options(**more))

    def log(self):
        try:
            with open(os.path.join(self.hooks, "log"), encoding="utf-8") as f:
                return [json.loads(line) for line in f if line.endswith("\n")]
        except FileNotFoundError:
            return []

    def orders(self, action, value):
        with open(os.path.join(self.hooks, "orders"), encoding="utf-8") as f:
            orders = [json.loads(line) for line in f if line.endswith("\n")]
        return [order for order in orders if order["action"] == action and order["target"]["value"] == value]

    def blocked(self):
        return sorted(os.listdir(self.world))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)


def checksum(header):
    total = sum(int.from_bytes(header[i:i + 2], "big") for i in range(0, len(header), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return (~total & 0xFFFF).to_bytes(2, "big")


def attack(wire, last=53):
    """Ten guesses with our nonce in each, from 203.0.113.LAST, at once."""
    for _, frame in frames(capture_path("registration-bruteforce")):
        frame = bytearray(frame)
        for at in (26, 30):
            if frame[at:at + 4] == ATTACKER:
                frame[at + 3] = last
        frame[24:26] = b"\0\0"
        frame[24:26] = checksum(frame[14:34])
        frame[40:42] = b"\0\0"  # no UDP checksum
        text = bytes(frame[42:]).replace(b"203.0.113.53", b"203.0.113.%d" % last)
        text = re.sub(rb'nonce="..', b'nonce="%02x' % last, text)  # one that nobody else was sent
        wire.send(bytes(frame[:42]) + text if len(text) == len(frame) - 42 else bytes(frame))


def steps(sensor, target=None):
    return [r for r in sensor.written("response") if target is None or r["earshot"]["response"].get("target", {}).get("value") == target]


def names(records):
    return [r["earshot"]["response"]["step"] for r in records]


def wait_step(sensor, name, count=1, seconds=PATIENCE_S):
    sensor.wait_for(lambda: names(steps(sensor)).count(name) >= count, f"no step {name}; there are {names(steps(sensor))}", seconds)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return [int(word) for word in f.read().split()]


def process_of(sensor):
    """(starter, response process)"""
    starter = children(sensor.process.pid)[0]
    return starter, children(starter)[0]


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def is_gone(pid, seconds=5):
    """Ended by now, or in a moment."""
    until = time.monotonic() + seconds
    while is_alive(pid) and time.monotonic() < until:
        time.sleep(0.02)
    return not is_alive(pid)


def number_in(path):
    """What a process wrote of itself; None while it has not."""
    try:
        with open(path, encoding="ascii") as f:
            return int(f.read() or "0") or None
    except FileNotFoundError:
        return None


def differs(what, got, wanted):
    return [] if got == wanted else [f"{what}: {got}, expected {wanted}"]


# --- scenarios: each gives its problems ---

def done_and_taken_back(binary):
    """Within two seconds, in the journal before, with nothing but what a hook may have, and gone at its end."""
    problems = []
    with Place() as place, place.sensor(binary, **{"responses.block.ttl": "8s"}) as sensor:
        wire = Wire()
        attack(wire)
        wait_step(sensor, "active")
        told = {n: r for n, r in zip(names(steps(sensor)), steps(sensor))}
        problems += differs("blocked", place.blocked(), ["203.0.113.53"])
        with open(os.path.join(place.world, "203.0.113.53"), encoding="utf-8") as f:
            order = json.load(f)["order"]
        alert = sensor.written("alert")[0]
        problems += differs("the hook's alert", order["alert"]["event"]["id"], alert["event"]["id"])
        problems += differs("decision", order["decision"], told["active"]["earshot"]["response"]["id"])
        problems += differs("ttl", order["ttl_s"], 8)
        problems += differs("verified", told["active"]["earshot"]["response"].get("verified"), True)
        run = next(entry for entry in place.log() if entry["verb"] == "apply")
        problems += differs("environment", [n for n in run["env"] if n != "LC_CTYPE"], ["EARSHOT_SCHEMA", "LANG", "PATH"])
        problems += differs("argv", run["argv"], ["apply"])
        problems += differs("folder, umask, group", [run["cwd"], run["umask"], run["group"]], ["/", 0o77, True])
        problems += differs("descriptors but its own log", [n for n in run["fds"] if n > 3], [])
        wait_step(sensor, "revoked")
        problems += differs("still blocked", place.blocked(), [])
        problems += differs("steps", names(steps(sensor)), ["proposed", "applying", "active", "expiring", "revoked"])
        delay = run["at"] - alert_time(alert)
        if delay > 2:
            problems.append(f"the hook ran {delay:.1f} s after the alert")
        if packets_sent_by("tap0") != 0:
            problems.append("the sensor sent a packet")
        status, report = sensor.stop()
        problems += differs("exit status", status, 0)
        problems += differs("packets", report["capture"]["packets"], wire.sent)
        problems += not_valid(binary, steps(sensor))
        problems += differs("sequence", [r["event"]["sequence"] for r in steps(sensor)], list(range(5)))
        problems += [f"errors of a run without any: {sensor.said()!r}"] if b"error" in sensor.said() else []
    return problems


def not_valid(binary, records):
    """Faults against the schema that the sensor prints, where the package that knows schemas is there."""
    try:
        import jsonschema
    except ImportError:
        return []
    schema = json.loads(subprocess.run([binary, "--docs", "schema"], capture_output=True, check=True).stdout)
    validator = jsonschema.Draft202012Validator(schema)
    return [f"{r['earshot']['response']['step']}: {f.json_path}: {f.message[:200]}" for r in records for f in validator.iter_errors(r)]


def alert_time(record):
    from datetime import datetime
    return datetime.fromisoformat(record["@timestamp"].replace("Z", "+00:00")).timestamp()


def misbehaves(binary, how, words):
    problems = []
    with Place() as place:
        place.manner(apply=how)
        with place.sensor(binary, **{"response.timeout": "1s"}) as sensor:
            wire = Wire()
            attack(wire)
            wait_step(sensor, "failed")
            failed = [r for r in steps(sensor) if r["earshot"]["response"]["step"] == "failed"][0]
            said = failed.get("error", {}).get("message", "") + " " + failed["event"].get("reason", "")
            if words not in said:
                problems.append(f"it does not say '{words}': {said}")
            if "\x1b" in json.dumps(failed, ensure_ascii=False):
                problems.append("an escape sequence stands in the record")
            for entry in place.log():
                if entry["verb"] == "apply" and not is_gone(entry["pid"]):
                    problems.append("the hook is still alive")
            place.manner()  # from now on it works: the next attempt is good
            wait_step(sensor, "active")
            problems += not_valid(binary, steps(sensor))
            grandchild = number_in(os.path.join(place.hooks, "grandchild"))
            if grandchild is not None and not is_gone(grandchild):
                problems.append("a grandchild outlived its group")
            status, report = sensor.stop()
            problems += differs("exit status", status, 0)
            problems += differs("packets", report["capture"]["packets"], wire.sent)
            problems += differs("blocked", place.blocked(), ["203.0.113.53"])  # it keeps its block
    return problems


def hangs(binary):
    return misbehaves(binary, "hang", "did not end within response.timeout")


def leaves_its_group(binary):
    return misbehaves(binary, "wanders", "did not end within response.timeout")


def stops_itself(binary):
    return misbehaves(binary, "stops", "did not end within response.timeout")


def floods(binary):
    return misbehaves(binary, "flood", "said more than")


def dies(binary):
    return misbehaves(binary, "dies", "signal 11")


def says_try_again(binary):
    return misbehaves(binary, "20", "not my day")


def lies_unread(binary):
    return misbehaves(binary, "unread", "has not read it back")


def never_reads(binary):
    """Its answer counts all the same; but the list does not show it, and what is not there is put back."""
    return not_listed(binary, "deaf")


def lies_about_reading(binary):
    return not_listed(binary, "claims")


def not_listed(binary, how):
    problems = []
    with Place() as place:
        place.manner(apply=how)
        with place.sensor(binary) as sensor:
            attack(Wire())
            wait_step(sensor, "active")
            place.manner()
            wait_step(sensor, "reconciled")
            problems += differs("blocked", place.blocked(), ["203.0.113.53"])
            sensor.stop()
    return problems


def forks(binary):
    """Children that hold the pipes open hold nobody up, and do not outlive it."""
    problems = []
    with Place() as place:
        place.manner(apply="forks")
        with place.sensor(binary) as sensor:
            attack(Wire())
            wait_step(sensor, "active")
            apply = next(entry for entry in place.log() if entry["verb"] == "apply")
            left = subprocess.run(["pgrep", "-g", str(apply["pid"])], capture_output=True, text=True).stdout.split()
            problems += differs("left of its group", [pid for pid in left if not is_gone(int(pid))], [])
            sensor.stop()
    return problems


def refused_for_good(binary):
    problems = []
    with Place() as place:
        place.manner(apply="30")
        with place.sensor(binary) as sensor:
            attack(Wire())
            wait_step(sensor, "failed")
            time.sleep(1.5)
            problems += differs("steps", names(steps(sensor)), ["proposed", "applying", "failed"])
            sensor.stop()
    return problems


def disappears(binary):
    problems = []
    with Place() as place, place.sensor(binary) as sensor:
        os.unlink(place.hook)
        attack(Wire())
        wait_step(sensor, "failed")
        place.install(0o775)  # others may write it now: not run either
        wait_step(sensor, "failed", count=2)
        said = steps(sensor)[-1].get("error", {}).get("message", "")
        if "chmod go-w" not in said:
            problems.append(f"a hook that others may write: {said}")
        place.install()
        wait_step(sensor, "active")
        sensor.stop()
    return problems


def start_is_refused(binary):
    """What is wrong with a hook is said at the start, in one line, and nothing is captured."""
    problems = []

    def refused(name, words, change=None, **more):
        with Place() as place:
            state = ["--state", place.state]
            if change is not None:
                state = change(place) or state
            out = subprocess.run([binary, "-i", "tap0", "--workers", "1", "--report", "none", *(state if state != ["no"] else ["--state", "none"]),
                                  *place.options(**more)], capture_output=True, text=True, timeout=60)
            if out.returncode != 2 or words not in out.stderr:
                problems.append(f"{name}: status {out.returncode}, {out.stderr.strip()[-300:]}")

    def linked(place):
        os.rename(place.hook, place.hook + "2")
        os.symlink(place.hook + "2", place.hook)

    def folder_linked(place):
        os.rename(place.hooks, place.hooks + "2")
        os.symlink(place.hooks + "2", place.hooks)

    refused("writable by its group", "chmod go-w", lambda p: os.chmod(p.hook, 0o775))
    refused("a folder writable by others", "chmod go-w", lambda p: os.chmod(p.hooks, 0o777))
    refused("a folder above it writable by others", "a folder above it", lambda p: os.chmod(p.folder, 0o777))
    refused("a symbolic link", "symbolic link", linked)
    refused("a folder that is one", "symbolic link", folder_linked)
    refused("a module beside it writable by others", "module.py: others may write it",
            lambda p: (open(os.path.join(p.hooks, "module.py"), "w").close(), os.chmod(os.path.join(p.hooks, "module.py"), 0o666)) and None)
    refused("a module beside it that is a link", "symbolic link", lambda p: os.symlink("/dev/null", os.path.join(p.hooks, "module.py")))
    refused("missing", "no such hook", lambda p: os.unlink(p.hook))
    refused("not executable", "chmod +x", lambda p: os.chmod(p.hook, 0o644))
    refused("another's", "chown", lambda p: os.chown(p.hook, 65534, -1))
    refused("its check fails", "no_wall_here", lambda p: open(os.path.join(p.hooks, "manner"), "w").write("check no_wall_here\n") and None)
    refused("its check hangs", "check fails", lambda p: p.manner(check="hang"), **{"response.timeout": "1s"})
    refused("a target that it does not take", "does not act on targets of type account", None, **{"responses.block.target": "account"})
    refused("it changes the world, and nobody is named", "name whom", None, **{"responses.block.target": "none"})
    refused("no journal", "--state FOLDER", lambda p: ["no"])
    refused("no such detection", "is no detection", None, **{"responses.block.rules": "no-such-rule"})
    return problems


def away_at_the_start(binary):
    """A far end that is away now is said and is no reason not to listen; when it is back it is asked."""
    problems = []
    with Place() as place:
        place.manner(check="away")
        with place.sensor(binary) as sensor:
            if b"warn: hook wall: its check fails: away" not in sensor.said():
                problems.append(f"it is not said: {sensor.said()!r}")
            place.manner()
            attack(Wire())
            wait_step(sensor, "active")
            status, _ = sensor.stop()
            problems += differs("exit status", status, 0)
    return problems


def stands_still(binary):
    """A response process that stands still (a disk that does not answer) holds up neither capture nor the end of the sensor."""
    problems = []
    with Place() as place, place.sensor(binary) as sensor:
        wire = Wire()
        _, process = process_of(sensor)
        os.kill(process, signal.SIGSTOP)
        try:
            attack(wire)
            begun = time.monotonic()
            status, report = sensor.stop()
            took = time.monotonic() - begun
        finally:
            os.kill(process, signal.SIGCONT)
        problems += differs("exit status", status, 0)
        problems += differs("packets", report["capture"]["packets"], wire.sent)
        problems += [] if took < 15 else [f"the end took {took:.1f} s"]
        problems += [] if b"stands still" in sensor.said() else [f"it is not said: {sensor.said()!r}"]
        problems += [] if is_gone(process) else ["the response process outlives its sensor"]
    return problems


def killed_and_started_again(binary):
    """The response process is killed; then all are. What was blocked stays so to its original end."""
    problems = []
    with Place() as place:
        with place.sensor(binary, **{"responses.block.ttl": f"{TTL_S}s"}) as sensor:
            attack(Wire())
            wait_step(sensor, "active")
            with open(os.path.join(place.world, "203.0.113.53"), encoding="utf-8") as f:
                ends = json.load(f)["ends"]
            os.kill(process_of(sensor)[1], signal.SIGKILL)
            sensor.wait_for(lambda: b"was started again" in sensor.said(), "it was not started again")
            problems += differs("blocked", place.blocked(), ["203.0.113.53"])
            attack(Wire(), 77)
            sensor.wait_for(lambda: place.blocked() == ["203.0.113.53", "203.0.113.77"], "the new one does nothing")
            for pid in (*process_of(sensor), sensor.process.pid):
                os.kill(pid, signal.SIGKILL)
            sensor.process.wait()
        os.unlink(os.path.join(place.world, "203.0.113.53"))  # the wall forgot one
        open(os.path.join(place.world, "198.51.100.9"), "w").close()  # and has one that nobody asked for
        with place.sensor(binary, **{"responses.block.ttl": f"{TTL_S}s"}) as sensor:
            sensor.wait_for(lambda: place.blocked() == ["203.0.113.53", "203.0.113.77"], "it was not put right")
            wait_step(sensor, "reconciled", count=2)
            with open(os.path.join(place.world, "203.0.113.53"), encoding="utf-8") as f:
                again = json.load(f)["ends"]
            if not -4 <= again - ends <= 2:
                problems.append(f"it ends {again - ends:+.1f} s from its first end")
            wait_step(sensor, "revoked", count=2, seconds=TTL_S + PATIENCE_S)
            problems += differs("blocked at the end", place.blocked(), [])
            sensor.stop()
        problems += of_the_same_alert([*place.orders("apply", "203.0.113.53"), *place.orders("revoke", "203.0.113.53")], 3)
    return problems


def of_the_same_alert(orders, count):
    """What is put back and what is taken back says of which alert it is, also when nobody has the record any more."""
    problems = differs("orders", len(orders), count)
    first = orders[0]["alert"]
    for order in orders[1:]:
        alert = order["alert"]
        problems += differs(f"the rule that {order['action']} is told", alert.get("rule", {}).get("id"), first["rule"]["id"])
        for field in ("id", "level"):
            problems += differs(f"the alert's {field} that {order['action']} is told", alert.get("earshot", {}).get("alert", {}).get(field), first["earshot"]["alert"][field])
    return problems


def reloaded(binary):
    """Who is put on the never-block list of a running sensor is not touched from then on, whatever dies; who is taken off it stays on it."""
    def protect(*addresses):
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.write(f"response: {{protect: [{', '.join(addresses)}]}}\n")
        os.rename(path + ".new", path)

    def reload():
        said = sensor.said().count(b"configuration is in force")
        sensor.process.send_signal(signal.SIGHUP)
        sensor.wait_for(lambda: sensor.said().count(b"configuration is in force") > said, "it was not taken up")

    def refused(last):
        attack(wire, last)
        value = f"203.0.113.{last}"
        sensor.wait_for(lambda: steps(sensor, value), f"nothing is said of {value}")
        step = steps(sensor, value)[0]["earshot"]["response"]
        return differs(value, (step["step"], step.get("guard", {}).get("failed")), ("refused", "never-block"))

    problems = []
    with Place() as place:
        path = os.path.join(place.folder, "earshot.yaml")
        protect("198.51.100.7")
        with Sensor(binary, "--state", place.state, "-c", path, *place.options()) as sensor:
            wire = Wire()
            attack(wire)
            wait_step(sensor, "active")
            protect("198.51.100.7", *(f"203.0.113.{last}" for last in (53, 61, 62, 63)))
            reload()
            problems += refused(61)
            wait_step(sensor, "revoked")
            reasons = [r["event"].get("reason", "") for r in steps(sensor) if r["earshot"]["response"]["step"] == "expiring"]
            problems += differs("why it is taken back", reasons, ["the target is protected now: in response.protect"])
            problems += differs("blocked", place.blocked(), [])
            os.kill(process_of(sensor)[1], signal.SIGKILL)
            sensor.wait_for(lambda: b"was started again" in sensor.said(), "it was not started again")
            problems += refused(62)
            protect("198.51.100.7")
            reload()
            problems += refused(63)
            problems += [] if b"never-block list: 0 more from now on; 4 that were taken off stay until a restart" in sensor.said() else ["what stays is not said"]
            problems += [] if b"response.protect" not in sensor.said() else ["it is said to wait"]
            attack(wire, 64)
            wait_step(sensor, "active", count=2)
            problems += differs("blocked at the end", place.blocked(), ["203.0.113.64"])
            status, report = sensor.stop()
            problems += differs("exit status", status, 0)
            problems += differs("packets", report["capture"]["packets"], wire.sent)
    return problems


def no_response_left(binary):
    """Who takes all responses out of the configuration hears what still holds."""
    problems = []
    with Place() as place:
        with place.sensor(binary) as sensor:
            attack(Wire())
            wait_step(sensor, "active")
            sensor.stop()
        problems += differs("blocked", place.blocked(), ["203.0.113.53"])
        with Sensor(binary, "--state", place.state) as sensor:
            problems += [] if b"/responses: 1 decision holds by hooks that no response names any more" in sensor.said() else [f"it says nothing: {sensor.said()}"]
            status, _ = sensor.stop()
            problems += differs("exit status", status, 0)
        with place.sensor(binary, **{"response.undo_at_stop": "true"}) as sensor:
            sensor.stop()
        problems += differs("blocked at the end", place.blocked(), [])
        with Sensor(binary, "--state", place.state) as sensor:
            problems += ["it says what is past"] if b"responses:" in sensor.said() else []
            sensor.stop()
    return problems


def taken_back_at_stop(binary):
    problems = []
    with Place() as place:
        with place.sensor(binary, **{"response.undo_at_stop": "true"}) as sensor:
            attack(Wire())
            wait_step(sensor, "active")
            status, _ = sensor.stop()
            problems += differs("exit status", status, 0)
            problems += differs("blocked", place.blocked(), [])
            problems += differs("steps", names(steps(sensor)), ["proposed", "applying", "active", "expiring", "revoked"])
    return problems


def not_taken_back_at_stop(binary):
    """A hook that fails at the end holds the sensor up for a bound time; what is left is said, and done by the next start."""
    problems = []
    with Place() as place:
        with place.sensor(binary, **{"response.undo_at_stop": "true"}) as sensor:
            attack(Wire())
            wait_step(sensor, "active")
            place.manner(revoke="20")
            begun = time.monotonic()
            status, _ = sensor.stop()
            took = time.monotonic() - begun
            problems += differs("exit status", status, 0)
            problems += [f"it took {took:.1f} s"] if took > 12 else []
            if b"1 decision was not taken back before the end" not in sensor.said():
                problems.append(f"what is left is not said: {sensor.said()[-400:]}")
        place.manner()
        with place.sensor(binary) as sensor:
            wait_step(sensor, "revoked")
            problems += differs("blocked", place.blocked(), [])
            sensor.stop()
    return problems


def stopped_while_it_hangs(binary):
    """The end of the sensor waits for a hook as long as the hook may run, and leaves none behind."""
    problems = []
    with Place() as place:
        place.manner(apply="hang")
        with place.sensor(binary) as sensor:
            attack(Wire())
            wait_step(sensor, "applying")
            sensor.wait_for(lambda: any(entry["verb"] == "apply" for entry in place.log()), "the hook was not started")
            begun = time.monotonic()
            status, _ = sensor.stop()
            took = time.monotonic() - begun
            problems += differs("exit status", status, 0)
            problems += [f"it took {took:.1f} s"] if took > 8 else []
            problems += [f"{entry['pid']} is alive" for entry in place.log() if not is_gone(entry["pid"])]
            problems += differs("the last steps", names(steps(sensor))[-2:], ["expiring", "revoked"])  # it may have been done in part
    return problems


def stop_file(binary):
    """While it is there nothing new is done; what was done ends as it should."""
    problems = []
    with Place() as place, place.sensor(binary, **{"responses.block.ttl": "4s"}) as sensor:
        wire = Wire()
        attack(wire)
        wait_step(sensor, "active")
        open(place.stop_file, "w").close()
        attack(wire, 77)
        wait_step(sensor, "refused")
        refused = steps(sensor, "203.0.113.77")[0]["earshot"]["response"]
        problems += differs("guard", refused["guard"], {"result": "refused", "failed": "kill-switch"})
        wait_step(sensor, "revoked")
        problems += differs("blocked", place.blocked(), [])
        sensor.stop()
    return problems


def own_and_unproven(binary):
    """Dry-run live: who is protected, and what would be done, without a hook."""
    problems = []
    with Place() as place:
        os.unlink(place.hook)
        with Sensor(binary, "--state", "none", *place.options(**{"responses.block.mode": "dry-run", "response.protect": "203.0.113.77"})) as sensor:
            wire = Wire()
            attack(wire)
            attack(wire, 77)
            wait_step(sensor, "dry-run")
            wait_step(sensor, "refused")
            problems += differs("guard", steps(sensor, "203.0.113.77")[0]["earshot"]["response"]["guard"]["failed"], "never-block")
            if b"could not be auto" not in sensor.said():
                problems.append("it is not said that auto could not be")
            sensor.stop()
    problems += differs("runs", place.log(), [])
    return problems


def killed_while_it_hangs(binary):
    """The response process is killed while a hook hangs: its starter ends what it left, and the new one does the work."""
    problems = []
    with Place() as place:
        place.manner(apply="hang")
        with place.sensor(binary, **{"response.timeout": "60s"}) as sensor:
            attack(Wire())
            wait_step(sensor, "applying")
            grandchild = os.path.join(place.hooks, "grandchild")
            sensor.wait_for(lambda: number_in(grandchild), "no grandchild")
            left = [next(entry["pid"] for entry in place.log() if entry["verb"] == "apply"), number_in(grandchild)]
            place.manner()
            os.kill(process_of(sensor)[1], signal.SIGKILL)
            sensor.wait_for(lambda: not any(map(is_alive, left)), "the hook lives on without anybody who could end it", 20)
            sensor.wait_for(lambda: place.blocked() == ["203.0.113.53"], "the new one does not do it")
            sensor.stop()
    return problems


def starter_is_killed(binary):
    """The response process goes on without its starter; when it is gone too, alerts are refused, and capture goes on."""
    problems = []
    with Place() as place, place.sensor(binary) as sensor:
        wire = Wire()
        starter, process = process_of(sensor)
        os.kill(starter, signal.SIGKILL)
        attack(wire)
        wait_step(sensor, "active")
        os.kill(process, signal.SIGKILL)
        sensor.wait_for(lambda: b"gone for good" in sensor.said(), "it is not said")
        attack(wire, 77)
        wait_step(sensor, "refused")
        record = next(r["earshot"]["response"] for r in steps(sensor) if r["earshot"]["response"]["step"] == "refused")
        problems += differs("whom", record.get("target"), {"type": "ip", "value": "203.0.113.77"})
        problems += [] if record["id"] != record["alert_id"] else ["the decision has the id of the alert"]
        status, report = sensor.stop()
        problems += differs("exit status", status, 0)
        problems += differs("packets", report["capture"]["packets"], wire.sent)
    return problems


SCENARIOS = {f.__name__: f for f in (done_and_taken_back, hangs, leaves_its_group, stops_itself, floods, dies, says_try_again, lies_unread, never_reads, lies_about_reading, forks,
                                     refused_for_good, disappears, start_is_refused, killed_and_started_again, reloaded, no_response_left, taken_back_at_stop, not_taken_back_at_stop, stopped_while_it_hangs, stop_file,
                                     own_and_unproven, starter_is_killed, killed_while_it_hangs, away_at_the_start, stands_still)}


LONG = ("killed_and_started_again", "stands_still", "done_and_taken_back", "not_taken_back_at_stop")  # first, so that none is left alone at the end
AT_ONCE = 3  # they wait nearly all the time


def inside(name, binary):
    try:
        pair()
        problems = SCENARIOS[name](binary)
    except Exception as error:  # whatever it is, it is a problem of this scenario and not the end of the others
        problems = [broken_off(error)]
    print(json.dumps(problems))


def why_not():
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return "unshare or ip is not installed"
    if os.geteuid() != 0:
        return "a hook of another owner can be made by root only"
    out = subprocess.run(["unshare", "--net", "ip", "link", "add", "tap0", "type", "veth", "peer", "name", "wire0"], capture_output=True, text=True)
    return None if out.returncode == 0 else "network namespaces are not allowed here: " + out.stderr.strip()[:200]


def run(name, binary):
    try:
        out = subprocess.run(["unshare", "--net", sys.executable, os.path.abspath(__file__), "--binary", binary, "--inside", name],
                             capture_output=True, text=True, timeout=SCENARIO_S_MAX)
        return json.loads(out.stdout.strip().splitlines()[-1])
    except subprocess.TimeoutExpired:
        return [f"the scenario did not end within {SCENARIO_S_MAX} s"]
    except (IndexError, ValueError):
        return [f"the scenario ended with {out.returncode}: {out.stderr[-1000:]}"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--inside")
    parser.add_argument("--only")
    options = parser.parse_args()
    binary = os.path.abspath(options.binary)
    if options.inside:
        inside(options.inside, binary)
        return
    count = Count()
    reason = why_not()
    names = [options.only] if options.only else sorted(SCENARIOS, key=lambda name: name not in LONG)
    if reason is not None:
        for name in names:
            count.skip(name, reason)
        count.end()
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for name, problems in zip(names, pool.map(lambda one: run(one, binary), names)):
            count.check(name, problems)
    count.end()


if __name__ == "__main__":
    main()
