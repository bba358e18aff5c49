# SPDX-License-Identifier: GPL-2.0-only
"""How a figure and a count are written."""

import pytest

from number import counted, first_k, first_k_text, number


@pytest.mark.parametrize("value, words", [(None, "-"), (0, "0"), (9.876, "9.88"), (98.76, "98.8"), (9876.5, "9876"),
                                          (123456789, "1.23e+08"), (-3.0, "-3")])
def test_a_figure(value, words):
    assert number(value) == words


def test_a_count():
    assert [counted(count, "cell") for count in (0, 1, 2)] == ["0 cells", "1 cell", "2 cells"]
    assert [counted(count, "retry", "retries") for count in (1, 3)] == ["1 retry", "3 retries"]


@pytest.mark.parametrize("turn, least, words", [(1.03, 2, "2 (1.03)"), (2, 2, "2"), (2.0000000000000004, 2, "2"), (1.9999999999999998, 2, "2"),
                                                (63.4567, 64, "64 (63.5)")])
def test_from_which_k_on(turn, least, words):
    assert (first_k(turn), first_k_text(turn)) == (least, words)
