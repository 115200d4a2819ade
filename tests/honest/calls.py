"""calls: the honest entries about calling (detections.md, section E)."""
from media import Stream, talk
from office import CARRIER, CARRIER_MEDIA, Office, anybody, subscriber
from scenario import SITE, honest
from sip import SIP, Dialog, Phone, Server, digest, sdp

DAY, WEEK = 86400, 604800
# Numbers that no subscriber has: the regulators of these countries keep them for stories.
BRITAIN, GERMANY, FRANCE = "+44207946", "+493023125", "+3319900"


def dialler(net, rate, seconds, media):
    office = Office(net, 50)
    office.register_all(0, 20)
    centre = office.phones[0]
    for k in range(int(rate * seconds)):
        lot = net.rng.random()
        answered = lot < 0.35
        status = 200 if answered else net.rng.choice((480, 486, 487, 487))
        talked = net.rng.uniform(4, 20) if net.rng.random() < 0.6 else net.rng.uniform(20, 45)
        number = subscriber(k // 100, k)
        office.out(60 + k / rate + net.rng.uniform(0, 0.02), centre, number, seconds=talked, ring=net.rng.uniform(2, 15), status=status,
                media=media, ptime=60,
                   by_callee=net.rng.random() < 0.6)


@honest("H7", "call-centre dialler: one account, 20 calls/s for 2 min, over 200 in parallel, 35 % answered, 60 % of them < 20 s, lists in "
        "a row, many 480, 486, 487; "
        "signalling alone", quick=True, options=SITE)
def h7(net):
    dialler(net, 20, 120, False)


@honest("H7-media", "the same at 4 calls/s with the media of its calls")
def h7_media(net):
    dialler(net, 4, 120, True)


@honest("H11", "conference bridge: 120 legs at one number for 1 min (for 4 h), most mute themselves after 8 s; then it dials 30 "
        "participants in 3 countries", quick=True, options=SITE)
def h11(net):
    office = Office(net, 100)
    office.register_all(0, 30)
    bridge = Phone("7000", ("192.0.2.15", SIP), agent="Bridge/2")
    net.register(1, bridge, office.server)
    for k in range(90):
        d = Dialog(net, [CARRIER, office.server.end, bridge.end], anybody(net), "7000", agent="Carrier-SBC/3", callee_agent=bridge.agent,
                caller_domain=CARRIER[0])
        one, two = office.media(CARRIER_MEDIA), office.media(bridge.end[0])
        t = d.invite(40 + 0.3 * k, sdp(one, "G729", ptime=60))
        d.reply(t.time + 0.01, t, 180)
        at = d.accept(t.time + 1, t, sdp(two, "G729", ptime=60))
        Stream(net, two, one, "G729", 60).run(at, 130 + 0.1 * k)
        Stream(net, one, two, "G729", 60).run(at, 130 + 0.1 * k if k % 4 == 0 else at + 8)
        d.bye(130.01 + 0.1 * k)
    for k in range(30):
        number = (BRITAIN + f"{k:04}", GERMANY + f"{k:03}", FRANCE + f"{k:04}")[k % 3]
        office.out(75 + 0.4 * k, bridge, number, seconds=50, ring=5, ptime=60)


@honest("H11-dialling", "the bridge dials its 30 participants in 3 countries before anybody has come, and is declared as such",
        quick=True, only_declared=True,
        options=(*SITE, "detectors.toll-fraud-account.exempt=7000@example.com", "detectors.toll-fraud-concurrent.exempt=7000@example.com"))
def h11_dialling(net):
    office = Office(net, 20)
    bridge = Phone("7000", ("192.0.2.15", SIP), agent="Bridge/2")
    net.register(1, bridge, office.server)
    for k in range(30):
        number = (BRITAIN + f"{k:04}", GERMANY + f"{k:03}", FRANCE + f"{k:04}")[k % 3]
        office.out(45 + 0.4 * k, bridge, number, seconds=60, ring=5, ptime=60)


def challenged_bye(net, office, at, a, b):
    d = Dialog(net, [a.end, office.server.end, b.end], a.user, b.user)
    one, two = office.media(a.end[0]), office.media(b.end[0])
    t = d.invite(at, sdp(one, "G729"), office.server, a.password)
    d.reply(t.time + 0.03, t, 180)
    at = d.accept(t.time + 3, t, sdp(two, "G729"))
    end = talk(net, at, at + 12, one, two)[0].last
    asked = d.send(end + 0.01, "BYE", until=1)
    nonce = office.server.nonce(a.end, end)
    end = d.reply(asked.time + 0.002, asked, 407, by=1,
                  extra=f'Proxy-Authenticate: Digest realm="{office.server.realm}", nonce="{nonce}", algorithm=MD5, qop="auth"\r\n')
    ended = d.send(end + 0.02, "BYE", extra=digest(a.user, a.password, office.server.realm, "BYE", f"sip:{b.user}@{b.end[0]}", nonce, 1,
            "Proxy-Authorization"))
    d.reply(ended.time + 0.02, ended, 200)


def transfer(net, office, at, a, b, c):
    """A talks to B, holds, asks C, and joins them: REFER with Replaces."""
    first = Dialog(net, [a.end, office.server.end, b.end], a.user, b.user)
    one, two, three = office.media(a.end[0]), office.media(b.end[0]), office.media(c.end[0])
    t = first.invite(at, sdp(one, "G729"), office.server, a.password)
    first.reply(t.time + 0.03, t, 180)
    at = first.accept(t.time + 2, t, sdp(two, "G729"))
    talk(net, at, at + 8, one, two)
    held = first.change(at + 8, sdp(one, "G729", "sendonly", version=2), sdp(two, "G729", "recvonly", version=2))
    second = Dialog(net, [a.end, office.server.end, c.end], a.user, c.user)
    four = office.media(a.end[0])
    t = second.invite(held + 1, sdp(four, "G729"), office.server, a.password)
    second.reply(t.time + 0.03, t, 180)
    at = second.accept(t.time + 2, t, sdp(three, "G729"))
    talk(net, at, at + 6, four, three)
    at += 6.1
    refer = first.send(at, "REFER", extra=f"Refer-To: "
            f"<sip:{c.user}@example.com?Replaces={second.call_id}%3Bto-tag%3D{second.to_tag}%3Bfrom-tag%3D{second.from_tag}>\r\n")
    at = first.reply(refer.time + 0.02, refer, 202)
    third = Dialog(net, [b.end, office.server.end, c.end], b.user, c.user)
    five = office.media(b.end[0])
    t = third.invite(at + 0.05, sdp(five, "G729"), office.server, b.password,
                     extra=f"Replaces: {second.call_id};to-tag={second.to_tag};from-tag={second.from_tag}\r\n")
    at = third.accept(t.time + 0.05, t, sdp((three[0], three[1] + 2), "G729"))
    second.bye(at + 0.02, reverse=True)
    talk(net, at, at + 10, five, (three[0], three[1] + 2))
    told = first.send(at + 0.05, "NOTIFY", reverse=True, extra="Event: refer\r\nSubscription-State: terminated;reason=noresource\r\n",
            body="SIP/2.0 200 OK\r\n")
    first.reply(told.time + 0.02, told, 200)
    first.bye(at + 0.2)
    third.bye(at + 10.1)


@honest("H12", "home proxy with Record-Route: 20 challenged BYEs, 20 attended transfers with Replaces, 20 spirals through an application "
        "server, 20 times a 200 crosses the "
        "CANCEL", quick=True)
def h12(net):
    office = Office(net, 120)
    office.register_all(0, 30)
    people = office.phones
    for k in range(20):
        a, b, c = people[3 * k:3 * k + 3]
        challenged_bye(net, office, 40 + 15 * k, a, b)
        transfer(net, office, 45 + 15 * k, people[60 + k], b, c)
        d = Dialog(net, [a.end, office.server.end, ("192.0.2.13", SIP), office.server.end, people[80 + k].end], a.user, people[80 + k].user)
        one, two = office.media(a.end[0]), office.media(people[80 + k].end[0])
        t = d.invite(400 + 10 * k, sdp(one, "G729"), office.server, a.password)
        office.finish(d, t, one, two, 8, 2, 200, True, "G729", 20, k % 2 == 0)
        d = Dialog(net, [a.end, office.server.end, people[100 + k].end], a.user, people[100 + k].user)
        one, two = office.media(a.end[0]), office.media(people[100 + k].end[0])
        t = d.invite(700 + 10 * k, sdp(one, "G729"), office.server, a.password)
        d.reply(t.time + 0.03, t, 180)
        cancelled = d.send(t.time + 3.0, "CANCEL", again=t)
        at = d.accept(t.time + 3.001, t, sdp(two, "G729"))
        d.established = False
        d.reply(cancelled.time + 0.004, cancelled, 481)
        d.established = True
        d.bye(at + 0.05)


@honest("H13", "hunt group: 40 calls ring 30 phones each, 1×200 and 29×487; credentials are used again at a second proxy that shares the "
        "nonce secret", quick=True)
def h13(net):
    office = Office(net, 60)
    office.register_all(0, 30)
    second = Server(("192.0.2.12", SIP))
    for k in range(40):
        caller, members = office.phones[30 + k % 30], office.phones[:30]
        d = Dialog(net, [caller.end, office.server.end, members[0].end], caller.user, "6000")
        one = office.media(caller.end[0])
        t = d.invite(60 + 20.0 * k, sdp(one, "G729"), office.server, caller.password)
        branches = [t]
        for member in members[1:]:
            d.hops[-1] = member.end
            branches.append(d.send(t.time + 0.0002 * len(branches), "INVITE", body=sdp(one, "G729"), extra=d.credentials, after=t))
        for n, branch in enumerate(branches):
            d.reply(t.time + 0.03 + 0.001 * n, branch, 180, tag=f"{d.to_tag}{n}", until=0 if n == 0 else 1)
        winner = net.rng.randrange(30)
        d.hops[-1], d.to_tag = members[winner].end, f"{d.to_tag}{winner}"
        two = office.media(members[winner].end[0])
        at = t.time + net.rng.uniform(2, 8)
        told = d.accept(at, branches[winner], sdp(two, "G729"))
        d.established = False
        for n, branch in enumerate(branches):
            if n != winner:
                cancelled = d.send_here(at + 0.001 * n, "CANCEL", branch)
                d.reply(at + 0.02 + 0.001 * n, cancelled, 200, until=1)
                d.reply(at + 0.022 + 0.001 * n, branch, 487, tag=f"other{n}", until=1)
                d.acknowledge_here(at + 0.023 + 0.001 * n, branch)
        d.established = True
        talk(net, told, told + 9, one, two)
        d.bye(told + 9.05)
        # the same nonce at the second proxy, which takes it without a challenge
        other = Dialog(net, [caller.end, second.end, members[5].end], caller.user, members[5].user)
        nonce = office.server.nonce(caller.end, k)
        t = other.invite(told + 10, sdp(one, "G729"), extra=digest(caller.user, caller.password, second.realm, "INVITE", other.uri, nonce,
                2, "Proxy-Authorization"))
        office.finish(other, t, (one[0], one[1] + 2), office.media(members[5].end[0]), 5, 1, 486, False, "G729", 20, False)


@honest("H14", "5 % of all messages are sent again; one INVITE ×7 without any answer, one 200 ×11 without ACK; duplicates and reordering",
        quick=True)
def h14(net):
    office = Office(net, 100)
    plain = net.say

    def lossy(at, source, destination, text):
        plain(at, source, destination, text)
        lot = net.rng.random()
        if lot < 0.05:
            plain(at + 0.5, source, destination, text)
            if lot < 0.01:
                plain(at + 1.5, source, destination, text)
        elif lot < 0.07:
            plain(at + 0.0015, source, destination, text)

    net.say = lossy
    office.register_all(0, 60)
    office.refresh(100, 900, 300)
    office.day(70, 800, a_minute=8, media=False)
    net.say = plain
    a, b = office.phones[:2]
    d = Dialog(net, [a.end, ("192.0.2.99", SIP)], a.user, "9999", uri="sip:9999@192.0.2.99")
    net_frames = len(net.frames)
    t = d.send(100, "INVITE", body=sdp((a.end[0], 9000), "G729"))
    frame = net.frames[net_frames]
    for at in (100.5, 101.5, 103.5, 107.5, 115.5, 131.5):
        net.again(at, frame)
        net.messages += 1
    d = Dialog(net, [a.end, office.server.end, b.end], a.user, b.user)
    t = d.invite(300, sdp((a.end[0], 9002), "G729"), office.server, a.password)
    d.reply(t.time + 0.03, t, 180)
    wait, at = 0.5, t.time + 3
    for _ in range(11):
        d.reply(at, t, 200, body=sdp((b.end[0], 9004), "G729"))
        at, wait = at + wait, min(4.0, wait * 2)
    d.established = True
    d.bye(at, reverse=True)


@honest("H23", "20 users misdial one foreign number each with 0, 00, 9, 900 (4 tries refused), then get it right and talk 8 min",
        quick=True, options=SITE)
def h23(net):
    office = Office(net, 40)
    office.register_all(0, 30)
    office.day(40, 4000, a_minute=2, media=False)
    for k in range(20):
        a, number, at = office.phones[k], f"{BRITAIN}{k:04}", 100 + 180.0 * k
        for prefix in ("0", "00", "9", "900"):
            at = office.out(at, a, number, dialled=prefix + number[3:], status=404 if prefix != "900" else 484,
                    ring=0) + net.rng.uniform(6, 20)
        office.out(at, a, number, dialled="00" + number[1:], seconds=480, media=False)


@honest("H24", "bank outage: 3,000 inbound calls in 10 min to one number, 40 % busy", quick=True, options=SITE)
def h24(net):
    office = Office(net, 60)
    office.register_all(0, 30)
    office.day(60, 900, a_minute=6, media=False)
    for _ in range(3000):
        busy = net.rng.random() < 0.4
        office.into(900 + net.rng.uniform(0, 600), anybody(net), office.phones[7], ring=0 if busy else net.rng.uniform(1, 20),
                status=486 if busy else 200,
                    seconds=net.rng.uniform(20, 240), media=False)


@honest("H25", "attendant console SUBSCRIBEs to 800 users with its login, NOTIFY bursts follow; an SMS gateway sends MESSAGE to 5,000 "
        "users in 10 min", quick=True)
def h25(net):
    office = Office(net, 100)
    office.register_all(0, 30)
    console = office.phones[0]
    for k in range(800):
        d = Dialog(net, [console.end, office.server.end], console.user, str(1001 + k), agent="Console/9")
        events = "Event: dialog\r\nExpires: 3600\r\nAccept: application/dialog-info+xml\r\n"
        asked = d.send(40 + 0.02 * k, "SUBSCRIBE", extra=events)
        nonce = office.server.nonce(console.end, k)
        at = d.reply(asked.time + 0.002, asked, 401, extra=f'WWW-Authenticate: Digest realm="{office.server.realm}", nonce="{nonce}", '
                f'algorithm=MD5, qop="auth"\r\n')
        asked = d.send(at + 0.003, "SUBSCRIBE", extra=events + digest(console.user, console.password, office.server.realm, "SUBSCRIBE",
                d.uri, nonce, 1))
        at = d.reply(asked.time + 0.002, asked, 200, extra="Expires: 3600\r\n")
        d.established = True
        for turn in range(3):
            told = d.send(at + 0.01 + 200 * turn, "NOTIFY", reverse=True, extra="Event: dialog\r\nSubscription-State: active\r\n",
                    body="<dialog-info/>\r\n")
            d.reply(told.time + 0.002, told, 200)
    gateway = ("192.0.2.14", SIP)
    for k in range(5000):
        net.ask(100 + 0.12 * k, gateway, office.server.end, "MESSAGE", str(1001 + k), 202, "SMS-Gateway/1", from_user="sms",
                body="Your parcel is here.\r\n",
                extra="Content-Type: text/plain\r\n")


@honest("H30", "crisis: 25 emergency calls from one site in 5 min, some abandoned and repeated; 8 crisis line calls of 20 min",
        quick=True, options=SITE)
def h30(net):
    office = Office(net, 60)
    office.register_all(0, 30)
    office.day(40, 1500, a_minute=3, media=False)
    for k in range(25):
        a, at = net.rng.choice(office.phones), 300 + 12.0 * k
        if k % 4 == 0:
            at = office.out(at, a, "911", ring=2, status=487, media=False) + 3
        office.out(at, a, "112" if k % 5 == 0 else "911", seconds=60, ring=2, ptime=60)
    for k in range(8):
        office.into(320 + 20 * k, anybody(net), office.phones[40 + k], seconds=1200, ptime=60, media=k < 3)


@honest("H32", "guest access: 60 strangers on the internet call sip:reception@ without credentials within 2 h, on-net", quick=True,
        options=SITE)
def h32(net):
    office = Office(net, 40)
    office.register_all(0, 30)
    desk = office.phones[0]
    for k in range(60):
        guest = (f"198.51.100.{10 + k}", 5060 + k)
        d = Dialog(net, [guest, office.server.end, desk.end], f"guest{k}", "reception", agent="Softphone/7", callee_agent=desk.agent,
                caller_domain=f"guest{k}.example.net")
        one, two = office.media(guest[0]), office.media(desk.end[0])
        t = d.invite(100 + 115.0 * k, sdp(one, "PCMU"))
        office.finish(d, t, one, two, 15, 4, 200 if k % 5 else 486, True, "PCMU", 20, k % 2 == 0)


@honest("H33", "radio game: 500 short calls a minute for 5 min to one number, callers varied, honest durations of 3 to 40 s, some hang up "
        "while it rings", quick=True, options=SITE)
def h33(net):
    office = Office(net, 40)
    office.register_all(0, 30)
    for k in range(2500):
        lot = net.rng.random()
        status, ring = (200, net.rng.uniform(0.5, 6)) if lot < 0.7 else (486, 0) if lot < 0.9 else (487, net.rng.uniform(2, 25))
        office.into(60 + 0.12 * k, anybody(net), office.phones[3], ring=ring, status=status, seconds=net.rng.uniform(3, 40), media=False)


@honest("H39", "sales person's first call to a new country, office hours, 12 min; six more in the week", quick=True, options=SITE)
def h39(net):
    office = Office(net, 30)
    for day in range(5):
        office.register_all(DAY * day, 30)
        office.day(DAY * day + 60, DAY * day + 8 * 3600, a_minute=0.5, media=False)
    for k, day in enumerate((0, 0, 1, 2, 2, 3, 4)):
        office.out(DAY * day + 1800 + 5000 * (k % 2), office.phones[4], f"{GERMANY}{k % 2:03}", seconds=720, media=k == 0, ptime=60)


@honest("H40", "shipping company and embassy call satellite (+870, +881) and Cuba daily, the same numbers, for 5 weeks (for years; the "
        "first four are learning, "
        "where a first call may be 2)", learning=4 * WEEK, quick=True, options=SITE)
def h40(net):
    office = Office(net, 30)
    for day in range(35):
        if day % 7 < 5:
            office.register_all(DAY * day, 30)
            for k, number in enumerate(("+870773000001", "+870773000002", "+881632000001", "+5372000101", "+5372000102", "+5372000103")):
                office.out(DAY * day + 1800 + 3000 * k + net.rng.uniform(0, 900), office.phones[k], number, seconds=net.rng.uniform(200,
                        900), ring=9, media=False)
            office.day(DAY * day + 60, DAY * day + 8 * 3600, a_minute=0.2, media=False)


@honest("H41", "12 calls on hold and 4 muted for 3 h, domestic", quick=True)
def h41(net):
    office = Office(net, 40)
    office.register_all(0, 20)
    for k in range(16):
        a, at = office.phones[k], 30 + 3.0 * k
        d = Dialog(net, [a.end, office.server.end, CARRIER], a.user, anybody(net), callee_agent="Carrier-SBC/3")
        one, two = office.media(a.end[0]), office.media(CARRIER_MEDIA)
        t = d.invite(at, sdp(one, "G729", ptime=60), office.server, a.password)
        d.reply(t.time + 0.03, t, 180)
        at = d.accept(t.time + 4, t, sdp(two, "G729", ptime=60))
        up, down = talk(net, at, at + 20, one, two, ptime=60)
        if k < 12:
            d.change(at + 20, sdp(one, "G729", "sendonly" if k % 2 else "inactive", version=2), sdp(two, "G729",
                    "recvonly" if k % 2 else "inactive", version=2))
            d.change(at + 10820, sdp(one, "G729", version=3), sdp(two, "G729", version=3))
            up.run(at + 10820.1, at + 10830)
            down.run(at + 10820.1, at + 10830)
        else:
            down.run(at + 20, at + (10830 if k == 12 else 400))
            if k == 12:
                up.run(at + 10820, at + 10830)
        d.bye(at + (10831 if k <= 12 else 401))


@honest("H43", "the manager's phone is forwarded to a foreign mobile for a week (30 calls, 302 and B2BUA with Diversion); a mobile twin "
        "rings together; 20 blind transfers",
        quick=True, options=SITE)
def h43(net):
    office = Office(net, 40)
    for day in range(5):
        office.register_all(DAY * day, 30)
    manager, pbx = office.phones[0], office.server.end
    for k in range(30):
        at, caller = DAY * (k // 6) + 900 + 4000 * (k % 6), anybody(net)
        office.into(at, caller, manager, status=480, ring=0, media=False)
        d = Dialog(net, [pbx, CARRIER], caller, "+4917604069123", agent="PBX/5", callee_agent="Carrier-SBC/3",
                uri=f"sip:+4917604069123@{CARRIER[0]}")
        one, two = office.media(pbx[0]), office.media(CARRIER_MEDIA)
        t = d.invite(at + 0.02, sdp(one, "G729"), extra=f"Diversion: <sip:{manager.user}@example.com>;reason=unconditional\r\n")
        office.finish(d, t, one, two, net.rng.uniform(60, 400), 7, 200 if k % 3 else 486, False, "G729", 20, k % 2 == 0)
    for k in range(20):  # the desk rings with its twin, the twin abroad is cancelled
        b, at, caller = office.phones[5 + k], 2 * DAY + 1000 + 60.0 * k, anybody(net)
        d = Dialog(net, [pbx, CARRIER], caller, f"+49176040691{k:02}", agent="PBX/5", callee_agent="Carrier-SBC/3",
                uri=f"sip:+49176040691{k:02}@{CARRIER[0]}")
        office.into(at, caller, b, ring=4, seconds=30, media=False)
        t = d.invite(at + 0.02, sdp(office.media(pbx[0]), "G729"))
        d.reply(t.time + 1.5, t, 180)
        d.cancel(at + 4.1, t)
    for k in range(20):
        a, b, c = net.rng.sample(office.phones, 3)
        first = Dialog(net, [a.end, office.server.end, b.end], a.user, b.user)
        one, two = office.media(a.end[0]), office.media(b.end[0])
        t = first.invite(3 * DAY + 1000 + 60.0 * k, sdp(one, "G729"), office.server, a.password)
        first.reply(t.time + 0.03, t, 180)
        at = first.accept(t.time + 2, t, sdp(two, "G729"))
        talk(net, at, at + 6, one, two)
        refer = first.send(at + 6.05, "REFER", extra=f"Refer-To: <sip:{c.user}@example.com>\r\n")
        at = first.reply(refer.time + 0.02, refer, 202)
        first.bye(at + 0.05)
        office.call(at + 0.1, b, c, seconds=8)


@honest("H44", "delivery service: 200 signed short calls from one number to 200 of ours; 60 customers with varied numbers ring once and "
        "hang up", "`robocall` 2 allowed",
        {"robocall": 2}, quick=True, options=SITE)
def h44(net):
    office = Office(net, 200)
    office.register_all(0, 30)
    for k in range(200):
        lot = net.rng.random()
        status, ring = (200, net.rng.uniform(3, 14)) if lot < 0.85 else (487, net.rng.uniform(18, 30))
        office.into(60 + 18.0 * k, subscriber(0, 50), office.phones[k], seconds=net.rng.uniform(8, 40), ring=ring, status=status,
                media=False,
                    extra="Identity: "
                            "eyJhbGciOiJFUzI1NiJ9.eyJhdHRlc3QiOiJBIn0.c2ln;info=<https://cert.example.org/a.pem>;alg=ES256;ppt=shaken\r\n")
    for k in range(60):
        office.into(100 + 55.0 * k, subscriber(2 * k, net.rng.randrange(100)), net.rng.choice(office.phones), ring=net.rng.uniform(2, 6),
                status=487, media=False)


@honest("H45", "200 inbound calls on the trunk: national numbers of people who roam, hidden callers, names instead of numbers",
        quick=True, options=SITE)
def h45(net):
    office = Office(net, 60)
    office.register_all(0, 30)
    for k in range(200):
        caller = ("anonymous", anybody(net)[2:], "Unavailable", f"+4917604069{k:03}")[k % 4]
        office.into(60 + 9.0 * k, caller, office.phones[k % 60], ring=net.rng.uniform(2, 9), seconds=net.rng.uniform(10, 60),
                status=200 if k % 6 else 487, media=False,
                    extra="Privacy: id\r\n" if k % 4 == 0 else "")


@honest("H46", "voice menu answers in 200 ms, callers leave in 10 s; voicemail; satellite calls whose ringing takes 14 s, office hours",
        quick=True, options=SITE)
def h46(net):
    office = Office(net, 60)
    office.register_all(0, 30)
    menu = Phone("8000", ("192.0.2.17", SIP), agent="IVR/3")
    for k in range(150):
        d = Dialog(net, [CARRIER, office.server.end, menu.end], anybody(net), "8000", agent="Carrier-SBC/3", callee_agent=menu.agent,
                caller_domain=CARRIER[0])
        one, two = office.media(CARRIER_MEDIA), office.media(menu.end[0])
        t = d.invite(60 + 4.0 * k, sdp(one, "PCMU"))
        at = d.accept(t.time + 0.2, t, sdp(two, "PCMU"))
        talk(net, at, at + 10, one, two, "PCMU", 20)
        d.bye(at + 10.01)
    for k in range(20):
        office.into(70 + 30.0 * k, anybody(net), office.phones[k], ring=18, seconds=8, ptime=60)


@honest("H46-satellite", "one user calls a satellite telephone (+870) twice in an office day: ringing takes 14 s, 5 min each",
        "a first costly call may be 2 (section C: S ≤ 65)",
        {"toll-fraud-account": 2}, quick=True, options=SITE)
def h46_satellite(net):
    office = Office(net, 30)
    office.register_all(0, 30)
    office.day(40, 9000, a_minute=2, media=False)
    for k in range(2):
        office.out(600 + 5400.0 * k, office.phones[3], "+870773000009", ring=14, seconds=300, ptime=60)


@honest("H57", "three colleagues call a new foreign supplier within one office hour, 5 to 15 min each", "≤ 2", {"*": 2}, quick=True,
        options=SITE)
def h57(net):
    office = Office(net, 30)
    office.register_all(0, 30)
    office.day(40, 5400, a_minute=2, media=False)
    for k in range(3):
        office.out(900 + 1100.0 * k, office.phones[k], f"{GERMANY}{k:03}", seconds=net.rng.uniform(300, 900), ptime=60)
