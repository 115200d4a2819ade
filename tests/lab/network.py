"""The network of the lab: hosts in namespaces on one switch, a router to the outside, a mirror port for the sensor.

                 192.0.2.0/24, the site                                    outside
    pbx   phones   desks   soft1 ... soft6   insider                carrier        attacker
     │      │        │         │ ... │          │                198.51.100.20   203.0.113.66
     └──────┴────────┴───┬─────┴─────┴──────────┘                      │              │
                      switch ─────────────────────────── edge ─────────┴──────────────┘
                       │  │                            192.0.2.1
              mirror: mon0 spy1 (of the insider)

Every frame enters the switch through one port, so the ingress of all ports together is each frame once: that is what the sensor
gets. The switch is the namespace that the program runs in; all of it lives in mount, process and network namespaces of its own
(see lab.py), so nothing is left when it ends, however it ends.
"""
import os
import subprocess

from listening import ip

SITE = {"pbx": ["192.0.2.10"] + [f"192.0.2.{n}" for n in range(11, 31)],
        "phones": [f"192.0.2.{n}" for n in (*range(101, 111), 129, 130)],
        "desks": [f"192.0.2.{n}" for n in (*range(111, 117), 119)],
        **{f"soft{n}": [f"192.0.2.{40 + n}"] for n in range(1, 7)},
        "insider": ["192.0.2.66"],
        "edge": ["192.0.2.1"]}
OUTSIDE = {"carrier": ("198.51.100.1", "198.51.100.20"),
           "attacker": ("203.0.113.1", "203.0.113.66")}
SECOND_CARRIER = "198.51.100.21"
ATTACKERS = [f"203.0.113.{n}" for n in range(66, 70)]
INNOCENT = {address for host, addresses in SITE.items() if host != "insider" for address in addresses} | {OUTSIDE["carrier"][1]}


class Network:
    def __init__(self, prefix):
        self.prefix = prefix
        self.switch_ports = []

    def name(self, host):
        return f"{self.prefix}-{host}"

    def inside(self, host, *command):
        """The command line that runs in a host. Not by `ip netns exec`: that mounts /sys anew each time, for which the kernel waits until all
        cores have agreed; on a busy machine this took seconds for each program."""
        return ["nsenter", "--net=" + self.path(host), *command]

    def path(self, host):
        return "/run/netns/" + self.name(host)

    def run(self, host, *command):
        return subprocess.run(self.inside(host, *command), check=True, capture_output=True, text=True).stdout

    def up(self):
        os.makedirs("/run/netns", exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "lab", "/run/netns"], check=True)
        ip("link", "add", "br0", "type", "bridge", "stp_state", "0", "forward_delay", "0", "mcast_snooping", "0")
        quiet("br0")
        ip("link", "set", "br0", "up")
        for host in [*SITE, *OUTSIDE, "sensor"]:
            ip("netns", "add", self.name(host))
            self.run(host, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
            self.run(host, "ip", "link", "set", "lo", "up")
        self.tap("span0", "mon0", "sensor")
        self.tap("spy0", "spy1", "insider")
        for host, addresses in SITE.items():
            self.plug(host, addresses)
        for host, (near, far) in OUTSIDE.items():
            self.uplink(host, near, far)
        self.run("edge", "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0")
        for n in ATTACKERS[1:]:
            self.run("attacker", "ip", "addr", "add", n + "/24", "dev", "eth0")
        self.run("carrier", "ip", "addr", "add", SECOND_CARRIER + "/24", "dev", "eth0")

    def tap(self, outer, inner, host):
        """A port that only gives: what is mirrored to `outer` comes out at `inner`."""
        ip("link", "add", outer, "mtu", "9000", "type", "veth", "peer", "name", inner, "mtu", "9000", "netns", self.name(host))
        quiet(outer)
        self.quiet_in(host, inner)
        ip("link", "set", outer, "up")
        self.run(host, "ip", "link", "set", inner, "up", "promisc", "on", "arp", "off")

    def plug(self, host, addresses):
        """A host on the switch; what it sends is mirrored before anything else happens to it."""
        port = "p-" + host
        ip("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", self.name(host))
        quiet(port)
        self.quiet_in(host, "eth0")
        subprocess.run(["tc", "qdisc", "add", "dev", port, "handle", "ffff:", "ingress"], check=True)
        subprocess.run(["tc", "filter", "add", "dev", port, "parent", "ffff:", "protocol", "all", "prio", "1", "u32", "match", "u32", "0",
                        "0", "action", "mirred", "egress", "mirror", "dev", "span0", "pipe", "action", "mirred", "egress", "mirror",
                        "dev", "spy0"], check=True)
        ip("link", "set", port, "master", "br0", "up")
        for address in addresses:
            self.run(host, "ip", "addr", "add", address + "/24", "dev", "eth0")
        self.run(host, "ip", "link", "set", "eth0", "up")
        if host != "edge":
            self.run(host, "ip", "route", "add", "default", "via", SITE["edge"][0])

    def uplink(self, host, near, far):
        """A host behind the router, out of the sensor's sight."""
        ip("link", "add", "eth0", "netns", self.name(host), "type", "veth", "peer", "name", "up-" + host, "netns", self.name("edge"))
        self.quiet_in(host, "eth0")
        self.quiet_in("edge", "up-" + host)
        self.run("edge", "ip", "addr", "add", near + "/24", "dev", "up-" + host)
        self.run("edge", "ip", "link", "set", "up-" + host, "up")
        self.run(host, "ip", "addr", "add", far + "/24", "dev", "eth0")
        self.run(host, "ip", "link", "set", "eth0", "up")
        self.run(host, "ip", "route", "add", "default", "via", near)

    def quiet_in(self, host, interface):
        self.run(host, "ethtool", "-K", interface, "rx", "off", "tx", "off", "tso", "off", "gso", "off", "gro", "off")

    def drop(self, host, rule):
        """Swallows what a host sends and the rule matches, before it comes to the switch."""
        self.run(host, "nft", "add table inet lab; add chain inet lab out { type filter hook output priority 0; }; "
                              f"add rule inet lab out {rule} drop")

    def drop_no_more(self, host):
        self.run(host, "nft", "delete table inet lab")


def quiet(interface):
    """No offloads: the sensor must see real checksums and frames as they are on a wire. No IPv6 chatter."""
    subprocess.run(["ethtool", "-K", interface, "rx", "off", "tx", "off", "tso", "off", "gso", "off", "gro", "off"], check=True,
                   capture_output=True)
    with open(f"/proc/sys/net/ipv6/conf/{interface}/disable_ipv6", "w", encoding="ascii") as f:
        f.write("1")
