#!/usr/bin/env python3
"""The output http: what Prometheus reads, what a watcher is told, what a browser makes of a hostile page, and clients that are slow,
many or out of their mind.

    http_pages.py --binary build/earshot

The sensor listens live on a veth in a namespace of its own, or reads a capture from its standard input.
"""
import argparse
import contextlib
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from html.parser import HTMLParser

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "check")]
from counting import Count  # noqa: E402
from feeding import Fed, frames  # noqa: E402
from listening import PATIENCE_S, Sensor, Wire, accounted, ip, pair, silent  # noqa: E402
from server import Servers, Unavailable, free_ports  # noqa: E402

CONNECTIONS_MAX = 32
ELEMENTS = {"html", "head", "meta", "title", "link", "body", "header", "h1", "h2", "h3", "span", "div", "p", "b", "br", "ul", "li", "main", "section",
            "article", "em", "small", "table", "thead", "tbody", "tr", "th", "td", "footer", "a"}
ATTRIBUTES = {"lang", "charset", "name", "content", "http-equiv", "rel", "href", "class"}


def get(port, path="/", method="GET", headers=None, seconds=30):
    """(status, headers, body)"""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()
    finally:
        connection.close()


def wait_for(condition, seconds=PATIENCE_S):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException):  # not yet
            if condition():
                return True
        time.sleep(0.1)
    return False


def words(port, **keys):
    pairs = {"type": "http", "port": port, **keys}
    return [word for key, value in pairs.items() for word in ("--set", f"outputs.pages.{key}={value}")]


@contextlib.contextmanager
def fed(binary, *more, captures=("demo",)):
    """(sensor, port) of one that has read these captures and waits for more."""
    port, = free_ports(1)
    with Fed(binary, "--deliver", *words(port), *more) as sensor:
        fed_frames = [frames(name) for name in captures]
        for some in fed_frames:
            sensor.feed(some)
        sensor.feed([(0, b"\0" * 60), (30, b"\0" * 60)])  # time goes on, so that all of it is told
        offered = sum(map(len, fed_frames)) + 1  # the last one only moves the time
        if not wait_for(lambda: sample(port, "earshot_capture_packets_total") >= offered):
            raise AssertionError(f"of {offered} frames that were read not all are told: {sensor.said()!r}")
        yield sensor, port


def samples(text):
    return {m[1]: float(m[2]) for m in re.finditer(r"^([a-z_]+(?:\{.*\})?) (\S+)$", text, re.M)}


def sample(port, name):
    return samples(get(port, "/metrics")[2]).get(name, 0)


# --- what is read ---

def check_metrics(count, port):
    status, headers, text = get(port, "/metrics")
    got = samples(text)
    problems = [] if status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4") else [f"{status} {headers}"]
    for name, least in (("earshot_capture_packets_total", 900), ('earshot_alerts_total{rule="scan",severity="low"}', 1),
                        ('earshot_sip_messages_total{type="request",method="REGISTER"}', 80), ("earshot_incidents_open", 1),
                        ('earshot_calls_total{outcome="answered"}', 1), ("earshot_call_mos_count", 1),
                        ('earshot_output_records_total{output="pages",result="acknowledged"}', 50)):
        if got.get(name, 0) < least:
            problems.append(f"{name} is {got.get(name)}, at least {least} expected")
    for label in re.findall(r'="([^"]*)"', text):
        if re.search(r"\d+\.\d+\.\d+\.\d+|@|::", label):
            problems.append(f"the label {label} names somebody")
    count.check("/metrics tells what was in the capture, and names nobody", problems)
    if shutil.which("promtool") is None:
        count.skip("promtool", "prometheus is not installed")
        return
    out = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    count.check("promtool finds nothing wrong with /metrics", [] if out.returncode == 0 and not out.stderr + out.stdout else [out.stderr + out.stdout])


