# SPDX-License-Identifier: GPL-2.0-only
"""The words of a result: which strategies, states, file systems, ... there are, in which order a reader meets them, and
what kind each is of. All of it comes from the result (`context.tables`); nothing is named here."""

import graphlib
import heapq

import releases

# table of a result: the field of a row that holds its ids
FIELDS = {"fs": "fs", "strategy": "strategy", "workload": "workload", "state": "state", "order": "order",
          "probes": "probes", "setting": "setting", "touch": "touch"}
# The axes of results that have no table of them, and what each is where nothing was asked for, of those that do not say it;
# absent: what a row means that says nothing of one.
AXES = ({"id": "fs", "field": "fs"}, {"id": "strategy", "field": "strategy"},
        {"id": "workload", "field": "workload", "default": "first_touch"}, {"id": "state", "field": "state"},
        {"id": "order", "field": "order", "default": "pte"}, {"id": "threads", "field": "threads", "default": 1, "letter": "t"},
        {"id": "dirty-inodes", "field": "dirty_inodes", "absent": 0, "letter": "d"},
        {"id": "stores-per-page", "field": "stores_per_page", "letter": "w"}, {"id": "touch", "field": "touch"},
        {"id": "attackers", "field": "attackers", "default": 1, "letter": "a"}, {"id": "setting", "field": "setting"},
        {"id": "fault-deadline", "field": "fault_deadline_ms", "default": 20, "absent": 20, "letter": "f"})
FLOOR = "floor"  # the family of the strategy that others are compared with


def merge_orders(orders):
    """One list of all that stands in several lists, which keeps the order of each: of two that no list puts in an order
    the one that came up first stands first. Where the lists contradict each other, that alone decides."""
    first = {}
    for order in orders:
        for item in order:
            first.setdefault(item, len(first))
    sorter = graphlib.TopologicalSorter({item: () for item in first})
    for order in orders:
        unique = list(dict.fromkeys(order))
        for before, after in zip(unique, unique[1:]):
            sorter.add(after, before)
    try:
        sorter.prepare()
    except graphlib.CycleError:
        return list(first)
    merged, ready = [], []
    while sorter.is_active():
        for item in sorter.get_ready():
            heapq.heappush(ready, (first[item], item))
        item = heapq.heappop(ready)[1]
        merged.append(item)
        sorter.done(item)
    return merged


def merge_tables(several):
    """The tables of several results as one: each row as the first result has it that says the most of it."""
    merged = {}
    for name in dict.fromkeys(name for tables in several for name in tables):
        rows = {}
        for tables in several:
            for row in tables.get(name, ()):
                if len(row) > len(rows.get(row["id"], ())):
                    rows[row["id"]] = row
        orders = [[row["id"] for row in tables.get(name, ())] for tables in several]
        merged[name] = [rows[item] for item in merge_orders(orders)]
    return merged


class Vocabulary:
    """What can be asked of a result's tables. tables: as load.tables_of returns them; kernels: `context.kernels`."""

    def __init__(self, tables, kernels):
        self.tables = tables
        self._about = {name: {row["id"]: row for row in rows} for name, rows in tables.items()}
        self._rank = {name: {row["id"]: index for index, row in enumerate(rows)} for name, rows in tables.items()}
        self._releases = {name: about.get("release") for name, about in kernels.items()}
        labels = {name: releases.label(name, about.get("release") or name, about.get("package")) for name, about in kernels.items()}
        self._kernels = {name: releases.version_key(label) for name, label in labels.items()}
        self._names = releases.names(labels)

    def ids(self, table):
        """The ids of a table, in the order of a reader."""
        return list(self._rank.get(table, ()))

    def rank(self, table, item):
        """Where an id stands in its table; one that is not there stands last."""
        ranks = self._rank.get(table, {})
        return ranks.get(item, len(ranks))

    def about(self, table, item):
        """The row of an id in its table; empty when there is none."""
        return self._about.get(table, {}).get(item, {})

    def family(self, strategy):
        """The family of a strategy; None where the result does not say."""
        return self.about("strategy", strategy).get("family")

    @property
    def twin(self):
        """The set of probes that is none at all."""
        return next((row["id"] for row in self.tables.get("probes", ()) if row.get("twin")), "off")

    @property
    def floor(self):
        """The strategy that others are compared with."""
        return next((row["id"] for row in self.tables.get("strategy", ()) if row.get("family") == FLOOR), "volatile")

    @property
    def axes(self):
        """The rows of the axes but the kernel: {id: the option of `faultline run`, field, default: as text, or None,
        letter: before its value in a cell's name}."""
        known = {axis["id"]: axis for axis in AXES}
        said = {axis["id"]: axis for axis in self.tables.get("axes", ())}
        found = {name: {**known.get(name, {}), **said.get(name, {})} for name in {**said, **known}}
        return [{**axis, "default": None if axis.get("default") is None else str(axis["default"])}
                for axis in found.values() if axis.get("field")]

    def default(self, field):
        """What an axis is where nothing was asked for, as text; None where it is all there is, or not known."""
        return next((axis["default"] for axis in self.axes if axis["field"] == field), None)

    def by_default(self, table):
        """The ids of a table that a run has where nothing was asked for, as far as the result says it."""
        return [row["id"] for row in self.tables.get(table, ()) if row.get("default")]

    def kernel_rank(self, kernel):
        """A sort key of kernels: by version, then by name."""
        return self._kernels.get(kernel) or releases.version_key(kernel), kernel

    def kernel_name(self, kernel):
        """What a kernel is called: `6.1 (bookworm)`."""
        return self._names.get(kernel, kernel)

    def kernel_text(self, kernel):
        """The same with all of its release: `6.1.0-56-cloud-amd64 (bookworm)`."""
        release = self._releases.get(kernel)
        return f"{release} ({kernel})" if release and release != kernel else kernel

    def strategy_rank(self, row):
        """A sort key: strategies in the order of a reader, then K ascending with `all` last."""
        strategy, k = row["strategy"], row["writes_per_sync"]
        return (self.rank("strategy", strategy), strategy, k is not None, k == "all", k if isinstance(k, int) else 0)
