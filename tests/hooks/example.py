"""The hook that docs/hooks.md shows, word for word, in a namespace of its own."""
import os
import re
import shutil
import subprocess

from calling import ROOT, Hook, Problems, refuses_hostile_targets


def written_by_the_page(world):
    problems, folder = Problems(), world.folder("example")
    with open(os.path.join(ROOT, "docs", "hooks.md"), encoding="utf-8") as f:
        text = re.search(r"```python\n(.*?)```", f.read(), re.S)[1]
    shutil.copy(os.path.join(ROOT, "conf", "hooks", "earshot_hook.py"), folder)
    hook = Hook.__new__(Hook)
    hook.path = os.path.join(folder, "blackhole")
    with open(hook.path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(hook.path, 0o755)
    routes = lambda: subprocess.run(["ip", "route", "show", "203.0.113.66"], capture_output=True, text=True).stdout  # noqa: E731
    problems.equal("check", (hook.check().status, hook.check().said), (0, {"ok": True, "targets": ["ip"], "changes": True}))
    answer = hook.apply("203.0.113.66")
    problems.true(f"apply: {answer}, {routes()!r}", answer.status == 0 and answer.applied() and "blackhole" in routes())
    problems.equal("list", list(hook.list()), ["203.0.113.66"])
    problems.equal("revoke", (hook.revoke("203.0.113.66").status, routes(), hook.list()), (0, "", {}))
    problems.equal("revoke again", hook.revoke("203.0.113.66").status, 40)
    refuses_hostile_targets(hook, problems)
    return problems


def why_not(world):
    return "not installed: ip" if shutil.which("ip") is None else world.no_namespaces


SCENARIOS = (written_by_the_page,)
