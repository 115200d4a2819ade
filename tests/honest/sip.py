"""sip: phones, a registrar and dialogs that say what RFC 3261 and RFC 2617 make them say.

A dialog runs along a row of hops. Every hop adds its Via; those between the ends are proxies with Record-Route.
What a message says is a matter of the ends; when it is seen on which link is what `send` and `reply` do. Times are
seconds since the start of the capture; every function gives the time at which the last of its messages was seen.
"""
import hashlib

from wire import Wire

SIP = 5060
REASONS = {100: "Trying", 180: "Ringing", 183: "Session Progress", 200: "OK", 202: "Accepted", 302: "Moved Temporarily",
           401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 407: "Proxy Authentication "
                   "Required", 408: "Request Timeout",
           480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist", 484: "Address Incomplete", 486: "Busy Here",
           487: "Request Terminated", 500: "Server Internal Error", 503: "Service Unavailable", 603: "Decline"}
CODECS = {"PCMU": (0, 8000, 1), "PCMA": (8, 8000, 1), "G729": (18, 8000, 1), "opus": (111, 48000, 2)}


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


def host(address):
    return f"[{address}]" if ":" in address else address


def place(end):
    return f"{host(end[0])}:{end[1]}"


def digest(user, password, realm, method, uri, nonce, count, header="Authorization"):
    cnonce = md5(f"{nonce}{count}{user}")[:16]
    a1, a2 = md5(f"{user}:{realm}:{password}"), md5(f"{method}:{uri}")
    response = md5(f"{a1}:{nonce}:{count:08x}:{cnonce}:auth:{a2}")
    return (f'{header}: Digest username="{user}", realm="{realm}", nonce="{nonce}", uri="{uri}", response="{response}", '
            f'algorithm=MD5, cnonce="{cnonce}", qop=auth, nc={count:08x}\r\n')


def sdp(end, codec="PCMU", direction="sendrecv", ptime=20, address=None, version=1):
    """An offer or answer of one audio stream at `end`."""
    number, rate, channels = CODECS[codec]
    family = "IP6" if ":" in end[0] else "IP4"
    shape = f"{codec}/{rate}" + (f"/{channels}" if channels > 1 else "")
    return (f"v=0\r\no=- {1000 + version} {version} IN {family} {end[0]}\r\ns=-\r\nc=IN {family} {address or end[0]}\r\nt=0 0\r\n"
            f"m=audio {end[1]} RTP/AVP {number} 101\r\na=rtpmap:{number} {shape}\r\na=rtpmap:101 telephone-event/8000\r\n"
            f"a=ptime:{ptime}\r\na={direction}\r\n")


class Phone:
    def __init__(self, user, end, domain="example.com", password=None, agent="Desk/2.4", instance=None):
        self.user, self.end, self.domain, self.agent = user, end, domain, agent
        self.password = password or f"{user}-secret"
        self.instance = instance
        self.call_id = None  # of its registrations
        self.cseq = 0

    @property
    def aor(self):
        return f"sip:{self.user}@{self.domain}"

    @property
    def contact(self):
        return f"sip:{self.user}@{place(self.end)}"


class Server:
    """Registrar and proxy of a domain."""

    def __init__(self, end=("192.0.2.10", SIP), domain="example.com", realm=None):
        self.end, self.domain, self.realm = end, domain, realm or domain

    def nonce(self, source, at):
        return md5(f"{self.end}{source}{at:.6f}")


