# SPDX-License-Identifier: GPL-2.0-only
"""What the rules speak of: cells by what tells them apart, figures read from them, and limits on one scale.

Every limit of every rule follows from one number, the threshold: by what factor a thing must differ before a word such as
"substantially" is fair. It is 2. Since nobody need agree to that, each verdict is also worked out at others (SENSITIVITY),
and says for which the word stays (band).
"""

import math
from dataclasses import dataclass, field

import infer
import load

HOLDS, FAILS, DEPENDS, NOT_DECIDED = "holds here", "does not hold here", "depends on", "not decided"
VERDICTS = (HOLDS, FAILS, DEPENDS, NOT_DECIDED)
THRESHOLD = 2.0
SENSITIVITY = {f"{threshold:g}": threshold for threshold in (1.25, 1.5, 2.0, 2.5, 3.0, 4.0)}  # by title
STURDY = (1.5, 2.5)  # a word that stays for less than these thresholds says so
ENOUGH_SAMPLES = 5

# What the mails speak of, in the order of a reader; others come after.
STRATEGIES = ("volatile", "fsync", "map_sync", "prealloc", "sync_fault", "sync_fault_data", "sync_retry",
              "sync_retry_strict", "sync_retry_once", "sync_retry_extent", "daxfile", "daxfile_nocmtime", "map_sync_wrapped")
STATES = ("hole", "unwritten", "written")
NOBODY = load.NOBODY
DEADLINE_MS = 20  # of a fault in a contest, where nothing else is asked for; a row of it does not say so
CONCURRENT_DEADLINE_MS = 640  # in wall time no run has less
TICK = 4_000_000  # ns between ticks of a kernel of 250 Hz, as Debian's are; in virtual time instructions


@dataclass(frozen=True)
class Spec:
    """What tells a cell from others of a kernel and file system. attackers: 0, or 1 for any number above 0; unrelated:
    dirty inodes of others; stores: stores to each page, 0 where the workload has no such axis; setting: of a contest;
    deadline: ms after which a fault in one has starved, another than DEADLINE_MS, or 0."""

    strategy: str
    state: str = "written"
    workload: str = "first_touch"
    k: object = None
    touch: str = None
    attackers: int = 1
    unrelated: int = 0
    order: str = "pte"
    threads: int = 1
    stores: int = 0
    setting: str = ""
    deadline: int = 0

    @property
    def asked(self):
        """The strategy as the command names it, with its K."""
        return self.strategy if self.k is None else f"{self.strategy}:{self.k}"

    @property
    def lacked(self):
        """The same, with the touch of a victim's contest: what tells the cells of a case from each other."""
        return self.asked + (f" under {self.touch}" if self.workload == "dos" and self.attackers else "")

    @property
    def label(self):
        """In words, for the name of a figure."""
        return ", ".join([self.asked, self.state, *([self.workload] if self.workload != "first_touch" else []),
                          *([self.order] if self.order != "pte" else []),
                          *([f"{self.threads} threads"] if self.threads != 1 else []),
                          *([f"{self.stores} stores a page"] if self.stores else []),
                          *([self.touch] if self.touch else []),
                          *([f"{self.deadline} ms"] if self.deadline else []),
                          *([f"{self.unrelated} unrelated dirty inodes"] if self.unrelated else [])])


@dataclass
class Measured:
    """A figure. values: {sample_key: number}; cells: the rows it is read from; span: (least, greatest), where it is not known
    but between: then no value is the middle one."""

    name: str
    unit: str
    values: dict
    cells: list
    span: tuple = ()

    @property
    def value(self):
        """The median of the samples; None of a span."""
        return None if self.span else infer.median(list(self.values.values()))

    @property
    def low(self):
        """The least sample."""
        return min(self.span or self.values.values())

    @property
    def high(self):
        """The greatest sample."""
        return max(self.span or self.values.values())

    def data(self):
        """As JSON holds it."""
        return {"name": self.name, "value": self.value, "unit": self.unit, "low": self.low, "high": self.high,
                "samples": len(self.values), "cells": self.cells}


def _of_two(name, a, b, unit, function, divides=False):
    if a is None or b is None:
        return None
    common = [key for key in a.values if key in b.values and (b.values[key] or not divides)]
    if common:
        values = {key: function(a.values[key], b.values[key]) for key in common}
    elif b.value or not divides:
        values = {(0, 0): function(a.value, b.value)}
    else:
        return None
    return Measured(name, unit, values, a.cells + b.cells)


def ratio(name, a, b, unit="times"):
    """a over b as a Measured: sample by sample where they have samples in common, else of the medians. None when
    either is None or b is 0."""
    return _of_two(name, a, b, unit, lambda x, y: x / y, True)


def difference(name, a, b):
    """a less b, likewise."""
    return _of_two(name, a, b, a.unit if a else "", lambda x, y: x - y)


def total(name, a, b):
    """a and b together, likewise."""
    return _of_two(name, a, b, a.unit if a else "", lambda x, y: x + y)


@dataclass(frozen=True)
class Limit:
    """From which value on a thing is much, and up to which it is little, both by the threshold; edges: the thresholds at
    which a figure with that least and that greatest sample comes to lie on the other side of one."""

    much: object
    little: object
    edges: object


