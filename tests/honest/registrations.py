"""registrations: the honest entries about logging in (detections.md, section E)."""
from media import talk
from office import Office, subscriber
from scenario import honest
from sip import SIP, Dialog, Phone, Server, sdp

DAY = 86400


def stale_phone(net, end, server):
    """One account, every 30 s, CSeq rising, one Call-ID: 2,880 failures, then the password is corrected."""
    phone = Phone("1017", end, instance="00001017")
    for k in range(2880):
        net.register(30.0 * k + net.rng.uniform(0, 0.3), phone, server, password="last-years")
    at = net.register(2880 * 30.0, phone, server)
    for k in range(1, 5):
        at = net.register(2880 * 30.0 + 1800 * k, phone, server)
    return phone


@honest("H1", "own phone with a wrong password, every 30 s for a day: 2,880 failures, then the password is corrected; it had worked before",
        "severity 1", quick=True)
def h1(net):
    office = Office(net, 20)
    office.register_all(0, 20)
    phone = office.phones[6]
    for k in range(2880):
        net.register(60 + 30.0 * k + net.rng.uniform(0, 0.3), phone, office.server, password="last-years")
    for k in range(3):
        net.register(60 + 2880 * 30.0 + 1800 * k, phone, office.server)


@honest("H1-foreign", "the same by a phone never seen before, from the internet", "a foreign, never-seen phone ≤ 2",
        {"registration-bruteforce": 2, "registration-breach": 2})
def h1_foreign(net):
    stale_phone(net, ("198.51.100.77", 41000), Server())


@honest("H1-forbidden", "the same phone at a server that refuses with 403, every 12 s for 8 h: 2,400 failures", "severity 1")
def h1_forbidden(net):
    office = Office(net, 20)
    office.register_all(0, 20)
    for k in range(2400):
        net.register(60 + 12.0 * k + net.rng.uniform(0, 0.2), office.phones[3], office.server, password="last-years", refused=403)
    net.register(60 + 28800, office.phones[3], office.server)


@honest("H2", "30 users mistype 3 to 8 times on a new softphone at a new home address, then succeed and call a colleague", quick=True)
def h2(net):
    office = Office(net, 40)
    office.register_all(0, 20)
    for k in range(30):
        desk = office.phones[k]
        home = Phone(desk.user, (f"203.0.113.{100 + k}", 50000 + k), password=desk.password, agent="Softphone/7", instance=f"aaaa{k:04x}")
        at = 120 + 400.0 * k
        for _ in range(3 + k % 6):
            at = net.register(at, home, office.server, password=f"typo{net.rng.randrange(99)}", new_call=k % 2 == 0) + net.rng.uniform(4,
                    15)
        at = net.register(at, home, office.server, new_call=k % 2 == 0)
        office.call(at + 30, home, office.phones[39], seconds=12)


@honest("H3", "one NAT address with 300 phones: 300 registrations an hour, CRLF or OPTIONS keep-alive each 20 s, 5 with wrong passwords "
        "(1 h)")
def h3(net):
    server, nat = Server(), "198.51.100.9"
    phones = [Phone(str(2000 + k), (nat, 20000 + k), instance=f"3333{k:04x}") for k in range(300)]
    bad = set(net.rng.sample(range(300), 5))
    for k, phone in enumerate(phones):
        first = net.rng.uniform(0, 3600)
        if k in bad:
            at = net.rng.uniform(0, 60)
            while at < 3600:
                net.register(at, phone, server, password="old")
                at += 60
        else:
            net.register(first, phone, server)
        at = net.rng.uniform(0, 20)
        while at < 3600:
            if k % 3:
                net.udp(at, phone.end, server.end, b"\r\n\r\n")
            else:
                net.ask(at, phone.end, server.end, user="", from_user=phone.user, agent=phone.agent)
            at += 20


@honest("H3-first-minute", "the same address when its router comes back: all 300 phones within a minute, 5 with wrong passwords every 30 s",
        quick=True)
