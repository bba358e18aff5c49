# SPDX-License-Identifier: GPL-2.0-only
"""The simulation's ends: nothing to find, and what cannot be missed."""

import random

import simulate


def test_ends():
    random.seed(1)
    assert simulate.virtual(0, 1, 0, 20).get("regression") is None
    assert simulate.virtual(0.01, 9, 5, 20) == {"regression": 100}
    assert simulate.wall(0.1, 10, 5, 2) == (100, 0)
    assert simulate.wall(0.1, 10, 0, 2) == (0, 0)
