#!/usr/bin/env python3
"""Writes the small MaxMind databases of the tests, in both layouts that sensor/lookup/geo.c knows.

    make_mmdb.py FOLDER          writes them there
    make_mmdb.py --check FOLDER  fails where a file there is not what would be written

The format (MaxMind DB 2.0): a binary trie of the address bits, sixteen zero bytes, the values, a marker, the
metadata. A record of the trie below the number of nodes is a node; the number itself says "nothing known";
what lies above points into the values. Addresses of documentation only, and one private network that a
sensor must not look up."""
import ipaddress
import os
import sys

RECORD_BITS = 24
UTF8, UINT16, UINT32, MAP, UINT64, ARRAY = 2, 5, 6, 7, 9, 11
MARKER = b"\xab\xcd\xefMaxMind.com"


def control(kind, size):
    """The bytes in front of a value; sizes from 29 on take one more."""
    head, rest = (size, b"") if size < 29 else (29, bytes([size - 29]))
    return bytes([kind << 5 | head]) + rest if kind < 8 else bytes([head, kind - 7]) + rest


def number(kind, value):
    data = value.to_bytes(8, "big").lstrip(b"\0")
    return control(kind, len(data)) + data


def encode(value):
    if isinstance(value, dict):
        return control(MAP, len(value)) + b"".join(encode(k) + encode(v) for k, v in value.items())
    if isinstance(value, list):
        return control(ARRAY, len(value)) + b"".join(encode(v) for v in value)
    if isinstance(value, str):
        return control(UTF8, len(value.encode())) + value.encode()
    return number(UINT32, value)


def trie(rows, version):
    """Nodes of two slots each: an int is another node, a dict a value, None nothing."""
    nodes = [[None, None]]
    for network, value in rows:
        network = ipaddress.ip_network(network)
        if network.version == 6 and version == 4:
            raise ValueError("an IPv6 network in an IPv4 database")
        bits = f"{int(network.network_address):0{network.max_prefixlen}b}"[:network.prefixlen]
        if network.version == 4 and version == 6:
            bits = "0" * 96 + bits
        at = 0
        for bit in bits[:-1]:
            if nodes[at][int(bit)] is None:
                nodes.append([None, None])
                nodes[at][int(bit)] = len(nodes) - 1
            at = nodes[at][int(bit)]
        nodes[at][int(bits[-1])] = value
    return nodes


def database(kind, version, rows):
    nodes = trie(rows, version)
    values, places = b"", {}
    for node in nodes:
        for value in node:
            key = repr(value)
            if isinstance(value, dict) and key not in places:
                places[key] = len(values)
                values += encode(value)

    def record(slot):
        if slot is None:
            return len(nodes)
        return slot if isinstance(slot, int) else len(nodes) + 16 + places[repr(slot)]

    tree = b"".join(record(slot).to_bytes(RECORD_BITS // 8, "big") for node in nodes for slot in node)
    metadata = [("binary_format_major_version", number(UINT16, 2)), ("binary_format_minor_version", number(UINT16, 0)),
                ("build_epoch", number(UINT64, 1767225600)), ("database_type", encode(kind)), ("description", encode({})),
                ("ip_version", number(UINT16, version)), ("languages", encode([])), ("node_count", number(UINT32, len(nodes))),
                ("record_size", number(UINT16, RECORD_BITS))]
    return (tree + bytes(16) + values + MARKER + control(MAP, len(metadata))
            + b"".join(encode(name) + value for name, value in metadata))


def nested(code):
    return {"continent": {"code": "EU"}, "country": {"iso_code": code, "names": {"en": "Example"}}}


def system(value, name):
    return {"autonomous_system_number": value, **({"autonomous_system_organization": name} if name else {})}


FILES = {
    "country.mmdb": database("Test-Country", 6, [
        ("203.0.113.0/24", nested("NL")), ("198.51.100.0/24", nested("US")), ("10.0.0.0/8", nested("FR")),
        ("192.0.2.0/25", nested("GB")), ("192.0.2.128/25", {"continent": {"code": "EU"}}),
        ("2001:db8:66::/48", nested("NL")), ("2001:db8:1::/48", nested("nl"))]),
    "country-flat-v4.mmdb": database("flat", 4, [("203.0.113.0/24", {"country_code": "NL"}),
                                                 ("198.51.100.0/24", {"country_code": "US"})]),
    "country-flat-v6.mmdb": database("flat", 6, [("2001:db8:66::/48", {"country_code": "NL"})]),
    "country-after.mmdb": database("Test-Country", 6, [("203.0.113.0/24", nested("DE"))]),
    "as.mmdb": database("Test-AS", 6, [
        ("203.0.113.0/24", system(64500, "EXAMPLE Hosting")), ("198.51.100.0/24", system(64501, "EXAMPLE Access")),
        ("192.0.2.0/24", system(64502, None)), ("2001:db8:66::/48", system(64500, "EXAMPLE Hosting"))]),
    "strange.mmdb": database("Test-Other", 6, [("203.0.113.0/24", {"domain": "example.org"})]),
}


def main():
    folder = sys.argv[-1]
    for name, data in FILES.items():
        path = os.path.join(folder, name)
        if "--check" in sys.argv:
            with open(path, "rb") as f:
                if f.read() != data:
                    sys.exit(f"{path} is not what make_mmdb.py writes")
            continue
        with open(path, "wb") as f:
            f.write(data)


main()
