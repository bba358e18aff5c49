# SPDX-License-Identifier: GPL-2.0-only
"""The cells of one kernel and file system, as a rule sees them: what it asked for and got, and asked for in vain."""

from dataclasses import dataclass, field

import load
import medium
import stats

from .spec import CONCURRENT_DEADLINE_MS, DEADLINE_MS, Measured, Spec

PATTERNS = {"first_touch": "in order", "random_touch": "scattered"}
LEAST_FAULTS = 64  # that a share of them is of


@dataclass
class View:
    """missing: Specs asked for in vain; wished: these, and those that would only be shown beside; failures: why, where the
    cell is there but is not ok; reasons: what else a rule has against a word; used: rows that were read; costs: {cell:
    whether its written lines were counted} of what a cost was read of; price: of a written line, in instructions, which each
    cost then has in it."""

    result: object
    kernel: str
    fs: str
    rows: dict  # {(Spec, probes): [[row]]}: the samples of each cell that the Spec names
    missing: list = field(default_factory=list)
    wished: list = field(default_factory=list)
    failures: list = field(default_factory=list)
    reasons: list = field(default_factory=list)
    used: list = field(default_factory=list)
    costs: dict = field(default_factory=dict)
    price: float = 0.0

    @property
    def unit(self):
        """The result's unit."""
        return self.result.context["unit"]

    @property
    def virtual(self):
        """Whether figures are counts of instructions."""
        return self.result.context["time_domain"] == "virtual"

    @property
    def release(self):
        """The kernel's release, or its id where the result does not say."""
        return self.result.context["kernels"].get(self.kernel, {}).get("release") or self.kernel

    def fresh(self):
        """Forget what an earlier case asked for."""
        self.missing, self.wished, self.failures, self.reasons, self.used, self.costs = [], [], [], [], [], {}

    def find(self, spec, probes="off", needed=True):
        """[[row, ...]]: the samples of each cell that the Spec names, if all are ok; [] if there is none."""
        found = self.rows.get((spec, probes), [])
        good = self._good(spec, probes)
        self.used += [row for rows in found for row in rows]
        if not good:
            self.wish(spec)
        if not good and needed:
            self.lack(spec)
            self.failures += [row["reason"] for rows in found for row in rows if row["status"] != "ok"]
        return good

    def _good(self, spec, probes):
        return [rows for rows in self.rows.get((spec, probes), []) if all(row["status"] == "ok" for row in rows)]

    def lack(self, spec, reason=""):
        """That a cell is missing, or one that can be read."""
        if spec not in self.missing:
            self.missing.append(spec)
        self.reasons += [reason] * bool(reason)

    def wish(self, spec):
        """What would be read if it were there."""
        if spec not in self.wished:
            self.wished.append(spec)

    def figure(self, spec, function, what, unit, probes="off", needed=True, least=0):
        """function(row) of the Spec's cell as a Measured; None when it is missing, the function says None, or it has fewer
        faults than the least."""
        found = self.find(spec, probes, needed)
        if not found:
            return None
        if least and any(row["faults"] < least for row in found[0]):
            if needed:
                self.lack(spec, f"{spec.label}: fewer than {least} faults")
            return None
        values = {load.sample_key(row): function(row) for row in found[0]}
        if any(value is None for value in values.values()):
            if needed:
                self.lack(spec)
            return None
        return Measured(f"{spec.label}: {what}", unit, values, [found[0][0]["name"]])

    def cost(self, spec, needed=True, key="per_page"):
        """per_page (per_fault) without probes, and the price of the lines that it writes."""
        lines_of = self._lines(spec, key)

        def priced(row):
            lines = lines_of(row)
            self.costs[row["cell"]] = lines is not None
            if not self.price:
                return row[key]
            return None if lines is None else row[key] + self.price * lines
        return self.figure(spec, priced, key.replace("_", " "), self.unit, needed=needed)

    def lines(self, spec, key="per_page"):
        """Written lines per page (per_fault: per fault), without probes."""
        return self.figure(spec, self._lines(spec, key), "written lines", "lines")

    def _lines(self, spec, key):
        """function(row): written lines of a sample of the Spec's cell; of one that was not observed the median of those that
        were."""
        found = self._good(spec, "off")
        usual = medium.lines_of_cell(found[0], key) if found else None

        def lines(row):
            own = medium.lines_of(row, key)
            return usual if own is None else own
        return lines

    def share(self, spec, count, what, needed=True):
        """count(row) of the probed row over its faults."""
        return self.figure(spec, lambda row: stats.ratio(count(row), row["faults"]), what, "of faults", "on", needed,
                           LEAST_FAULTS)

    def scope(self):
        """Of what the verdict speaks: what was read, else what was asked for in vain, and on what."""
        def of(read, spec_key=None):
            values = [read(row) for row in self.used]
            if not values and spec_key:
                values = [getattr(spec, spec_key) for spec in self.missing]
            return list(dict.fromkeys(value for value in values if value not in (None, "")))

        def key(name):
            return of(lambda row: row.get(name), name if name in Spec.__dataclass_fields__ else None)
        about = self.result.context["file_systems"].get(self.fs, {})
        periods = [run["period_us"] for row in self.used for run in row.get("scan") or () if run["period_us"]]
        return {"kernel": self.release, "cpus": key("vcpus"), "order": key("order"), "threads": key("threads"),
                "workload": key("workload"), "state": key("state"), "setting": key("setting"), "touch": key("touch"),
                "touches": sorted(of(lambda row: None if _is_victim(row) else row["touches"])),
                "stores": sorted(of(lambda row: row["touches"] if _is_victim(row) else None)),
                "periods_us": sorted(set(periods)), "deadline_ms": of(lambda row: _deadline_ms(row) if _is_victim(row) else None),
                "fs": self.fs, "features": about.get("features"), "mount": about.get("mount"),
                "accel": self.result.context["accel"]}


def _is_victim(row):
    """Whether what a contest's row counts are the stores of a victim, and not its attackers' touches."""
    return row["workload"] == "dos"


def _deadline(row):
    found = row.get("fault_deadline_ms") or 0
    return 0 if found == DEADLINE_MS else found


def _deadline_ms(row):
    """After which a victim of the row has starved."""
    least = CONCURRENT_DEADLINE_MS if row["setting"] == "concurrent" else 0
    return max(_deadline(row) or DEADLINE_MS, least)


def places(result):
    """[View] of each kernel and file system that is mounted with DAX; kernels by version. No row is left out."""
    found = {}
    for name, rows in result.samples.items():
        row = result.rows[name]
        place = found.setdefault((row["kernel"], row["fs"]), {})
        touch = row.get("touch")
        spec = Spec(row["strategy"], row["state"], row["workload"], row["writes_per_sync"], touch,
                    min(row.get("attackers") or 0, 1) if touch else 1, load.unrelated(row), row["order"], row["threads"],
                    row.get("stores_per_page") or 0, (row.get("setting") or "") if touch else "", _deadline(row))
        place.setdefault((spec, row["probes"]), []).append(rows)
    every = list(result.rows.values())

    def dax(key):
        mine = [row for row in every if (row["kernel"], row["fs"]) == key and row["status"] == "ok"]
        return not mine or any(row["dax"] is not False for row in mine)
    ordered = sorted(found, key=lambda key: result.words.kernel_rank(key[0]))
    return [View(result, *key, found[key]) for key in ordered if dax(key)]
