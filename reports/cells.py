# SPDX-License-Identifier: GPL-2.0-only
"""Rows seen as cells: a row with probes and its twin without, put together and sorted into sections."""

from dataclasses import dataclass

import load
import stats


DEFAULT = "on"  # the set of probes that a run has where nothing else is asked for


@dataclass
class Cell:
    """A point of the matrix. sets: {set of probes: its row}, the twin first, the others in the order of a reader; twin:
    the set that is none."""

    sets: dict
    twin: str = "off"

    @property
    def off(self):
        """Its row without probes, or None."""
        return self.sets.get(self.twin)

    @property
    def on(self):
        """Its row with the default probes, or None."""
        return self.sets.get(DEFAULT)

    @property
    def phases(self):
        """Its row with the probes of phases, or None."""
        return self.sets.get("phases")

    @property
    def locks(self):
        """Its row with the probes of locks, or None."""
        return self.sets.get("locks")

    @property
    def rows(self):
        """Its rows, the twin first."""
        return list(self.sets.values())

    @property
    def any(self):
        """A row of the cell, to read from it what both share."""
        return self.rows[0]

    @property
    def name(self):
        """The rows' name without the set of probes."""
        return self.any["cell"]

    @property
    def label(self):
        """The strategy, with its K if it has one: `fsync:8`."""
        return label(self.any)

    @property
    def best(self):
        """The row whose figures are shown: the twin without probes, else the probed row, else None."""
        return next((row for row in self.rows if is_ok(row)), None)

    @property
    def probed_only(self):
        """Whether the figures shown contain the cost of the probes."""
        return self.best is not None and self.best is not self.off

    def tax(self, key="per_fault"):
        """What the probes add to per_fault or per_page, in the row's unit; None unless both twins are ok, and where the
        figure has none (taxed)."""
        if not (is_ok(self.off) and is_ok(self.on)) or not taxed(self.on, key):
            return None
        return stats.tax(self.on[key], self.off[key])

    @property
    def syncs_per_fault(self):
        """Syncs inside write faults per fault; None without a probed row that is ok, or without faults."""
        if not is_ok(self.on):
            return None
        return stats.ratio(self.on["syncs"], self.on["faults"])


def taxed(row, key):
    """Whether a tax of that figure means anything. With several threads a touch is timed while the others run: what
    the probes cost is in the pages that all make durable, not in a touch."""
    return key != "per_fault" or row["threads"] == 1


def is_ok(row):
    """Whether there is a row and its figures may be used."""
    return row is not None and row["status"] == "ok"


def label(row):
    """The strategy of a row, with its K if it has one."""
    k = row["writes_per_sync"]
    return row["strategy"] if k is None else f"{row['strategy']}:{k}"


def is_contest(row):
    """Whether others touch what the row's thread faults on; its figures then say nothing of an ordinary cell."""
    return row.get("touch") is not None


def cells(result):
    """The cells of a Result, in reading order: section, state, strategy."""
    words, found = result.words, {}
    for row in result.rows.values():
        found.setdefault(row["cell"], {})[row["probes"]] = row

    def probes_rank(probes):
        return probes != words.twin, words.rank("probes", probes), probes

    def reading_order(cell):
        row = cell.any
        return (_section_rank(words, row), words.rank("state", row["state"]), _contest_rank(words, row),
                words.strategy_rank(row))
    made = [Cell({probes: sets[probes] for probes in sorted(sets, key=probes_rank)}, words.twin) for sets in
            found.values()]
    return sorted(made, key=reading_order)


def _section_rank(words, row):
    """A sort key of section_key: kernels by version, the rest by the result's tables."""
    return (words.kernel_rank(row["kernel"]), words.rank("fs", row["fs"]), words.rank("workload", row["workload"]),
            load.unrelated(row), words.rank("order", row["order"]), row["threads"])


def section_key(row):
    """What rows must share to stand in one section: kernel, file system, workload, order, threads. Beside unrelated
    dirty inodes it is another workload."""
    beside = load.unrelated(row)
    workload = f"{row['workload']} beside {beside} dirty inodes" if beside else row["workload"]
    return row["kernel"], row["fs"], workload, row["order"], row["threads"]


def sections(result):
    """{section_key: [Cell]} of a Result's ordinary cells, in reading order; contests have sections of their own."""
    found = {}
    for cell in cells(result):
        if not is_contest(cell.any):
            found.setdefault(section_key(cell.any), []).append(cell)
    return found


NOBODY = load.NOBODY


def _contest_rank(words, row):
    """A sort key: how a contest's parties are timed; how they touch, nobody first."""
    if not is_contest(row):
        return ()
    return (words.rank("setting", row["setting"]), row["touch"] != NOBODY, words.rank("touch", row["touch"]))


def contest_key(row):
    """What contests must share to stand in one section: section_key, state, setting."""
    return *section_key(row), row["state"], row["setting"]


def contests(result):
    """{contest_key: [Cell]} of a Result in reading order: by touch, by strategy, by number of attackers."""
    words, found = result.words, {}
    for cell in cells(result):
        if is_contest(cell.any):
            found.setdefault(contest_key(cell.any), []).append(cell)
    for group in found.values():
        group.sort(key=lambda c: (_contest_rank(words, c.any), words.strategy_rank(c.any), c.any["attackers"]))
    return found


def is_refused(row):
    """Whether not one touch of a contest succeeded: it says nothing but that."""
    return row["attack_rate"] == 0 and row["refused"]["n"] > 0


def find(group, strategy, state, k=None):
    """The cell of a section with this strategy, state and K, or None."""
    for cell in group:
        row = cell.any
        if (row["strategy"], row["state"], row["writes_per_sync"]) == (strategy, state, k):
            return cell
    return None


def baseline_ratio(words, group, cell, key="per_page"):
    """A cell's figure over that of the floor with the same state in its section; None if either is missing. words: the
    result's Vocabulary.

    Twins are compared with twins: a probed figure is never set against one without probes.
    """
    base = find(group, words.floor, cell.any["state"])
    if base is None or cell.best is None or base.best is None:
        return None
    row = base.sets.get(cell.best["probes"])
    return stats.ratio(cell.best[key], row[key]) if is_ok(row) else None


# The worst comes first: a cell is what the worse of its two rows is.
STATUSES = ("failed", "incomplete", "skipped", "ok")


def status(cell):
    """The cell's status: the worst of its rows'. Where probes cannot be, their rows are skipped, and the twin is the
    measurement."""
    counted = [row["status"] for row in cell.rows if row is cell.off or row["status"] != "skipped"]
    return min(counted or ["skipped"], key=STATUSES.index)


def tally(result):
    """How many cells have which status: {status: count}, `ok` first, zeros included."""
    counts = dict.fromkeys(reversed(STATUSES), 0)
    for cell in cells(result):
        counts[status(cell)] += 1
    return counts


def not_measured(result):
    """Rows that are not ok, by status and reason: [{status, reason, cells}], worst status first.

    cells: the cells' names; a name ends in /on or /off when only that one of its rows is meant.
    """
    found = {}
    for cell in cells(result):
        both = [row for row in cell.rows if row["status"] != "ok"]
        keys = {(row["status"], row["reason"]) for row in both}
        for row in both:
            names = found.setdefault((row["status"], row["reason"]), [])
            name = cell.name if len(both) > 1 and len(both) == len(cell.rows) and len(keys) == 1 else row["name"]
            if name not in names:
                names.append(name)
    order = sorted(found, key=lambda key: STATUSES.index(key[0]))
    return [{"status": s, "reason": reason, "cells": found[s, reason]} for s, reason in order]
