# SPDX-License-Identifier: GPL-2.0-only
"""Where a change went: the phases of a cell's faults on both sides, by what each costs less its probes."""

import fnmatch

import compare
import infer
import metrics
import table
from compare_text import figures, percent
from table import number, wrap

PHASE = next(metric for metric in metrics.METRICS if metric.id == "phase")
MISSING = "no phases in {path}: measure the cell there again with `faultline run ... --probes off,phases`"


def phases_of(result, kernels=None):
    """{cell: {phase: {sample_key: net cost}}} of a Result; two kernels are called by both names at once, as in
    compare.compare."""
    joined = "=".join(dict.fromkeys(kernels or ()))
    found = {}
    for one in metrics.series(result, [PHASE]).values():
        kernel, slash, rest = one.cell.partition("/")
        cell = (joined if kernel in (kernels or ()) else kernel) + slash + rest
        if one.values and not one.bad:
            found.setdefault(cell, {})[one.label.partition(".")[2]] = one.values
    return found


def phases(of_a, of_b, paired):
    """What each phase of a cell costs on both sides ({phase: {sample_key: cost}}): [{phase, a, b, difference}], the
    greatest growth first.

    The figures are medians over the samples, the difference that of the differences seed by seed where `paired`. A
    phase that one side lacks costs 0 there. Empty when a side has no phases.
    """
    if not of_a or not of_b:
        return []
    found = []
    for phase in dict.fromkeys([*of_a, *of_b]):
        x, y = of_a.get(phase, {}), of_b.get(phase, {})
        common = sorted(set(x) & set(y))
        one, other = (infer.median(list(values.values())) if values else 0 for values in (x, y))
        difference = infer.median([y[key] - x[key] for key in common]) if paired and common else other - one
        found.append({"phase": phase, "a": one, "b": other, "difference": difference})
    return sorted(found, key=lambda entry: -entry["difference"])


def grown(entries):
    """The phase that grew most, or None."""
    return entries[0] if entries and entries[0]["difference"] > 0 else None


def explain(a, b, data, pattern=None):
    """For cells of a comparison `data` of two Results: [{cell, figures: [text], phases, missing: [path]}].

    pattern: which cells; without it those of which any figure changed, or differs with too few seeds to say.
    """
    wanted = {}
    for row in data["rows"]:
        if fnmatch.fnmatchcase(row["cell"], pattern) if pattern else row["verdict"] in (*compare.CHANGED,
                                                                                        compare.DIFFERS):
            wanted.setdefault(row["cell"], []).append(row)
    paired = data["time_domain"] == "virtual"
    of_a, of_b = phases_of(a, data["kernels"]), phases_of(b, data["kernels"])
    found = []
    for cell, rows in wanted.items():
        entries = phases(of_a.get(cell), of_b.get(cell), paired)
        total = next((row["difference"] for row in rows if row["metric"] == "per_fault"), None)
        for entry in entries:
            entry["share"] = entry["difference"] * 100 / total if total else None
        found.append({"cell": cell, "figures": [f"{row['metric']} {figures(row)} {row['verdict']}" for row in rows],
                      "phases": entries,
                      "missing": [result.path for result, of in ((a, of_a), (b, of_b)) if cell not in of]})
    return found


COLUMNS = (("phase", lambda e: e["phase"]), ("A", lambda e: number(e["a"])), ("B", lambda e: number(e["b"])),
           ("diff", lambda e: number(e["difference"], sign=True)), ("% of per_fault's", lambda e: percent(e["share"])))


def text(found, data):
    """For a terminal: lines of at most 80 columns."""
    lines = wrap(f"A = {data['a']}") + wrap(f"B = {data['b']}")
    if not found:
        lines += wrap("no cell changed: nothing to explain (--cell PATTERN explains one that did not)")
    for entry in found:
        lines += ["", *wrap(entry["cell"])]
        for line in entry["figures"]:
            lines += wrap(line, "  ")
        if entry["phases"]:
            lines += table.grid(COLUMNS, entry["phases"], words=("phase",))
        for path in entry["missing"]:
            lines += wrap(MISSING.format(path=path), "  ")
    if any(entry["phases"] for entry in found):
        lines += ["", *wrap(f"{data['unit']} a touch, less what the probes cost; medians over the samples, so the "
                            "differences add up only nearly")]
    return "\n".join(lines) + "\n"