def h3_first_minute(net):
    server, nat = Server(), "198.51.100.9"
    bad = set(net.rng.sample(range(300), 5))
    for k in range(300):
        phone = Phone(str(2000 + k), (nat, 20000 + k), instance=f"3333{k:04x}")
        at = net.rng.uniform(0, 60)
        if k in bad:
            for turn in range(40):
                net.register(at + 30 * turn, phone, server, password="old")
        else:
            net.register(at, phone, server)


def restart(net, known):
    """10,000 phones register in 60 s: a challenge each, a tenth begin with a nonce of before, one in twenty is sent away first."""
    server = Server(("2001:db8:0:1::10", SIP))
    phones = [Phone(str(20000 + k), (f"2001:db8:{100 + k // 500:x}::{k % 500 + 16:x}", SIP), instance=f"{k:08x}") for k in range(10000)]
    start = 0.0
    if known:
        for phone in phones:
            net.register(net.rng.uniform(0, 3000), phone, server)
        start = 3600.0
    for phone in phones:
        at, lot = start + net.rng.uniform(0, 60), net.rng.random()
        phone.call_id = None
        if lot < 0.05:
            at = net.register(at, phone, server, retry_after=20) + 20 + net.rng.uniform(0, 5)
        net.register(at, phone, server, nonce=server.nonce(phone.end, 0) if 0.05 <= lot < 0.15 else None)


@honest("H6", "registrar restart: 10,000 phones re-register in 60 s, all 401→200, 10 % stale nonces, 5 % 503 with Retry-After; nothing "
        "known of before",
        quick=True)
def h6(net):
    restart(net, False)


@honest("H6-known", "the same an hour after the 10,000 had registered one after the other")
def h6_known(net):
    restart(net, True)


@honest("H17", "20 accounts, each from 14 networks in a day (CGNAT, VPN, IPv6 privacy) with the right password, 3 typos each", quick=True)
def h17(net):
    server = Server()
    for user in range(20):
        for k in range(14):
            address = f"2001:db8:{0x4000 + user * 20 + k:x}:1::{net.rng.randrange(1, 65536):x}" if k % 2 else f"198.51.100.{net.rng.randrange(1, 250)}"
            where = (address, net.rng.randrange(1024, 65000))
            at = DAY / 14 * k + net.rng.uniform(0, 3000)
            phone = Phone(str(1500 + user), where, agent="Mobile/5", instance=f"1717{user:04x}" if user % 2 else None)
            if k in (2, 7, 11):
                at = net.register(at, phone, Server() if ":" not in address else V6, password="typo") + 9
            net.register(at, phone, server if ":" not in address else V6)


V6 = Server(("2001:db8:0:1::10", SIP))


@honest("H18", "200 accounts with desk phone, laptop and mobile (reg-id 1 and 2, two flows); 40 desks shared: Contact * logs out, the "
        "next logs in",
        quick=True)
def h18(net):
    server = Server()
    for k in range(200):
        user, at = str(3000 + k), net.rng.uniform(0, 600)
        for device, (address, agent) in enumerate(((f"192.0.2.{20 + k}", "Desk/2.4"), (f"198.51.100.{1 + k}", "Laptop/3"),
                (f"203.0.113.{1 + k}", "Mobile/5"))):
            phone = Phone(user, (address, 5060 + device), password=f"{user}-secret", agent=agent, instance=f"18{device}{k:05x}")
            for flow in (1, 2):
                net.register(at + 5 * device + flow, phone, server, new_call=True,
                             contact=f'<{phone.contact}>;reg-id={flow};+sip.instance="<urn:uuid:{phone.instance}>"')
            if k < 40 and device == 0:
                for turn in range(6):
                    leaving = Phone(str(3000 + (k + turn) % 200), phone.end, instance=phone.instance)
                    net.register(1000 + turn * 3600 + k, leaving, server, contact="*", expires=0)
                    net.register(1030 + turn * 3600 + k, Phone(str(3000 + (k + turn + 1) % 200), phone.end, instance=phone.instance),
                            server)


