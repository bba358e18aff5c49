# SPDX-License-Identifier: GPL-2.0-only
"""Where a change went: the phases of a cell's faults on both sides, by what each costs less its probes; and the
functions, where both were observed or `faultline perf` has sampled both."""

import json
import os

import cells
import compare
import infer
import load
import metrics
import table
from compare_text import figures, percent
from load import ReportError
from table import number, wrap

PHASE = next(metric for metric in metrics.METRICS if metric.id == "phase")
MISSING = ("no phases in {path}: measure the cell there again with `faultline run ... --probes off,phases`, or on both sides with "
           "`--observe profile` (by function, to the instruction)")


def phases_of(result):
    """{cell: {phase: {sample_key: net cost}}} of a Result."""
    found = {}
    for one in metrics.series(result, [PHASE]).values():
        if one.values and not one.bad:
            found.setdefault(one.cell, {})[one.part] = one.values
    return found


def sides(a, b, data):
    """The two Results of a comparison `data`, with the names of cells that it has."""
    if not data["kernels"]:
        return a, b
    return tuple(compare.of_kernel(result, data["kernels"], side) for side, result in enumerate((a, b)))


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


def profiles_of(result):
    """{cell: {sample_key: row}} of a Result's rows that hold a profile."""
    found = {}
    for samples in result.samples.values():
        for row in samples:
            if row["status"] == "ok" and row.get("profile"):
                found.setdefault(row["cell"], {})[load.sample_key(row)] = row
    return found


