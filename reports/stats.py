# SPDX-License-Identifier: GPL-2.0-only
"""Arithmetic on results: pure functions, no files, nothing printed."""

from dataclasses import dataclass, field

# Fields of a row that are not figures of the cell: what it is called, where it stood in its run (which depends on
# the other cells chosen), how its guest came up, text, and real seconds.
NOT_FIGURES = frozenset(("name", "cell", "run_name", "run_type", "repetitions", "repetition_index", "family_index",
                         "per_family_instance_index", "reason", "life", "real_time"))
# Where a row's samples lie in a side file that all rows share.
PLACES = frozenset(("samples.first", "samples.file"))
# Derived from two rows: missing when the other row was not chosen, though nothing of this cell differs.
DERIVED = frozenset(("tax", "tax_page"))
# Null unless the row was observed from outside, which changes none of its figures.
OBSERVED = frozenset(("path", "profile", "vector", "caches"))


def ratio(value, base):
    """value / base; None when either is None or base is 0."""
    if value is None or base is None or base == 0:
        return None
    return value / base


def tax(probed, twin):
    """What probes add: probed less twin, in their unit; None when either is missing."""
    if probed is None or twin is None:
        return None
    return probed - twin


def percent(value, base, share=False):
    """How far value is from base, in percent of base; of what is a share already, in points. None when it cannot be said: from
    0 on, of which all but 0 is more than any percentage."""
    if value is None or base is None:
        return None
    if share or value == base:
        return value - base
    return (value - base) * 100 / abs(base) if base else None  # in this order 1010 is 1 % above 1000, not a rounding error more


@dataclass
class Difference:
    """A figure that two results do not share. name: the row; field: its path, as `probe.fault.sum`; a, b: values."""

    name: str
    field: str
    a: object
    b: object


@dataclass
class Comparison:
    """What `identical` found.

    compared: names of rows that both results have and that are ok in at least one.
    differing: names of those with at least one difference; differences: all of them.
    not_ok: names that are ok in neither; only_a, only_b: names that one result has alone.
    """

    compared: list = field(default_factory=list)
    differing: list = field(default_factory=list)
    differences: list = field(default_factory=list)
    not_ok: list = field(default_factory=list)
    only_a: list = field(default_factory=list)
    only_b: list = field(default_factory=list)

    @property
    def same(self):
        """How many compared rows have identical figures."""
        return len(self.compared) - len(self.differing)

    @property
    def share(self):
        """The share of compared rows with identical figures, 0 to 1; None when there is nothing to compare."""
        return ratio(self.same, len(self.compared))


def identical(a, b):
    """Compare all figures of rows with equal name. a, b: {name: row}. Returns a Comparison, names in a's order."""
    found = Comparison(only_a=[n for n in a if n not in b], only_b=[n for n in b if n not in a])
    for name, row in a.items():
        if name not in b:
            continue
        other = b[name]
        if row["status"] != "ok" and other["status"] != "ok":
            found.not_ok.append(name)
            continue
        found.compared.append(name)
        differences = [Difference(name, *d) for d in _row_differences(row, other)]
        if differences:
            found.differing.append(name)
            found.differences.extend(differences)
    return found


def greatest(differences):
    """[(Difference, how many more its row has)], a row each: its cost, else the number that moved farthest for its size, else
    what comes first."""
    rows = {}
    for one in differences:
        rows.setdefault(one.name, []).append(one)
    return [(max(mine, key=_telling), len(mine) - 1) for mine in rows.values()]


COSTS = ("per_page", "per_fault")  # what a row is measured for: where they differ, that is said of it


def _telling(one):
    if one.field in COSTS:
        return 2, -COSTS.index(one.field)
    if not all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in (one.a, one.b)):
        return 0, 0
    size = max(abs(one.a), abs(one.b))
    return 1, abs(one.a - one.b) / size if size else 0


_MISSING = object()


def _row_differences(a, b):
    if a["status"] != b["status"]:  # nothing else can agree
        yield "status", a["status"], b["status"]
        return
    for key in sorted(set(a) | set(b)):
        if key in NOT_FIGURES or key.startswith("elapsed"):
            continue
        x, y = a.get(key), b.get(key)
        if key in DERIVED | OBSERVED and (x is None or y is None):
            continue
        yield from _differences(x, y, key)


def _differences(a, b, path):
    if path in PLACES:
        return
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted(set(a) | set(b)):
            yield from _differences(a.get(key, _MISSING), b.get(key, _MISSING), f"{path}.{key}")
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for index, (x, y) in enumerate(zip(a, b)):
            yield from _differences(x, y, f"{path}[{index}]")
    elif isinstance(a, bool) != isinstance(b, bool) or a != b:  # 1 == True to Python, not to a reader
        yield path, None if a is _MISSING else a, None if b is _MISSING else b
