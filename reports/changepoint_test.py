# SPDX-License-Identifier: GPL-2.0-only
"""Change points: a published series, the exact optimum by another way, and series whose changes are written down."""

import itertools
import math
import random

import pytest

import changepoint

# The flow of the Nile at Aswan, 1871 to 1970, in 10^8 m^3: G. W. Cobb, "The problem of the Nile: conditional solution to a
# changepoint problem", Biometrika 65 (1978), 243-251; also R's datasets::Nile. It fell after 1898, the 28th year.
NILE = [1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020, 960, 1180, 799, 958, 1140, 1100,
        1210, 1150, 1250, 1260, 1220, 1030, 1100, 774, 840, 874, 694, 940, 833, 701, 916, 692, 1020, 1050, 969, 831, 726, 456,
        824, 702, 1120, 1100, 832, 764, 821, 768, 845, 864, 862, 698, 845, 744, 796, 1040, 759, 781, 865, 845, 944, 984, 897,
        822, 1010, 771, 676, 649, 846, 812, 742, 801, 1040, 860, 874, 848, 890, 744, 749, 838, 1050, 918, 986, 797, 923, 975,
        815, 1020, 906, 901, 1170, 912, 746, 919, 718, 714, 740]


def test_the_nile_fell_after_1898():
    assert len(NILE) == 100 and sum(NILE[:28]) / 28 == 1097.75
    (at, before, after), = changepoint.changes(NILE, 5)
    assert (at, before) == (28, 1097.75) and after == pytest.approx(849.9722, abs=1e-4)
    # As R: changepoint::cpt.mean(Nile / sd, penalty = "SIC", method = "PELT") has it, for any deviation near 125.
    assert changepoint.pelt(NILE, 2 * 125 ** 2 * math.log(100)) == [28]


def brute(values, penalty):
    """The least cost over all segmentations, and its changes."""
    def cost(part):
        mean = sum(part) / len(part)
        return sum((value - mean) ** 2 for value in part)
    best = None
    for count in range(len(values)):
        for cuts in itertools.combinations(range(1, len(values)), count):
            edges = [0, *cuts, len(values)]
            total = sum(cost(values[a:b]) for a, b in zip(edges, edges[1:])) + penalty * count
            if best is None or total < best[0] - 1e-9:
                best = total, list(cuts)
    return best[1]


@pytest.mark.parametrize("seed", range(25))
def test_pelt_finds_the_optimum_of_all_segmentations(seed):
    rng = random.Random(seed)
    level, values = 0, []
    for _ in range(rng.randint(2, 11)):
        level += rng.choice((0, 0, 0, 3, -4, 8))
        values.append(level + rng.gauss(0, 1))
    for penalty in (0.5, 3, 10, 40):
        assert changepoint.pelt(values, penalty) == brute(values, penalty)


def test_great_figures_that_differ_little():
    values = [1e9] * 10 + [1e9 + 1] * 10
    assert changepoint.pelt(values, 1) == [10] and changepoint.pelt(values, 6) == []


@pytest.mark.parametrize("values, floor, expected", [
    ([], 1, []), ([5], 1, []), ([5, 5], 1, []), ([100] * 9, 1, []),
    ([100, 102], 1, [(1, 100, 102)]),
    ([100] * 20 + [100.2], 0.1, [(20, 100, 100.2)]),  # the last result alone
    ([100] * 200 + [100.11], 0.1, [(200, 100, 100.11)]),
    ([100] * 20 + [100.05], 0.1, []),  # below the floor
    ([100] * 5 + [103] + [100] * 5, 1, [(5, 100, 103), (6, 103, 100)]),
    ([100, 100, 100, 90, 90, 90, 120, 120], 1, [(3, 100, 90), (6, 90, 120)]),
    ([0, 0, 0, 0, 5, 5, 5], 1, [(4, 0, 5)]), ([0] * 6, 1, []), ([7, 7, 8, 8], 0, [(2, 7, 8)]), ([0, 0], 0, [])])
def test_changes(values, floor, expected):
    assert [(at, pytest.approx(before), pytest.approx(after)) for at, before, after in expected] == changepoint.changes(values, floor)


def test_a_share_has_its_floor_in_points():
    values = [10.0] * 6 + [10.5] * 6
    assert changepoint.changes(values, 1) == [(6, 10, 10.5)]  # 5 %
    assert changepoint.changes(values, 1, share=True) == []  # half a point
    assert changepoint.changes([10.0] * 6 + [12.0] * 6, 1, share=True) == [(6, 10, 12)]


def test_small_steps_are_taken_back_the_least_first():
    """A drift of 0.06 % and then of 0.09 %: none is the floor, both together are."""
    values = [1000.0] * 40 + [1000.6] * 40 + [1001.5] * 40
    (at, before, after), = changepoint.changes(values, 0.1)
    assert at in (40, 80) and before < after and (after - before) / before * 100 >= 0.1
    (at, before, after), = changepoint.changes([1000.0] * 40 + [1002.0] * 40 + [1002.5] * 40, 0.1)
    assert (at, before, after) == (40, 1000, 1002.25)


def test_noise_is_no_change_and_a_shift_in_it_is():
    rng = random.Random(7)
    noise = [1000 + rng.gauss(0, 10) for _ in range(120)]
    assert changepoint.changes(noise, 0.1) == []
    shifted = noise[:60] + [value + 30 for value in noise[60:]]
    (at, before, after), = changepoint.changes(shifted, 0.1)
    assert abs(at - 60) <= 2 and after - before == pytest.approx(30, abs=6)


def test_the_deviation_is_that_about_the_levels():
    rng = random.Random(3)
    values = [rng.gauss(0, 2) + (100 if index >= 300 else 0) for index in range(600)]
    assert changepoint.deviation(values) == pytest.approx(2, rel=0.15)
    assert changepoint.deviation([1, 2, 3, 4]) == 0 and changepoint.deviation([1, 2, 3, 4, 5]) == pytest.approx(1.0484, abs=1e-4)
    assert changepoint.deviation([]) == changepoint.deviation([3]) == changepoint.deviation([3, 3, 3, 9, 9]) == 0
