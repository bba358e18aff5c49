# SPDX-License-Identifier: GPL-2.0-only
"""A comparison, as compare.compare returns it, in the forms that people and tools read."""

import compare
import metrics
import table
from compare import DIFFERS, IDENTICAL, NO_FLOOR, SAME, WORSE
from load import plain
from number import counted, number
from table import wrap

WEIGHTS = {compare.SUBJECT: "under test", compare.HARMLESS: "no matter here", compare.SURROUNDINGS: "NOT THE SAME"}
QUIET = (IDENTICAL, SAME)


def percent(value):
    """A difference with its sign, in at most nine columns; `-` for None."""
    if value is None:
        return "-"
    if value == 0:
        return "0"
    size = abs(value)
    return format(value, "+.1e" if size < 0.001 else "+.4f" if size < 0.01 else "+.3f" if size < 10 else "+.1f"
                  if size < 1e5 else "+.1e")


def interval(row):
    """The interval of a row of a comparison in brackets; `-` where there is none."""
    return "-" if row["low"] is None else f"[{percent(row['low'])}, {percent(row['high'])}]"


def figures(row):
    """One line: both figures, the difference, the interval."""
    unit = "points" if row["share"] else "%"
    found = f"{number(row['a'])} -> {number(row['b'])} ({percent(row['percent'])} {unit}"
    return found + (f", interval {interval(row)})" if row["low"] is not None else ")")


COLUMNS = (("cell", lambda r: r["what"][0] + "*" * r["probed"]), ("state", lambda r: r["what"][1]),
           ("A", lambda r: number(r["a"])), ("B", lambda r: number(r["b"])),
           ("diff", lambda r: percent(r["percent"])), ("interval", interval), ("verdict", lambda r: r["verdict"]))


def text(data, only_changed=False, every=False):
    """For a terminal: lines of at most 80 columns. only_changed: without the rows that changed by nothing that counts, of
    which it says how many there are. every: also the figures of a cell that say what its first one says."""
    lines = wrap(f"A = {data['a']}") + wrap(f"B = {data['b']}")
    lines += wrap(f"unit {data['unit']} ({data['time_domain']}); {samples(data)}; diff and interval in % of A")
    lines += _environment(data)
    for part in data["incomplete"]:
        lines += wrap(f"{part['side'].upper()} is INCOMPLETE: {part['reason']}")
    lines += wrap(counts(data))
    for line in filter(None, (data["paired"], data["hint"])):
        lines += wrap(line)
    groups, rows_ = {}, [(row, ()) for row in data["rows"]] if every else compare.folded(data["rows"])
    for row, _ in rows_:
        if not (only_changed and row["verdict"] in QUIET):
            groups.setdefault((*row["section"], row["metric"]), []).append(row)
    for rows in groups.values():
        section = ", ".join(compare.section_text(data, rows[0]["section"]))
        lines += ["", *wrap(f"{section}; {rows[0]['metric']} ({rows[0]['unit'] or data['unit']}), floor {_floor(rows)}{partial(rows)}")]
        lines += table.grid(COLUMNS, rows, words=("cell", "state"))
    left = sum(row["verdict"] in QUIET for row, _ in rows_)
    if only_changed and left:
        lines += ["", *wrap(f"not shown: {left} that are identical or the same within the floor")]
    alike = {}
    for label in (label for _, labels in rows_ for label in labels):
        alike[label] = alike.get(label, 0) + 1
    if alike:
        said = ", ".join(f"{count} of {label}" for label, count in alike.items())
        lines += ["", *wrap(f"not shown: figures that say of their cell what another says ({said}); --all shows them")]
    lines += _notes(data)
    lines += _lists(data)
    return "\n".join(lines) + "\n"


def floors(rows):
    """The floors of rows of a comparison, by metric, in words."""
    by_floor = {}
    for label, mine in _by_metric(rows).items():
        by_floor.setdefault(_floor(mine), []).append(label)
    return "floor " + _by_label(by_floor)


