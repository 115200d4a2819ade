"""webhook against a server on loopback that answers well, badly, late, or not at all."""
import hashlib
import hmac
import http.server
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time

from calling import ALERT, DECISION, IN_TIME_S, Hook, Problems

SECRET = "correct horse # battery"


class Server(http.server.ThreadingHTTPServer):
    """Answers as the path says: /204, /redirect, /hang ..."""
    daemon_threads = True

    def __init__(self, context=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.got = []  # (path, headers, body)
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, path, scheme="http"):
        return f"{scheme}://127.0.0.1:{self.server_address[1]}/{path}"

    def handle_error(self, request, client_address):
        pass  # callers that do not trust us, or do not wait


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, dict(self.headers), body))
        word = self.path.strip("/")
        if word == "hang":
            time.sleep(20)
        elif word == "garbage":
            self.wfile.write(b"\x00\xff\r\n" * 100)
        elif word == "drip":
            for _ in range(30):
                self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                time.sleep(1)
        elif word == "endless":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000)
        elif word == "redirect":
            self.send_response(302)
            self.send_header("Location", self.server.url("200"))
            self.end_headers()
        elif word != "reset":
            self.send_response(int(word))
            self.end_headers()

    def log_message(self, *_):
        pass


def what_arrives(world):
    problems, server = Problems(), Server()
    hook = Hook("webhook", world.folder("webhook"), f"url = {server.url('200')}\nsecret = {SECRET}\nheader = Authorization: Bearer abc\n")
    problems.equal("check", hook.check().said, {"ok": True, "targets": ["ip", "account", "number", "none"], "changes": False})
    problems.equal("check asks nobody", server.got, [])
    answer = hook.apply("203.0.113.66", 600)
    problems.true(f"apply: {answer}", answer.status == 0 and answer.applied())
    problems.equal("revoke and list", (hook.revoke("203.0.113.66").status, hook.list()), (0, {}))
    for (path, headers, body), action in zip(server.got, ("apply", "revoke")):
        order = json.loads(body)
        problems.equal("body", (order["action"], order["decision"], order["target"], order["alert"]),
                       (action, DECISION, {"type": "ip", "value": "203.0.113.66"}, ALERT))
        signed = hmac.new(SECRET.encode(), headers["X-Earshot-Timestamp"].encode() + b"." + body, hashlib.sha256).hexdigest()
        problems.equal("signature", headers["X-Earshot-Signature"], "sha256=" + signed)
        problems.equal("headers", (path, headers["Content-Type"], headers["Authorization"], headers["Idempotency-Key"]),
                       ("/200", "application/json", "Bearer abc", DECISION + ("-revoke" if action == "revoke" else "")))
        problems.true("time stamp", abs(time.time() - int(headers["X-Earshot-Timestamp"])) < 30)
    problems.equal("requests", len(server.got), 2)
    return problems


def what_is_answered(world):
    problems, server = Problems(), Server()
    hook = Hook("webhook", world.folder("webhook-answers"))
    for word, status in (("200", 0), ("204", 0), ("400", 30), ("401", 30), ("404", 30), ("408", 20), ("409", 30), ("429", 20), ("500", 20),
                         ("503", 20), ("redirect", 30), ("304", 30), ("reset", 20), ("garbage", 20), ("endless", 20), ("hang", 20), ("drip", 20)):
        hook.configure(f"url = {server.url(word)}\ntimeout_s = 2\n")
        answer = hook.apply("203.0.113.66")
        problems.true(f"{word}: {answer} after {answer.seconds:.1f} s",
                      answer.status == status and answer.applied() == (status == 0) and answer.seconds < IN_TIME_S and (status == 0 or answer.err))
    problems.equal("who follows a redirect", [path for path, _, _ in server.got].count("/200"), 1)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        hook.configure(f"url = http://127.0.0.1:{nobody.getsockname()[1]}/\n")
        problems.equal("nobody listens", hook.apply("203.0.113.66").status, 20)
    return problems


def bad_urls(world):
    problems = Problems()
    hook = Hook("webhook", world.folder("webhook-urls"))
    for settings, word in (("", "not set"), ("url = http://192.0.2.1/\n", "allow_http"), ("url = file:///etc/passwd\n", "https"),
                           ("url = https://user:pw@192.0.2.1/\n", "user"), ("url = https://192.0.2.1:99999/\n", "url"), ("url = https:///x\n", "HOST"),
                           ("url = https://192.0.2.1/\nheader = x\n", "header"), ("url = https://192.0.2.1/\nca_file = /nonexistent\n", "ca_file"),
                           ("url = https://192.0.2.1/\nallow_http = perhaps\n", "yes nor no"), ("url = http://[::1/\n", "url")):
        hook.configure(settings)
        answer = hook.check()
        problems.true(f"{settings!r}: {answer}", answer.status == 50 and word in answer.err)
    hook.configure("url = http://192.0.2.1/\nallow_http = yes\n")
    problems.equal("http that is wanted", hook.check().status, 0)
    hook.configure("url = https://192.0.2.1/\n", 0o644)
    problems.equal("a secret that everybody can read", hook.check().status, 50)
    return problems


def certificates(world):
    problems, folder = Problems(), world.folder("webhook-tls")
    if shutil.which("openssl") is None:
        return problems
    key, certificate = os.path.join(folder, "key.pem"), os.path.join(folder, "certificate.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", certificate,
                    "-days", "2", "-subj", "/CN=earshot test", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = Server(context)
    hook = Hook("webhook", folder, f"url = {server.url('200', 'https')}\n")
    answer = hook.apply("203.0.113.66")
    problems.true(f"a certificate of nobody: {answer}", answer.status == 50 and "certificate" in answer.err)
    hook.configure(f"url = {server.url('200', 'https')}\nca_file = {certificate}\n")
    problems.equal("one that is known", hook.apply("203.0.113.66").status, 0)
    hook.configure(f"url = {server.url('200', 'https').replace('127.0.0.1', 'localhost')}\nca_file = {certificate}\n")
    problems.equal("one of another name", hook.apply("203.0.113.66").status, 50)
    problems.equal("requests", len(server.got), 1)
    return problems


SCENARIOS = (what_arrives, what_is_answered, bad_urls, certificates)
