#!/usr/bin/env python3
"""--state: two runs with a folder between them find what one run finds, and no harm to the folder does harm to a run.

    state.py --binary build/earshot [--only NAME]

A capture is cut near its middle, where the line was quiet. Incidents are compared by (id, rule, key, highest severity).
The live scenarios need network namespaces and are skipped where they are not allowed.
"""
import argparse
import concurrent.futures
import fcntl
import glob
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import listening  # noqa: E402
from counting import Count  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SLOW = os.path.join(ROOT, "pcaps", "slow-guess.pcap")
SCENARIOS = {}


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


# --- captures in two halves ---

def packets(path):
    """(head, [(seconds, record)])"""
    with open(path, "rb") as f:
        data = f.read()
    unit = {0xA1B2C3D4: 1e-6, 0xA1B23C4D: 1e-9}.get(struct.unpack_from("<I", data)[0])
    out, at = [], 24
    while unit is not None and at + 16 <= len(data):
        seconds, fraction, captured, _ = struct.unpack_from("<IIII", data, at)
        out.append((seconds + fraction * unit, data[at:at + 16 + captured]))
        at += 16 + captured
    return data[:24], out


def halves(path, folder):
    """Two files, or None where the line is never quiet. A call is told some seconds after its end and is not kept: none may be up."""
    head, captured = packets(path)
    if any(b"INVITE" in record for _, record in captured):
        return None
    gaps = [i for i in range(1, len(captured)) if captured[i][0] - captured[i - 1][0] >= 1]
    if not gaps:
        return None
    cut = min(gaps, key=lambda i: abs(i - len(captured) / 2))
    names = os.path.join(folder, "a.pcap"), os.path.join(folder, "b.pcap")
    for name, part in zip(names, (captured[:cut], captured[cut:])):
        with open(name, "wb") as f:
            f.write(head + b"".join(record for _, record in part))
    return names


# --- runs ---

class Run:
    """A run that ended: its status, what it said, its records."""

    def __init__(self, binary, captures, *arguments, state=None):
        captures = [captures] if isinstance(captures, str) else captures
        with tempfile.NamedTemporaryFile("r", encoding="utf-8") as f:
            command = [binary, "-r", *captures, "--report", "none", "--records", f.name, "--set", "records.refreshes=true", *arguments]
            command += ["--state", state] if state else []
            out = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=300)
            self.records = [json.loads(line) for line in f]
        self.status, self.said = out.returncode, out.stderr.decode("utf-8", "replace")

    def incidents(self):
        return incidents(self.records)

    def of(self, dataset):
        return [r for r in self.records if r["event"]["dataset"] == "earshot." + dataset]


def incidents(records):
    """{(id, rule, key): highest severity}"""
    out = {}
    for r in records:
        if r["event"]["dataset"] == "earshot.alert":
            alert = r["earshot"]["alert"]
            key = alert["id"], r["rule"]["id"], alert["entity"]["value"], tuple(alert.get("secondary", ()))
            out[key] = max(out.get(key, 0), alert["level"])
    return out


def together(*runs):
    out = {}
    for run in runs:
        for key, level in run.incidents().items():
            out[key] = max(out.get(key, 0), level)
    return out


def differ(what, got, wanted):
    return [f"{what}: {sorted(got.items())} instead of {sorted(wanted.items())}"] if got != wanted else []


class Place:
    """A folder with the halves of the slow capture and a state folder that knows the first."""

    def __init__(self, binary):
        self.binary = binary
        self.folder = tempfile.mkdtemp()
        self.state = os.path.join(self.folder, "state")
        self.first, self.second = halves(SLOW, self.folder)
        self.before = Run(binary, self.first, state=self.state)
        self.whole = Run(binary, [self.first, self.second])
        self.alone = Run(binary, self.second)
        if self.before.status != 0:
            raise AssertionError(f"status {self.before.status}: {self.before.said}")

    def path(self, name):
        return os.path.join(self.state, name)

    def copy(self):
        """The state folder once more, to be harmed."""
        other = tempfile.mkdtemp(dir=self.folder)
        shutil.copytree(self.state, other, dirs_exist_ok=True)
        return other

    def goes_on(self, what, state, said=None, status=0):
        """The second half with that folder: as if nothing had happened."""
        run = Run(self.binary, self.second, state=state)
        problems = differ(what, together(self.before, run), self.whole.incidents())
        if run.status != status:
            problems.append(f"{what}: status {run.status}: {run.said}")
        if (said is None and run.said) or (said is not None and said not in run.said):
            problems.append(f"{what}: it said {run.said!r}")
        return problems

    def begins_anew(self, what, state, said):
        run = Run(self.binary, self.second, state=state)
        problems = differ(what, run.incidents(), self.alone.incidents())
        if run.status != 0 or said not in run.said:
            problems.append(f"{what}: status {run.status}, it said {run.said!r}")
        return problems

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)