def check_rules(count):
    """Our rules are rules, and ask for figures that there are."""
    path = os.path.join(HERE, "../../conf/prometheus/earshot.rules.yml")
    if shutil.which("promtool") is None:
        count.skip("rules for Prometheus", "prometheus is not installed")
        return
    out = subprocess.run(["promtool", "check", "rules", path], capture_output=True, text=True)
    with open(path, encoding="utf-8") as f:
        asked = set(re.findall(r"earshot_[a-z_]+", "".join(line for line in f if "expr:" in line)))
    with open(os.path.join(HERE, "../../outputs/http_metrics.c"), encoding="utf-8") as f:
        told = set(re.findall(r'"(earshot_[a-z_]+)"', f.read()))
    count.check("the rules for Prometheus are good, and ask for what is told",
                ([] if out.returncode == 0 else [out.stderr]) + [f"{name} is never told" for name in sorted(asked - told)])


def check_prometheus(count, servers, port):
    """Prometheus itself reads it: up, and a query gives what /metrics says."""
    web, = free_ports(1)
    path = os.path.join(servers.folder, "prometheus.yml")
    with open(path, "w", encoding="ascii") as f:
        f.write(f"global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: earshot\n  static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n")
    servers.start("prometheus", ["prometheus", "--config.file=" + path, "--storage.tsdb.path=" + os.path.join(servers.folder, "tsdb"),
                                 f"--web.listen-address=127.0.0.1:{web}"], ready=web)

    def ask(query):
        found = json.loads(get(web, "/api/v1/query?query=" + query)[2])["data"]["result"]
        return float(found[0]["value"][1]) if found else None
    up = wait_for(lambda: ask("up") == 1)
    wanted, got = sample(port, "earshot_capture_packets_total"), ask("earshot_capture_packets_total") if up else None
    count.check("Prometheus scrapes it and answers a query", [] if up and got == wanted else [f"up: {up}, {got} instead of {wanted}"])