def _inverse(scale, rest):
    return math.inf if rest <= 0 else scale / rest


# A factor: "no difference" is a tenth of what the threshold has beyond 1.
TIMES = Limit(lambda t: t, lambda t: 1 + (t - 1) / 10, lambda low, high: (low, 1 + 10 * (high - 1)))
# A factor that is called huge.
HUGE = Limit(lambda t: 5 * t, lambda t: t, lambda low, high: (low / 5, high))
# A share of the faults: all but a tenth, or a tenth.
SHARE = Limit(lambda t: 1 - 0.2 / t, lambda t: 0.2 / t, lambda low, high: (_inverse(0.2, 1 - low), _inverse(0.2, high)))
# Retries of one fault: ten, or three.
RETRIES = Limit(lambda t: 5 * t, lambda t: 1.5 * t, lambda low, high: (low / 5, high / 1.5))


@dataclass(frozen=True)
class Deciding:
    """A figure that decides, and its limit. Every sample must lie on the same side of it."""

    figure: Measured
    limit: Limit

    def much(self, threshold=THRESHOLD):
        """Whether the figure is much."""
        return self.figure.low >= self.limit.much(threshold)

    def little(self, threshold=THRESHOLD):
        """Whether the figure is little."""
        return self.figure.high <= self.limit.little(threshold)

    @property
    def edges(self):
        """The thresholds at which either changes."""
        return self.limit.edges(self.figure.low, self.figure.high)

    @property
    def straddles(self):
        """Whether a limit lies between its samples."""
        return any(self.figure.low < limit(THRESHOLD) < self.figure.high for limit in (self.limit.much, self.limit.little))


@dataclass
class Ruling:
    """What a rule says of a case. figures: what is shown; deciding: what decides; word: function(threshold) -> HOLDS, FAILS,
    DEPENDS or None; sides: of DEPENDS, on what, with both sides; alone: a figure that decides has no control beside it."""

    figures: list
    deciding: list = field(default_factory=list)
    word: object = lambda threshold: None
    sides: str = ""
    alone: bool = False

    def band(self):
        """(least, greatest) threshold for which the word stays as it is at THRESHOLD; None: no end."""
        here = self.word(THRESHOLD)
        edges = sorted({edge for one in self.deciding for edge in one.edges if 1 < edge < math.inf})
        high = low = None
        for index, edge in enumerate(edges):
            beyond = (edge + (edges + [edge + 2])[index + 1]) / 2
            if edge >= THRESHOLD and self.word(beyond) != here:
                high = edge
                break
        for index, edge in reversed(list(enumerate(edges))):
            before = (edge + ([1] + edges)[index]) / 2
            if edge <= THRESHOLD and self.word(before) != here:
                low = edge
                break
        return low, high

    def nearest(self):
        """The deciding figure nearest to a limit: {name, value, unit, limit, threshold}; None where none has one.
        threshold: at which it would lie on the limit; None where it does at none."""
        found = []
        for one in self.deciding:
            for edge, limit in zip(one.edges, (one.limit.much, one.limit.little)):
                reached = 1 < edge < math.inf  # others no threshold brings to the limit: they stand behind, by value
                # Of a span the end that has to pass the limit.
                end = one.figure.low if limit == one.limit.much else one.figure.high
                value = end if one.figure.span else one.figure.value
                away = abs(math.log(edge / THRESHOLD)) if reached else abs(value - limit(THRESHOLD))
                found.append((not reached, away, one.figure, value, limit(THRESHOLD), edge if reached else None))
        if not found:
            return None
        _, _, figure, value, limit, edge = min(found, key=lambda item: item[:2])
        return {"name": figure.name, "value": value, "unit": figure.unit, "limit": limit, "threshold": edge}

    def samples(self):
        """How many samples the figure with the fewest that decides has; 0 where nothing decides."""
        return min((len(one.figure.values) for one in self.deciding), default=0)


def undecided(figures):
    """A Ruling where something was not measured."""
    return Ruling([figure for figure in figures if figure is not None])


def large(figures, deciding):
    """The claim is that this figure is much; it does not hold where it is little."""
    def word(threshold):
        return HOLDS if deciding.much(threshold) else FAILS if deciding.little(threshold) else None
    return Ruling(figures, [deciding], word)


def controlled(figures, mine, control, much, little):
    """`much` and `little` are the words for this figure; that it is much counts only where its control is little. control: a
    Measured of the same limit, None where it was not measured."""
    control = None if control is None else Deciding(control, mine.limit)

    def word(threshold):
        if mine.much(threshold):
            return much if control and control.little(threshold) else None
        return little if mine.little(threshold) else None
    return Ruling(figures, [mine, *([control] if control else [])], word, alone=control is None)


def small(figures, deciding):
    """The claim is that all these figures are little; it does not hold where any is much."""
    def word(threshold):
        if all(one.little(threshold) for one in deciding):
            return HOLDS
        return FAILS if any(one.much(threshold) for one in deciding) else None
    return Ruling(figures, deciding, word)
