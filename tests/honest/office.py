"""office: an honest site: phones that register and refresh, people who call one another and the world."""
from media import talk
from sip import SIP, Dialog, Phone, Server, sdp

# Areas of the site's own country; in each +1 AREA 555 01xx is kept free for stories.
AREAS = (201, 202, 203, 205, 206, 207, 208, 209, 210, 213, 214, 215, 216, 217, 218, 219, 224, 225, 228, 229, 231, 234, 239, 240, 248, 251,
        252,
         253, 254, 256, 260, 262, 267, 269, 270, 276, 281, 301, 302, 303, 304, 305, 307, 308, 309, 310, 312, 313, 314, 315, 316, 317, 318, 319, 320,
         321, 323, 325, 330, 334, 336, 337, 339, 347, 351, 352, 360, 361, 386, 401, 402, 404, 405, 406, 407, 408, 409, 410, 412, 413, 414, 415, 417,
         419, 423, 425, 432, 434, 435, 440, 443, 469, 478, 479, 480, 484, 501, 502, 503, 504, 505, 507, 508, 509, 510, 512, 513, 515, 516, 517, 518,
         520, 530, 540, 541, 551, 559, 561, 562, 563, 567, 570, 571, 573, 574, 580, 585, 586, 602, 603, 605, 606, 607, 608, 609, 610, 612, 614, 615)


def subscriber(area, last):
    """A number of the site's own country (the site itself is +1 212 555 01xx)."""
    return f"+1{AREAS[area % len(AREAS)]}55501{last % 100:02}"


def anybody(net):
    return subscriber(net.rng.randrange(len(AREAS)), net.rng.randrange(100))


CARRIER = ("203.0.113.20", SIP)
CARRIER_MEDIA = "203.0.113.21"


class Office:
    """A proxy, a trunk and up to 230 phones at 192.0.2.20 and above, or in another network with other users."""

    def __init__(self, net, phones=200, carrier=CARRIER, network="192.0.2.", user=1001):
        self.net, self.server, self.carrier = net, Server(), carrier
        self.phones = []
        for k in range(phones):
            address = f"{network}{20 + k}"
            self.phones.append(Phone(str(user + k), (address, SIP), agent=("Desk/2.4", "Desk/2.5", "Softphone/7")[k % 3],
                    instance=f"0000{k:04x}"))
        self.ports = {}

    def media(self, address):
        """A media port of its own for every call at an address."""
        port = self.ports.get(address, 10000)
        self.ports[address] = 10000 + (port + 2 - 10000) % 20000
        return address, port

    def register_all(self, start=0.0, spread=60.0, expires=3600):
        for phone in self.phones:
            self.net.register(start + self.net.rng.uniform(0, spread), phone, self.server, expires=expires)

    def refresh(self, start, end, every=1800):
        """Every phone refreshes its registration, from a moment of its own on."""
        for phone in self.phones:
            at = start + self.net.rng.uniform(0, every)
            while at < end:
                self.net.register(at, phone, self.server)
                at += every

    def keep_alive(self, start, end, every=30):
        for phone in self.phones:
            at = start + self.net.rng.uniform(0, every)
            while at < end:
                self.net.udp(at, phone.end, self.server.end, b"\r\n\r\n")
                at += every

    # -- calls

    def call(self, at, a, b, seconds=30.0, ring=4.0, status=200, media=True, codec="G729", ptime=20, by_callee=False, lose=None):
        """A phone calls a phone through the proxy; gives the end."""
        net = self.net
        d = Dialog(net, [a.end, self.server.end, b.end], a.user, b.user, agent=a.agent, callee_agent=b.agent)
        one, two = self.media(a.end[0]), self.media(b.end[0])
        t = d.invite(at, sdp(one, codec, ptime=ptime), self.server, a.password)
        return self.finish(d, t, one, two, seconds, ring, status, media, codec, ptime, by_callee, lose)

    def out(self, at, a, number, seconds=30.0, ring=6.0, status=200, media=True, codec="G729", ptime=20, by_callee=False, carrier=None,
            dialled=None, lose=None, password=None, source=None):
        """A phone calls a number through the trunk."""
        net = self.net
        d = Dialog(net, [source or a.end, self.server.end, carrier or self.carrier], a.user, number, agent=a.agent,
                callee_agent="Carrier-SBC/3",
                   uri=f"sip:{dialled or number}@{self.server.domain}")
        one, two = self.media((source or a.end)[0]), self.media(CARRIER_MEDIA)
        t = d.invite(at, sdp(one, codec, ptime=ptime), self.server, password or a.password)
        return self.finish(d, t, one, two, seconds, ring, status, media, codec, ptime, by_callee, lose)

    def into(self, at, number, b, seconds=30.0, ring=4.0, status=200, media=True, codec="G729", ptime=20, by_callee=False, called=None,
             carrier=None, extra="", lose=None):
        """A number calls a phone: the carrier is not challenged."""
        net = self.net
        carrier = carrier or self.carrier
        d = Dialog(net, [carrier, self.server.end, b.end], number, b.user, agent="Carrier-SBC/3", callee_agent=b.agent,
                   uri=f"sip:{called or b.user}@{self.server.domain}", caller_domain=carrier[0])
        one, two = self.media(CARRIER_MEDIA), self.media(b.end[0])
        t = d.invite(at, sdp(one, codec, ptime=ptime), extra=extra)
        return self.finish(d, t, one, two, seconds, ring, status, media, codec, ptime, by_callee, lose)

    def finish(self, d, t, one, two, seconds, ring, status, media, codec, ptime, by_callee, lose=None):
        """From the INVITE that goes on to the end of the call."""
        net = self.net
        at = t.time + net.turn(two[0])
        if status in (404, 484, 503, 500, 603, 480, 486) and not ring:
            return d.refuse(at, t, status)
        d.reply(at, t, 180)
        at += ring
        if status == 487:
            return d.cancel(at, t)
        if status != 200:
            return d.refuse(at, t, status)
        at = d.accept(at, t, sdp(two, codec, ptime=ptime))
        net.unheard += not media
        if media:
            talk(net, at, at + seconds, one, two, codec, ptime, lose)
        return d.bye(at + seconds + 0.01, by_callee)

    def day(self, start, end, a_minute=4.0, media=True, seconds=(10, 60), ptime=20, abroad=0.0):
        """Ordinary calls: half inside, the rest in and out; four of five are answered."""
        net, at = self.net, start
        rng = net.rng
        while True:
            at += rng.expovariate(a_minute / 60)
            if at >= end:
                return
            a, b = rng.sample(self.phones, 2)
            more = dict(seconds=rng.uniform(*seconds), ring=rng.uniform(2, 9), status=rng.choice((200,) * 8 + (486, 487)), media=media,
                        ptime=ptime, by_callee=rng.random() < 0.5)
            number = anybody(net)
            kind = rng.random()
            if kind < 0.5:
                self.call(at, a, b, **more)
            elif kind < 0.75:
                self.out(at, a, number, **more)
            else:
                self.into(at, number, b, **more)


def neighbours(net, seconds=1500, media=True):
    """Another office of the same proxy: what goes on beside an entry. Where an entry is signalling alone, so is this."""
    office = Office(net, 200, network="10.20.0.", user=60001)
    office.register_all(0, 120)
    office.refresh(300, seconds, 600)
    office.day(130, seconds - 120, a_minute=8, ptime=60, media=media)
    for k in range(int(seconds // 30)):
        net.ask(30.0 * k + 7, office.server.end, CARRIER, user="", from_user="proxy", agent="proxy")
