# SPDX-License-Identifier: GPL-2.0-only
"""Statistics against values that others worked out; beside each, who."""

import pytest

import infer

# Hollander and Wolfe (1973), p. 69: permeability constants of the human chorioamnion; in R's help of wilcox.test.
AT_TERM = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
WEEKS_12 = [1.15, 0.88, 0.90, 0.74, 1.21]


def test_median():
    assert infer.median([3, 1, 2]) == 2
    assert infer.median([4, 1, 2, 3]) == 2.5
    assert infer.median([1, 2, 30, 40]) == 16
    with pytest.raises(ValueError):
        infer.median([])


def test_how_far_apart_values_lie():
    assert infer.spread([100, 90, 120]) == 30 and infer.spread([-4, -5, -3]) == 50
    assert infer.spread([7]) == 0 and infer.spread([-1, 0, 1]) == 0
    with pytest.raises(ValueError):
        infer.spread([])


def test_middle_sample_is_a_sample():
    assert infer.middle_sample(["ccc", "a", "bb"], len) == "bb"
    assert infer.middle_sample(["dddd", "ccc", "a", "bb"], len) == "bb"  # not "ccc", and no mean of the two
    with pytest.raises(ValueError):
        infer.middle_sample([], len)


@pytest.mark.parametrize("count, low, high, confidence", [
    # a textbook's table of confidence intervals for a median: the row of each n that comes next above 95 %, or the
    # only one (n up to 5): n = 9 is [x(2), x(8)] at 96.1 %
    (2, 1, 2, 0.500), (3, 1, 3, 0.750), (4, 1, 4, 0.875), (5, 1, 5, 0.938), (6, 1, 6, 0.969), (7, 1, 7, 0.984),
    (8, 1, 8, 0.992), (9, 2, 8, 0.961), (10, 2, 9, 0.979), (11, 2, 10, 0.988), (12, 3, 10, 0.961), (13, 3, 11, 0.978),
    (15, 4, 12, 0.965), (16, 4, 13, 0.979), (17, 5, 13, 0.951), (18, 5, 14, 0.969), (20, 6, 15, 0.959)])
def test_median_interval_by_a_textbooks_table(count, low, high, confidence):
    found = infer.median_interval(list(range(count, 0, -1)))
    assert found[:2] == (low, high)
    assert found[2] == pytest.approx(confidence, abs=0.0006)


@pytest.mark.parametrize("count, confidence", [(1, 0), (2, 0.5), (5, 0.9375), (9, 0.99609375)])
def test_confidence_from_the_least_to_the_greatest(count, confidence):
    """The median is beyond all of n values where all fell on one side of it: 2 in 2^n."""
    assert infer.range_confidence(count) == pytest.approx(confidence, abs=1e-12)


def test_median_interval_of_statpsych():
    # R package statpsych, help of ci.median: median 20.7, limits 10.8 and 30.9
    y = [30.2, 20.4, 15.1, 10.2, 10.5, 60.8, 20.8, 25.0, 20.7, 30.9, 10.8, 5.1, 50.9, 40.0, 20.9, 10.8, 0, 20.5, 50.8]
    low, high, confidence = infer.median_interval(y)
    assert (infer.median(y), low, high) == (20.7, 10.8, 30.9)
    assert confidence == pytest.approx(1 - 2 * (1 + 19 + 171 + 969 + 3876) / 2**19)


def test_median_interval_of_one_has_no_confidence():
    assert infer.median_interval([7]) == (7, 7, 0)
    with pytest.raises(ValueError):
        infer.median_interval([])


def test_median_interval_reaches_the_confidence_asked_for():
    # by hand, n = 7: [x(2), x(6)] has 1 - 2 (1 + 7) / 128 = 0.875
    assert infer.median_interval(range(1, 8), 0.875) == (2, 6, 0.875)
    assert infer.median_interval(range(1, 8), 0.8751) == (1, 7, 1 - 2 / 128)


def test_sign_test():
    # R: binom.test(k, n)$p.value; R's help of binom.test has 682 of 925 at 3/4, these are of p = 1/2
    assert infer.sign_test([1] * 5) == pytest.approx(0.0625, rel=1e-12)
    assert infer.sign_test([-1] * 5) == pytest.approx(0.0625, rel=1e-12)
    assert infer.sign_test([1] * 9 + [-1]) == pytest.approx(0.02148438)  # binom.test(9, 10)
    assert infer.sign_test([1] * 2 + [-1] * 8) == pytest.approx(0.109375)  # binom.test(2, 10)
    assert infer.sign_test([1, -1]) == 1
    assert infer.sign_test([0, 0, 1, 1, 1, 1, 1]) == pytest.approx(0.0625, rel=1e-12)  # zeros left out
    assert infer.sign_test([0, 0]) == infer.sign_test([]) == 1