# --- what is known ---

@scenario
def a_slow_guesser_is_found(binary):
    """Sixty failures in a day, half of them before: one incident with its id, as in one run; alone the second half knows nothing, and
    takes a phone that was known for a breach."""
    with Place(binary) as place:
        problems = place.goes_on("slow guesser", place.state)
        if place.alone.incidents() == place.whole.incidents():
            problems.append("the second half alone finds the same: nothing is tested")
        if any(rule == "registration-breach" for _, rule, *_ in place.whole.incidents()):
            problems.append("a known phone was taken for a breach")
        if not any(rule == "registration-breach" for _, rule, *_ in place.alone.incidents()):
            problems.append("the phone is known without the first half: nothing is tested")
        again = Run(binary, place.second)
        if again.records != place.alone.records or os.listdir(place.folder).count("state") != 1:
            problems.append("a run without --state is not as ever")
    return problems


@scenario
def phones_stay_registered(binary):
    """A refresh behind the cut is a refresh, and a binding that ends behind it ends."""
    def changes(run):
        return sorted((r["@timestamp"], r["event"]["action"], r["user"]["name"]) for r in run.of("registration")
                      if r["event"]["action"] not in ("rejected",))
    with Place(binary) as place:
        second = Run(binary, place.second, state=place.copy())
        got, wanted = changes(second), [c for c in changes(place.whole) if c[0] >= second.records[0]["@timestamp"][:13]]
        first = [c for c in changes(place.before)]
        wanted = [c for c in changes(place.whole) if c not in first]
        if got != wanted or got == changes(place.alone):
            return [f"registrations {got} instead of {wanted}"]
    return []


@scenario
def every_capture_of_ours(binary):
    """Each capture that can be cut: both halves together find what the whole finds."""
    problems, cut = [], 0
    for path in sorted(glob.glob(os.path.join(ROOT, "pcaps", "*.pcap"))):
        with tempfile.TemporaryDirectory() as folder:
            parts = halves(path, folder)
            # Of media nothing is kept: its windows are minutes.
            if parts is None or os.path.basename(path).startswith(("clock-jump", "rtp-", "one-way")):
                continue
            cut += 1
            state = os.path.join(folder, "state")
            first, second = Run(binary, parts[0], state=state), Run(binary, parts[1], state=state)
            problems += differ(os.path.basename(path), together(first, second), Run(binary, list(parts)).incidents())
    return problems + ([f"only {cut} captures could be cut"] if cut < 10 else [])


@scenario
def equal_answers(binary):
    """The same folder and capture: the same records and the same next folder, for any number of workers."""
    problems = []
    with Place(binary) as place:
        results = []
        for workers in (1, 0, 2, 4):
            state = place.copy()
            run = Run(binary, place.second, "--workers", str(workers), state=state)
            with open(os.path.join(state, "state"), "rb") as f:
                results.append((workers, run.records, f.read()))
        for workers, records, state in results[1:]:
            if records != results[0][1]:
                problems.append(f"{workers} workers: other records")
            if state != results[0][2]:
                problems.append(f"{workers} workers: another state")
    return problems


@scenario
def a_clock_that_was_set_back(binary):
    """The older capture behind the younger one: what lies in its future is said and does no harm."""
    with Place(binary) as place:
        Run(binary, place.second, state=place.state)
        run = Run(binary, place.first, state=place.state)
        problems = [] if "come from after" in run.said and run.status == 0 else [f"status {run.status}: {run.said!r}"]
        if {k[1] for k in run.incidents()} - {k[1] for k in place.before.incidents()}:
            problems.append(f"incidents out of the future: {run.incidents()}")
    return problems


