# SPDX-License-Identifier: GPL-2.0-only
"""How a figure and a count are written for people, in every table and sentence."""


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