def test_mann_whitney_as_in_scipys_documentation():
    # scipy.stats.mannwhitneyu, example: ages at diagnosis of diabetes; p = 0.111 (exact 0.1111111111111111)
    assert infer.mann_whitney([19, 22, 16, 29, 24], [20, 11, 17, 12]) == pytest.approx(0.1111111111111111)


def test_mann_whitney_as_in_rs_documentation():
    # R: wilcox.test(x, y, alternative = "g") gives W = 35, p = 0.1272; two-sided twice that: 0.2544 (exactly 764/3003)
    assert infer.mann_whitney(AT_TERM, WEEKS_12) == pytest.approx(764 / 3003)
    assert infer.mann_whitney(WEEKS_12, AT_TERM) == pytest.approx(0.2544, abs=5e-5)


def test_mann_whitney_of_ten_apart():
    # normal approximation by hand: U = 100, mean 50, variance 10 * 10 * 21 / 12 = 175, with continuity z = 49.5 /
    # 13.2288 = 3.74184; twice the upper tail is 1.8267e-4 (R: wilcox.test(1:10, 11:20, exact = FALSE), 0.0001827)
    assert infer.mann_whitney(range(1, 11), range(11, 21)) == pytest.approx(1.8267e-4, rel=1e-4)


def test_mann_whitney_of_values_that_do_not_differ():
    assert infer.mann_whitney([5] * 10, [5] * 10) == 1
    assert infer.mann_whitney([5] * 10, [5] * 9 + [6]) > 0.3


def test_benjamini_hochberg_of_the_paper():
    # Benjamini and Hochberg (1995), section 3.2, 15 p values of a study of thrombolysis; adjusted as in the example of
    # scipy.stats.false_discovery_control. At 0.05 the first four are rejected, as in the paper.
    p_values = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528,
                0.7590, 1.000]
    adjusted = [0.0015, 0.003, 0.0095, 0.035625, 0.0603, 0.06385714, 0.06385714, 0.0645, 0.0765, 0.486, 0.58118182,
                0.714875, 0.75323077, 0.81321429, 1.0]
    assert infer.benjamini_hochberg(p_values) == pytest.approx(adjusted)
    backwards = infer.benjamini_hochberg(p_values[::-1])
    assert backwards == pytest.approx(adjusted[::-1])
    assert [q <= 0.05 for q in adjusted].count(True) == 4


def test_benjamini_hochberg_of_few():
    assert infer.benjamini_hochberg([]) == []
    assert infer.benjamini_hochberg([0.04]) == [0.04]
    # R: p.adjust(c(0.01, 0.02, 0.03, 0.04), "BH") is 0.04 four times
    assert infer.benjamini_hochberg([0.01, 0.02, 0.03, 0.04]) == pytest.approx([0.04] * 4)


def test_bootstrap_interval_of_data_without_spread():
    assert infer.bootstrap_interval([200] * 10, [201] * 10) == (0.5, 0.5)
    assert infer.bootstrap_interval([200] * 10, [200] * 12) == (0, 0)


def test_bootstrap_interval_covers_and_repeats():
    # scipy.stats.bootstrap of the same statistic, method "percentile", 50 000 resamples, by two seeds: 5.66 to 13.53
    # and 13.59
    a, b = list(range(1000, 1100, 10)), list(range(1100, 1200, 10))
    low, high = infer.bootstrap_interval(a, b)
    assert low == pytest.approx(5.66, abs=0.25) and high == pytest.approx(13.55, abs=0.25)
    assert infer.bootstrap_interval(a, b, 0.5)[0] > low + 1


def test_bootstrap_interval_is_the_same_each_time():
    # Between such values hardly two draws have their quantiles in common.
    a, b = [1000 + 10 * x ** 0.5 for x in range(50)], [1010 + 9 * x ** 0.6 for x in range(50)]
    assert len({infer.bootstrap_interval(a, b) for _ in range(3)}) == 1


def test_bootstrap_interval_is_of_b_against_a():
    low, high = infer.bootstrap_interval([100] * 10, [110] * 10)
    assert low == high == pytest.approx(10)
    low, high = infer.bootstrap_interval([110] * 10, [100] * 10)
    assert low == high == pytest.approx(-9.090909)
    with pytest.raises(ValueError):
        infer.bootstrap_interval([0, 1], [1, 1])
