#!/usr/bin/env python3
"""The command line as a person meets it: exit statuses, error lines, lists, standard input, damaged and absent captures.

    cli.py --binary build/earshot
"""
import argparse
import fcntl
import gzip
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from counting import Count  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CAPTURE = os.path.join(ROOT, "pcaps", "call-answered.pcap")


def run(binary, *arguments, stdin=subprocess.DEVNULL, data=None):
    kwargs = {"input": data} if data is not None else {"stdin": stdin}
    return subprocess.run([binary, *arguments], capture_output=True, timeout=300, cwd=ROOT, **kwargs)


def expect(count, name, out, status, in_out=b"", in_err=b"", err_lines=None):
    problems = []
    if out.returncode != status:
        problems.append(f"status {out.returncode}, expected {status}: {out.stderr[-300:]!r}")
    if in_out not in out.stdout:
        problems.append(f"{in_out!r} is not in {out.stdout[-300:]!r}")
    if in_err not in out.stderr:
        problems.append(f"{in_err!r} is not in {out.stderr[-300:]!r}")
    if err_lines is not None and len(out.stderr.splitlines()) != err_lines:
        problems.append(f"{len(out.stderr.splitlines())} lines of error output, expected {err_lines}: {out.stderr!r}")
    if b"\x1b" in out.stdout + out.stderr:
        problems.append("an escape sequence although this is no terminal")
    count.check("cli " + name, problems)


def truncated(count, binary):
    """Cut at any byte: reported up to there, truncated, status 0; cut inside the file header: status 3."""
    with open(CAPTURE, "rb") as f:
        whole = f.read()
    problems, before = [], -1
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "cut.pcap")
        for cut in list(range(0, 24, 5)) + list(range(24, 4000, 61)) + [len(whole)]:
            with open(path, "wb") as f:
                f.write(whole[:cut])
            out = run(binary, "-r", path, "--report", "json")
            if cut < 24:
                if out.returncode not in (0, 3):
                    problems.append(f"cut at {cut}: status {out.returncode}")
                continue
            if out.returncode != 0:
                problems.append(f"cut at {cut}: status {out.returncode}")
                continue
            report = json.loads(out.stdout)
            packets = report["capture"]["packets"]
            if packets < before or report["capture"]["truncated"] != (cut not in BOUNDARIES(whole)):
                problems.append(f"cut at {cut}: {packets} packets, truncated {report['capture']['truncated']}")
            before = packets
    count.check("cli truncated captures", problems)


def damaged(count, binary, folder):
    """A packed capture of which nothing can be unpacked is named, in a folder too; a packed note is no capture."""
    shutil.copy(CAPTURE, os.path.join(folder, "whole.pcap"))
    with open(CAPTURE, "rb") as f:
        packed = gzip.compress(f.read())
    for name, data in (("cut.pcap.gz", packed[:15]), ("note.gz", gzip.compress(b"a note\n"))):
        with open(os.path.join(folder, name), "wb") as f:
            f.write(data)
    expect(count, "a packed capture cut at its beginning", run(binary, "-r", os.path.join(folder, "cut.pcap.gz")), 3, in_err=b"is cut", err_lines=1)
    expect(count, "the same in a folder", run(binary, "-r", folder, "--report", "none"), 3, in_err=b"cut.pcap.gz", err_lines=2)


