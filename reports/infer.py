# SPDX-License-Identifier: GPL-2.0-only
"""Statistics of samples: pure functions on lists of numbers. What is judged by them, and why these, says
docs/compare.md."""

import math

CONFIDENCE = 0.95  # of every interval, where the number of samples allows it
RESAMPLES = 4000
RESAMPLING_SEED = 20170619  # a constant: the same data give the same interval


def median(values):
    """The middle value, of an even number the mean of the two in the middle. ValueError for none."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("the median of nothing")
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def median_interval(values, confidence=CONFIDENCE):
    """The exact interval of the median that the sign test gives: (low, high, its confidence).

    It runs from the k-th smallest value to the k-th largest, for the largest k whose confidence, 1 - 2 P(B < k) with B
    binomial (n, 1/2), is at least `confidence`; from the smallest to the largest where none is, with the less that
    these have. It assumes nothing of the values but that they are independent: no symmetry, and outliers move it
    little.
    """
    ordered = sorted(values)
    count = len(ordered)
    if count == 0:
        raise ValueError("an interval of nothing")
    rank = 1
    while 2 * (rank + 1) <= count + 1 and _coverage(count, rank + 1) >= confidence:
        rank += 1
    return ordered[rank - 1], ordered[count - rank], _coverage(count, rank)


def _coverage(count, rank):
    return 1 - 2 * _at_most(count, rank - 1)


def _at_most(count, successes):
    """P(B <= successes), B binomial (count, 1/2)."""
    return sum(math.comb(count, k) for k in range(successes + 1)) / 2**count


def sign_test(differences):
    """Two-sided p of the exact sign test that the median is 0; zeros are left out, as Dixon and Mood do."""
    more, less = sum(d > 0 for d in differences), sum(d < 0 for d in differences)
    return min(1.0, 2 * _at_most(more + less, min(more, less)))


def mann_whitney(a, b):
    """Two-sided p of the Mann-Whitney U test: exact for up to 8 values a side without ties, else by the normal
    approximation with corrections for ties and continuity (scipy)."""
    if len(set(a) | set(b)) == 1:
        return 1.0  # scipy divides by the variance of the ranks
    from scipy import stats as scipy_stats
    return float(scipy_stats.mannwhitneyu(a, b, alternative="two-sided", method="auto").pvalue)


def bootstrap_interval(a, b, confidence=CONFIDENCE, share=False):
    """Percentile bootstrap interval of how far the median of b is from that of a, in percent of the latter (share: in
    their own unit): (low, high). Each side is drawn from on its own, with a fixed seed. ValueError where a median of a
    may be 0 and a percentage is asked for."""
    import numpy
    if min(a) <= 0 and not share:
        raise ValueError("a percentage of nothing")
    random = numpy.random.default_rng(RESAMPLING_SEED)

    def medians(values):
        values = numpy.asarray(values, dtype=float)
        return numpy.median(values[random.integers(0, len(values), size=(RESAMPLES, len(values)))], axis=1)

    base = medians(a)
    difference = medians(b) - base
    change = difference if share else difference * 100 / base
    low, high = numpy.quantile(change, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def benjamini_hochberg(p_values):
    """The p values adjusted so that rejecting those at most q keeps the false discovery rate at q; in their order."""
    count = len(p_values)
    adjusted, least = [0.0] * count, 1.0
    for rank, index in zip(range(count, 0, -1), sorted(range(count), key=lambda i: p_values[i], reverse=True)):
        least = min(least, p_values[index] * count / rank)
        adjusted[index] = least
    return adjusted
