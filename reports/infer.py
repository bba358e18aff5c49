# SPDX-License-Identifier: GPL-2.0-only
"""Statistics of samples: pure functions on lists of numbers. What is judged by them, and why these, says
docs/compare.md. scipy and numpy do the work where they have it; they are imported late, since `--help` needs neither."""

import functools
import statistics

CONFIDENCE = 0.95  # of every interval, where the number of samples allows it
RESAMPLES = 4000
RESAMPLING_SEED = 20170619  # a constant: the same data give the same interval


def median(values):
    """The median of every figure here: the middle value, of an even number the mean of the two in the middle. ValueError
    for none."""
    return statistics.median(values)


def spread(values):
    """How far apart values lie, in percent of their median; 0 where that is 0. ValueError for none."""
    middle = median(values)
    return (max(values) - min(values)) * 100 / abs(middle) if middle else 0


def middle_sample(samples, key):
    """The sample that stands for all: that whose key(sample) is in the middle, of an even number the lower of the two,
    since a mean of two is no sample. ValueError for none."""
    ordered = sorted(samples, key=key)
    if not ordered:
        raise ValueError("the middle of nothing")
    return ordered[(len(ordered) - 1) // 2]


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


def range_confidence(count):
    """The confidence of the interval of the median from the least to the greatest of `count` values, as median_interval has it."""
    return _coverage(count, 1)


@functools.lru_cache(maxsize=None)
def _coverage(count, rank):
    """The confidence of the interval from the rank-th smallest of `count` values to the rank-th largest."""
    from scipy import stats as scipy_stats
    return 1 - 2 * float(scipy_stats.binom.cdf(rank - 1, count, 0.5))


def sign_test(differences):
    """Two-sided p of the exact sign test that the median is 0; zeros are left out, as Dixon and Mood do."""
    return _sign_test(sum(d > 0 for d in differences), sum(d < 0 for d in differences))


@functools.lru_cache(maxsize=None)
def _sign_test(more, less):
    if more + less == 0:
        return 1.0  # scipy wants at least one
    from scipy import stats as scipy_stats
    return float(scipy_stats.binomtest(more, more + less, 0.5).pvalue)


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
    """The p values adjusted so that rejecting those at most q keeps the false discovery rate at q; in their order. By
    hand, since scipy has it from 1.11 on and Debian 12 has 1.10."""
    count = len(p_values)
    adjusted, least = [0.0] * count, 1.0
    for rank, index in zip(range(count, 0, -1), sorted(range(count), key=lambda i: p_values[i], reverse=True)):
        least = min(least, p_values[index] * count / rank)
        adjusted[index] = least
    return adjusted
