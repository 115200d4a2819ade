"""Hostile strings through the hooks that ship: what a hook starts, connects to or prints is the same whatever an attacker is called.

Each hook gets the same order twice, once with a harmless alert and once with alerts of the attack: the programs that it starts must see the
same words, environment and input. Only notify's program and webhook's body hold the alert, as JSON, and nothing else of it.
"""
import contextlib
import http.server
import json
import os
import sys
import tempfile
import threading

from hostile_far import redis_says
from hostile_wire import ROOT, STRINGS, acts
from server import Servers, Unavailable, free_ports

sys.path.insert(0, os.path.join(ROOT, "tests", "hooks"))
from calling import DECISION, Hook  # noqa: E402

HARMLESS = json.dumps({"rule": {"id": "scan"}, "message": "plain", "source": {"ip": "203.0.113.66"}})
RECORDER = """#!/usr/bin/python3
import json, os, sys
with open({path!r}, "a", encoding="utf-8") as f:
    f.write(json.dumps([sys.argv, dict(os.environ), sys.stdin.read()]) + "\\n")
sys.exit({status})
"""


def recorder(folder, status):
    """A program that writes down how it was called, and where it does."""
    program, path = os.path.join(folder, "recorder"), os.path.join(folder, "calls")
    with open(program, "w", encoding="utf-8") as f:
        f.write(RECORDER.format(path=path, status=status))
    os.chmod(program, 0o755)
    return program, path


def calls(path):
    """What was written down since the last time."""
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as f:
        found = [json.loads(line) for line in f]
    os.unlink(path)
    return found


def order(action, alert, value="203.0.113.66", kind="ip"):
    head = {"schema": 1, "action": action, "decision": DECISION, "target": {"type": kind, "value": value}, "ttl_s": 60, "mode": "auto"}
    return (json.dumps(head)[:-1] + ', "alert": ' + alert + "}").encode()


def disguised(value, text):
    """The same alert with one text in all its places."""
    if isinstance(value, dict):
        return {name: disguised(inner, text) for name, inner in value.items()}
    if isinstance(value, list):
        return [disguised(inner, text) for inner in value]
    return text if isinstance(value, str) else value


def alerts_of(runs):
    """As the sensor writes them, and with each string everywhere."""
    lines = [line.decode("utf-8") for _, (found, _, _) in runs.items() for line in found if b'"dataset":"earshot.alert"' in line]
    some = json.loads(lines[0])
    return lines[::12] + [json.dumps(disguised(some, s.decode("utf-8", "replace"))) for s in STRINGS[::3]]


def said(hook, answer, data):
    """What a hook printed: one line of JSON in ASCII, and a clean sentence."""
    problems = acts(answer.err.encode())
    if not isinstance(answer.said, dict) or not json.dumps(answer.said).isascii():
        problems.append(f"standard output is {answer.said!r}")
    if len(answer.err.splitlines()) > 1:
        problems.append(f"{len(answer.err.splitlines())} lines of complaint")
    return [f"{os.path.basename(hook.path)} of {data[:160]!r}: {problem}" for problem in problems]


def same_calls(hook, path, runs, with_alert):
    """(problems) of apply and revoke, against what a harmless alert has it do; `with_alert`: the input is the alert."""
    wanted = {}
    for action in ("apply", "revoke"):
        hook.raw(order(action, HARMLESS), action)
        wanted[action] = calls(path)
    if not wanted["apply"]:
        yield f"{hook.path} started nothing"
    for alert in alerts_of(runs):
        for action in ("apply", "revoke"):
            data = order(action, alert)
            yield from said(hook, hook.raw(data, action), data)
            made = calls(path)
            if with_alert and made and json.loads(made[0][2]) == json.loads(alert) and made[0][2].isascii():
                made[0][2] = wanted[action][0][2]
            if made != wanted[action]:
                yield f"{os.path.basename(hook.path)} {action} of {alert[:200]}: {str(made)[:300]} instead of {str(wanted[action])[:300]}"