@scenario
def nothing_came(binary):
    """A capture without a packet leaves what is known as it is."""
    with Place(binary) as place:
        empty = os.path.join(place.folder, "empty.pcap")
        with open(empty, "wb") as f:
            f.write(packets(SLOW)[0])
        with open(place.path("state"), "rb") as f:
            before = f.read()
        run = Run(binary, empty, state=place.state)
        with open(place.path("state"), "rb") as f:
            same = f.read() == before
        return ([] if same and run.status == 0 else [f"status {run.status}: {run.said}"]) + place.goes_on("then", place.state)


# --- what happens to files ---

def damage(path, how):
    with open(path, "rb") as f:
        data = bytearray(f.read())
    how(data)
    with open(path, "wb") as f:
        f.write(data)


@scenario
def harmed_files(binary):
    """Cut, garbled, empty, no file at all: set aside with a word, and the older generation is taken; with none the run begins anew."""
    seeded = random.Random(7)
    problems = []

    def garble(data):
        for _ in range(3):
            data[seeded.randrange(len(data))] ^= 1 << seeded.randrange(8)

    def cut(data):
        del data[seeded.randrange(len(data)):]

    def empty(data):
        data.clear()

    def longer(data):
        data += b"\0" * 8
    with Place(binary) as place:
        harms = [("garbled", garble)] * 8 + [("cut", cut)] * 8 + [("empty", empty), ("longer", longer)]
        for name, harm in harms:
            state = place.copy()
            shutil.copy(os.path.join(state, "state"), os.path.join(state, "state.1"))
            damage(os.path.join(state, "state"), harm)
            problems += place.goes_on(name, state, "is not used")
            if not os.path.exists(os.path.join(state, "state.corrupt-1")):
                problems.append(f"{name}: it was not set aside")
            state = place.copy()
            shutil.copy(os.path.join(state, "state"), os.path.join(state, "state.1"))
            for generation in ("state", "state.1"):
                damage(os.path.join(state, generation), harm)
            problems += place.begins_anew(name + " twice", state, "begins with nothing")
        for name, make in (("folder", os.mkdir), ("link", lambda path: os.symlink("/etc/passwd", path)), ("pipe", os.mkfifo)):
            state = place.copy()
            os.rename(os.path.join(state, "state"), os.path.join(state, "state.1"))
            make(os.path.join(state, "state"))
            problems += place.goes_on(name, state, "is not used")
        state = place.copy()
        for n in range(7):
            damage(os.path.join(state, "state"), garble)
            place.begins_anew(f"corrupt number {n}", state, "begins with nothing")
        aside = sorted(name for name in os.listdir(state) if "corrupt" in name)
        if aside != [f"state.corrupt-{n}" for n in range(1, 5)]:
            problems.append(f"set aside without bound: {aside}")
    return problems


@scenario
def another_key(binary):
    """What was kept under another secret says nothing here."""
    with Place(binary) as place:
        run = Run(binary, place.second, "--set", "secret=other", state=place.state)
        return [] if "made with another key" in run.said and run.status == 0 else [f"status {run.status}: {run.said!r}"]


@scenario
def killed_in_the_middle(binary):
    """kill -9 at any moment, and what a kill between two steps leaves: the next run goes on."""
    seeded = random.Random(9)
    problems = []
    with Place(binary) as place:
        state = place.copy()
        for _ in range(40):
            process = subprocess.Popen([binary, "-r", place.first, "--report", "none", "--state", state], stderr=subprocess.DEVNULL)
            time.sleep(seeded.random() * 0.06)
            process.kill()
            process.wait()
        run = Run(binary, place.first, state=state)
        if run.status != 0 or "not used" in run.said or "begins with nothing" in run.said:
            problems.append(f"after kills: {run.said!r}")
        state = place.copy()
        with open(os.path.join(state, "state"), "rb") as f, open(os.path.join(state, "state.new"), "wb") as new:
            new.write(f.read()[:1000])
        problems += place.goes_on("half a new file", state)
        state = place.copy()
        os.rename(os.path.join(state, "state"), os.path.join(state, "state.1"))
        problems += place.goes_on("between two renames", state, "state.1 is taken")
    return problems


