#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What the rules of compare.py let through and what they find, on made-up samples: run by hand, for docs/compare.md.

A sample is 5000 times the growth, less or more by an accident: virtual, even within so many percent, and 9 % more for
one in 96, as was seen in trials; wall, normal with so many percent of standard deviation. Both sides have accidents of
their own. Nothing here was measured: only the arithmetic is tried.
"""

import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # reports/

# pylint: disable=wrong-import-position
import compare  # noqa: E402
import infer  # noqa: E402

GROWTHS = (0, 0.1, 0.2, 0.5, 1, 2, 5)
WALL_GROWTHS = (0, 1, 2, 5)
CELLS = 24  # of a comparison of wall time, of which one grew
FLOOR = {"virtual": 0.1, "wall": 1.0}


def virtual(accident, seeds, growth, rounds):
    """How many of `rounds` comparisons end in which verdict of the gate."""
    def side(factor):
        return {key: 5000 * factor * (1 + random.uniform(-accident, accident) / 100)
                * (1.09 if random.random() < 1 / 96 else 1) for key in range(seeds)}

    found = {}
    for _ in range(rounds):
        row = compare.judge_virtual(side(1), side(1 + growth / 100), FLOOR["virtual"])
        hidden = row["verdict"] == compare.UNCLEAR and row["percent"] > FLOOR["virtual"]
        verdict = "refused" if hidden else row["verdict"]
        found[verdict] = found.get(verdict, 0) + 1
    return {verdict: count * 100 / rounds for verdict, count in found.items()}


def wall(noise, repetitions, growth, rounds):
    """In percent of `rounds` comparisons: (the cell that grew was found, one that did not was called slower)."""
    def side(factor):
        return dict(enumerate(5000 * factor * (1 + random.gauss(0, noise / 100)) for _ in range(repetitions)))

    found = false = 0
    for _ in range(rounds):
        rows = [compare.judge_wall(side(1), side(1 + growth / 100 * (cell == 0)), FLOOR["wall"])
                for cell in range(CELLS)]
        for row, q in zip(rows, infer.benjamini_hochberg([row["p"] for row in rows])):
            row["worse"] = row["verdict"] == compare.WORSE and q <= compare.FALSE_DISCOVERIES
        found += rows[0]["worse"]
        false += any(row["worse"] for row in rows[1:])
    return found * 100 / rounds, false * 100 / rounds


def main():
    """Print both tables."""
    random.seed(7)
    print("virtual: accident, seeds: regression % (refused %) by growth", *GROWTHS)
    for accident in (0.05, 0.1, 0.2):
        for seeds in (5, 9):
            shares = [virtual(accident, seeds, growth, 4000) for growth in GROWTHS]
            print(f"{accident} %, {seeds}:", *(f"{share.get(compare.WORSE, 0):.1f} ({share.get('refused', 0):.1f})"
                                              for share in shares))
    print(f"wall, {CELLS} cells: noise, repetitions: found % (a false one %) by growth", *WALL_GROWTHS)
    for noise in (1, 3):
        for repetitions in (10, 30):
            shares = [wall(noise, repetitions, growth, 50) for growth in WALL_GROWTHS]
            print(f"{noise} %, {repetitions}:", *(f"{found:.0f} ({false:.0f})" for found, false in shares), flush=True)


if __name__ == "__main__":
    main()
