"""media_entries: the honest entries about media and quiet times (detections.md, section E)."""
from media import RTP, Stream, events, talk
from office import CARRIER, CARRIER_MEDIA, Office, subscriber
from scenario import SITE, honest
from sip import SIP, Dialog, Phone, sdp

DAY = 86400


def answered(net, office, at, a, b, codec="G729", ptime=20, remote=None, answer_body=None):
    """A call that is up: (dialog, caller's endpoint, callee's endpoint, time)."""
    d = Dialog(net, [a.end, office.server.end, b.end], a.user, b.user, agent=a.agent, callee_agent=b.agent)
    one, two = office.media(a.end[0]), remote or office.media(b.end[0])
    t = d.invite(at, sdp(one, codec, ptime=ptime), office.server, a.password)
    d.reply(t.time + 0.03, t, 180)
    return d, one, two, d.accept(t.time + 3, t, answer_body or sdp(two, codec, ptime=ptime))


@honest("H15", "20 softphones move from Wi-Fi to a mobile network in a call: registration from another address, re-INVITE with a new c=, "
        "media rests 1.5 s", quick=True)
def h15(net):
    office = Office(net, 40)
    office.register_all(0, 20)
    for k in range(20):
        phone = Phone(f"91{k:02}", (f"198.51.100.{20 + k}", 40000 + k), agent="Mobile/5", instance=f"1515{k:04x}")
        net.register(20 + k, phone, office.server)
        d, one, two, at = answered(net, office, 60 + 2.0 * k, phone, office.phones[k])
        up, down = talk(net, at, at + 12, one, two)
        phone.end = (f"203.0.113.{100 + k}", 45000 + k)
        moved = (phone.end[0], 46000 + k)
        net.register(at + 13, phone, office.server)
        d.hops[0] = phone.end
        d.change(at + 13.3, sdp(moved, "G729", version=2), sdp(two, "G729", version=2))
        up.source = down.destination = moved
        up.run(at + 13.5, at + 24)
        down.run(at + 13.5, at + 24)
        d.bye(at + 24.1, k % 2 == 0)


@honest("H36", "20 calls with pauses of 8 s after comfort noise, another SSRC for hold music, time stamps that jump with the marker; a "
        "video stream of 2 Mbit/s",
        quick=True)
def h36(net):
    office = Office(net, 60)
    office.register_all(0, 20)
    for k in range(20):
        d, one, two, at = answered(net, office, 30 + 0.5 * k, office.phones[k], office.phones[20 + k], "PCMU")
        up, down = Stream(net, one, two, "PCMU"), Stream(net, two, one, "PCMU")
        down.run(at, at + 40)
        begin = at
        for turn in range(4):  # speech, comfort noise, 8 s of nothing
            begin = up.run(begin, begin + 2, marker=turn > 0)
            up.comfort(begin)
            begin += 8
        up.run(begin, begin + 2, marker=True, jump=80000 if k % 2 else 0)
        if k % 3 == 0:
            d.change(at + 40.1, sdp(one, "PCMU", "sendonly", version=2), sdp(two, "PCMU", "recvonly", version=2))
            music = Stream(net, one, two, "PCMU")
            music.run(at + 42.5, at + 52)
            d.change(at + 52.1, sdp(one, "PCMU", version=3), sdp(two, "PCMU", version=3))
            up.run(at + 52.2, at + 58)
            down.run(at + 52.2, at + 58)
        d.bye(at + (58.1 if k % 3 == 0 else 42.1))
    a, b = office.phones[50], office.phones[51]
    body = sdp((a.end[0], 30000), "PCMU") + "m=video 30002 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
    d, one, two, at = answered(net, office, 40, a, b, "PCMU", answer_body=sdp((b.end[0], 30000),
            "PCMU") + "m=video 30002 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n", remote=(b.end[0], 30000))
    talk(net, at, at + 30, one, two, "PCMU")
    video(net, at, at + 30, (a.end[0], 30002), (b.end[0], 30002))
    video(net, at, at + 30, (b.end[0], 30002), (a.end[0], 30002))
    d.bye(at + 30.1)


def video(net, start, end, source, destination):
    """25 pictures a second in 9 packets each."""
    ssrc, sequence, stamp, payload = net.rng.randrange(2, 1 << 32), 100, 5000, net.rng.randbytes(1100)
    at = start
    while at < end:
        for part in range(9):
            net.udp(at + 0.0005 * part, source, destination, RTP.pack(0x80, 96 | (0x80 if part == 8 else 0), sequence & 0xFFFF, stamp,
                    ssrc) + payload)
            sequence += 1
        stamp += 3600
        at += 0.04