class Net(Wire):
    """A wire on which people talk SIP."""

    def __init__(self, seed, **more):
        super().__init__(seed, **more)
        self.messages = 0
        self.tokens = 0
        self.asked = {}  # ends of a request, by its branch
        self.unheard = 0  # answered calls whose media does not pass by the sensor

    def token(self, length=12):
        self.tokens += 1
        return f"{self.rng.getrandbits(length * 4):0{length}x}{self.tokens:x}"

    def branch(self):
        return "z9hG4bK" + self.token()

    def turn(self, address):
        """From a packet to this address until its answer is seen: near ones 1 to 3 ms, others 20 to 60 ms."""
        if address.startswith(("192.0.2.", "2001:db8:0:")):
            return self.rng.uniform(0.001, 0.003)
        return self.rng.uniform(0.020, 0.060)

    def say(self, at, source, destination, text):
        """A message. An answer that comes from elsewhere than the request went to is a mistake of the scenario."""
        at_branch = text.index(";branch=")
        branch = text[at_branch:text.index("\r\n", at_branch)].partition(";rport")[0]
        if not text.startswith("SIP/2.0"):
            self.asked[branch] = source, destination
        elif self.asked.get(branch) != (destination, source):
            raise ValueError(f"{source} answers at {at} what {self.asked.get(branch)} asked: {text[:60]!r}")
        self.messages += 1
        self.udp(at, source, destination, text.encode())

    # -- registrations

    def register(self, at, phone, server, password=None, expires=3600, refused=401, nonce=None, contact=None, source=None,
                 retry_after=None, extra="", new_call=False, credentials=True):
        """One registration: asked, challenged, answered. A wrong password is refused with `refused`; `nonce` is an old
        one to begin with, which the server calls stale; with `retry_after` the server sends the phone away."""
        source = source or phone.end
        if phone.call_id is None or new_call:
            phone.call_id, phone.cseq, phone.tag = f"{self.token()}@{host(source[0])}", 0, self.token(6)
        given = password or phone.password
        instance = f';+sip.instance="<urn:uuid:{phone.instance}>"' if phone.instance else ""
        contact = contact or f"<{phone.contact}>{instance}"
        stale, status = nonce is not None, 401
        while True:
            at, status, nonce = self.register_once(at, phone, server, given if nonce else None, nonce, stale, contact, source, expires,
                                                   refused, retry_after, extra)
            if status != 401 or not (nonce and credentials) or (given != phone.password and not stale and phone.asked):
                return at
            stale = False
            at += self.turn(source[0])

    def register_once(self, at, phone, server, password, nonce, stale, contact, source, expires, refused, retry_after, extra):
        """(time, status, nonce of the challenge or None)"""
        uri, to = f"sip:{server.domain}", f"<{phone.aor}>"
        phone.cseq += 1
        phone.asked = bool(password)
        line = digest(phone.user, password, server.realm, "REGISTER", uri, nonce, 1) if password else ""
        via = f"Via: SIP/2.0/UDP {place(source)};branch={self.branch()};rport\r\n"
        middle = f"From: {to};tag={phone.tag}\r\nTo: {to}"
        rest = f"Call-ID: {phone.call_id}\r\nCSeq: {phone.cseq} REGISTER\r\n"
        self.say(at, source, server.end, f"REGISTER {uri} SIP/2.0\r\n{via}Max-Forwards: 70\r\n{middle}\r\n{rest}Contact: {contact}\r\n"
                 f"Expires: {expires}\r\n{line}{extra}User-Agent: {phone.agent}\r\nContent-Length: 0\r\n\r\n")
        at += self.turn(server.end[0])
        fresh, tail = server.nonce(source, at), ""
        if retry_after:
            status, tail = 503, f"Retry-After: {retry_after}\r\n"
        elif not password or stale:
            status = 401
        elif password == phone.password:
            status, tail = 200, f"Contact: {contact};expires={expires}\r\n" if expires else ""
        else:
            status = refused
        if status == 401:
            mark = ", stale=true" if stale else ""
            tail = f'WWW-Authenticate: Digest realm="{server.realm}", nonce="{fresh}", algorithm=MD5, qop="auth"{mark}\r\n'
        self.say(at, server.end, source, f"SIP/2.0 {status} {REASONS[status]}\r\n{via}{middle};tag={self.token(6)}\r\n{rest}{tail}"
                 f"Server: proxy\r\nContent-Length: 0\r\n\r\n")
        return at, status, fresh if status == 401 else None

    # -- single questions

    def ask(self, at, source, destination, method="OPTIONS", user="ping", answer=200, agent="Monitor/1.0", call_id=None, cseq=1,
            from_user="ping", extra="", answer_extra="", wait=None, body="", to_tag=None):
        """A request outside dialogs and its answer; None for `answer` is silence."""
        to = f"<sip:{user + '@' if user else ''}{host(destination[0])}>" + (f";tag={to_tag}" if to_tag else "")
        head = f"Via: SIP/2.0/UDP {place(source)};branch={self.branch()};rport\r\n"
        middle = f"From: <sip:{from_user}@{host(source[0])}>;tag={self.token(6)}\r\n"
        rest = f"Call-ID: {call_id or self.token() + '@' + host(source[0])}\r\nCSeq: {cseq} {method}\r\n"
        target = to[1:to.index(">")]
        contact = f"Contact: <sip:{from_user}@{place(source)}>\r\n" if method in ("SUBSCRIBE", "OPTIONS") else ""
        self.say(at, source, destination, f"{method} {target} SIP/2.0\r\n{head}Max-Forwards: 70\r\n{middle}To: "
                f"{to}\r\n{rest}{contact}{extra}"
                 f"User-Agent: {agent}\r\nContent-Length: {len(body)}\r\n\r\n{body}")
        if answer is None:
            return at
        at += wait if wait is not None else self.turn(destination[0])
        tag = "" if to_tag else f";tag={self.token(6)}"
        self.say(at, destination, source, f"SIP/2.0 {answer} {REASONS[answer]}\r\n{head}{middle}To: "
                f"{to}{tag}\r\n{rest}{answer_extra}Content-Length: 0\r\n\r\n")
        return at


