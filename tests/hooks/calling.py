"""Calls a hook as the sensor does: limits, a scrubbed environment, an order on standard input, an answer within bounds."""
import json
import os
import resource
import shutil
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHIPPED = os.path.join(ROOT, "conf", "hooks")
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C", "EARSHOT_SCHEMA": "1"}
DECISION = "00112233445566778899aabbccddeeff"
IN_TIME_S = 8  # of a hook that gives up after timeout_s, 1 or 2 here: what it waits for takes 20 s and more
PATIENCE_S = 60  # for what takes a moment: a machine that is slow or busy is no failure
ALERT = {"event": {"id": "0123456789abcdef"}, "rule": {"id": "registration-bruteforce"}, "source": {"ip": "203.0.113.66"},
         "message": "quotes \" ' and `$(reboot)`; \x1b[2J \u202e <script> \n one more line"}
HOSTILE = ("1.2.3.4; drop", "203.0.113.66/31", "203.0.113.66/32", "203.0.113.066", " 203.0.113.66", "203.0.113.66\n", "203.0.113.66 }", "",
           "203.0.113", "3405803842", "0xcb007142", "example.net", "$(reboot)", "fe80::1%eth0", "2001:db8::/64", "-f", "127.0.0.1", "127.9.9.9",
           "::1", "::ffff:127.0.0.1", "0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255", "203.0.113.66" * 1000, None, 5, ["203.0.113.66"], {})


class Problems(list):
    """What was not as it should be, as sentences."""

    def equal(self, what, got, wanted):
        if got != wanted:
            self.append(f"{what}: {got!r} instead of {wanted!r}")

    def true(self, what, holds):
        if not holds:
            self.append(what)


class Answer:
    def __init__(self, status, out, err, seconds):
        self.status, self.err, self.seconds = status, err, seconds
        self.bytes = len(out)
        try:
            self.said = json.loads(out) if out else None
        except ValueError:
            self.said = f"no JSON: {out[:200]!r}"

    def __repr__(self):
        return f"exit {self.status}, {self.said!r}, {self.err!r}"

    def applied(self):
        return isinstance(self.said, dict) and self.said.get("applied") is True and self.said.get("verified") is True


def limits():
    for which, most in ((resource.RLIMIT_CPU, 5), (resource.RLIMIT_AS, 256 << 20), (resource.RLIMIT_FSIZE, 1 << 20), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(which, (most, most))


class Hook:
    """A copy of a hook that ships, with settings, in a folder of its own."""

    def __init__(self, name, folder, settings="", mode=0o600):
        self.path = os.path.join(folder, name)
        os.makedirs(folder, exist_ok=True)
        for file in (name, "earshot_hook.py"):
            shutil.copy(os.path.join(SHIPPED, file), folder)
        self.configure(settings, mode)

    def configure(self, settings, mode=0o600):
        with open(self.path + ".conf", "w", encoding="utf-8") as f:
            f.write(settings)
        os.chmod(self.path + ".conf", mode)

    def raw(self, data, *words):
        begun = time.monotonic()
        out = subprocess.run([self.path, *words], input=data, capture_output=True, env=ENVIRONMENT, cwd="/", umask=0o077, process_group=0,
                             preexec_fn=limits, timeout=60)
        return Answer(out.returncode, out.stdout, out.stderr.decode("utf-8", "replace").strip(), time.monotonic() - begun)

    def order(self, action, value=None, ttl_s=60, decision=DECISION, type="ip", **more):
        order = {"schema": 1, "action": action}
        if action in ("apply", "revoke"):
            order.update(decision=decision, target={"type": type, "value": value}, ttl_s=ttl_s, mode="auto", alert=ALERT, **more)
        return self.raw(json.dumps(order).encode(), action)

    def check(self):
        return self.order("check")

    def apply(self, value, ttl_s=60, **more):
        return self.order("apply", value, ttl_s, **more)

    def revoke(self, value, **more):
        return self.order("revoke", value, **more)

    def list(self):
        """{address: seconds left}; the answer itself where it is none."""
        answer = self.order("list")
        return {t["value"]: t["expires_s"] for t in answer.said["targets"]} if answer.status == 0 and answer.said else answer


def refuses_hostile_targets(hook, problems):
    """Whoever applies to addresses: none of these is one, or is anybody's."""
    for value in HOSTILE:
        for answer in (hook.apply(value), hook.revoke(value)):
            problems.true(f"{str(value)[:40]!r} is not refused: {answer}", answer.status == 30 and not answer.applied() and answer.err)
    problems.equal("targets of another kind", [hook.apply("203.0.113.66", type=kind).status for kind in ("account", "number", "none")], [30] * 3)
    problems.equal("listed after hostile orders", hook.list(), {})