def _floor(rows):
    """The floor of rows of one metric, from the least to the greatest, and of how many builds they are where it hangs on that."""
    rows = sorted(rows, key=lambda row: row["floor"])
    found = dict.fromkeys(f"{row['floor']:.3g}" for row in rows)
    builds = " and ".join(dict.fromkeys(row["builds"] for row in rows if row["builds"]))
    return (f"{' to '.join(dict.fromkeys((next(iter(found)), next(reversed(found)))))} "
            f"{'points' if rows[0]['share'] else '%'}" + (f": {builds}" if builds else ""))


def samples(data):
    """How many samples a side has, by metric where they differ, with what confidence the intervals are, and how often one errs, in
    words."""
    by_words = {}
    for label, rows in _by_metric(data["rows"]).items():
        words = " and ".join(_span(row["samples"][side] for row in rows) for side in (0, 1))
        by_words.setdefault(words, []).append(label)
    levels = sorted({row["confidence"] for row in data["rows"] if row["confidence"] not in (None, 1.0)})
    found = f"{table.SAMPLES[data['time_domain']]} " + (_by_label(by_words) or "0 and 0")
    if levels:
        return f"{found}; interval {', '.join(f'{level * 100:.1f}' for level in levels)} %, {errs(levels[0])}"
    return found + ("; no interval" if any(row["verdict"] in (DIFFERS, NO_FLOOR) for row in data["rows"]) else "")


def errs(confidence):
    """How often an interval of that confidence does not hold what it is of, in words."""
    return f"errs in 1 figure of {1 / (1 - confidence):.0f}"


def partial(rows):
    """Of rows whose figures only some samples of their cells have: of how many of how many they are, in words; else nothing."""
    some = [row for row in rows if compare.is_partial(row)]
    if not some:
        return ""
    kind = table.SAMPLES["wall" if some[0]["pairs"] is None else "virtual"]
    return f", of {_span(map(compare.rests_on, some))} of {_span(min(row['cell_samples']) for row in some)} {kind}"


def _span(counts):
    """Counts from the least to the greatest."""
    counts = sorted(counts)
    return "-".join(map(str, dict.fromkeys((counts[0], counts[-1]))))


def _by_metric(rows):
    found = {}
    for row in rows:
        found.setdefault(metrics.id_of(row["metric"]), []).append(row)
    return found


def _by_label(by_words):
    """What is said of metrics, {words: [metric]}, in a line: which ones is left out where all of them have the same."""
    return ", ".join(words + (f" ({', '.join(labels)})" if len(by_words) > 1 else "") for words, labels in by_words.items())


def _environment(data):
    lines = []
    for field in data["environment"]:
        where = f"the environments differ ({WEIGHTS[field['weight']]}) in {field['field']}"
        notes = compare.config_notes(field)
        if notes:
            lines += wrap(where + ":") + [line for note in notes for line in wrap(note, "  ")]
            continue
        values = [plain(value) if isinstance(value, str) else "not there" if value is None else "another"
                  for value in (field["a"], field["b"])]
        values = [value if len(value) <= 40 else value[:12] + "..." for value in values]
        what = "" if values[0] == values[1] else f": {values[0]} and {values[1]}"
        lines += wrap(where + what)
    return lines


def counts(data):
    """How many figures were compared, and what came of it, in words."""
    said = [f"{count} {verdict}" for verdict, count in data["counts"].items() if count]
    apart = [f"{len(found)} {what}" for found, what in (
        (data["only_a"], "only in A"), (data["only_b"], "only in B"), (data["not_measured"], "not measured"),
        (data["not_comparable"], "not comparable")) if found]
    return f"{figures_of_cells(data['rows'])} compared: " + ", ".join((said or ["none"]) + apart)


def figures_of_cells(rows):
    """How many figures of how many cells rows of a comparison are."""
    of = len({row["cell"] for row in rows})
    return counted(len(rows), "figure") + (f" of {counted(of, 'cell')}" if rows else "")


def verdict_note(verdict, rows):
    """What the verdict of these rows means, in a line."""
    options = compare.seeds_options(rows, compare.FEWEST_SEEDS)
    return f"{verdict}: " + compare.VERDICTS[verdict].format(
        seeds=compare.FEWEST_SEEDS, repetitions=compare.FEWEST_REPETITIONS,
        remedy=f"; measure both with {options}" if options else "")


