"""notify: a program of the operator gets the alert, and nothing else."""
import json
import os

from calling import ALERT, IN_TIME_S, Hook, Problems


def program(world, name, text, mode=0o755):
    path = os.path.join(world.folder("programs"), name)
    with open(path, "w", encoding="utf-8") as f:
        f.write("#!/bin/sh\n" + text)
    os.chmod(path, mode)
    return path


def gets_the_alert(world):
    problems = Problems()
    out = os.path.join(world.folder("notify"), "got")
    path = program(world, "page", f'cat > {out}.json; printf "%s\\n" "$@" > {out}.argv; env > {out}.env; echo noise; pwd >&2\n')
    hook = Hook("notify", world.folder("notify"), f"program = {path} --team 'voice people' ;reboot\n")
    problems.equal("check", hook.check().said, {"ok": True, "targets": ["ip", "account", "number", "none"], "changes": False})
    answer = hook.apply(None, type="none")
    problems.true(f"apply: {answer}", answer.status == 0 and answer.applied())
    with open(out + ".json", encoding="utf-8") as f:
        problems.equal("what it got", json.load(f), ALERT)
    with open(out + ".json", encoding="utf-8") as f:
        problems.true("raw control characters", all(" " <= c <= "~" for c in f.read().rstrip("\n")))
    with open(out + ".argv", encoding="utf-8") as f:
        problems.equal("its words", f.read().splitlines(), ["--team", "voice people", ";reboot"])
    with open(out + ".env", encoding="utf-8") as f:
        problems.equal("its environment", sorted(line.split("=")[0] for line in f if line.split("=")[0] not in ("PWD", "_", "SHLVL", "OLDPWD")),
                       ["LANG", "PATH"])
    problems.equal("revoke and list", (hook.revoke("203.0.113.66").status, hook.list()), (40, {}))
    return problems


def bad_programs(world):
    problems = Problems()
    hook = Hook("notify", world.folder("notify-bad"))
    cases = (("", 50, "not set"), ("program =\n", 50, "empty"), ("program = page\n", 50, "page"), ("program = /nonexistent\n", 50, "No such"),
             ("program = /tmp\n", 50, "no program"), (f"program = {program(world, 'open', 'exit 0', 0o775)}\n", 50, "nobody else"),
             (f"program = {program(world, 'plain', 'exit 0', 0o644)}\n", 50, "no program"), ("program = /bin/sh -c 'exit\n", 50, "quotation"),
             (f"program = {program(world, 'fails', 'exit 3')}\n", 20, "ended with 3"), ("program = /bin/true\n", 0, ""),
             (f"program = {program(world, 'dies', 'kill -9 $$')}\n", 20, "ended with -9"),
             (f"program = {program(world, 'hangs', 'sleep 50')}\ntimeout_s = 1\n", 20, "too long"),
             (f"program = {program(world, 'leaves', 'sleep 30 & exit 0')}\ntimeout_s = 2\n", 0, ""))
    for settings, status, word in cases:
        hook.configure(settings)
        answer = hook.apply("203.0.113.66")
        problems.true(f"{settings!r}: {answer} after {answer.seconds:.1f} s", answer.status == status and word in answer.err and answer.seconds < IN_TIME_S)
    return problems


SCENARIOS = (gets_the_alert, bad_programs)
