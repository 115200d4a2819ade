"""What the hooks that ship have in common: an order comes in, an answer goes out (docs/hooks.md).

A hook is called with one word, check, apply, revoke or list, and one JSON object on standard input. It says as JSON on standard output
what is so now, on standard error in one sentence why not, and by its exit status how it went. An order is checked here once more although
the sensor has checked it: a hook believes nobody. Its settings are in HOOK.conf beside it, lines of `key = value`.
"""
import errno
import ipaddress
import json
import os
import re
import shlex
import signal
import stat
import subprocess
import sys

DONE, ALREADY, AGAIN, REFUSED, NOTHING, MISCONFIGURED = 0, 10, 20, 30, 40, 50
ACTIONS = ("check", "apply", "revoke", "list")
ORDER_BYTES_MAX = 256 * 1024
CONF_BYTES_MAX = 64 * 1024
SAID_BYTES_MAX = 4 * 1024 * 1024  # of a program that a hook asks
LISTED_MAX = 800  # so many targets fit into the 64 KiB that the sensor reads
TTL_S_MAX = 7 * 24 * 3600
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C"}


class Failed(Exception):
    """(exit status, sentence for the operator)"""


def read_order(action):
    data = sys.stdin.buffer.read(ORDER_BYTES_MAX + 1)
    try:
        order = json.loads(data[:ORDER_BYTES_MAX + 1]) if len(data) <= ORDER_BYTES_MAX else None
    except (ValueError, RecursionError):
        order = None
    if not isinstance(order, dict) or order.get("schema") != 1 or order.get("action") != action:
        raise Failed(REFUSED, f"standard input is no order of schema 1 to {action}")
    if action in ("check", "list"):
        return order
    target, ttl_s = order.get("target"), order.get("ttl_s")
    if not re.fullmatch("[0-9a-f]{32}", str(order.get("decision"))):
        raise Failed(REFUSED, "the decision is no 32 hexadecimal digits")
    if not isinstance(target, dict) or not isinstance(target.get("type"), str):
        raise Failed(REFUSED, "the order has no target")
    if action == "apply" and (type(ttl_s) is not int or not 1 <= ttl_s <= TTL_S_MAX):
        raise Failed(REFUSED, f"ttl_s is no number from 1 to {TTL_S_MAX}")
    return order


def address_of(order):
    """The one address that an order is about. One form for each: what is mapped into IPv6 is IPv4."""
    target = order["target"]
    value = target.get("value")
    if target["type"] != "ip" or not isinstance(value, str) or "%" in value:
        raise Failed(REFUSED, "the target is no address")
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        raise Failed(REFUSED, "the target is no address") from None
    address = getattr(address, "ipv4_mapped", None) or address
    if address.is_loopback or address.is_multicast or address.is_unspecified or address == ipaddress.ip_address("255.255.255.255"):
        raise Failed(REFUSED, f"{address} is nobody's address")
    return address


def text(value):
    return value


def number(low, high):
    def parse(value):
        if not re.fullmatch("[0-9]{1,9}", value) or not low <= int(value) <= high:
            raise ValueError(f"is no number from {low} to {high}")
        return int(value)
    return parse


def words(value):
    """As a shell parts them, but no shell ever sees them."""
    found = shlex.split(value)
    if not found:
        raise ValueError("is empty")
    return found


def owner(value):
    """Whose entries: a sensor lists, and takes back, those of its own name only. No hyphen: it parts the words of an entry."""
    if not re.fullmatch("[A-Za-z0-9_.]{1,32}", value):
        raise ValueError("is not made of 1 to 32 letters, digits, _ and .")
    return value


def yes_or_no(value):
    if value not in ("yes", "no"):
        raise ValueError("is neither yes nor no")
    return value == "yes"


