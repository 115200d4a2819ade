"""attacks: each inside the traffic of an office with 200 phones. What must be said, about whom, and when at the latest."""
import ipaddress

from media import Stream, talk
from office import CARRIER, CARRIER_MEDIA, Office, subscriber
from scenario import SITE, Caught, Involved, Never, attack
from sip import SIP, Dialog, Phone, Server, digest, sdp

HOUR = 3600
CALL = "\r\nCall-ID"
LOOKS = 10  # seconds: streams are told every 5 s, so the first whole look at a new one may end so late
ENDED = 5  # seconds after which the end of a call is told (docs/definitions.md, Calls)
NIGHT = 1767578400  # Monday 2026-01-05 02:00:00 UTC


def crowd(net, seconds=1500, a_minute=8, media=False):
    """200 phones that register, refresh, keep their bindings alive and talk."""
    office = Office(net, 200)
    office.register_all(0, 120)
    office.refresh(300, seconds, 600)
    office.day(130, seconds - 120, a_minute=a_minute, media=media, ptime=60)
    for k in range(int(seconds // 30)):
        net.ask(30.0 * k, office.server.end, CARRIER, user="", from_user="proxy", agent="proxy")
    return office


def guess(net, at, source, server, user, right=None, tries=30, every=0.006, tool="friendly-scanner", new_call=False, contact=None):
    """Guesses of one account's password as svcrack makes them: one Call-ID, CSeq 1 and 2 again and again. Gives the times of the
    refusals, and of the 200 where the last guess is right."""
    phone = Phone(user, source, password=right, agent=tool)
    answers = []
    call_id = net.token()
    for k in range(tries):
        phone.call_id, phone.cseq, phone.tag = (net.token() if new_call else call_id), 0, net.token(6)
        end = net.register(at, phone, server, password=right if right and k == tries - 1 else f"guess-{k}", contact=contact)
        answers.append(end)
        at = max(end + 0.001, at + every)
    return answers


@attack("svcrack", "one source guesses one account's password at full speed and finds it (SIPVicious)",
        "`registration-bruteforce` 3 at the 10th refusal, `registration-breach` 4 at the 200", quick=True)
def svcrack(net):
    office = crowd(net)
    thief = ("203.0.113.50", 5060)
    answers = guess(net, 700, thief, office.server, "1033", "1033-secret", tries=60)
    return [Caught("registration-bruteforce", thief[0], 3, answers[9]), Caught("registration-breach", "1033@example.com", 4, answers[-1])]


@attack("svcrack-agent", "the same with the agent of an honest telephone and one guess in 2 s",
        "`registration-bruteforce` 3 at the 10th refusal", quick=True)
def svcrack_agent(net):
    office = crowd(net)
    thief = ("203.0.113.51", 50610)
    answers = guess(net, 700, thief, office.server, "1034", tries=60, every=2.0, tool="Softphone/8")
    return [Caught("registration-bruteforce", thief[0], 3, answers[9])]


@attack("svcrack-twin", "the same with the very agent of the account's own phone: 2 at first, because it might be that phone, 3 from "
        "three times the limit on",
        "`registration-bruteforce` 2 at the 10th refusal, 3 at the 30th", quick=True)
def svcrack_twin(net):
    office = crowd(net)
    thief, victim = ("203.0.113.51", 50610), office.phones[33]
    answers = guess(net, 700, thief, office.server, victim.user, tries=60, every=2.0, tool=victim.agent)
    return [Caught("registration-bruteforce", thief[0], 2, answers[9]), Caught("registration-bruteforce", thief[0], 3, answers[29])]


@attack("spray", "one password tried on 40 accounts, one every 8 s",
        "`password-spray` 3 at the 6th account", quick=True)
def spray(net):
    office = crowd(net)
    thief, answers = ("203.0.113.60", 5062), []
    for k in range(40):
        answers += guess(net, 700 + 8 * k, thief, office.server, str(1001 + 4 * k), tries=1, tool="Softphone/8")
    return [Caught("password-spray", "203.0.113.0/24", 3, answers[5])]


@attack("scan", "one OPTIONS to each of 60 addresses (svmap), few answer",
        "`scan` 1 at the 8th address (it has proven nothing)", quick=True)
def scan(net):
    crowd(net)
    times = []
    for k in range(60):
        at = 700 + 0.5 * k
        times.append(at)
        net.ask(at, ("203.0.113.52", 5060), (f"192.0.2.{1 + k if k < 19 else 220 + k % 36}", SIP), answer=200 if k == 9 else None,
                user="100", from_user="100",
                agent="friendly-scanner")
    return [Caught("scan", "203.0.113.52", 1, times[7])]


def names(net, office, source, first, count, every, method="REGISTER"):
    """Asks for users one after the other; 404 for who is not there, 401 for who is. Gives the times of the answers."""
    known, answers = {phone.user for phone in office.phones}, []
    for k in range(count):
        user = str(first + k)
        at = net.ask(700 + every * k, source, office.server.end, method, user, 401 if user in known else 404, "Desk/2.4", from_user=user,
                     answer_extra='WWW-Authenticate: Digest realm="example.com", nonce="%s"\r\n' % net.token() if user in known else "")
        answers.append((at, user in known))
    return answers


@attack("enumeration", "users 980 to 1100 asked for by REGISTER, 147 a second (svwar)",
        "`enumeration` at the 15th name", quick=True)
def enumeration(net):
    office = crowd(net)
    answers = names(net, office, ("203.0.113.53", 5060), 980, 121, 1 / 147)
    return [Caught("enumeration", "203.0.113.53", 1, [at for at, known in answers if not known][14])]


@attack("enumeration-slow", "users 9000 to 9060 asked for by OPTIONS, one in 100 s, under the hourly limit of most tools",
        "`enumeration` at the 25th name")
def enumeration_slow(net):
    office = crowd(net, 7500)
    answers = names(net, office, ("203.0.113.54", 5060), 9000, 61, 100.0, "OPTIONS")
    return [Caught("enumeration", "203.0.113.54", 1, answers[24][0])]


def forged(net, start, count, rate, addresses, server, method="REGISTER"):
    """Requests from addresses that nobody has, one of five answered."""
    for k in range(count):
        source = (str(ipaddress.ip_address(0xC6120000 + addresses[k])), 1024 + addresses[k] % 60000)
        at, user = start + k / rate, 1001 + k % 200
        branch, call_id = f"z9hG4bK{k:x}{addresses[k]:x}", f"{k:x}{addresses[k]:x}"
        body = (f"Via: SIP/2.0/UDP {source[0]}:{source[1]};branch={branch}\r\nFrom: <sip:{user}@example.com>;tag={k:x}\r\nTo: "
                f"<sip:{user}@example.com>\r\n"
                f"Call-ID: {call_id}\r\nCSeq: 1 {method}\r\n")
        net.say(at, source, server.end, f"{method} sip:example.com SIP/2.0\r\n{body}Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n")
        if k % 5 == 0:
            net.say(at + 0.002, server.end, source, f'SIP/2.0 401 Unauthorized\r\n{body.replace(CALL, ";tag=s" + CALL)}'
                    f'WWW-Authenticate: Digest realm="example.com", nonce="{k:x}"\r\nContent-Length: 0\r\n\r\n')


@attack("forged-flood-slow-guess", "three floods of together 126,000 forged addresses at 250 requests a second, and inside one guess "
        "every 5 min for 6 h",
        "`registration-bruteforce` 3 at the 60th refusal, `sip-flood` 3 within 5 s; none of the forged addresses is blamed")
def forged_flood(net):
    office = Office(net, 200)
    office.register_all(0, 120)
    office.refresh(300, 6 * HOUR, 1800)
    office.day(200, 6 * HOUR, a_minute=2, media=False)
    thief = ("203.0.113.70", 5060)
    answers = guess(net, 30, thief, office.server, "1077", tries=71, every=300.0, tool="Softphone/8", new_call=True)
    addresses = net.rng.sample(range(1 << 17), 126000)
    for turn in range(3):
        forged(net, 2000 + turn * 1.6 * HOUR, 42000, 250.0, addresses[turn * 42000:(turn + 1) * 42000], office.server)
    return [Caught("registration-bruteforce", thief[0], 3, answers[59]),
            Caught("sip-flood", office.server.end[0], 3, 2005.0),
            Never(str(ipaddress.ip_address(0xC6120000 + a)) for a in addresses)]


@attack("source-flood", "one proven source sends 60 OPTIONS a second for 30 s: it heard a challenge and answered it",
        "`sip-flood-source` 3 (and `sip-flood` 3 about the server may be)", quick=True, allow={"sip-flood": 3})
def source_flood(net):
    office = crowd(net)
    bully = Phone("1090", ("203.0.113.71", 5060), agent="Loader/1")
    net.register(690, bully, office.server, password="wrong")
    for k in range(1800):
        net.ask(700 + k / 60, bully.end, office.server.end, user="1091", from_user="1090", agent="Loader/1")
    return [Caught("sip-flood-source", bully.end[0], 3, 706.0, 5.0)]


@attack("registration-failure-spike", "the password database is lost: 80 of 200 phones are refused, again and again",
        "`registration-failure-spike` 2 at the 10th account, 3 at the 50th", quick=True)
def failure_spike(net):
    office = crowd(net)
    times = []
    for k, phone in enumerate(net.rng.sample(office.phones, 80)):
        at = 900 + 0.4 * k
        times.append(net.register(at, phone, office.server, password="lost", refused=403))
        net.register(at + 60, phone, office.server, password="lost", refused=403)
    return [Caught("registration-failure-spike", office.server.end[0], 2, sorted(times)[9]), Caught("registration-failure-spike",
            office.server.end[0], 3, sorted(times)[49])]


@attack("registrar-down", "the registrar answers nobody any more for 5 min",
        "`registrar-down` 4 after 10 s", quick=True)
def registrar_down(net):
    office = crowd(net, 1200)
    start = 1210.0
    for k in range(90):
        phone = office.phones[k]
        phone.call_id = None
        at = start + 0.3 * k
        for wait in (0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5):
            unanswered(net, at + wait, phone, office.server, k)
    return [Caught("registrar-down", office.server.end[0], 4, start + 10.0)]


def unanswered(net, at, phone, server, key):
    net.say(at, phone.end, server.end, f"REGISTER sip:{server.domain} SIP/2.0\r\nVia: SIP/2.0/UDP "
            f"{phone.end[0]}:5060;branch=z9hG4bKdown{key}\r\nMax-Forwards: 70\r\n"
            f"From: <{phone.aor}>;tag=d{key}\r\nTo: <{phone.aor}>\r\nCall-ID: down{key}@{phone.end[0]}\r\nCSeq: 1 REGISTER\r\nContact: "
                    f"<{phone.contact}>\r\n"
            f"Expires: 3600\r\nUser-Agent: {phone.agent}\r\nContent-Length: 0\r\n\r\n")


@attack("trunk-down", "the carrier answers nothing any more: OPTIONS every 30 s and calls go unheard",
        "`trunk-down` 3 after 10 s and 5 requests", quick=True)
def trunk_down(net):
    office = crowd(net, 1200)
    start, times = 1215.0, []
    for k in range(12):
        a = office.phones[k]
        d = Dialog(net, [a.end, office.server.end, CARRIER], a.user, subscriber(k, k), agent=a.agent)
        first = len(net.frames)
        t = d.invite(start + 2.0 * k, sdp(office.media(a.end[0]), "G729"), office.server, a.password)
        last = next(f for f in reversed(net.frames[first:]) if f[0] == t.time)
        times.append(t.time)
        for wait in (0.5, 1.5, 3.5, 7.5, 15.5):
            net.again(t.time + wait, last)
            net.messages += 1
    for k in range(4):
        net.ask(start + 5 + 30.0 * k, office.server.end, CARRIER, answer=None, user="", from_user="proxy", agent="proxy")
    office.call(start + 130, office.phones[50], office.phones[51], media=False)
    return [Caught("trunk-down", CARRIER[0], 3, max(times[0] + 10.0, times[4]) + 0.01, 3.0)]


@attack("trunk-refused", "the carrier's port is closed: every call, and each of its repetitions, comes back as ICMP",
        "`trunk-down` 3 at the third refusal over 5 s", quick=True)
def trunk_refused(net):
    office = crowd(net, 1200)
    times = []
    for k in range(4):
        a = office.phones[k]
        d = Dialog(net, [a.end, office.server.end, CARRIER], a.user, subscriber(k, k), agent=a.agent)
        first = len(net.frames)
        t = d.invite(1215.0 + 4.0 * k, sdp(office.media(a.end[0]), "G729"), office.server, a.password)
        last = next(f for f in reversed(net.frames[first:]) if f[0] == t.time)
        for wait in (0, 0.5, 1.5, 3.5):
            if wait:
                net.again(t.time + wait, last)
                net.messages += 1
            net.refuse(t.time + wait + 0.03, office.server.end, CARRIER, b"INVITE sip:198.51.100.1 SIP/2.0\r\n")
            times.append(t.time + wait + 0.03)
    office.call(1330, office.phones[50], office.phones[51], media=False)
    return [Caught("trunk-down", CARRIER[0], 3, times[0] + 5.0, 2.0)]


@attack("response-spike", "the carrier answers 503 to every call for 3 min and there is no other way out",
        "`response-spike` 2 at the 20th 503, 3 ten seconds later (and `trunk-down` 3 may "
                "be)", quick=True, allow={"trunk-down": 3}, options=SITE)
def response_spike(net):
    office = crowd(net, 1500)
    times = []
    for k in range(180):
        d = Dialog(net, [office.phones[k].end, office.server.end, CARRIER], office.phones[k].user, subscriber(k, k),
                agent=office.phones[k].agent)
        t = d.invite(1000 + 1.0 * k, sdp(office.media(office.phones[k].end[0]), "G729"), office.server, office.phones[k].password)
        times.append(d.refuse(t.time + 0.03, t, 503))
    return [Caught("response-spike", CARRIER[0], 2, times[19]), Caught("response-spike", CARRIER[0], 3, times[19] + 10)]


def breach(net, office, thief, user, at):
    """Guesses until it is right, then a registration of the thief's own telephone."""
    answers = guess(net, at, thief, office.server, user, f"{user}-secret", tries=25, every=0.05, tool="Softphone/7")
    stranger = Phone(user, thief, password=f"{user}-secret", agent="Softphone/7")
    end = net.register(answers[-1] + 1, stranger, office.server)
    return stranger, answers, end


def fraud_call(net, office, at, phone, number, seconds, ring=4.0):
    """A call of a stranger's telephone through the proxy and the trunk: (time of the 180, of the 200's ACK, of the end)."""
    d = Dialog(net, [phone.end, office.server.end, CARRIER], phone.user, number, agent=phone.agent, callee_agent="Carrier-SBC/3",
            uri=f"sip:00{number[1:]}@example.com")
    one, two = office.media(phone.end[0]), office.media(CARRIER_MEDIA)
    t = d.invite(at, sdp(one, "G729", ptime=60), office.server, phone.password)
    rung = d.reply(t.time + 0.2, t, 180)
    answered = d.accept(rung + ring, t, sdp(two, "G729", ptime=60))
    talk(net, answered, answered + seconds, one, two, ptime=60)
    return rung, answered, d.bye(answered + seconds + 0.05)


@attack("toll-fraud", "a guessed account calls satellite and island numbers",
        "`registration-breach` 4, `toll-fraud-account` 4 when the first call rings", quick=True, options=SITE)
def toll_fraud(net):
    office = crowd(net, 2000)
    thief = ("203.0.113.80", 5060)
    stranger, answers, at = breach(net, office, thief, "1044", 700)
    rung = [fraud_call(net, office, at + 20 + 100 * k, stranger, f"+88163200010{k}", 90)[0] for k in range(4)]
    return [Caught("registration-breach", "1044@example.com", 4, answers[-1]), Caught("toll-fraud-account", "1044@example.com", 4, rung[0])]


@attack("toll-fraud-concurrent", "an account of the office is used for 8 costly calls at once",
        "`toll-fraud-concurrent` 3 at the 6th answered call", quick=True, options=SITE)
def toll_fraud_concurrent(net):
    office = crowd(net, 2000)
    stranger = Phone("1055", ("203.0.113.81", 5060), password="1055-secret", agent="Softphone/7")
    net.register(700, stranger, office.server)
    answered = [fraud_call(net, office, 720 + 3.0 * k, stranger, f"+5372000{100 + k}", 200)[1] for k in range(8)]
    return [Caught("toll-fraud-concurrent", "1055@example.com", 3, answered[5])]


@attack("toll-fraud-testcall", "at two in the morning an account tries a satellite number for 12 s, twice",
        "`toll-fraud-testcall` 3 at the end of the first", quick=True, options=SITE)
def toll_fraud_testcall(net):
    net.start = NIGHT
    office = Office(net, 200)
    office.register_all(0, 120)
    office.refresh(300, 1500, 600)
    office.day(130, 1300, a_minute=0.5, media=False)
    a = office.phones[66]
    ends = [fraud_call(net, office, 700 + 90.0 * k, a, "+881632000200", 12)[2] for k in range(2)]
    return [Caught("toll-fraud-testcall", "8816320", 3, ends[0] + ENDED), Involved(f"{a.user}@example.com")]


@attack("open-relay", "the proxy lets a stranger without login call a satellite number",
        "`open-relay` 4 when it is answered", quick=True, options=SITE)
def open_relay(net):
    office = crowd(net)
    stranger = ("203.0.113.90", 5060)
    for k in range(3):
        d = Dialog(net, [stranger, office.server.end, CARRIER], "100", f"+88163200030{k}", agent="sipcli/1.8",
                uri=f"sip:0088163200030{k}@example.com",
                   caller_domain=stranger[0])
        one, two = office.media(stranger[0]), office.media(CARRIER_MEDIA)
        t = d.invite(700 + 60.0 * k, sdp(one, "G729"))
        d.reply(t.time + 2, t, 183, body=sdp(two, "G729"))
        at = d.accept(t.time + 6, t, sdp(two, "G729"))
        if k == 0:
            crossed = at
        talk(net, at, at + 20, one, two, ptime=60)
        d.bye(at + 20.1)
    return [Caught("open-relay", stranger[0], 4, crossed)]


@attack("wangiri", "a caller's block rings 30 of ours for 3 s each; one of them calls back",
        "`wangiri` 2 at the 10th ring, `wangiri-callback` 3 at the answer", quick=True, options=SITE)
def wangiri(net):
    office = crowd(net, 2000)
    ends = []
    for k in range(30):
        ends.append(office.into(700 + 20.0 * k, f"+23276000{k % 4:03}", office.phones[k], ring=3, status=487, media=False))
    _, answered, _ = fraud_call(net, office, 1500, office.phones[12], "+23276000002", 60)
    return [Caught("wangiri", "2327600", 2, ends[9] + ENDED), Caught("wangiri-callback", "2327600", 3, answered)]


@attack("call-teardown", "forged BYEs end 4 calls: the phone answers them, the other side talks on for 15 s",
        "`call-teardown` 3", quick=True)
def call_teardown(net):
    office = crowd(net)
    forger, ended = ("203.0.113.95", 5060), []
    for k in range(4):
        a, b = office.phones[2 * k], office.phones[2 * k + 1]
        d = Dialog(net, [a.end, office.server.end, b.end], a.user, b.user, agent=a.agent, callee_agent=b.agent)
        one, two = office.media(a.end[0]), office.media(b.end[0])
        t = d.invite(700 + 40.0 * k, sdp(one, "G729"), office.server, a.password)
        d.reply(t.time + 0.02, t, 180)
        at = d.accept(t.time + 3, t, sdp(two, "G729"))
        Stream(net, one, two).run(at, at + 30)
        Stream(net, two, one).run(at, at + 15.02)
        bye = d.send(at + 15, "BYE", hops=[forger, b.end])
        d.reply(bye.time + 0.02, bye, 200)
        ended.append(bye.time)
        d.bye(at + 30.1, answer=481)
    return [Caught("call-teardown", forger[0], 3, ended[0] + 3.0, 8.0)]


def busy_office(net, calls, ptime=40, first=640.0, media=False):
    """Calls with media that are up: (dialog, caller's and callee's endpoint, time of answer) each."""
    office = crowd(net, 600, media=media)
    up = []
    for k in range(calls):
        a, b = office.phones[k], office.phones[100 + k]
        d = Dialog(net, [a.end, office.server.end, b.end], a.user, b.user, agent=a.agent, callee_agent=b.agent)
        one, two = office.media(a.end[0]), office.media(b.end[0])
        t = d.invite(first + 0.4 * k, sdp(one, "G729", ptime=ptime), office.server, a.password)
        d.reply(t.time + 0.02, t, 180)
        up.append((d, one, two, d.accept(t.time + 2, t, sdp(two, "G729", ptime=ptime))))
    return office, up


@attack("rtp-drop", "the media of 30 of 40 calls stops at once while the calls stay up",
        "`rtp-drop` 3 after 3 s of silence", quick=True)
def rtp_drop(net):
    _, up = busy_office(net, 40)
    for k, (d, one, two, at) in enumerate(up):
        talk(net, at, 690 if k < 30 else 730, one, two, ptime=40)
        d.bye(730.1 + 0.1 * k)
    return [Caught("rtp-drop", "site", 3, 693.0)]


@attack("one-way-audio", "6 of 30 calls: the answering side is never heard",
        "`one-way-audio` 2 after two looks of 5 s, 3 at the 5th call", quick=True)
def one_way(net):
    _, up = busy_office(net, 30)
    answered = []
    for k, (d, one, two, at) in enumerate(up):
        if k % 5 == 2:
            Stream(net, one, two, ptime=40).run(at, 700)
            answered.append(at)
        else:
            talk(net, at, 700, one, two, ptime=40)
        d.bye(700.1 + 0.1 * k)
    return [Caught("one-way-audio", "site", 2, answered[0] + LOOKS), Caught("one-way-audio", "site", 3, answered[4] + LOOKS)]


@attack("no-audio", "2 of 30 calls have no media at all, all others of the office have", "`no-audio` 2 after two looks of 5 s", quick=True)
def no_audio(net):
    _, up = busy_office(net, 30, media=True)
    for k, (d, one, two, at) in enumerate(up):
        if k not in (18, 26):
            talk(net, at, 700, one, two, ptime=40)
        d.bye(700.1 + 0.1 * k)
    return [Caught("no-audio", "site", 2, up[18][3] + LOOKS)]


@attack("forged-guesses", "20,000 forged addresses send one REGISTER each with a login for one of 200 accounts; all are refused",
        "none of the forged addresses is blamed (`sip-flood` 3 may be)", allow={"sip-flood": 3})
def forged_guesses(net):
    office = crowd(net)
    addresses = net.rng.sample(range(1 << 17), 20000)
    for k, number in enumerate(addresses):
        phone = Phone(str(1001 + k % 200), (str(ipaddress.ip_address(0xC6120000 + number)), 5060), agent="Softphone/7")
        phone.call_id, phone.tag = net.token(), "f"
        net.register_once(700 + k / 100, phone, office.server, f"guess-{k % 7}", "0123456789abcdef", False, f"<{phone.contact}>",
                phone.end, 3600, 403, None, "")
    return [Never(str(ipaddress.ip_address(0xC6120000 + number)) for number in addresses)]


@attack("invite-guess", "a password is guessed with INVITE, 5 tries a second, the account's 407 answered each time",
        "`registration-bruteforce` 3 at the 10th refusal", quick=True)
def invite_guess(net):
    office = crowd(net)
    thief, refused = ("203.0.113.56", 5060), []
    for k in range(40):
        d = Dialog(net, [thief, office.server.end], "1066", "1001", agent="Softphone/8")
        asked = d.send(700 + 0.2 * k, "INVITE", body=sdp((thief[0], 9000), "G729"))
        nonce = office.server.nonce(thief, k)
        challenge = f'Proxy-Authenticate: Digest realm="example.com", nonce="{nonce}", algorithm=MD5, qop="auth"\r\n'
        at = d.refuse(asked.time + 0.002, asked, 407, extra=challenge)
        tried = d.send(at + 0.002, "INVITE", body=sdp((thief[0], 9000), "G729"),
                       extra=digest("1066", f"guess-{k}", "example.com", "INVITE", d.uri, nonce, 1, "Proxy-Authorization"))
        refused.append(d.refuse(tried.time + 0.002, tried, 407, extra=challenge.replace(nonce, office.server.nonce(thief, -k))))
    return [Caught("registration-bruteforce", thief[0], 3, refused[9])]


@attack("spray-slow", "one password tried on 30 accounts, one every 20 min, from one network but eight addresses",
        "`password-spray` 3 at the 10th account")
def spray_slow(net):
    office = crowd(net, 11 * HOUR, a_minute=1)
    answers = []
    for k in range(30):
        answers += guess(net, 700 + 1200 * k, (f"203.0.113.{60 + k % 8}", 5062), office.server, str(1001 + 4 * k), tries=1,
                tool="Softphone/8")
    return [Caught("password-spray", "203.0.113.0/24", 3, answers[9])]


@attack("scan-slow", "a new address of ours is asked every 4 min by OPTIONS", "`scan` 1 at the 12th address within an hour at the latest")
def scan_slow(net):
    crowd(net, 2 * HOUR, a_minute=2)
    times = []
    for k in range(24):
        times.append(700 + 240.0 * k)
        net.ask(times[-1], ("203.0.113.57", 5060), (f"192.0.2.{1 + k if k < 19 else 220 + k}", SIP), answer=200 if k == 9 else None,
                user="100", from_user="100",
                agent="Softphone/8")
    return [Caught("scan", "203.0.113.57", 1, times[11])]


@attack("trunk-down-quiet", "at night the carrier stops answering: nothing but OPTIONS every 30 s tells it",
        "`trunk-down` 3 at the third that got no answer", quick=True)
def trunk_down_quiet(net):
    net.start = NIGHT
    office = Office(net, 200)
    office.register_all(0, 120)
    office.refresh(300, 2400, 600)
    for k in range(80):
        at, dead = 30.0 * k, 40 <= k < 60
        net.ask(at, office.server.end, CARRIER, answer=None if dead else 200, user="", from_user="proxy", agent="proxy")
        if dead:  # RFC 3261 section 17.1.2.2: it is asked again until 32 s have passed
            frame = net.frames[-1]
            for wait in (0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5):
                net.again(at + wait, frame)
                net.messages += 1
    return [Caught("trunk-down", CARRIER[0], 3, 42 * 30 + 32.0, 3.0)]


@attack("wangiri-slow", "a caller's block rings 40 of ours, one every 20 min", "`wangiri` 2 at the 20th ring of a day")
def wangiri_slow(net):
    office = crowd(net, 14 * HOUR, a_minute=1)
    ends = [office.into(700 + 1200.0 * k, f"+23276001{k % 4:03}", office.phones[k], ring=4, status=487, media=False) for k in range(40)]
    return [Caught("wangiri", "2327600", 2, ends[19] + ENDED)]


@attack("open-relay-early", "the proxy lets a stranger call abroad, the far end answers with early media only",
        "`open-relay` 4 at the 183", quick=True)
def open_relay_early(net):
    office = crowd(net)
    stranger, crossed = ("203.0.113.91", 5060), []
    for k in range(2):
        d = Dialog(net, [stranger, office.server.end, CARRIER], "200", f"+881632000{400 + k}", agent="Softphone/8",
                uri=f"sip:+881632000{400 + k}@example.com",
                   caller_domain=stranger[0])
        one, two = office.media(stranger[0]), office.media(CARRIER_MEDIA)
        t = d.invite(700 + 60.0 * k, sdp(one, "G729"))
        crossed.append(d.reply(t.time + 2, t, 183, body=sdp(two, "G729")))
        Stream(net, two, one, ptime=60).run(crossed[-1], crossed[-1] + 10)
        d.refuse(crossed[-1] + 10, t, 480)
    return [Caught("open-relay", stranger[0], 4, crossed[0])]


@attack("rtp-drop-server", "a media server that relays 30 calls goes silent, its calls stay up; 20 calls beside it go on",
        "`rtp-drop` 3 after 3 s of silence", quick=True)
def rtp_drop_server(net):
    office, up = busy_office(net, 20)
    for k, (d, one, two, at) in enumerate(up):
        talk(net, at, 730, one, two, ptime=40)
        d.bye(730.1 + 0.1 * k)
    for k in range(30):
        a, relay = office.phones[50 + k], ("192.0.2.18", 16000 + 4 * k)
        d = Dialog(net, [a.end, office.server.end, CARRIER], a.user, subscriber(k, k), agent=a.agent, callee_agent="Carrier-SBC/3")
        one = office.media(a.end[0])
        t = d.invite(650 + 0.3 * k, sdp(one, "G729", ptime=40), office.server, a.password)
        d.reply(t.time + 0.02, t, 180)
        at = d.accept(t.time + 2, t, sdp(relay, "G729", ptime=40))
        Stream(net, one, relay, ptime=40).run(at, 725 + 0.1 * k)
        Stream(net, relay, one, ptime=40).run(at, 695)
        d.bye(725.1 + 0.1 * k)
    return [Caught("rtp-drop", "192.0.2.18", 3, 698.0)]


@attack("call-teardown-forged", "4 BYEs under the called phone's own address, but from farther away (TTL): it talks on and hangs up "
        "itself 15 s later",
        "`call-teardown` 3; no telephone of the office is blamed", quick=True)
def call_teardown_forged(net):
    office = crowd(net)
    ended = []
    for k in range(4):
        a, b = office.phones[2 * k], office.phones[2 * k + 1]
        d = Dialog(net, [a.end, office.server.end, b.end], a.user, b.user, agent=a.agent, callee_agent=b.agent)
        one, two = office.media(a.end[0]), office.media(b.end[0])
        t = d.invite(700 + 40.0 * k, sdp(one, "G729"), office.server, a.password)
        d.reply(t.time + 0.02, t, 180)
        at = d.accept(t.time + 3, t, sdp(two, "G729"))
        Stream(net, two, one).run(at, at + 30)
        Stream(net, one, two).run(at, at + 15.02)
        net.ttl[b.end[0]] = 41
        bye = d.send(at + 15, "BYE", reverse=True, hops=[b.end, a.end])
        del net.ttl[b.end[0]]
        ended.append(d.reply(bye.time + 0.02, bye, 200))
        d.bye(at + 30.1, reverse=True, answer=481)
    return [Caught("call-teardown", "", 3, ended[0] + 5.0, 8.0), Never(phone.end[0] for phone in office.phones)]


@attack("registration-storm", "a registrar of 3,000 known phones starts anew: 50 a second come back, and it answers each after 2 s",
        "`registration-storm` 1 at once, 3 after 30 s of slow answers", quick=True)
def registration_storm(net):
    phones = [Phone(str(20000 + k), (f"2001:db8:{k // 500:x}:1::{k % 500 + 16:x}", SIP), instance=f"{k:08x}") for k in range(3000)]
    server = Server(("2001:db8:0:1::10", SIP))
    for phone in phones:
        net.register(net.rng.uniform(0, 1800), phone, server)
    net.turn = lambda address: 2.0 if address == server.end[0] else 0.03
    for k, phone in enumerate(phones):
        phone.call_id = None
        net.register(2000 + k / 50, phone, server)
    return [Caught("registration-storm", server.end[0], 1, 2010.0, 3.0), Caught("registration-storm", server.end[0], 3, 2042.0, 4.0)]


@attack("invite-flood", "120 INVITEs a second from forged addresses for 3 min, and the proxy answers everybody else three times slower",
        "`sip-flood` 4 within 10 s; none of the forged addresses is blamed", quick=True)
def invite_flood(net):
    office = crowd(net, 1200)
    addresses = net.rng.sample(range(1 << 17), 21600)
    for k, number in enumerate(addresses):
        source = (str(ipaddress.ip_address(0xC6120000 + number)), 1024 + number % 60000)
        net.say(1205 + k / 120, source, office.server.end, f"INVITE sip:1001@example.com SIP/2.0\r\nVia: SIP/2.0/UDP "
                f"{source[0]}:{source[1]};branch=z9hG4bK{k:x}\r\nMax-Forwards: 70\r\n"
                f"From: <sip:{number}@example.net>;tag={k:x}\r\nTo: <sip:1001@example.com>\r\nCall-ID: {k:x}{number:x}\r\nCSeq: 1 "
                        f"INVITE\r\nContact: <sip:{number}@{source[0]}>\r\n"
                "Content-Length: 0\r\n\r\n")
    net.turn = lambda address: 0.6 if address == office.server.end[0] else 0.002
    for k in range(180):
        net.register(1205 + 1.0 * k, office.phones[k], office.server)
    return [Caught("sip-flood", office.server.end[0], 3, 1210.0), Caught("sip-flood", office.server.end[0], 4, 1215.0),
            Never(str(ipaddress.ip_address(0xC6120000 + number)) for number in addresses)]