@honest("H36-annex-b", "24 G.729 calls whose both sides send a silence descriptor and rest for 4 to 8 s, again and again", quick=True)
def h36_annex_b(net):
    office = Office(net, 60)
    office.register_all(0, 20)
    for k in range(24):
        d, one, two, at = answered(net, office, 30 + 0.5 * k, office.phones[k], office.phones[30 + k])
        for stream, first in ((Stream(net, one, two), 0.0), (Stream(net, two, one), 1.0)):
            begin = stream.run(at, at + 1.0 + first)
            while begin < at + 50:
                stream.comfort(begin)
                begin += net.rng.uniform(4, 8)
                begin = stream.run(begin, begin + net.rng.uniform(1, 3), marker=True)
        d.bye(at + 62)


@honest("H37", "40 calls whose BYE is answered late: media goes on up to 4 s; the 200 is lost and the BYE comes again", quick=True)
def h37(net):
    office = Office(net, 80)
    office.register_all(0, 20)
    for k in range(40):
        d, one, two, at = answered(net, office, 30 + 6.0 * k, office.phones[k], office.phones[40 + k])
        end = at + 10
        reverse = k % 2 == 0
        leaving, staying = (two, one) if reverse else (one, two)
        Stream(net, leaving, staying).run(at, end + (0.02 * (k % 4)))
        Stream(net, staying, leaving).run(at, end + 0.1 * k)
        ended = d.send(end, "BYE", reverse=reverse)
        if k % 3 == 0:  # the answer does not come before the third time
            first = len(net.frames) - 2
            copies = net.frames[first:first + 2]
            for wait in (0.5, 1.5):
                for copy in copies:
                    net.again(copy[0] + wait, copy)
                    net.messages += 1
            d.reply(ended.time + 1.55, ended, 200)
        else:
            d.reply(ended.time + min(0.1 * k, 3.0), ended, 200)


@honest("H47", "symmetric RTP: in 30 calls NAT gives another port than SDP says, the first 3 packets come from the old address, a "
        "rebinding changes the port in "
        "mid-call; the media server moves by re-INVITE in 10", quick=True)
def h47(net):
    office = Office(net, 40)
    office.register_all(0, 20)
    for k in range(30):
        public = f"198.51.100.{20 + k}"
        home = Phone(f"90{k:02}", (public, 40000 + k), agent="Softphone/7", instance=f"4747{k:04x}")
        net.register(20 + k, home, office.server)
        d = Dialog(net, [home.end, office.server.end, office.phones[k].end], home.user, office.phones[k].user)
        inside, two = ("192.168.1.50", 7078), office.media(office.phones[k].end[0])
        relay = ("192.0.2.18", 16000 + 4 * k)
        t = d.invite(60 + 3.0 * k, sdp(inside, "G729"), office.server, home.password)
        d.reply(t.time + 0.03, t, 180)
        at = d.accept(t.time + 3, t, sdp(relay, "G729"))
        public_port = (public, 51000 + k)
        up, down = Stream(net, public_port, relay), Stream(net, relay, public_port)
        up.source = (public, 50000 + k)
        up.run(at, at + 0.06)
        up.source = public_port
        up.run(at + 0.06, at + 12)
        down.run(at + 0.1, at + 12)
        up.source = down.destination = (public, 52000 + k)  # the NAT forgot and binds anew
        up.run(at + 12, at + 20)
        down.run(at + 12.1, at + 20)
        if k % 3 == 0:
            moved = ("192.0.2.19", 17000 + 4 * k)
            d.change(at + 20, sdp(moved, "G729", version=2), sdp(inside, "G729", version=2), reverse=True)
            up.destination, down.source = moved, moved
            up.run(at + 20.02, at + 30)
            down.run(at + 20.05, at + 30)
        d.bye(at + (30.1 if k % 3 == 0 else 20.1), k % 2 == 0)


@honest("H48", "30 calls with key presses: end packet ×3, RFC 4733 and INFO with the same digits", quick=True)
def h48(net):
    office = Office(net, 40)
    office.register_all(0, 20)
    for k in range(30):
        a = office.phones[k]
        d = Dialog(net, [a.end, office.server.end, CARRIER], a.user, subscriber(k, 50), callee_agent="Carrier-SBC/3")
        one, two = office.media(a.end[0]), office.media(CARRIER_MEDIA)
        t = d.invite(30 + 3.0 * k, sdp(one, "PCMU"), office.server, a.password)
        at = d.accept(t.time + 1, t, sdp(two, "PCMU"))
        up, down = Stream(net, one, two, "PCMU"), Stream(net, two, one, "PCMU")
        down.run(at, at + 16)
        up.run(at, at + 4)
        over = events(net, up, at + 4.02, "1234#")
        up.run(over, at + 16, marker=True)
        for n, digit in enumerate("1234#"):
            told = d.send(at + 4.02 + 0.2 * n, "INFO", body=f"Signal={digit}\r\nDuration=80\r\n")
            d.reply(told.time + 0.03, told, 200)
        d.bye(at + 16.1)