def guarded(path, secret):
    """The text of a file that only its owner, root or we, could have written; with secrets, that not everybody can read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise Failed(MISCONFIGURED, f"{path}: {error.strerror}") from None
    with open(fd, "rb") as f:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_uid not in (0, os.geteuid()) or found.st_mode & 0o022:
            raise Failed(MISCONFIGURED, f"{path} must be a file of root that nobody else can write: chown root, chmod 0600")
        if secret and found.st_mode & 0o004:
            raise Failed(MISCONFIGURED, f"{path} holds a secret and everybody can read it: chmod 0600")
        data = f.read(CONF_BYTES_MAX + 1)
    if len(data) > CONF_BYTES_MAX:
        raise Failed(MISCONFIGURED, f"{path} has more than {CONF_BYTES_MAX} bytes")
    return data.decode("utf-8", "replace")


def read_settings(rows, secret):
    """`rows`: {key: (preset, parse)}; what has the preset None must be set."""
    rows = {"timeout_s": (8, number(1, 300)), **rows}
    path = os.path.abspath(sys.argv[0]) + ".conf"
    settings = {}
    for at, line in enumerate(guarded(path, secret).splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            key, _, value = (part.strip() for part in line.partition("="))
            if key not in rows or key in settings:
                raise Failed(MISCONFIGURED, f"{path}:{at}: {key!r} is {'set twice' if key in settings else 'no setting'}; "
                                            f"there are: {', '.join(rows)}")
            try:
                settings[key] = rows[key][1](value)
            except ValueError as error:
                raise Failed(MISCONFIGURED, f"{path}:{at}: {key} {error}") from None
    for key, (preset, _) in rows.items():
        if settings.setdefault(key, preset) is None:
            raise Failed(MISCONFIGURED, f"{path}: {key} is not set")
    return settings


def not_started(program, error):
    """A machine that is full for a moment is no mistake in the settings."""
    passes = error.errno in (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ETXTBSY)
    return Failed(AGAIN if passes else MISCONFIGURED, f"{program} cannot be started: {error.strerror}")


def call(command, given=""):
    """(exit status, standard output, standard error) of a program, started without a shell."""
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/", env=ENVIRONMENT)
    except OSError as error:
        raise not_started(command[0], error) from None
    try:
        try:
            process.stdin.write(given.encode())
            process.stdin.close()
        except BrokenPipeError:
            pass
        said = process.stdout.read(SAID_BYTES_MAX + 1)
        if len(said) > SAID_BYTES_MAX:
            raise Failed(AGAIN, f"{command[0]} does not stop talking")
        errors = process.stderr.read(4096)
        process.stderr.close()
        return process.wait(), said.decode("utf-8", "replace"), errors.decode("utf-8", "replace")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def listed(targets):
    """The answer to list, from {address: seconds left}. A list that is cut would have the sensor do things twice."""
    if len(targets) > LISTED_MAX:
        raise Failed(AGAIN, f"there are {len(targets)} targets, more than the {LISTED_MAX} that can be told")
    return DONE, {"targets": [{"type": "ip", "value": str(address), "expires_s": left} for address, left in sorted(targets.items(), key=str)]}


def say(stream, line):
    try:
        stream.write(line + "\n")
        stream.flush()
    except BrokenPipeError:
        pass


def too_long(*_):
    raise Failed(AGAIN, "it took too long; timeout_s is the limit")


def answer(hook, action, order):
    settings = read_settings(hook.get("settings", {}), hook.get("secret", False))
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(settings["timeout_s"])
    if action == "check":
        hook["check"](settings)
        return DONE, {"ok": True}
    if action == "list":
        return hook["list"](settings)
    return hook[action](settings, order)


def main(**hook):
    """targets, changes; check(settings), apply(settings, order), revoke(settings, order), list(settings); settings, secret.

    check raises Failed where something is missing; the others give (exit status, answer).
    """
    action = sys.argv[1] if len(sys.argv) == 2 else ""
    try:
        if action not in ACTIONS:
            raise Failed(MISCONFIGURED, f"usage: {sys.argv[0]} {'|'.join(ACTIONS)}, and an order on standard input")
        status, said = answer(hook, action, read_order(action))
    except Exception as error:  # whatever the far end did to us: one sentence, and not a page of Python
        status, why = error.args if isinstance(error, Failed) else (AGAIN, f"{type(error).__name__}: {error}")
        why = "".join(c if " " <= c <= "~" else " " for c in why)[:1000]
        said = {"ok": False, "error": why} if action == "check" else {"applied": False, "verified": False}
        say(sys.stderr, why)
    if action == "check":
        said.update(targets=hook["targets"], changes=hook["changes"])
    if action != "list" or "targets" in said:
        say(sys.stdout, json.dumps(said, separators=(",", ":")))
    sys.exit(status)
