"""All five hooks under a listening sensor: one attacker, five responses, each done, read back, and taken back when its time is up."""
import json
import os
import shutil
import stat

from calling import ALERT, SHIPPED, Problems
from kamailio_htable import server as kamailio_of
from listening import Sensor, Wire, capture_path, frames, pair
from notify import program
from redis_list import server as redis_of
from webhook import Server

ATTACKER = "203.0.113.53"
CHANGES = ("nft-block", "kamailio-htable", "redis-list")
TELLS = ("webhook", "notify")
TTL_S = 15  # time enough to look at all of them


def install(world, settings):
    folder = world.folder("all-hooks")
    for name in os.listdir(SHIPPED):
        if not name.startswith("__"):
            shutil.copy(os.path.join(SHIPPED, name), folder)
    for name, text in settings.items():
        path = os.path.join(folder, name + ".conf")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, stat.S_IRUSR | stat.S_IWUSR)
    return folder


def configuration(world, folder):
    path = os.path.join(world.folder("all-hooks-run"), "earshot.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(f"response:\n  hooks: {folder}\n  stop_file: {path}.stop\n  protect: [192.0.2.10/32]\nresponses:\n")
        for name in (*CHANGES, *TELLS):
            f.write(f"  by-{name}:\n    rules: [registration-bruteforce]\n    hook: {name}\n    mode: auto\n    ttl: {TTL_S}s\n"
                    f"    target: {'source' if name in CHANGES else 'none'}\n")
    return path


def steps_of(sensor, hook):
    return [r for r in sensor.written("response") if r["earshot"]["response"]["hook"] == hook]


def each_does_it(world):
    problems, web = Problems(), Server()
    kamailio, _ = kamailio_of(world)
    redis, _ = redis_of(world)
    got = os.path.join(world.folder("all-hooks-run"), "got")
    folder = install(world, {"kamailio-htable": f"command = {kamailio.command}\n", "redis-list": f"address = 127.0.0.1:{redis.port}\n",
                             "webhook": f"url = {web.url('200')}\nsecret = s\n", "notify": f"program = {program(world, 'tell', f'cat > {got}')}\n"})
    state = os.path.join(world.folder("all-hooks-run"), "state")
    os.makedirs(state, mode=0o700)
    pair()
    with Sensor(world.binary, "-c", configuration(world, folder), "--state", state) as sensor:
        wire = Wire()
        for _, frame in frames(capture_path("registration-bruteforce")):
            wire.send(frame)

        def have(step, hooks):
            return all(step in [r["earshot"]["response"]["step"] for r in steps_of(sensor, hook)] for hook in hooks)
        sensor.wait_for(lambda: have("active", CHANGES + TELLS), "not all are active")
        problems.equal("read back", [r["earshot"]["response"].get("verified") for hook in CHANGES for r in steps_of(sensor, hook)
                                     if r["earshot"]["response"]["step"] == "active"], [True] * 3)
        problems.true("Redis has no key", json.loads(redis.ask("GET", f"earshot:block:ip:{ATTACKER}") or "{}").get("rule") == "registration-bruteforce")
        problems.true("Kamailio has no entry", "earshot-" in kamailio.ask("htable.get", "ipban", f"s:{ATTACKER}"))
        with open(got, encoding="utf-8") as f:
            problems.equal("what the program got", json.load(f)["rule"]["id"], ALERT["rule"]["id"])
        problems.equal("what the web server got", [(json.loads(body)["action"], json.loads(body)["target"]["type"]) for _, _, body in web.got],
                       [("apply", "none")])
        sensor.wait_for(lambda: have("revoked", CHANGES), "not all are taken back")
        problems.equal("Redis afterwards", redis.ask("KEYS", "*"), "")
        problems.true("Kamailio still has it", "doesn't exist" in kamailio.ask("htable.get", "ipban", f"s:{ATTACKER}"))
        status, _ = sensor.stop()
        problems.equal("exit status", status, 0)
        problems.true(f"errors: {sensor.said()!r}", b"error" not in sensor.said())
    return problems


def why_not(world):
    missing = [program for program in ("nft", "ip", "kamailio", "kamcmd", "redis-server", "redis-cli") if shutil.which(program) is None]
    if world.binary is None:
        return "no --binary"
    return "not installed: " + ", ".join(missing) if missing else world.no_namespaces


SCENARIOS = (each_does_it,)