def _notes(data):
    notes = [verdict_note(verdict, [row for row in data["rows"] if row["verdict"] == verdict])
             for verdict, count in data["counts"].items() if count]
    if any(row["probed"] for row in data["rows"]):
        notes.append(table.PROBED_NOTE)
    notes.append(table.VIRTUAL_NOTE if data["time_domain"] == "virtual" else table.WALL_NOTE)
    return [""] + [line for note in notes for line in wrap(note)]


def _lists(data):
    lines = []
    for title, names in ((f"only in A ({data['a']})", data["only_a"]), (f"only in B ({data['b']})", data["only_b"]),
                         ("not measured", [f"{bad['cell']}: {bad['side'].upper()} {bad['status']}: {bad['reason']}"
                                           for bad in data["not_measured"]]),
                         ("not comparable", [f"{apart['cell']}: {apart['metric']}: {apart['reason']}"
                                             for apart in data["not_comparable"]])):
        if names:
            lines += ["", *wrap(title + ":")]
            for name in names:
                lines += wrap(name, "  ")
    return lines


def ktap(data):
    """KTAP version 1: one test a figure; what got worse is `not ok`, what has no verdict is skipped, what could not be
    compared is an error."""
    tests = []
    for row in data["rows"]:
        name = f"{row['cell']} {row['metric']} {figures(row)}"
        if row["verdict"] in (DIFFERS, NO_FLOOR):
            tests.append((True, name, "SKIP " + verdict_note(row["verdict"], [row])))
        else:
            tests.append((row["verdict"] != WORSE, f"{name} {row['verdict']}", ""))
    tests += [(False, cell, "ERROR only in A") for cell in data["only_a"]]
    tests += [(True, cell, "SKIP only in B") for cell in data["only_b"]]
    tests += [(bad["status"] == "skipped", f"{bad['cell']} {bad['side']}",
               f"{'SKIP' if bad['status'] == 'skipped' else 'ERROR'} {bad['status']}: {bad['reason']}")
              for bad in data["not_measured"]]
    tests += [(False, f"{apart['cell']} {apart['metric']}", f"ERROR {apart['reason']}")
              for apart in data["not_comparable"]]
    lines = ["KTAP version 1", f"1..{len(tests)}"]
    for index, (passed, name, directive) in enumerate(tests, 1):
        line = f"{'ok' if passed else 'not ok'} {index} {plain(name).replace('#', '_')}"
        lines.append(line + (f" # {plain(directive)}" if directive else ""))
    return "\n".join(lines) + "\n"


TIME_UNIT = "ns"  # Google Benchmark knows no unit but of time: a count of instructions goes as as many ns


def google_benchmark(result):
    """A Result as Google Benchmark's compare.py reads it: rows that are ok, samples as repetitions, in nanoseconds.
    What it would stumble over (rows without figures) is named in `context.not_ok`."""
    rows = [row for samples in result.samples.values() for row in samples]
    counts, benchmarks = {}, []
    for row in rows:  # those of one name follow each other
        if row["status"] == "ok":
            index = counts[row["name"]] = counts.get(row["name"], -1) + 1
            benchmarks.append({
                "name": row["name"], "run_name": row["name"], "run_type": "iteration", "repetition_index": index,
                "repetitions": len(result.samples[row["name"]]), "family_index": len(counts) - 1,
                "per_family_instance_index": 0, "threads": row["threads"], "iterations": row["touches"],
                "real_time": row["per_page"], "cpu_time": row["per_fault"], "time_unit": TIME_UNIT,
                "label": f"{row['unit']}, seed {row['seed']}"})
    keys = ("date", "executable", "num_cpus", "mhz_per_cpu", "cpu_scaling_enabled", "library_build_type")
    return {"context": {**{key: result.context[key] for key in keys}, "caches": [], "load_avg": [],
                        "unit": result.context["unit"],
                        "not_ok": sorted({row["name"] for row in rows if row["status"] != "ok"})},
            "benchmarks": benchmarks}