class Transaction:
    """One request on its way, and what its answers repeat."""

    def __init__(self, method, cseq, hops, start, to, routes):
        self.method, self.cseq, self.hops, self.start, self.to, self.routes = method, cseq, hops, start, to, routes
        self.vias = []
        self.branches = []


class Dialog:
    """A call's (or a subscription's) dialog along `hops`: first the caller, last the callee, proxies between."""

    def __init__(self, net, hops, caller, callee, domain="example.com", agent="Desk/2.4", call_id=None, uri=None, caller_domain=None,
                 callee_agent="Desk/2.4", record_route=True):
        self.net, self.hops, self.caller, self.callee, self.domain = net, list(hops), caller, callee, domain
        self.uri = uri or f"sip:{callee}@{domain}"
        self.from_uri = f"sip:{caller}@{caller_domain or domain}"
        self.call_id = call_id or f"{net.token()}@{host(hops[0][0])}"
        self.from_tag, self.to_tag = net.token(6), net.token(6)
        self.cseqs = [0, 0]
        self.agents = [agent, callee_agent]
        self.established = False
        self.record_route = record_route
        self.credentials = ""

    def send(self, at, method, reverse=False, body="", extra="", until=None, again=None, cseq=None, hops=None, after=None):
        """A request along the hops (until hop number `until`). `again` is the transaction that it belongs to: CANCEL and the
        ACK of a refusal use its branch. `after` is one that the last proxy now sends on to hops[-1] as well (a fork)."""
        hops = list(hops or (self.hops[::-1] if reverse else self.hops))
        first = 0
        if after is not None:
            cseq, first = after.cseq, len(hops) - 2
        elif again is not None:
            hops, cseq = again.hops, again.cseq
        elif cseq is None:
            self.cseqs[reverse] += 1
            cseq = self.cseqs[reverse]
        inside = self.established and again is None
        me, you = (self.callee, self.caller) if reverse else (self.caller, self.callee)
        near, far = (f"<{self.uri}>;tag={self.to_tag}", f"<{self.from_uri}>;tag={self.from_tag}") if reverse else (
            f"<{self.from_uri}>;tag={self.from_tag}", f"<{self.uri}>" + (f";tag={self.to_tag}" if inside else ""))
        if again is not None and method == "ACK":
            far = f"<{self.uri}>;tag={again.refusal_tag}"
        transaction = Transaction(method, cseq, hops, near, far, [])
        last = len(hops) - 1 if until is None else until
        proxies = [f"<sip:{place(h)};lr>" for h in hops[1:-1]] if self.record_route else []
        if after is not None:
            transaction.branches, transaction.vias = after.branches[:first], after.vias[-first:]
        for k in range(first, last):
            branch = again.branches[k] if again is not None else self.net.branch()
            transaction.branches.append(branch)
            transaction.vias.insert(0, f"Via: SIP/2.0/UDP {place(hops[k])};branch={branch}\r\n")
            if inside:
                uri, routes = f"sip:{you}@{place(hops[-1])}", "".join(f"Route: {p}\r\n" for p in proxies[k:])
            else:
                uri = self.uri if k < len(hops) - 2 or len(hops) == 2 else f"sip:{you}@{place(hops[-1])}"
                routes = ""
                if k and method == "INVITE" and proxies:
                    routes = "".join(f"Record-Route: {p}\r\n" for p in reversed(proxies[:k]))
                    transaction.routes = [f"Record-Route: {p}\r\n" for p in reversed(proxies)]
            contact = f"Contact: <sip:{me}@{place(hops[0])}>\r\n" if method in ("INVITE", "UPDATE", "SUBSCRIBE", "REFER", "NOTIFY") else ""
            kind = "Content-Type: application/sdp\r\n" if body.startswith("v=0") else "Content-Type: text/plain\r\n" if body else ""
            self.net.say(at, hops[k], hops[k + 1], f"{method} {uri} SIP/2.0\r\n{''.join(transaction.vias)}Max-Forwards: "
                    f"{70 - k}\r\n{routes}"
                         f"From: {near}\r\nTo: {far}\r\nCall-ID: {self.call_id}\r\nCSeq: {cseq} {method}\r\n{contact}{extra}"
                         f"User-Agent: {self.agents[reverse]}\r\n{kind}Content-Length: {len(body)}\r\n\r\n{body}")
            if k + 1 < last:
                at += 0.001
        transaction.reached = last
        transaction.time = at
        return transaction

    def reply(self, at, transaction, status, body="", extra="", by=None, tag=None, until=0):
        """The answer of hop `by` (preset: where the request came to) back to hop `until`; gives the time."""
        by = transaction.reached if by is None else by
        to = transaction.to
        if status > 100 and ";tag=" not in to:
            tag = tag or (self.to_tag if by == len(transaction.hops) - 1 else self.net.token(6))
            to += f";tag={tag}"
            if status >= 300:
                transaction.refusal_tag = tag
        elif ";tag=" in to:
            transaction.refusal_tag = to[to.index(";tag=") + 5:]
        contact = ""
        if 100 < status < 300 and transaction.method in ("INVITE", "SUBSCRIBE", "UPDATE"):
            contact = f"Contact: <sip:{self.callee}@{place(transaction.hops[-1])}>\r\n"
        routes = "".join(transaction.routes) if 100 < status < 300 else ""
        kind = "Content-Type: application/sdp\r\n" if body else ""
        for k in range(by, until, -1):
            vias = "".join(transaction.vias[len(transaction.vias) - k:])
            self.net.say(at, transaction.hops[k], transaction.hops[k - 1], f"SIP/2.0 {status} {REASONS[status]}\r\n{vias}{routes}"
                         f"From: {transaction.start}\r\nTo: {to}\r\nCall-ID: {self.call_id}\r\nCSeq: {transaction.cseq} "
                                 f"{transaction.method}\r\n"
                         f"{contact}{extra}{kind}Content-Length: {len(body)}\r\n\r\n{body}")
            if status == 100:
                break
            if k > until + 1:
                at += 0.001
        return at

    # -- what calls are made of

    def invite(self, at, body="", server=None, password=None, extra="", user=None):
        """INVITE, challenged by the first proxy where it has a password to ask for; gives the transaction that goes on."""
        net = self.net
        if password is not None:
            asked = self.send(at, "INVITE", body=body, until=1, extra=extra)
            at = asked.time + net.turn(self.hops[1][0])
            nonce = server.nonce(self.hops[0], at)
            self.reply(at, asked, 407, extra=f'Proxy-Authenticate: Digest realm="{server.realm}", nonce="{nonce}", algorithm=MD5, '
                    f'qop="auth"\r\n', by=1)
            at += net.turn(self.hops[0][0])
            self.send(at, "ACK", again=asked, until=1)
            self.credentials = digest(user or self.caller, password, server.realm, "INVITE", self.uri, nonce, 1, "Proxy-Authorization")
            extra += self.credentials
            at += 0.002
        transaction = self.send(at, "INVITE", body=body, extra=extra)
        if len(self.hops) > 2:
            self.reply(at + 0.0005, transaction, 100, by=1)
        return transaction

    def accept(self, at, transaction, body=""):
        at = self.reply(at, transaction, 200, body=body)
        self.established = True
        at += self.net.turn(self.hops[0][0])
        return self.send(at, "ACK", cseq=transaction.cseq).time

    def refuse(self, at, transaction, status, by=None, extra=""):
        """A refusal: each hop acknowledges it to the next."""
        self.reply(at, transaction, status, by=by, extra=extra)
        by = transaction.reached if by is None else by
        at += 0.001 * by + self.net.turn(self.hops[0][0])
        return self.send(at, "ACK", again=transaction, until=by).time

    def cancel(self, at, transaction):
        cancelled = self.send(at, "CANCEL", again=transaction)
        at = cancelled.time + self.net.turn(transaction.hops[-1][0])
        self.reply(at, cancelled, 200)
        return self.refuse(at + 0.002, transaction, 487)

    def fork(self, at, transaction, status, end, body=""):
        """The last hop refuses, the proxy keeps that to itself and asks `end` instead; gives the new transaction."""
        at = self.reply(at, transaction, status, until=transaction.reached - 1)
        self.acknowledge_here(at + 0.0005, transaction)
        self.hops[-1] = end
        return self.send(at + 0.001, "INVITE", body=body, extra=self.credentials, after=transaction)

    def send_here(self, at, method, branch):
        """CANCEL of one fork, by the last proxy alone."""
        k = branch.reached - 1
        self.net.say(at, branch.hops[k], branch.hops[k + 1], f"{method} {self.uri} SIP/2.0\r\n{branch.vias[0]}Max-Forwards: 70\r\n"
                     f"From: {branch.start}\r\nTo: <{self.uri}>\r\nCall-ID: {self.call_id}\r\nCSeq: {branch.cseq} "
                             f"{method}\r\nContent-Length: 0\r\n\r\n")
        cancelled = Transaction(method, branch.cseq, branch.hops, branch.start, f"<{self.uri}>", [])
        cancelled.vias, cancelled.reached = branch.vias, branch.reached
        return cancelled

    def acknowledge_here(self, at, transaction):
        """The ACK of the last proxy alone for a refusal that goes no further back."""
        k = transaction.reached - 1
        self.net.say(at, transaction.hops[k], transaction.hops[k + 1], f"ACK {self.uri} SIP/2.0\r\n{transaction.vias[0]}Max-Forwards: "
                f"70\r\n"
                     f"From: {transaction.start}\r\nTo: <{self.uri}>;tag={transaction.refusal_tag}\r\nCall-ID: {self.call_id}\r\n"
                     f"CSeq: {transaction.cseq} ACK\r\nContent-Length: 0\r\n\r\n")

    def change(self, at, body, answer, reverse=False):
        """A re-INVITE (hold, resume, another address) and its answer; gives the time of the ACK."""
        asked = self.send(at, "INVITE", reverse=reverse, body=body)
        at = self.reply(asked.time + self.net.turn(asked.hops[-1][0]), asked, 200, body=answer)
        return self.send(at + 0.002, "ACK", reverse=reverse, cseq=asked.cseq).time

    def bye(self, at, reverse=False, answer=200, wait=None):
        ended = self.send(at, "BYE", reverse=reverse)
        at = ended.time + (wait if wait is not None else self.net.turn(ended.hops[-1][0]))
        return self.reply(at, ended, answer) if answer else at