@scenario
def a_full_disk(binary):
    """What cannot be written is said, status 1, and what was kept stays."""
    with Place(binary) as place:
        with open(place.path("state"), "rb") as f:
            before = f.read()
        disk = os.path.join(place.folder, "disk")
        os.mkdir(disk, 0o700)
        script = (f"mount -t tmpfs -o size={len(before) + 24000},mode=0700 none {disk} && cp -p {place.path('state')} {disk} && "
                  f"head -c 200000 /dev/zero > {disk}/filler 2> /dev/null; {binary} -r {place.second} --report none --state {disk}; status=$?; cmp {place.path('state')} {disk}/state && "
                  f"ls -a {disk} | grep -c new; exit $status")
        out = subprocess.run(["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True)
        if "unshare" in out.stderr or "mount" in out.stderr:
            print("skip a full disk: no tmpfs may be mounted here", flush=True)
            return []
        problems = [] if out.returncode == 1 and "cannot be saved" in out.stderr and out.stdout == "0\n" else \
            [f"status {out.returncode}: {out.stdout!r} {out.stderr!r}"]
        with open(place.path("state"), "rb") as f:
            same = f.read() == before
        return problems + ([] if same else ["the snapshot before is not what it was"]) + place.goes_on("then", place.state)


@scenario
def folders_that_are_refused(binary):
    """Writable for others, in use, or no folder: status 2 and a word."""
    problems = []
    with Place(binary) as place:
        def refuse(what, said):
            run = Run(binary, place.second, state=place.state)
            if run.status != 2 or said not in run.said:
                problems.append(f"{what}: status {run.status}, it said {run.said!r}")
        for mode in (0o770, 0o707, 0o777):
            os.chmod(place.state, mode)
            refuse(oct(mode), "others may write")
        os.chmod(place.state, 0o700)
        held = os.open(place.state, os.O_RDONLY)
        fcntl.flock(held, fcntl.LOCK_EX)
        refuse("locked", "in use by another")
        os.close(held)
        problems += place.goes_on("then", place.state)
        for path in (place.first, os.path.join(place.folder, "not", "there")):
            run = Run(binary, place.second, state=path)
            if run.status != 2:
                problems.append(f"{path}: status {run.status}: {run.said!r}")
        for name in os.listdir(place.state):
            if os.stat(place.path(name)).st_mode & 0o077:
                problems.append(f"{name} can be read by others")
    return problems


# --- listening ---

GUESSES = ("--set", "detectors.registration-bruteforce.failures=10000", "--set", "detectors.registration-bruteforce.failures_mid=10000",
           "--set", "detectors.registration-bruteforce.failures_day=16")


def play_guesses(first, count):
    """Guesses of the slow capture, without their pauses: four frames each."""
    wire = listening.Wire()
    guesses = [frame for _, frame in listening.frames(SLOW) if b"slow-" in frame]
    for frame in guesses[4 * first:4 * (first + count)]:
        wire.send(frame)
        time.sleep(0.01)


def guessed(sensor):
    return [key for key in incidents(sensor.written()) if key[1] == "registration-bruteforce"]


@scenario
def a_restart_forgets_nothing(binary):
    """Ten guesses, a restart, ten more: the sixteenth raises the alarm; after one more restart the incident goes on with its id. Without a
    folder nothing is found."""
    listening.pair()
    problems = []
    with tempfile.TemporaryDirectory() as folder:
        for how, state in ((signal.SIGTERM, os.path.join(folder, "state")), (signal.SIGTERM, "none")):
            found = []
            for first in (0, 10, 20):
                with listening.Sensor(binary, *GUESSES, "--state", state) as sensor:
                    time.sleep(1.5)
                    play_guesses(first, 10)
                    time.sleep(1.5)
                    status, _ = sensor.stop(how)
                    found.append(guessed(sensor))
                    problems += [f"{state}: status {status}: {sensor.said()!r}"] if status != 0 else []
            good = found[0] == [] and (found[1:] == [[], []] if state == "none" else
                                       len(found[1]) == 1 and found[1][0] in (found[2] or found[1]))
            problems += [] if good else [f"{state}: {found}"]
        with open(os.path.join(folder, "state", "key"), encoding="ascii") as f:
            if len(f.read().strip()) != 16:
                problems.append("the key is not 16 digits")
    return problems + listening.silent("tap0")


@scenario
def a_snapshot_every_minute(binary):
    """Killed with -9 after a minute and a half: the next start knows what was known a minute before."""
    listening.pair()
    problems = []
    with tempfile.TemporaryDirectory() as folder:
        state = os.path.join(folder, "state")
        with listening.Sensor(binary, *GUESSES, "--state", state) as sensor:
            time.sleep(1.5)
            play_guesses(0, 10)
            sensor.wait_for(lambda: os.path.exists(os.path.join(state, "state")), "no snapshot was written", seconds=200)
            sensor.process.kill()
        with listening.Sensor(binary, *GUESSES, "--state", state) as sensor:
            time.sleep(1.5)
            play_guesses(10, 10)
            time.sleep(1.5)
            sensor.stop()
            if len(guessed(sensor)) != 1:
                problems.append(f"after kill -9: {guessed(sensor)}; it said {sensor.said()!r}")
    return problems + listening.silent("tap0")


@scenario
def records_that_are_lost(binary):
    """An output that takes nothing: status 1 and said, but what was learnt is kept, and the next run goes on from there."""
    listening.pair()
    problems, found = [], []
    with tempfile.TemporaryDirectory() as folder:
        state = os.path.join(folder, "state")
        for first, workers in ((0, 0), (10, 2)):
            full = ("--set", "outputs.full.type=file", "--set", "outputs.full.path=/dev/full")
            with listening.Sensor(binary, *GUESSES, *full, "--state", state, workers=workers) as sensor:
                time.sleep(1.5)
                play_guesses(first, 10)
                time.sleep(1.5)
                status, _ = sensor.stop()
                found.append(guessed(sensor))
                if status != 1 or b"could not be delivered" not in sensor.said():
                    problems.append(f"{workers} workers: status {status}: {sensor.said()!r}")
                if not os.path.exists(os.path.join(state, "state")):
                    problems.append(f"{workers} workers: the state was not written")
    if len(found[0]) != 0 or len(found[1]) != 1:
        problems.append(f"the second run did not go on from the first: {found}")
    return problems + listening.silent("tap0")


LIVE = ("a_restart_forgets_nothing", "a_snapshot_every_minute", "records_that_are_lost")
LIVE_S_MAX = 600


def live(name, binary):
    """The problems of a scenario in a namespace of its own."""
    try:
        out = subprocess.run(["unshare", "--net", sys.executable, os.path.abspath(__file__), "--binary", binary, "--inside", name],
                             capture_output=True, text=True, timeout=LIVE_S_MAX)
    except subprocess.TimeoutExpired:
        return [f"it did not end within {LIVE_S_MAX} s"]
    return (out.stdout + (out.stderr if out.returncode else "")).splitlines()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--only")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    options = parser.parse_args()
    binary = os.path.abspath(options.binary)
    count = Count()
    if options.inside:
        for problem in SCENARIOS[options.inside](binary):
            print(problem)
        return
    chosen = {name: function for name, function in SCENARIOS.items() if not options.only or options.only in name}
    namespaces = subprocess.run(["unshare", "--net", "ip", "link", "add", "tap0", "type", "veth", "peer", "name", "wire0"], capture_output=True).returncode == 0
    with concurrent.futures.ThreadPoolExecutor(len(LIVE)) as pool:  # what listens waits nearly all the time
        listening_ones = {name: pool.submit(live, name, binary) for name in LIVE if name in chosen and namespaces}
        for name, function in chosen.items():
            if name not in LIVE:
                count.check(name, function(binary))
            elif not namespaces:
                count.skip(name, "network namespaces are not allowed here")
        for name, problems in listening_ones.items():
            count.check(name, problems.result())
    count.end()


if __name__ == "__main__":
    main()