def exact(of_a, of_b):
    """What every function executes per page on both sides ({sample_key: row with a profile}), of the seed that both
    have whose difference is the median: {seed, functions: [{function, a, b, difference}], difference}, the greatest
    difference first; their sum is the whole difference. None without such a seed."""
    common = sorted(set(of_a or ()) & set(of_b or ()), key=lambda key: of_b[key]["per_page"] - of_a[key]["per_page"])
    if not common:
        return None
    key = common[(len(common) - 1) // 2]

    def per_page(row):
        return {name: count / row["profile"]["pages"] for name, count in row["profile"]["functions"]}

    x, y = per_page(of_a[key]), per_page(of_b[key])
    found = [{"function": name, "a": x.get(name, 0), "b": y.get(name, 0), "difference": y.get(name, 0) - x.get(name, 0)}
             for name in sorted({*x, *y})]
    return {"seed": of_a[key]["seed"], "functions": sorted(found, key=lambda entry: -abs(entry["difference"])),
            "difference": of_b[key]["per_page"] - of_a[key]["per_page"]}


def grown_function(of_a, of_b):
    """The function that grew most, or None."""
    found = exact(of_a, of_b)
    most = max(found["functions"], key=lambda entry: entry["difference"]) if found else None
    return most if most and most["difference"] > 0 else None


FUNCTIONS = 10  # shown


INDEX = "perf.json"  # of a folder of `faultline perf`: which file is of which cell
OF_STACKS = ("fs", "strategy", "writes_per_sync", "workload", "state")  # beside the kernel, what stacks are of


def folded_of(folder, row, kernel):
    """(stacks, path) of the cell of a row, as `faultline perf` has written them into a folder; (None, path) without. By
    the folder's index where it has one, else by the name that the file of that cell has. kernel: its id there."""
    import flamegraph
    wanted = {"kernel": kernel, **{key: row[key] for key in OF_STACKS}}
    name = "-".join([kernel, row["fs"], cells.label(row), row["workload"], row["state"]]) + ".folded"
    entry = next((entry for entry in _index(folder) if all(entry.get(key) == value for key, value in wanted.items())), None)
    path = os.path.join(folder, os.path.basename(entry["folded"]) if entry else name)
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return flamegraph.parse_folded(file.read(), path), path
    except OSError:
        return None, path


def _index(folder):
    """The entries of a folder's index, none where it has none. ReportError for one that is none."""
    path = os.path.join(folder, INDEX)
    try:
        with open(path, encoding="utf-8") as file:
            entries = json.load(file)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ReportError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        entries = None
    if not isinstance(entries, list) or not all(isinstance(one, dict) and isinstance(one.get("folded"), str)
                                                for one in entries):
        raise ReportError(f"{path}: is not what `faultline perf` writes; sample again into an empty folder")
    return entries


def functions(stacks_a, stacks_b, cost_a, cost_b):
    """What each function itself (not what it calls) costs on both sides: [{function, a, b, difference}], the greatest
    difference first. The shares of the samples, of the cost of a touch."""
    def own(stacks, cost):
        total, found = sum(stacks.values()), {}
        for stack, count in stacks.items():
            found[stack[-1]] = found.get(stack[-1], 0) + count * cost / total
        return found

    x, y = own(stacks_a, cost_a), own(stacks_b, cost_b)
    found = [{"function": name, "a": x.get(name, 0), "b": y.get(name, 0), "difference": y.get(name, 0) - x.get(name, 0)}
             for name in sorted({*x, *y})]
    return sorted(found, key=lambda entry: -abs(entry["difference"]))


def _add_functions(entry, rows, a, b, data, perf):
    """Puts `functions` into an entry of explain(), or into `missing_perf` which files there would have to be."""
    entry["functions"], entry["missing_perf"] = [], []
    of_cell = {row["metric"]: row for row in rows}
    cost = of_cell.get("per_fault") or of_cell.get("per_page")
    both = []
    for side, (result, folder) in enumerate(zip((a, b), perf)):
        row = next((row for row in result.rows.values() if row["cell"] == entry["cell"]), None)
        kernel = data["kernels"][side] if data["kernels"] else row and row["kernel"]
        stacks, path = folded_of(folder, row, kernel) if row else (None, folder)
        if stacks is None:
            entry["missing_perf"].append(path)
        both.append(stacks)
    if cost and None not in both:
        entry["functions"] = functions(*both, cost["a"], cost["b"])


def explain(a, b, data, pattern=None, perf=None):
    """For cells of a comparison `data` of two Results: [{cell, figures: [text], phases, exact, missing: [path]}].

    pattern: which cells; without it those of which any figure changed, or differs with too few seeds to say.
    perf: two folders of `faultline perf`; each entry then has `functions` and `missing_perf` too.
    """
    wanted = {}
    for row in data["rows"]:
        if compare.matches(row["cell"], pattern, data["kernels"]) if pattern else row["verdict"] in (*compare.CHANGED,
                                                                                        compare.DIFFERS):
            wanted.setdefault(row["cell"], []).append(row)
    paired = data["time_domain"] == "virtual"
    a, b = sides(a, b, data)
    of_a, of_b = phases_of(a), phases_of(b)
    observed_a, observed_b = profiles_of(a), profiles_of(b)
    found = []
    for cell, rows in wanted.items():
        entries = phases(of_a.get(cell), of_b.get(cell), paired)
        by_function = exact(observed_a.get(cell), observed_b.get(cell))
        total = next((row["difference"] for row in rows if row["metric"] == "per_fault"), None)
        for entry in entries:
            entry["share"] = entry["difference"] * 100 / total if total else None
        found.append({"cell": cell, "figures": [f"{row['metric']} {figures(row)} {row['verdict']}" for row in rows],
                      "phases": entries, "exact": by_function,
                      "missing": [] if by_function else
                      [result.path for result, of in ((a, of_a), (b, of_b)) if cell not in of]})
        if perf:
            _add_functions(found[-1], rows, a, b, data, perf)
    return found


COLUMNS = (("phase", lambda e: e["phase"]), ("A", lambda e: number(e["a"])), ("B", lambda e: number(e["b"])),
           ("diff", lambda e: number(e["difference"], sign=True)), ("% of per_fault's", lambda e: percent(e["share"])))
OF_FUNCTIONS = (("function", lambda e: e["function"][:36]), *COLUMNS[1:4])


def _shown(by_function):
    """The functions that differ most, what all others come to, and the sum."""
    changed = [entry for entry in by_function["functions"] if entry["difference"]]
    rows, rest = changed[:FUNCTIONS], changed[FUNCTIONS:]

    def together(name, entries):
        return {"function": name, **{key: sum(entry[key] for entry in entries) for key in ("a", "b", "difference")}}

    if rest:
        rows = rows + [together(f"{len(rest)} others", rest)]
    return rows + [together("in all, per page", by_function["functions"])]


def text(found, data):
    """For a terminal: lines of at most 80 columns."""
    lines = wrap(f"A = {data['a']}") + wrap(f"B = {data['b']}")
    if data["paired"]:
        lines += wrap(data["paired"])
    if not data["rows"]:
        lines += wrap("nothing was compared")
    elif not found:
        lines += wrap("no cell changed: nothing to explain (--cell PATTERN explains one that did not)")
    for entry in found:
        lines += ["", *wrap(entry["cell"])]
        for line in entry["figures"]:
            lines += wrap(line, "  ")
        if entry["phases"]:
            lines += table.grid(COLUMNS, entry["phases"], words=("phase",))
        if entry["exact"]:
            lines += table.grid(OF_FUNCTIONS, _shown(entry["exact"]), words=("function",))
        for path in entry["missing"]:
            lines += wrap(MISSING.format(path=path), "  ")
        if entry.get("functions"):
            lines += table.grid(OF_FUNCTIONS, entry["functions"][:FUNCTIONS], words=("function",))
        for path in entry.get("missing_perf", ()):
            lines += wrap(f"no {path}: sample the cell there with `faultline perf --out {os.path.dirname(path)}`", "  ")
    if any(entry["phases"] for entry in found):
        lines += ["", *wrap(f"{data['unit']} a touch, less what the probes cost; medians over the samples, so the "
                            "differences add up only nearly")]
    if any(entry["exact"] for entry in found):
        lines += wrap("functions of observed cells: instructions that each executed itself, of the seed whose difference "
                      "is the median; they add up to it")
    if any(entry.get("functions") for entry in found):
        lines += wrap("functions: what each spends itself, by its share of perf's samples")
    return "\n".join(lines) + "\n"
