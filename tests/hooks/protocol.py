"""What holds for every hook that ships: how it is called, what it refuses to read, whose settings it believes."""
import json
import os
import resource
import subprocess

from calling import DECISION, ENVIRONMENT, SHIPPED, Hook, Problems, limits

HOOKS = ("notify", "webhook", "nft-block", "kamailio-htable", "redis-list")
GOOD = {"schema": 1, "action": "apply", "decision": DECISION, "target": {"type": "ip", "value": "203.0.113.66"}, "ttl_s": 60, "mode": "auto", "alert": {}}


def without(key):
    return {name: value for name, value in GOOD.items() if name != key}


def bad_orders(world):
    problems = Problems()
    orders = [b"", b"null", b"[]", b"{", b"\xff\xfe", b"[" * 100_000, b" " * 300_000, json.dumps(GOOD).encode()[:-1],
              *(json.dumps(order).encode() for order in (
                  without("schema"), without("decision"), without("target"), without("ttl_s"), {**GOOD, "schema": 2}, {**GOOD, "action": "revoke"},
                  {**GOOD, "decision": "../../etc/passwd"}, {**GOOD, "decision": DECISION.upper()}, {**GOOD, "decision": DECISION + "\n"},
                  {**GOOD, "ttl_s": 0}, {**GOOD, "ttl_s": -1}, {**GOOD, "ttl_s": 1e99}, {**GOOD, "ttl_s": "60"}, {**GOOD, "ttl_s": True},
                  {**GOOD, "ttl_s": 10**30}, {**GOOD, "target": "203.0.113.66"}, {**GOOD, "target": {"type": 4}}))]
    hooks = {"notify": "program = /bin/true\n", "webhook": "url = http://127.0.0.1:1/\n", "nft-block": "command = /bin/false\n",
             "kamailio-htable": "command = /bin/false\n", "redis-list": "address = 127.0.0.1:1\n"}
    for name, settings in hooks.items():
        hook = Hook(name, world.folder("bad-orders"), settings)
        for data in orders:
            answer = hook.raw(data, "apply")
            problems.true(f"{name}: {data[:60]!r} is not refused: {answer}", answer.status == 30 and answer.err and "Traceback" not in answer.err)
        for arguments in ((), ("destroy",), ("apply", "x"), ("",)):
            answer = hook.raw(json.dumps(GOOD).encode(), *arguments)
            problems.true(f"{name} {arguments}: {answer}", answer.status == 50 and answer.err)
    return problems


def settings_of_others(world):
    """Settings that somebody else could have written, or that everybody can read, or that say what is not known."""
    problems = Problems()
    hook = Hook("redis-list", world.folder("settings"))
    for mode, word in ((0o620, "chmod"), (0o602, "chmod"), (0o604, "secret"), (0o600, None), (0o640, None)):
        hook.configure("address = 127.0.0.1:1\n", mode)
        answer = hook.check()
        problems.true(f"mode {mode:o}: {answer}", (answer.status == 50 and word in answer.err) if word else answer.status == 20)
    for text, word in (("adress = 127.0.0.1:1\n", "adress"), ("address\n", "address"), ("address = 127.0.0.1\n", "HOST:PORT"),
                       ("address = 127.0.0.1:99999\n", "65535"), ("database = -1\n", "database"), ("timeout_s = 0\n", "timeout_s"),
                       ("address = /a\naddress = /b\n", "twice"), ("# x\n" * 20_000, "bytes")):
        hook.configure(text)
        answer = hook.check()
        problems.true(f"{text[:40]!r}: {answer}", answer.status == 50 and word in answer.err and answer.said.get("ok") is False)
    hook.configure("address = 127.0.0.1:1\n")
    os.rename(hook.path + ".conf", hook.path + ".elsewhere")
    os.symlink(hook.path + ".elsewhere", hook.path + ".conf")
    problems.equal("settings by a symbolic link", hook.check().status, 50)
    os.unlink(hook.path + ".conf")
    if os.geteuid() == 0:
        hook.configure("address = 127.0.0.1:1\n")
        os.chown(hook.path + ".conf", 65534, 65534)
        problems.equal("settings of nobody", hook.check().status, 50)
    return problems


def no_room_for_a_process(world):
    """A machine that starts no more processes now is no mistake in the settings: tried again, not given up."""
    problems = Problems()
    if os.geteuid() != 0:
        return problems  # root alone can become a user who may start none
    folder = world.folder("no-room")
    os.chmod(folder, 0o755)

    def crowded():
        limits()
        os.setuid(65534)
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))

    for name, settings in (("notify", "program = /bin/true\n"), ("nft-block", "command = /bin/true\n"), ("kamailio-htable", "command = /bin/true\n")):
        hook = Hook(name, folder, settings, 0o644)
        out = subprocess.run([hook.path, "apply"], input=json.dumps(GOOD).encode(), capture_output=True, env=ENVIRONMENT, cwd="/",
                             preexec_fn=crowded, timeout=30)
        problems.true(f"{name}: {out}", out.returncode == 20 and b"cannot be started" in out.stderr)
    return problems


def files(world):
    """What ships may be run by its owner's word alone."""
    problems = Problems()
    for name in sorted(os.listdir(SHIPPED)):
        mode = os.stat(os.path.join(SHIPPED, name)).st_mode & 0o7777
        if not name.startswith("__"):
            problems.equal(f"mode of {name}", oct(mode), oct(0o755 if name in HOOKS else 0o644))
    return problems


SCENARIOS = (bad_orders, settings_of_others, no_room_for_a_process, files)