@honest("H50", "20 faxes: speech for 4 s, then a re-INVITE to T.38 and no RTP for 40 s", quick=True)
def h50(net):
    office = Office(net, 40)
    office.register_all(0, 20)

    def image(end, version):
        return (f"v=0\r\no=- 1002 {version} IN IP4 {end[0]}\r\ns=-\r\nc=IN IP4 {end[0]}\r\nt=0 0\r\n"
                f"m=image {end[1]} udptl t38\r\na=T38FaxVersion:0\r\na=sendrecv\r\n")

    for k in range(20):
        d, one, two, at = answered(net, office, 30 + 1.0 * k, office.phones[k], office.phones[20 + k], "PCMU")
        talk(net, at, at + 4, one, two, "PCMU")
        begin = d.change(at + 4.1, image(two, 2), image(one, 2), reverse=True)
        for packet in range(400):
            net.udp(begin + 0.1 * packet, one, two, packet.to_bytes(2, "big") + b"\x01\x06\xc0\x01\x80\x00\x00\x00")
            if packet % 10 == 0:
                net.udp(begin + 0.1 * packet + 0.05, two, one, packet.to_bytes(2, "big") + b"\x01\x06\xc0\x01\x80\x00\x00\x00")
        d.bye(begin + 40.5)


@honest("H52", "one user on Wi-Fi loses 8 % in each of 40 calls all day, among 1,000 good ones", "", quick=True)
def h52(net):
    office = Office(net, 200)
    office.register_all(0, 60)
    dice = net.rng.random
    for k in range(40):
        office.call(700 + 700.0 * k, office.phones[9], office.phones[100 + k], seconds=30, lose=lambda number: dice() < 0.08)
    for k in range(1000):
        a, b = net.rng.sample(office.phones[20:100], 2)
        office.call(700 + 28.0 * k, a, b, seconds=10, ptime=60)


@honest("H53", "20 s of congestion at backup time: 30 calls lose 12 % of their packets; one call alone loses for a minute", "2 is right",
        {"media-quality": 2, "media-quality-site": 2}, quick=True)
def h53(net):
    office = Office(net, 80)
    office.register_all(0, 20)
    for k in range(30):
        d, one, two, at = answered(net, office, 30 + 0.5 * k, office.phones[k], office.phones[40 + k])
        dice = net.rng.random

        def congested(number, at=at, dice=dice):
            return 60 <= at + number * 0.02 < 80 and dice() < 0.12

        talk(net, at, 110, one, two, lose=congested)
        d.bye(110.1 + 0.02 * k)
    d, one, two, at = answered(net, office, 150, office.phones[35], office.phones[75])
    talk(net, at, at + 60, one, two, lose=lambda number: number % 9 == 0)
    d.bye(at + 60.1)


@honest("H53-switch", "planned link switch: every stream of 40 calls rests for 2.4 s and goes on", "2 is right", {"media-quality": 2,
        "media-quality-site": 2},
        quick=True)
def h53_switch(net):
    office = Office(net, 80)
    office.register_all(0, 20)
    for k in range(40):
        d, one, two, at = answered(net, office, 30 + 0.5 * k, office.phones[k], office.phones[40 + k], ptime=40)
        streams = Stream(net, one, two, ptime=40), Stream(net, two, one, ptime=40)
        for stream in streams:
            stream.run(at, 80 + 0.01 * k)
            stream.sequence += 60  # they were sent, the link had them not
            stream.run(82.4 + 0.01 * k, 120)
        d.bye(120.1 + 0.05 * k)


@honest("H54", "60 calls with hold and resume, early media, one-way paging; 20 calls are up already when the sensor starts; the answering "
        "side speaks first after 4 s",
        quick=True, options=SITE)
