# SPDX-License-Identifier: GPL-2.0-only
"""How a figure and a count are written for people, in every table and sentence."""

import math

ROUNDING = 1e-6  # of a turn that was worked out


def number(value, sign=False):
    """A figure in at most nine columns; `-` for None."""
    if value is None:
        return "-"
    size = abs(value)
    if size >= 1e8:
        form = ".2e"
    elif size >= 1000 or value == int(value):
        form = ".0f"
    else:
        form = ".1f" if size >= 10 else ".2f"
    return format(value, "+" + form if sign else form)


def counted(count, what, many=""):
    """So many of something: `1 cell`, `2 cells`. many: its plural, where that is not with an s."""
    return f"{count} {what if count == 1 else many or what + 's'}"


def first_k(turn):
    """The least K at which what turns at a K between two that were measured has turned."""
    return math.ceil(turn - ROUNDING)


def first_k_text(turn):
    """The same with that turn in brackets: `2 (1.03)`, `2` at 2."""
    least = first_k(turn)
    return f"{least}" if least - turn <= ROUNDING else f"{least} ({turn:.3g})"