def hostile_targets(hook, path):
    for text in STRINGS:
        value = text.decode("utf-8", "replace")
        for kind in ("ip", value):
            data = order("apply", HARMLESS, value, kind)
            answer = hook.raw(data, "apply")
            yield from said(hook, answer, data)
            if answer.status != 30 or calls(path):
                yield f"{os.path.basename(hook.path)} takes {kind!r} {value!r}: {answer}"


def programs(runs):
    """The hooks that start a program."""
    for name, setting, status in (("notify", "program", 0), ("nft-block", "command", 1), ("kamailio-htable", "command", 1)):
        with tempfile.TemporaryDirectory(prefix="earshot-hostile-") as folder:
            os.chmod(folder, 0o755)
            program, path = recorder(folder, status)
            hook = Hook(name, os.path.join(folder, "hook"), f"{setting} = {program} --fixed 'two words'\n")
            yield from same_calls(hook, path, runs, name == "notify")
            if name != "notify":
                yield from hostile_targets(hook, path)


@contextlib.contextmanager
def web_server():
    """(port, requests)"""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append((self.requestline, dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port, asked
    finally:
        server.shutdown()
        server.server_close()


def posts(runs):
    with web_server() as (port, asked), tempfile.TemporaryDirectory(prefix="earshot-hostile-") as folder:
        hook = Hook("webhook", folder, f"url = http://127.0.0.1:{port}/hook?a=b\nsecret = a secret of the test\n")
        hook.raw(order("apply", HARMLESS), "apply")
        line, wanted, _ = asked.pop()
        changing = ("Content-Length", "X-Earshot-Timestamp", "X-Earshot-Signature")
        for alert in alerts_of(runs):
            data = order("apply", alert)
            answer = hook.raw(data, "apply")
            yield from said(hook, answer, data)
            request, headers, body = asked.pop() if asked else ("", {}, b"{}")
            if request != line or {k: v for k, v in headers.items() if k not in changing} != {k: v for k, v in wanted.items() if k not in changing}:
                yield f"webhook of {alert[:200]}: {request} {headers}"
            if json.loads(body) != json.loads(data) or not body.isascii():
                yield f"webhook of {alert[:200]}: the body is another: {body[:200]!r}"


def keys(runs):
    """redis-list: keys and values of Redis are the same whatever the alert says; its rule is of the sensor, and stays in JSON."""
    with Servers() as servers, tempfile.TemporaryDirectory(prefix="earshot-hostile-") as folder:
        port, = free_ports(1)
        servers.start("redis", ["redis-server", "--port", str(port), "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"], ready=port)
        hook = Hook("redis-list", folder, f"address = 127.0.0.1:{port}\n")
        hook.raw(order("apply", HARMLESS), "apply")
        wanted = sorted(redis_says(port, b"KEYS", b"*"))
        for alert in alerts_of(runs):
            data = order("apply", alert)
            yield from said(hook, hook.raw(data, "apply"), data)
            found = sorted(redis_says(port, b"KEYS", b"*"))
            value = redis_says(port, b"GET", b"earshot:block:ip:203.0.113.66")
            if found != wanted or b"earshot:block:ip:203.0.113.66" not in found:
                yield f"redis-list of {alert[:200]}: the keys are {found} instead of {wanted}"
            if not value.isascii() or acts(value) or json.loads(value)["decision"] != DECISION:
                yield f"redis-list of {alert[:200]}: the value is {value!r}"
        yield from hostile_targets(hook, os.path.join(folder, "none"))


def rows(runs, count):
    def with_redis():
        try:
            return list(keys(runs))
        except Unavailable as why:
            count.skip("hostile strings: hook redis-list", str(why))
            return []

    return [("hooks that start a program", lambda: programs(runs)), ("hook webhook", lambda: posts(runs)), ("hook redis-list", with_redis)]
