#!/usr/bin/env python3
"""Prints calendar_rows.def: what Python's zoneinfo and the C library make of the same rules. Other hands wrote them, so they are
the oracle, and must agree. Two rules only one of them can: zoneinfo takes day n of the form "n" for the one before, and the C
library ends a summer that lasts all year a day early.

    tests/unit/base/calendar_rows.py > tests/unit/base/calendar_rows.def
"""
import datetime
import io
import os
import random
import struct
import sys
import time
import zoneinfo

RULES = (
    "UTC0", "CET-1CEST,M3.5.0,M10.5.0/3", "EST5EDT,M3.2.0,M11.1.0", "IST-1GMT0,M10.5.0,M3.5.0/1", "<-03>3", "<+0330>-3:30",
    "AEST-10AEDT,M10.1.0,M4.1.0/3", "<+1245>-12:45<+1345>,M9.5.0/2:45,M4.1.0/3:45", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
    "NST3:30NDT,M3.2.0,M11.1.0", "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "IST-2IDT,M3.4.4/26,M10.5.0", "EET-2EEST,M3.4.4/50,M10.4.4/50",
    "<-04>4<-03>,M9.1.6/24,M4.1.6/24", "CST6CDT,J60/2,J300/2", "<+14>-14", "<-12>12", "LMT-0:19:32",
)
LIBRARY_ONLY = ("AAA-3BBB,59/0,364/1:30:15",)
ZONEINFO_ONLY = ("EST5EDT4,0/0,J365/25",)
YEARS = (1971, 2000, 2024, 2026, 2099, 2100)


def zone_of(rule):
    """A zone file that holds nothing but the rule (RFC 8536)."""
    head = b"TZif" + b"2" + bytes(15)
    counts = struct.pack(">6l", 0, 0, 0, 0, 1, 4)
    kind = struct.pack(">lbb", 0, 0, 0) + b"UTC\0"
    data = head + counts + kind + head + counts + kind + b"\n" + rule.encode() + b"\n"
    return zoneinfo.ZoneInfo.from_file(io.BytesIO(data), key=rule)


def local(zone, second):
    return datetime.datetime.fromtimestamp(second, tz=zone)


def offset(second):
    return time.localtime(second).tm_gmtoff


def changes(year):
    """The first seconds of another offset within that year, by halving."""
    start = int(datetime.datetime(year, 1, 1, tzinfo=datetime.timezone.utc).timestamp())
    for day in range(366):
        low, high = start + day * 86400, start + (day + 1) * 86400
        if offset(low) == offset(high):
            continue
        while high - low > 1:
            middle = (low + high) // 2
            if offset(middle) == offset(low):
                low = middle
            else:
                high = middle
        yield high


def main():
    numbers = random.Random(20261122)
    print("/* ROW(rule, seconds since the epoch, hour of the week): printed by calendar_rows.py. */")
    print("/* clang-format off */")
    for rule in RULES + LIBRARY_ONLY + ZONEINFO_ONLY:
        os.environ["TZ"] = rule
        time.tzset()
        zone = zone_of(rule)
        times = {numbers.randrange(86400 * 366, 86400 * 365 * 150) for _ in range(8)}
        for year in YEARS:
            for at in changes(year):
                times |= {at - 1, at}
        for second in sorted(times):
            when, broken_down = local(zone, second), time.localtime(second)
            hour, library_hour = when.weekday() * 24 + when.hour, broken_down.tm_wday * 24 + broken_down.tm_hour
            if hour != library_hour and rule in RULES:
                sys.exit(f"{rule} at {second}: the two disagree")
            print(f'ROW("{rule}", {second}, {library_hour if rule in LIBRARY_ONLY else hour})')
    print("/* clang-format on */")


main()