@honest("H20", "firmware roll-out: 500 phones change User-Agent, header order and Call-ID overnight", quick=True)
def h20(net):
    server = Server(("2001:db8:0:1::10", SIP))
    phones = [Phone(str(4000 + k), (f"2001:db8:20::{k + 16:x}", SIP), instance=f"2020{k:04x}") for k in range(500)]
    for phone in phones:
        net.register(net.rng.uniform(0, 1800), phone, server)
    for k, phone in enumerate(phones):
        phone.agent = "Desk/3.0"
        at = 14 * 3600 + (k // 50) * 300 + net.rng.uniform(0, 40)
        net.register(at, phone, server, new_call=True, extra="Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, NOTIFY\r\nSupported: path, "
                "outbound\r\n")
        net.register(at + 3000, phone, server)


@honest("H21", "40 deleted users' phones at one site keep registering, 404 or 403 every 5 min for 4 days (for weeks), behind one NAT "
        "address")
def h21(net):
    deleted(net, [("198.51.100.9", 20000 + k) for k in range(40)])


@honest("H21-site", "the same with an address for each phone", quick=True)
def h21_site(net):
    deleted(net, [(f"192.0.2.{100 + k}", SIP) for k in range(40)])


def deleted(net, ends):
    server = Server()
    for k, end in enumerate(ends):
        phone = Phone(str(5000 + k), end, instance=f"2121{k:04x}")
        at = net.rng.uniform(0, 300)
        while at < 4 * DAY:
            if k % 2:
                net.register(at, phone, server, password="gone", refused=403)
            else:
                phone.call_id, phone.tag = phone.call_id or f"deleted-{k}@{end[0]}", "21"
                phone.cseq += 1
                net.ask(at, end, server.end, "REGISTER", phone.user, 404, phone.agent, phone.call_id, phone.cseq, phone.user,
                        extra=f"Contact: <{phone.contact}>\r\nExpires: 3600\r\n")
            at += 300 + net.rng.uniform(-5, 5)


@honest("H22", "password rotation: 200 of 5,000 phones fail every 60 s for up to 2 h until provisioned, then succeed",
        "`registration-failure-spike` 2 is right",
        {"registration-failure-spike": 2}, [("registration-failure-spike", 2)])
def h22(net):
    server = Server(("2001:db8:0:1::10", SIP))
    phones = [Phone(str(20000 + k), (f"2001:db8:{100 + k // 500:x}::{k % 500 + 16:x}", SIP), instance=f"{k:08x}") for k in range(5000)]
    for phone in phones:
        net.register(net.rng.uniform(0, 3600), phone, server)
    for phone in net.rng.sample(phones, 200):
        at, ready = 4000 + net.rng.uniform(0, 60), 4000 + net.rng.uniform(1800, 7200)
        while at < ready:
            net.register(at, phone, server, password="before-the-rotation")
            at += 60 + net.rng.uniform(0, 1)
        for k in range(2):
            net.register(at + 1800 * k, phone, server)


@honest("H26", "15 employees in three countries in one day (airport, VPN, hotel), right password, call home", quick=True)
def h26(net):
    office = Office(net, 30)
    office.register_all(0, 30)
    for k in range(15):
        desk = office.phones[k]
        for stop, network in enumerate(("198.51.100", "203.0.113", "198.51.100")):
            where = (f"{network}.{60 + 20 * stop + k}", 40000 + k)
            phone = Phone(desk.user, where, password=desk.password, agent="Mobile/5", instance=f"2626{k:04x}")
            at = 600 + stop * 5 * 3600 + 60 * k
            net.register(at, phone, office.server)
            office.call(at + 120, phone, office.phones[29 - k % 10], seconds=20)
            if stop == 1:
                office.out(at + 300, phone, subscriber(5, 23), seconds=15)
