# SPDX-License-Identifier: GPL-2.0-only
"""Where a series of figures changes its level.

PELT: R. Killick, P. Fearnhead, I. A. Eckley, "Optimal detection of changepoints with a linear computational cost", Journal of
the American Statistical Association 107 (2012), 1590-1598. Its cost is that of a normal mean with known deviation, the sum
of squares about a level; its penalty 2 s^2 log n for each change (Schwarz).
"""

import math

import numpy

import infer
import stats

NORMAL = 0.6744897501960817  # the third quartile of the standard normal distribution
FEWEST_STEPS = 4
FLOOR_SHARE = 4  # the least deviation is the floor over this: one result that lies off by the floor is a change


def pelt(values, penalty):
    """The numbers of the values with which a new level begins, rising: those that make the sum of squares about the levels,
    plus a penalty for each change, the least there is. penalty: above 0, in squares of the values' unit."""
    values = numpy.asarray(values, dtype=float)
    count = len(values)
    if count < 2:
        return []
    centred = values - values.mean()  # sums of squares of great figures that differ little would lose the difference
    sums = numpy.concatenate(([0.0], numpy.cumsum(centred)))
    squares = numpy.concatenate(([0.0], numpy.cumsum(centred ** 2)))
    best = numpy.full(count + 1, -float(penalty))
    last = numpy.zeros(count + 1, dtype=int)
    candidates = numpy.array([0])
    for end in range(1, count + 1):
        cost = squares[end] - squares[candidates] - (sums[end] - sums[candidates]) ** 2 / (end - candidates)
        total = best[candidates] + numpy.maximum(cost, 0)
        least = int(numpy.argmin(total))
        best[end], last[end] = total[least] + penalty, candidates[least]
        # One that is worse than a change here and now will be so for ever.
        candidates = numpy.append(candidates[total <= best[end]], end)
    found, at = [], int(last[count])
    while at:
        found.append(at)
        at = int(last[at])
    return found[::-1]


def deviation(values):
    """The standard deviation of a series about its levels, wherever these change: from the median of the steps from one
    value to the next, which a few changes do not move. 0 where most values are as the one before, and where there are
    fewer steps than say anything of it."""
    steps = [abs(b - a) for a, b in zip(values, values[1:])]
    return infer.median(steps) / (NORMAL * math.sqrt(2)) if len(steps) >= FEWEST_STEPS else 0.0


def changes(values, floor, share=False):
    """[(number of the value with which a new level begins, level before, level after)] of a series.

    floor: the least change that counts, in percent of the level before; of a share in points. A change that is less is none,
    the least taken back first. Levels are means.
    """
    if len(values) < 2:
        return []
    size = floor if share else floor / 100 * abs(infer.median(values))
    noise = max(deviation(values), size / FLOOR_SHARE)
    if noise == 0:  # no floor and no noise: any difference is one
        noise = numpy.finfo(float).eps * max(abs(value) for value in values)
    found = pelt(values, 2 * noise ** 2 * math.log(len(values))) if noise else []
    while found:
        levels = _levels(values, found)
        sizes = [_size(before, after, share) for before, after in zip(levels, levels[1:])]
        if min(sizes) >= floor:
            return list(zip(found, levels, levels[1:]))
        del found[sizes.index(min(sizes))]
    return []


def _levels(values, found):
    edges = [0, *found, len(values)]
    return [sum(values[a:b]) / (b - a) for a, b in zip(edges, edges[1:])]


def _size(before, after, share):
    change = stats.percent(after, before, share)
    return math.inf if change is None else abs(change)