def terminal(count, binary):
    """On a narrow terminal lines are as short as they can be; nobody waits for a capture to be typed."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    out = subprocess.run([binary, "-r", "-"], stdin=theirs, capture_output=True, timeout=20, cwd=ROOT)
    expect(count, "standard input that is a terminal", out, 2, in_err=b"terminal", err_lines=1)
    process = subprocess.Popen([binary, "-r", CAPTURE], stdin=subprocess.DEVNULL, stdout=theirs, cwd=ROOT)
    os.close(theirs)
    text = b""
    with open(ours, "rb", buffering=0) as f:
        try:
            while piece := f.read(65536):
                text += piece
        except OSError:
            pass  # the end of a terminal
    widest = max(len(re.sub(rb"\x1b\[[0-9;]*m|\r", b"", line)) for line in text.split(b"\n"))
    count.check("cli narrow terminal", [] if process.wait() == 0 and 40 < widest <= 60 else [f"{widest} columns, status {process.returncode}"])


def months_apart(count, binary):
    """What is open at the end of one capture does not move into the next."""
    with open(CAPTURE, "rb") as f:
        early = bytearray(f.read())  # microseconds
    at = 24
    while at + 16 <= len(early):
        early[at:at + 4] = (int.from_bytes(early[at:at + 4], "little") - 90 * 86400).to_bytes(4, "little")
        at += 16 + int.from_bytes(early[at + 8:at + 12], "little")
    with tempfile.NamedTemporaryFile(suffix=".pcap") as f:
        f.write(early)
        f.flush()
        paths = [f.name, os.path.join(ROOT, "pcaps", "registration-breach.pcap")]
        alone = [json.loads(run(binary, "-r", path, "--report", "json").stdout) for path in paths]
        both = json.loads(run(binary, "-r", *paths, "--report", "json").stdout)
    problems = [f"{what}: {both[what]}, expected {alone[0][what] + alone[1][what]}" for what in ("calls", "streams", "alerts")
                if both[what] != alone[0][what] + alone[1][what]]
    problems += [f"notes: {both['packets']['notes']}"] if any("time." in note for note in both["packets"]["notes"]) else []
    count.check("cli captures months apart", problems)


def from_zero(count, binary):
    """Times that count from 0 on: the same call, as long as before."""
    with open(CAPTURE, "rb") as f:
        whole = bytearray(f.read())
    first = int.from_bytes(whole[24:28], "little") * 1000000 + int.from_bytes(whole[28:32], "little")
    at = 24
    while at + 16 <= len(whole):
        now = int.from_bytes(whole[at:at + 4], "little") * 1000000 + int.from_bytes(whole[at + 4:at + 8], "little") - first
        whole[at:at + 8] = (now // 1000000).to_bytes(4, "little") + (now % 1000000).to_bytes(4, "little")
        at += 16 + int.from_bytes(whole[at + 8:at + 12], "little")
    reports = [json.loads(run(binary, "-r", CAPTURE, "--report", "json").stdout),
               json.loads(run(binary, "-r", "-", "--report", "json", data=bytes(whole)).stdout)]
    figures = [(r["capture"]["seconds"], r["calls"][0]["outcome"], r["calls"][0]["seconds"]) for r in reports]
    start = reports[1]["capture"]["start"]
    problems = [] if figures[0] == figures[1] else [f"{figures[1]}, expected {figures[0]}"]
    if start != "1970-01-01T00:00:00.000000000Z":
        problems.append(f"the capture begins at {start}")
    count.check("cli times from 0", problems)


def passive(count, binary):
    """Law 1: reading a capture opens no socket and starts no program."""
    if shutil.which("strace") is None:
        count.skip("cli passive", "strace is not installed")
        return
    with tempfile.NamedTemporaryFile("r") as trace:
        subprocess.run(["strace", "-f", "-e", "trace=%network,%process", "-o", trace.name, binary, "-r", CAPTURE, "--workers", "2",
                        "--report", "none"], cwd=ROOT, capture_output=True, timeout=300)
        calls = [line for line in trace.read().splitlines() if re.search(r"\b(socket|socketpair|connect|sendto|sendmsg|bind|fork|vfork|execve)\(", line)]
    count.check("cli passive", [] if len(calls) == 1 and "execve" in calls[0] else calls[:5] or ["strace saw nothing"])


def BOUNDARIES(whole):
    at, ends = 24, {24}
    while at + 16 <= len(whole):
        at += 16 + int.from_bytes(whole[at + 8:at + 12], "little")
        ends.add(at)
    return ends


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    binary = os.path.abspath(parser.parse_args().binary)
    count = Count()
    expect(count, "--help", run(binary, "--help"), 0, b"usage: earshot -r", err_lines=0)
    expect(count, "--version", run(binary, "--version"), 0, b"earshot ", err_lines=0)
    expect(count, "nothing to do", run(binary), 2, in_err=b"-r FILE", err_lines=1)
    expect(count, "unknown option", run(binary, "--nonsense"), 2, in_err=b"--nonsense", err_lines=1)
    expect(count, "missing value", run(binary, "-r"), 2, in_err=b"-r", err_lines=1)
    expect(count, "wrong workers", run(binary, "-r", CAPTURE, "--workers", "17"), 2, in_err=b"0 to 16", err_lines=1)
    expect(count, "wrong report", run(binary, "-r", CAPTURE, "--report", "pdf"), 2, in_err=b"'pdf'", err_lines=1)
    expect(count, "absent capture", run(binary, "-r", "absent.pcap"), 3, in_err=b"absent.pcap", err_lines=1)
    expect(count, "not a capture", run(binary, "-r", "README.md"), 3, in_err=b"README.md", err_lines=1)
    expect(count, "empty folder", run(binary, "-r", "docs/decisions"), 3, err_lines=1)
    expect(count, "a folder", run(binary, "-r", "pcaps", "--report", "json"), 0, b'"calls"', err_lines=0)
    expect(count, "wrong --set", run(binary, "-r", CAPTURE, "--set", "records.sip=some"), 2, in_err=b"off, failures", err_lines=1)
    expect(count, "unknown --set", run(binary, "-r", CAPTURE, "--set", "record.sip=off"), 2, in_err=b"records.sip", err_lines=1)
    expect(count, "--test-config", run(binary, "--test-config", "-c", "conf/earshot.yaml"), 0, b"good", err_lines=0)
    expect(count, "--test-config names a missing file of countries", run(binary, "--test-config", "--set", "geo.as_files=no.mmdb"), 0, b"good",
           err_lines=1)
    expect(count, "--test-config compiles the filter", run(binary, "--test-config", "--set", "capture.filter=udp prot 5060"), 2,
           in_err=b"is no filter", err_lines=1)
    expect(count, "--test-config takes a good filter", run(binary, "--test-config", "--set", "capture.filter=udp or vlan"), 0, b"good", err_lines=0)
    expect(count, "--test-config --show", run(binary, "--test-config", "--show", "--set", "records.sip=off"), 0, b"--set", err_lines=0)
    for what in ("detectors", "decoders", "outputs", "options", "records", "memory"):
        out = run(binary, "--list", what)
        expect(count, "--list " + what, out, 0, err_lines=0)
        count.check(f"cli --list {what} says something", [] if len(out.stdout) > 40 else ["nothing"])
    expect(count, "--list of nothing", run(binary, "--list", "colours"), 2, in_err=b"detectors", err_lines=1)
    expect(count, "--explain a detection", run(binary, "--explain", "scan"), 0, b"what to do", err_lines=0)
    expect(count, "--explain an anomaly", run(binary, "--explain", "clen-conflict"), 0, b"smuggling", err_lines=0)
    expect(count, "--explain an option", run(binary, "--explain", "records.sip"), 0, b"failures", err_lines=0)
    expect(count, "--explain a field", run(binary, "--explain", "sip.call_id"), 0, b"sip.call_id", err_lines=0)
    expect(count, "--explain a field of a list, as the page writes it", run(binary, "--explain", "related.user[]"), 0, b"related.user", err_lines=0)
    expect(count, "--explain a dataset", run(binary, "--explain", "earshot.call"), 0, b"one call", err_lines=0)
    expect(count, "--explain an option of an output", run(binary, "--explain", "outputs.siem.brokers"), 0, b"type kafka", err_lines=0)
    expect(count, "--explain an option of every output", run(binary, "--explain", "outputs.NAME.format"), 0, b"cef", err_lines=0)
    expect(count, "--explain an option of a response", run(binary, "--explain", "responses.NAME.ttl"), 0, b"taken back", err_lines=0)
    expect(count, "--explain no option of an output", run(binary, "--explain", "outputs.NAME.colour"), 2, err_lines=1)
    hidden = b"a key of many letters"
    for key in ("secret", "privacy.key"):
        out = run(binary, "--set", key + "=" + hidden.decode(), "--explain", key)
        expect(count, f"--explain {key}", out, 0, b"(not shown)", err_lines=0)
        count.check(f"cli --explain hides the value of {key}", [] if hidden not in out.stdout else ["it is shown"])
    expect(count, "--docs options has what every output takes", run(binary, "--docs", "options"), 0, b"`outputs.NAME.format`", err_lines=0)
    expect(count, "--explain nothing", run(binary, "--explain", "colour"), 2, in_err=b"'colour'", err_lines=1)
    with open(CAPTURE, "rb") as f:
        expect(count, "standard input", run(binary, "-r", "-", "--report", "json", stdin=f), 0, b'"truncated":false', err_lines=0)
    expect(count, "empty standard input", run(binary, "-r", "-", data=b""), 3, err_lines=1)
    expect(count, "records to standard output", run(binary, "-r", CAPTURE, "--records", "-"), 0, b'"earshot.call"', err_lines=0)
    with tempfile.TemporaryDirectory() as folder:
        config = os.path.join(folder, "tab.yaml")
        with open(config, "w", encoding="utf-8") as f:
            f.write("detectors:\n\tscan: {targets: 5}\n")
        expect(count, "a tab in the configuration", run(binary, "--test-config", "-c", config), 2, in_err=b"tab.yaml:2:1: a tab", err_lines=1)
        expect(count, "a folder as configuration", run(binary, "--test-config", "-c", folder), 2, in_err=b"directory", err_lines=1)
        with open(config, "w", encoding="utf-8") as f:
            f.write("records: {sip: messages}\n")
        parts = os.path.join(folder, "conf.d")
        os.symlink("conf.d", parts)  # even root cannot read it
        expect(count, "a conf.d that cannot be read", run(binary, "--test-config", "-c", config), 2, in_err=b"conf.d: the folder cannot be read",
               err_lines=1)
        os.unlink(parts)
        expect(count, "no conf.d", run(binary, "--test-config", "-c", config), 0, b"good", err_lines=0)
        damaged(count, binary, folder)
    terminal(count, binary)
    with tempfile.TemporaryDirectory() as folder:
        path, sizes = os.path.join(folder, "records"), []
        for _ in range(2):
            run(binary, "-r", CAPTURE, "--records", path, "--report", "none")
            sizes.append(os.path.getsize(path))
        count.check("cli --records begins its file anew", [] if sizes[0] == sizes[1] > 0 else [f"sizes {sizes}"])
        config = os.path.join(folder, "c.yaml")
        with open(config, "w", encoding="utf-8") as f:
            f.write(f"outputs: {{a: {{type: file, path: {folder}/alerts, datasets: [call]}}}}\n")
        for _ in range(2):
            run(binary, "-r", CAPTURE, "-c", config, "--deliver", "--report", "none")
        with open(os.path.join(folder, "alerts"), "rb") as f:
            lines = f.read().splitlines()
        count.check("cli --deliver appends to configured files", [] if len(lines) == 2 else [f"{len(lines)} lines"])
        run(binary, "-r", CAPTURE, "-c", config, "--report", "none")
        count.check("cli without --deliver writes nothing", [] if os.path.getsize(os.path.join(folder, "alerts")) == sum(len(x) + 1 for x in lines) else ["it wrote"])
    with open("/dev/full", "wb") as full:
        out = subprocess.run([binary, "-r", CAPTURE, "--records", "-"], stdout=full, stderr=subprocess.PIPE, timeout=300)
        count.check("cli full standard output", [] if out.returncode == 1 and out.stderr else [f"status {out.returncode}"])
    passive(count, binary)
    truncated(count, binary)
    from_zero(count, binary)
    months_apart(count, binary)
    count.end()


main()
