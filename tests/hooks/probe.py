"""One SIP OPTIONS from an address to another, and the status that comes back, or silence.

    probe.py SOURCE TARGET PORT SECONDS
"""
import socket
import sys
import time


def options(source, target, port, seconds):
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        s.bind((source, 0))
        s.settimeout(seconds)
        via = f"[{source}]" if ":" in source else source
        s.sendto(f"OPTIONS sip:pbx SIP/2.0\r\nVia: SIP/2.0/UDP {via}:{s.getsockname()[1]};branch=z9hG4bK{time.time_ns():x}\r\n"
                 "From: <sip:far@example.net>;tag=1\r\nTo: <sip:pbx@example.net>\r\n"
                 f"Call-ID: {time.time_ns():x}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n".encode(), (target, port))
        try:
            return s.recv(4000).split(b" ")[1].decode()
        except (TimeoutError, ConnectionRefusedError):
            return "silence"


if __name__ == "__main__":
    print(options(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