def h54(net):
    office = Office(net, 120)
    for k in range(20):  # in mid-call at the first packet: media, then only the BYE
        a, b = office.phones[100 + k % 20], office.phones[80 + k % 20]
        one, two = office.media(a.end[0]), office.media(b.end[0])
        talk(net, 0.01 * k, 25, one, two, ptime=40)
        d = Dialog(net, [a.end, office.server.end, b.end], a.user, b.user)
        d.established, d.cseqs = True, [7, 3]
        d.bye(25.02 + 0.1 * k)
    office.register_all(1, 20)
    for k in range(20):
        d, one, two, at = answered(net, office, 40 + 2.0 * k, office.phones[k], office.phones[20 + k], ptime=40)
        up, down = talk(net, at, at + 6, one, two, ptime=40)
        d.change(at + 6.1, sdp(one, "G729", "sendonly", version=2), sdp(two, "G729", "recvonly", version=2))
        if k % 2:
            up.run(at + 6.3, at + 16)  # music
        d.change(at + 16.1, sdp(one, "G729", version=3), sdp(two, "G729", version=3))
        up.run(at + 16.2, at + 22)
        down.run(at + 16.2, at + 22)
        d.bye(at + 22.1)
    for k in range(20):  # the far end talks before it answers
        a = office.phones[40 + k]
        d = Dialog(net, [a.end, office.server.end, CARRIER], a.user, subscriber(k, 40), callee_agent="Carrier-SBC/3")
        one, two = office.media(a.end[0]), office.media(CARRIER_MEDIA)
        t = d.invite(120 + 2.0 * k, sdp(one, "G729", ptime=40), office.server, a.password)
        at = d.reply(t.time + 0.05, t, 183, body=sdp(two, "G729", ptime=40))
        down, up = Stream(net, two, one, ptime=40), Stream(net, one, two, ptime=40)
        down.run(at, at + 12)
        if k % 4:
            at = d.accept(at + 12, t, sdp(two, "G729", ptime=40))
            down.run(at, at + 10)
            up.run(at + (4 if k % 4 == 1 else 0), at + 10)
            d.bye(at + 10.1)
        else:
            d.refuse(at + 12, t, 486)
    for k in range(20):  # a page to a loudspeaker
        a = office.phones[60 + k]
        d, one, two, at = answered(net, office, 180 + 1.0 * k, a, office.phones[80 + k], ptime=40,
                answer_body=sdp((office.phones[80 + k].end[0], 29000), "G729", "recvonly"))
        Stream(net, one, (office.phones[80 + k].end[0], 29000), ptime=40).run(at, at + 12)
        d.bye(at + 12.1)


@honest("H54-half", "a mirror port that brings signalling whole, but of media only what goes to the phones: 60 calls through the trunk",
        alone=True, quick=True)
def h54_half(net):
    office = Office(net, 100)
    office.register_all(0, 20)
    for k in range(60):
        a = office.phones[k]
        d = Dialog(net, [a.end, office.server.end, CARRIER], a.user, subscriber(k, k), callee_agent="Carrier-SBC/3")
        one, two = office.media(a.end[0]), office.media(CARRIER_MEDIA)
        t = d.invite(30 + 5.0 * k, sdp(one, "G729"), office.server, a.password)
        d.reply(t.time + 0.03, t, 180)
        at = d.accept(t.time + 3, t, sdp(two, "G729"))
        Stream(net, two, one).run(at, at + 25)
        d.bye(at + 25.1)


@honest("H56", "holiday: phones register hourly from 07:00 to 20:00 and power down at night, a trunk with 30 calls an hour by day has "
        "none for 14 h, then a silent day",
        quick=True, options=SITE)
def h56(net):
    office = Office(net, 60)
    for day in range(4):
        opens = DAY * day - 2 * 3600 + 0.0 if day else 0.0  # the capture begins at 09:00
        closes = DAY * day + 11 * 3600
        if day == 2:
            continue
        for phone in office.phones:
            at = opens + net.rng.uniform(0, 300)
            while at < closes:
                net.register(at, phone, office.server)
                at += 3600
        office.day(opens + 600, closes, a_minute=1, media=False)
    for turn in range(3 * DAY // 60):
        net.ask(60.0 * turn, office.server.end, CARRIER, user="", from_user="proxy", agent="proxy")


@honest("H54-one-way", "a tap that shows what comes to the proxy and never what it sends: 200 phones register, refresh and call for 25 "
        "min", alone=True, quick=True)
def h54_one_way(net):
    office = Office(net, 200)
    office.register_all(0, 120)
    office.refresh(300, 1500, 600)
    office.day(130, 1400, a_minute=10, media=False)
    for k in range(50):
        net.ask(30.0 * k, office.server.end, CARRIER, user="", from_user="proxy", agent="proxy")
    proxy = bytes((192, 0, 2, 10))
    net.frames = [frame for frame in net.frames if frame[2][26:30] != proxy]
    net.messages = len(net.frames)


@honest("office", "what the attacks are laid over, for an hour and with media: 200 phones that register, refresh, keep alive and talk",
        quick=True, options=SITE)
def office(net):
    place = Office(net, 200)
    place.register_all(0, 120)
    place.refresh(300, 3600, 600)
    place.keep_alive(120, 3600)
    place.day(130, 3500, a_minute=8, ptime=60)
    for k in range(120):
        net.ask(30.0 * k, place.server.end, CARRIER, user="", from_user="proxy", agent="proxy")
