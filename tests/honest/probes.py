"""probes: the honest entries about monitors, keep-alives, carriers and failover."""
from media import Stream
from office import CARRIER, CARRIER_MEDIA, Office, anybody, subscriber
from scenario import SITE, honest
from sip import SIP, Dialog, Phone, Server, sdp

DAY = 86400
SECOND_CARRIER = ("203.0.113.30", SIP)


@honest("H4", "softphone and SBC OPTIONS keep-alive: 6 of them every 30 s for a week, one every 2 s for a day to a server that never "
        "answers", quick=True)
def h4(net):
    server = Server()
    for k in range(6):
        source = (f"198.51.100.{40 + k}", SIP)
        for turn in range(7 * DAY // 180):
            net.ask(180.0 * turn + 30 * k, source, server.end, user="", from_user=f"sbc{k}", agent="SBC/4")
    for turn in range(DAY // 2):
        net.ask(2.0 * turn, ("192.0.2.30", SIP), ("203.0.113.99", SIP), answer=None, agent="Softphone/7", from_user="1030")


@honest("H4-refused", "our proxy's OPTIONS to 4 carriers every 30 s for a day: one answers 404, one 405, one 403, one with silence",
        quick=True)
def h4_refused(net):
    for turn in range(DAY // 30):
        for k, answer in enumerate((404, 405, 403, None)):
            net.ask(30.0 * turn + k, ("192.0.2.10", SIP), (f"203.0.113.{20 + k}", SIP), user="", from_user="proxy", agent="proxy",
                    answer=answer)


@honest("H5", "monitoring network: OPTIONS to 6 servers every 30 s, a test INVITE a minute that always gets 603, SSH, HTTPS and SNMP "
        "checks of every SBC, 6 h",
        quick=True)
def h5(net):
    targets = [(f"192.0.2.{10 + k}", SIP) for k in range(6)]
    for turn in range(720):
        at = turn * 30.0
        for k, target in enumerate(targets):
            net.ask(at + k, ("192.0.2.250", 5070), target, user="", agent="sipsak 0.9.8", from_user="sipsak")
            if turn % 2 == 0:
                net.tcp_visit(at + 10 + k, ("192.0.2.250", 30000 + turn), (target[0], 22), b"SSH-2.0-check\r\n", b"SSH-2.0-OpenSSH\r\n")
                net.tcp_visit(at + 17 + k, ("192.0.2.250", 32000 + turn), (target[0], 443), b"\x16\x03\x01\x00\x05hello",
                        b"\x16\x03\x03\x00\x05hello")
                net.udp(at + 20 + k, ("192.0.2.250", 34000), (target[0], 161), b"\x30\x26\x02\x01\x01\x04\x06public\xa0\x19")
                net.udp(at + 20.01 + k, (target[0], 161), ("192.0.2.250", 34000), b"\x30\x26\x02\x01\x01\x04\x06public\xa2\x19")
        if turn % 2 == 0:
            d = Dialog(net, [("192.0.2.250", 5070), targets[0]], "probe", "test", agent="sipsak 0.9.8")
            t = d.invite(at + 25, sdp(("192.0.2.250", 9000)))
            d.refuse(t.time + 0.02, t, 603)


def overloaded(net, office, at, caller, number, seconds, refused):
    """A call out: the first carrier refuses while `refused`, the second takes it."""
    d = Dialog(net, [caller.end, office.server.end, CARRIER], caller.user, number, agent=caller.agent, callee_agent="Carrier-SBC/3")
    one, two = office.media(caller.end[0]), office.media(CARRIER_MEDIA)
    t = d.invite(at, sdp(one, "G729"), office.server, caller.password)
    if refused:
        t = d.fork(t.time + 0.03, t, 503, SECOND_CARRIER, sdp(one, "G729"))
    office.finish(d, t, one, two, seconds, 4, 200, False, "G729", 20, False)


@honest("H8", "trunk overload: 40 s of 503 at 2 calls a second, each goes over the second trunk at once, back after 10 min; 20 min before "
        "it all is well",
        "2 is right", {"response-spike": 2, "trunk-down": 2}, [("response-spike", 2)], quick=True, options=SITE)
def h8(net):
    office = Office(net, 200)
    office.register_all()
    at = 70.0
    while at < 2700:
        caller = net.rng.choice(office.phones)
        overloaded(net, office, at, caller, anybody(net), net.rng.uniform(20, 40), 1200 <= at < 1240)
        at += net.rng.uniform(0.3, 0.7)
    for turn in range(90):
        for carrier in (CARRIER, SECOND_CARRIER):
            net.ask(30.0 * turn, office.server.end, carrier, user="", from_user="proxy", agent="proxy",
                    answer=503 if carrier is CARRIER and 1200 <= 30 * turn < 1240 else 200)


@honest("H9", "load balancer asks 60 back ends every 2 s for 15 min, 6 of them refuse by ICMP", quick=True)
def h9(net):
    balancer = ("192.0.2.11", SIP)
    for turn in range(450):
        for k in range(60):
            target, at = (f"192.0.2.{100 + k}", SIP), 2.0 * turn + 0.03 * k
            if k % 10 == 3:
                net.ask(at, balancer, target, answer=None, user="", from_user="balancer", agent="balancer")
                net.refuse(at + 0.001, balancer, target, b"OPTIONS sip:192.0.2.103 SIP/2.0\r\n")
            else:
                net.ask(at, balancer, target, user="", from_user="balancer", agent="balancer")


@honest("H9-deploy", "a pool of 12 back ends is renewed, one after the other: each refuses by ICMP for 2 min what its balancer asks every 2 s",
        quick=True)
def h9_deploy(net):
    balancer = ("192.0.2.11", SIP)
    for phone in range(20):
        net.ask(1.0 + phone, (f"192.0.2.{20 + phone}", SIP), balancer)
    for turn in range(900):
        for k in range(12):
            target, at = (f"192.0.2.{100 + k}", SIP), 2.0 * turn + 0.03 * k
            if 120 * (k + 1) <= at < 120 * (k + 2):
                net.ask(at, balancer, target, answer=None, user="", from_user="balancer", agent="balancer")
                net.refuse(at + 0.001, balancer, target, b"OPTIONS sip:192.0.2.100 SIP/2.0\r\n")
            else:
                net.ask(at, balancer, target, user="", from_user="balancer", agent="balancer")


@honest("H9-restart", "the carrier's only server starts anew twice: for 4 s every call and OPTIONS comes back as ICMP", quick=True)
def h9_restart(net):
    office = Office(net, 100)
    office.register_all()
    for turn in range(90):
        net.ask(70 + 10.0 * turn, office.server.end, CARRIER, user="", from_user="proxy", agent="proxy")
    for begin in (500.5, 700.5):
        for k in range(8):
            at = begin + 0.5 * k
            net.ask(at, office.server.end, CARRIER, answer=None, user="", from_user="proxy", agent="proxy")
            net.refuse(at + 0.03, office.server.end, CARRIER, b"OPTIONS sip:198.51.100.1 SIP/2.0\r\n")
        net.ask(begin + 4.3, office.server.end, CARRIER, user="", from_user="proxy", agent="proxy")


@honest("H9-maintenance", "planned maintenance: 200 phones are moved to a second proxy by their next registration (DNS SRV), then the "
        "first answers nobody "
        "but is asked only by its load balancer, for 10 min, and comes back", quick=True)
def h9_maintenance(net):
    office = Office(net, 200)
    office.register_all(0, 600)
    second = Server(("192.0.2.12", SIP))
    for phone in office.phones:
        at = net.register(1800 + net.rng.uniform(0, 600), phone, second)
        net.register(at + 1200, phone, second)
    for turn in range(1800):
        at = 2.0 * turn
        net.ask(at, ("192.0.2.11", SIP), office.server.end, user="", from_user="balancer", agent="balancer",
                answer=None if 2700 <= at < 3300 else 200)
        net.ask(at + 0.1, ("192.0.2.11", SIP), second.end, user="", from_user="balancer", agent="balancer")


def carriers(net, e164):
    office = Office(net, 100)
    office.register_all()
    for k in range(150):
        at, b = 80 + 5.0 * k, net.rng.choice(office.phones)
        office.into(at, anybody(net), b, seconds=net.rng.uniform(15, 60), ring=3, ptime=60,
                    called=f"+121255501{int(b.user) % 100:02}" if e164 else None, media=k % 3 == 0)
    for k in range(20):  # intercom: a door calls a phone directly
        b = net.rng.choice(office.phones)
        d = Dialog(net, [("192.0.2.240", SIP), b.end], "door", b.user, agent="Door/1", callee_agent=b.agent, uri=f"sip:{b.user}@{b.end[0]}")
        one, two = office.media("192.0.2.240"), office.media(b.end[0])
        t = d.invite(100 + 30.0 * k, sdp(one, "PCMU"))
        office.finish(d, t, one, two, 10, 2, 200, True, "PCMU", 20, False)


@honest("H10", "carrier authenticated by its address: no REGISTER, 150 unchallenged INVITEs to extensions; an intercom calls phones "
        "directly", quick=True, options=SITE)
def h10(net):
    carriers(net, False)


@honest("H10-e164", "the same, and the carrier asks for the site's numbers in full (+1 212 555 01xx)", quick=True, options=SITE)
def h10_e164(net):
    carriers(net, True)


@honest("H10-transit", "a customer's exchange at a fixed address calls out through our proxy without a password: 120 calls at home, later "
        "6 to Britain; it is declared a peer", quick=True, only_declared=True,
        options=(*SITE, "detectors.open-relay.peers=198.51.100.200"))
def h10_transit(net):
    office = Office(net, 40)
    office.register_all(0, 30)
    exchange = ("198.51.100.200", SIP)
    for k in range(126):
        number = f"+44207946{k:04}" if k in (60, 75, 90, 105, 115, 120) else anybody(net)
        d = Dialog(net, [exchange, office.server.end, CARRIER], subscriber(7, k), number, agent="Exchange/11",
                callee_agent="Carrier-SBC/3", caller_domain="198.51.100.200")
        one, two = office.media(exchange[0]), office.media(CARRIER_MEDIA)
        t = d.invite(40 + 20.0 * k, sdp(one, "G729", ptime=60))
        office.finish(d, t, one, two, net.rng.uniform(20, 90), 5, 200 if k % 6 else 486, True, "G729", 60, k % 2 == 0)


@honest("H16", "a provider with 24 addresses sends OPTIONS to our 6 addresses every 60 s, for 2 h", quick=True)
def h16(net):
    for turn in range(120):
        for k in range(24):
            for target in range(6):
                net.ask(60.0 * turn + 2.2 * k + 0.3 * target, (f"203.0.113.{20 + k}", SIP), (f"192.0.2.{10 + target}", SIP), user="",
                        from_user="ping",
                        agent="Carrier-SBC/3")


@honest("H19", "high-availability switch in 24 running calls: the SBC's address moves to another machine (MAC, TTL − 1, new source "
        "ports), media rests 800 ms",
        quick=True)
def h19(net):
    office = Office(net, 60)
    office.register_all(0, 30)
    sbc = ("192.0.2.12", SIP)
    for k in range(24):
        a = office.phones[k]
        d = Dialog(net, [a.end, office.server.end, sbc], a.user, subscriber(k, 60), agent=a.agent)
        one, two = office.media(a.end[0]), (sbc[0], 20000 + 2 * k)
        t = d.invite(60 + k * 0.8, sdp(one, "G729"), office.server, a.password)
        d.reply(t.time + 0.02, t, 180)
        at = d.accept(t.time + 3, t, sdp(two, "G729"))
        up, down = Stream(net, one, two, "G729"), Stream(net, two, one, "G729")
        up.run(at, 150)
        down.run(at, 120)
        switched(net, sbc[0], down, 120.8, 150)
        d.bye(150.2 + 0.05 * k)
    for k in range(24, 40):
        office.call(60 + k, office.phones[k], office.phones[k + 20], seconds=40, ptime=60)


def switched(net, address, stream, start, end):
    """The stream goes on from another machine and another port."""
    path = net.paths.pop((address, stream.destination[0]), None)
    net.stations[address], net.ttl[address] = 1, 63
    stream.source = (stream.source[0], stream.source[1] + 1000)
    stream.run(start, end)
    del net.stations[address], net.ttl[address]
    net.paths[address, stream.destination[0]] = path


@honest("H34", "two span ports: an office's every packet comes twice, 0.2 ms apart with TTL − 1, a third of them once more after 1 ms; a "
        "phone fails every 30 s",
        quick=True)
def h34(net):
    office = Office(net, 100)
    office.register_all(0, 60)
    office.refresh(200, 900, 300)
    office.day(70, 500, a_minute=6, seconds=(10, 30), ptime=60)
    for k in range(20):
        net.register(100 + 30 * k, office.phones[5], office.server, password="old")
    for k in range(60):
        at, a = 100 + 10.0 * k, net.rng.choice(office.phones)
        office.out(at, a, subscriber(9, 23), status=486, ring=0, media=False)
    for at, number, frame in list(net.frames):
        net.again(at + 0.0002, (at, number, frame), ttl_less=1)
        if number % 3 == 0:
            net.again(at + 0.001, (at, number, frame))
