#!/usr/bin/env python3
"""Prints baseline_rows.def: what an hour of the week is used to after each week of a series, by Python's statistics.

    tests/unit/base/baseline_rows.py > tests/unit/base/baseline_rows.def
"""
import math
import random
import statistics


def kept(value):
    """12 significant bits, rounded down."""
    if value < 4096:
        return value
    step = 2 ** (math.frexp(value)[1] - 12)
    return math.floor(value / step) * step


class Slot:
    def __init__(self, harmless):
        self.harmless, self.samples = harmless, []

    def usual(self):
        if not self.samples:
            return 0, 0, 0
        median = math.floor(statistics.median(self.samples))
        return median, math.floor(statistics.median(abs(s - median) for s in self.samples)), max(self.samples)

    def learn(self, figure):
        """At most a quarter above the median, one where a quarter is less, or what the owner calls harmless."""
        known, median = len(self.samples) >= 3, self.usual()[0]
        self.samples = (self.samples + [kept(figure)])[-6:]
        if known:
            bound = max(math.floor(median + max(median / 4, 1 if median < 4 else 0)), self.harmless)
            self.samples = [min(s, kept(min(bound, 2 ** 32 - 1))) for s in self.samples]


def main():
    numbers = random.Random(3)
    series = [(0, [100] * 9), (0, [100, 100, 100, 5000, 5000, 5000, 5000]), (400, [0, 0, 0, 0, 350, 350, 900, 350, 350, 350]),
              (0, [0, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9, 9]), (0, [2 ** 32 - 1] * 4), (2 ** 32 - 1, [1, 1, 1, 4095, 4096, 4097, 8191, 2 ** 31 + 2 ** 19]),
              (0, [1000, 1000, 1000, 10, 10, 10, 10, 1000, 1000, 1000, 1000]), (0, [int(100 * 1.2 ** week) for week in range(12)])]
    for spread in (10, 1000, 10 ** 6, 2 ** 32 - 1):
        series.append((0, [numbers.randrange(spread) for _ in range(16)]))
        series.append((spread // 2, [numbers.randrange(spread) for _ in range(16)]))
    print("/* ROW(series, harmless, figure of the week, and then samples, median, deviation, highest): printed by")
    print(" * baseline_rows.py. */")
    print("/* clang-format off */")
    for number, (harmless, figures) in enumerate(series):
        slot = Slot(harmless)
        for figure in figures:
            slot.learn(figure)
            median, deviation, highest = slot.usual()
            print(f"ROW({number}, {harmless}u, {figure}u, {len(slot.samples)}, {median}u, {deviation}u, {highest}u)")
    print("/* clang-format on */")


main()