class Page(HTMLParser):
    """Elements and attributes that are not ours."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.strange, self.text = [], []

    def handle_starttag(self, tag, attributes):
        if tag not in ELEMENTS or not {name for name, _ in attributes} <= ATTRIBUTES:
            self.strange.append(f"<{tag} {attributes}>")
        for name, value in attributes:
            if name == "href" and value not in ("style.css", "metrics", "healthz"):
                self.strange.append(f"a link to {value}")

    def handle_data(self, data):
        self.text.append(data)

    def handle_comment(self, data):
        self.strange.append(f"a comment: {data}")


def judge_page(text):
    page = Page()
    page.feed(text)
    problems = page.strange[:5] + ([f"unprintable {found}"] if (found := re.findall(r"[^\n -~\u00a1-\U0010ffff]", text)) else [])
    return problems, "".join(page.text)


def check_page(count, port):
    status, headers, text = get(port)
    problems, shown = judge_page(text)
    problems += [] if status == 200 and "script" not in headers["Content-Security-Policy"] else [f"{status} {headers}"]
    problems += [] if headers["X-Content-Type-Options"] == "nosniff" and headers["Content-Security-Policy"].startswith("default-src 'none'") else [str(headers)]
    for wanted in ("203.0.113.66", "search for user names", "REGISTER", "Healthy."):
        if wanted not in shown:
            problems.append(f"'{wanted}' is not shown")
    count.check("the page shows incidents and figures, in elements of ours", problems)
    head = get(port, "/", method="HEAD")
    count.check("HEAD is the same without the page", [] if head[0] == 200 and head[2] == "" and int(head[1]["Content-Length"]) > 1000 else [str(head)])


HOSTILE = ("<script>document.title='owned'</script>", "\"><img src=x onerror=\"document.title='owned'\">", "'><svg/onload=alert(1)>",
           "</title><script>document.body.innerHTML='owned'</script>", "<!--", "\x1b[2J", "javascript:alert(1)")


def check_hostile(binary, count):
    """Names of ours and text of the wire that would be more than text: the capture of hostile strings, and names of outputs."""
    more = [word for i, name in enumerate(HOSTILE[:2]) for word in ("--set", f"outputs.x{i}.type=file", "--set", f"outputs.x{i}.path=/dev/null")]
    observer = HOSTILE[3]
    with fed(binary, "--set", "observer.name=" + observer, *more, captures=("hostile-strings", "fingerprint", "enumeration")) as (sensor, port):
        text = get(port)[2]
        problems, shown = judge_page(text)
        problems += [] if observer in shown else ["the name is not shown as it is"]
        count.check("a hostile page has no element that is not ours", problems)
        if shutil.which("chromium") is None:
            count.skip("a browser on a hostile page", "chromium is not installed")
        else:
            with tempfile.TemporaryDirectory() as profile:
                out = subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                                      "--user-data-dir=" + profile, "--dump-dom", f"http://127.0.0.1:{port}/"], capture_output=True, text=True,
                                     timeout=300)
            wrong, _ = judge_page(out.stdout.replace("<!DOCTYPE html>", ""))
            count.check("a browser runs nothing of a hostile page",
                        wrong if "<h1>earshot" in out.stdout else [f"{out.returncode}: {out.stdout[:300]} {out.stderr[-300:]}"])
        count.check("the sensor ends well", [] if sensor.end()[0] == 0 else [sensor.said()])


def check_privacy(binary, count):
    """Users that the incidents of the demo name are not on the page when they are to be masked."""
    named = r"\b100[1-4]\b"
    seen = []
    for mode in ("clear", "mask"):
        with fed(binary, "--set", "privacy.users=" + mode, "--set", "privacy.numbers=" + mode) as (_, port):
            seen.append(set(re.findall(named, get(port)[2] + get(port, "/metrics")[2])))
    count.check("masked users are not on the page", [] if len(seen[0]) >= 4 and not seen[1] else [f"clear: {seen[0]}, masked: {seen[1]}"])


# --- who asks ---

def check_askers(count, port):
    rows = (("/nothing", "GET", {}, 404), ("/../etc/passwd", "GET", {}, 404), ("//", "GET", {}, 404), ("/metrics?a=b", "GET", {}, 200),
            ("/", "DELETE", {}, 501), ("/", "POST", {}, 501), ("/", "GET", {"Host": "rebound.example"}, 421), ("/", "GET", {"Host": "localhost:1"}, 200),
            ("/", "GET", {"Host": "[::1]:9469"}, 200), ("/", "GET", {"X": "y" * 20000}, 400), ("/" + "a" * 9000, "GET", {}, 400),
            ("/", "GET", {"Content-Length": "9999999999"}, 413))
    problems = []
    for path, method, headers, wanted in rows:
        try:
            status = get(port, path, method, headers)[0]
        except (OSError, http.client.HTTPException) as error:
            status = type(error).__name__
        if status != wanted and not (wanted in (400, 413) and status in ("BrokenPipeError", "ConnectionResetError", "RemoteDisconnected", 413, 400)):
            problems.append(f"{method} {path[:40]} {str(headers)[:60]}: {status} instead of {wanted}")
    count.check("requests that are odd are refused", problems)
    for garbage in (b"\0" * 100, os.urandom(5000), b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\r\n" * 2000, b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
                    b"GET http://[::1/ HTTP/1.1\r\n\r\n", b"GET /%00%zz HTTP/1.0\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"):
        with socket.create_connection(("127.0.0.1", port), timeout=30) as s, contextlib.suppress(OSError):
            s.sendall(garbage)
    count.check("it goes on after garbage", [] if wait_for(lambda: get(port, "/healthz")[0] in (200, 503)) else ["no answer"])


def descriptors(sensor):
    return len(os.listdir(f"/proc/{sensor.process.pid}/fd"))


def check_slow(count, sensor, port):
    """Fifty that send a byte now and then: others are served at once, no more than 32 are held, none for longer than 5 s."""
    before = descriptors(sensor)
    slow = []
    for _ in range(50):
        s = socket.create_connection(("127.0.0.1", port), timeout=5)
        s.sendall(b"GET / HTTP/1.1\r\nX: ")
        slow.append(s)
    problems, took, begun, most = [], [], time.monotonic(), 0
    while time.monotonic() - begun < 6:
        for s in slow:
            with contextlib.suppress(OSError):
                s.send(b"y")
        asked = time.monotonic()
        try:
            problems += [] if get(port, "/metrics")[0] == 200 else ["refused"]
        except (OSError, http.client.HTTPException) as error:
            problems.append(f"a client that is not slow: {error}")
        took.append(time.monotonic() - asked)
        most = max(most, descriptors(sensor) - before)
        time.sleep(0.2)
    slow_ones = [f"{seconds:.2f}" for seconds in took if seconds > 1]
    problems += [f"of {len(took)} answers these took longer than 1 s: {slow_ones}"] if len(slow_ones) > 1 else []  # one: the machine stood still
    problems += [f"{most} connections at once"] if most > CONNECTIONS_MAX + 2 else []
    problems += [] if wait_for(lambda: descriptors(sensor) <= before, 3) else [f"{descriptors(sensor) - before} connections are held"]
    problems += [] if sensor.runs() else ["the sensor ended"]
    for s in slow:
        s.close()
    count.check("fifty slow clients hold up nobody", problems)


def check_silent_readers(count, sensor, port):
    """Sixty that ask for all and read nothing."""
    before = descriptors(sensor)
    silent_ones = []
    for _ in range(60):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        s.connect(("127.0.0.1", port))
        s.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        silent_ones.append(s)
    good = get(port, "/healthz")[0] in (200, 503)
    gone = wait_for(lambda: descriptors(sensor) <= before, 8)
    for s in silent_ones:
        s.close()
    count.check("clients that read nothing are let go", [] if good and gone else [f"served: {good}, {descriptors(sensor) - before} held"])


def check_open(binary, count):
    port, = free_ports(1)
    with socket.create_server(("127.0.0.1", port)):
        runs = (("taken", words(port), 1, "cannot listen"), ("open to all", words(port, address="0.0.0.0"), 2, "allow_remote"),
                ("a name", words(port, address="localhost"), 2, "an IP address"), ("another's", words(port, address="192.0.2.1", allow_remote="true"), 1, "cannot listen"))
        for what, arguments, status, said in runs:
            out = subprocess.run([binary, "-r", os.path.join(HERE, "../../pcaps/call-busy.pcap"), "--report", "none", "--deliver", *arguments],
                                 capture_output=True, text=True, timeout=120)
            count.check(f"an address that is {what} is refused in words",
                        [] if out.returncode == status and said in out.stderr else [f"{out.returncode}: {out.stderr}"])


# --- live: is it well? ---

def verdict(port):
    status, _, text = get(port, "/healthz")
    return status, json.loads(text)


def inside(binary):
    """In a namespace of our own: healthz from the start to deafness, while 50 slow clients hang on it, one redis is not there and one hangs."""
    ip("link", "set", "lo", "up")
    pair()
    wire = Wire()
    port, nobody = free_ports(2)
    hung = socket.create_server(("127.0.0.1", 0))
    problems = []
    if not 2 <= time.time() % 10 <= 4:  # the sensor tells of itself in each second that can be divided by ten: begin long before one
        time.sleep((2 - time.time()) % 10)
    with hung, Sensor(binary, *words(port), "--set", "outputs.away.type=redis", "--set", f"outputs.away.port={nobody}", "--set", "outputs.away.queue=1MiB",
                "--set", "outputs.hung.type=redis", "--set", f"outputs.hung.port={hung.getsockname()[1]}",
                "--set", "records.sip=messages", "--set", "detectors.sensor-blind.silence=15s") as sensor:
        first = verdict(port)
        problems += [] if first[0] == 503 and "no record of the sensor has come yet" in first[1]["reasons"][0] else [f"at the start: {first}"]
        slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(50)]
        wire.play(frames("demo"))
        problems += [] if wait_for(lambda: verdict(port)[0] == 200) else [f"with traffic: {verdict(port)}"]
        for name in ("sip-flood", "sip-flood-source", "scan-flood", "enumeration"):
            for _, frame in frames(name):
                wire.send(frame)
        lost = 'earshot_output_records_total{output="away",result="dropped"}'
        problems += [] if wait_for(lambda: sample(port, lost) > 0) else ["the output that is away lost nothing: too little is tested"]
        bad = verdict(port)
        problems += [] if bad[0] == 503 and any("output away has lost" in r for r in bad[1]["reasons"]) else [f"an output lost records: {bad}"]
        deaf = wait_for(lambda: any("sensor-blind" in r for r in verdict(port)[1]["reasons"]), 2 * PATIENCE_S)
        problems += [] if deaf else [f"deaf for long: {verdict(port)}"]
        got = samples(get(port, "/metrics")[2])
        for name in ("away", "hung"):
            problems += [] if got[f'earshot_output_away{{output="{name}"}}'] == 1 else [f"{name} is not away"]
        problems += [] if got["earshot_healthy"] == 0 and got["earshot_processing_lag_seconds"] < 5 else ["earshot_healthy or the lag"]
        page_problems, shown = judge_page(get(port)[2])
        problems += page_problems + ([] if "Not healthy." in shown else ["the page does not say that it is not healthy"])
        for s in slow:
            s.close()
        _, report = sensor.stop()
        problems += accounted("with outputs in trouble", report, wire.sent)
        problems += [] if report["capture"]["dropped"] == 0 else [f"{report['capture']['dropped']} frames were dropped"]
    return problems + silent("tap0")


def check_live(binary, count):
    out = subprocess.run(["unshare", "--net", "ip", "link", "add", "tap0", "type", "veth", "peer", "name", "wire0"], capture_output=True, text=True) \
        if shutil.which("unshare") and shutil.which("ip") else None
    if out is None or out.returncode != 0:
        count.skip("health live", "network namespaces are not allowed here" if out else "unshare or ip is not installed")
        return
    out = subprocess.run(["unshare", "--net", sys.executable, os.path.abspath(__file__), "--binary", binary, "--inside"],
                         capture_output=True, text=True, timeout=600)
    try:
        problems = json.loads(out.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        problems = [f"it ended with {out.returncode}: {out.stderr[-1500:]}"]
    count.check("health live: at the start, with traffic, with a lossy output, deaf", problems)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--inside", action="store_true")
    options = parser.parse_args()
    binary = os.path.abspath(options.binary)
    if options.inside:
        print(json.dumps(inside(binary)))
        return
    count = Count()
    live = threading.Thread(target=check_live, args=(binary, count))  # waits nearly all the time
    live.start()
    with Servers() as servers:
        with fed(binary) as (sensor, port):
            check_metrics(count, port)
            check_page(count, port)
            try:
                check_prometheus(count, servers, port)
            except Unavailable as why:
                count.skip("Prometheus", str(why))
            check_askers(count, port)
            check_slow(count, sensor, port)
            check_silent_readers(count, sensor, port)
            hanging = [socket.create_connection(("127.0.0.1", port)) for _ in range(10)]
            hanging[0].sendall(b"GET /metr")
            wait_for(lambda: descriptors(sensor) > 10)
            status, said = sensor.end()
            count.check("the sensor ends well under clients that hang on it, and said nothing", [] if status == 0 and not said else [f"{status}: {said}"])
    check_rules(count)
    check_open(binary, count)
    check_hostile(binary, count)
    check_privacy(binary, count)
    live.join()
    count.end()


if __name__ == "__main__":
    main()
