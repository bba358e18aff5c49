# SPDX-License-Identifier: GPL-2.0-only
"""Two results compared, cell by cell: figures, difference, interval, verdict. docs/compare.md says why so."""

import fnmatch

import cells
import infer
import load
import metrics
import stats
from load import ReportError, plain

FEWEST_SEEDS = 5
FEWEST_REPETITIONS = 10
FALSE_DISCOVERIES = 0.05  # of the cells of the wall domain that are called changed

IDENTICAL, SAME, BETTER, WORSE, UNCLEAR = "identical", "same", "improvement", "regression", "unclear"
DIFFERS, NO_FLOOR = "differs", "unknown"
# verdict: what it means, as it stands below the table
VERDICTS = {
    WORSE: "the interval is above 0 and the difference above the floor",
    BETTER: "the interval is below 0 and the difference below the floor",
    UNCLEAR: "the interval holds differences that count and ones that do not",
    DIFFERS: "fewer than {seeds} seeds: no interval, so no verdict{remedy}",
    NO_FLOOR: "noise floor unknown: fewer than {repetitions} repetitions a side, so no verdict",
    SAME: "the interval is within the floor",
    IDENTICAL: "each sample has the same figure on both sides",
}
CHANGED = (WORSE, BETTER)
LEAST = 1e-100  # of less no percentage is taken: of 0 and of what overflows
ALL_SEEDS = "--seeds"  # the option that says how many samples a cell has
ALIKE = 0.1  # of a difference: how far that of a figure which doubles another may be from it
NEARLY = 0.1  # percent: the most that a figure of one build, where any difference counts, may be from one that says the same
PROBED = ("tax", "phase")  # metrics that are of probed rows by their nature

# How a field of the environment counts when it differs: it is what is tested, it says nothing in this time domain, or
# it is what the test must hold still.
SUBJECT, HARMLESS, SURROUNDINGS = "subject", "harmless", "surroundings"
KERNEL_SURROUNDINGS = ("command_line", "cpu_model")


def weight(trail, domain):
    """How a difference in the field at `trail` counts: SUBJECT, HARMLESS or SURROUNDINGS."""
    if trail[0] == "host":
        return HARMLESS if domain == "virtual" else SURROUNDINGS
    if trail[0] == "faultline" or trail[0] == "kernels" and trail[2] not in KERNEL_SURROUNDINGS:
        return SUBJECT
    return SURROUNDINGS


def config_notes(entry, sides=("A", "B")):
    """Of an entry of `environment` that is a kernel's config_notes: in words, what each side's kernel alone has; of any
    other entry nothing."""
    if not entry["field"].endswith(".config_notes"):
        return []
    notes = [entry[side] or [] for side in ("a", "b")]
    return [f"{name}: {plain(note)}" for name, own, others in zip(sides, notes, reversed(notes))
            for note in own if note not in others]


def compare(a, b, chosen=None, floors=None, kernels=None, pattern=None):
    """The comparison of two Results as data that JSON can hold. ReportError when their clocks differ.

    chosen: names of metrics; floors: {metric: percent, None: percent of all}; kernels: (name in a, name in b) of two
    kernels whose cells, and no others, are to be compared as if they had one name; by default, where each side has one
    kernel alone, these two; pattern: of the cells' names, as a shell's.

    `rows`: cells compared, each with the median of its samples on both sides (`a`, `b`), the `difference` in the
    metric's unit and in `percent` (of a; in points where the metric is a share), the interval (`low`, `high`, in
    percent, with its `confidence`), `p`, `q` (p adjusted over all cells; wall only) and `verdict`; `samples` of `cell_samples`, on
    either side, have the figure. `floor` is what a difference must be above; where that hangs on it, `builds` says whether both
    sides are of one build or of two. What could not be
    compared is in `only_a`, `only_b` (names), `not_measured` (rows that are not ok) and `not_comparable`.
    """
    load.same_clock(a, b)
    domain = a.context["time_domain"]
    wanted = metrics.choose(chosen)
    paired = "" if kernels else _paired(a, b)
    kernels = kernels or only_kernels(a, b)
    alike = _of_one_build(a, b, kernels)
    words = a.words, b.words  # of before a pair has one name
    if kernels:
        a, b = of_kernel(a, kernels, 0), of_kernel(b, kernels, 1)
    of_a, of_b = ({key: one for key, one in metrics.series(result, wanted).items() if matches(one.cell, pattern, kernels)}
                  for result in (a, b))
    rows, apart, bad = [], [], {}
    only_a, only_b = _only(of_a, of_b), _only(of_b, of_a)
    for side, found in (("a", of_a), ("b", of_b)):
        for one in found.values():
            if one.bad:
                bad.setdefault((one.cell, side), one.bad)
    bad_in_a = {cell for (cell, _), one in of_a.items() if one.bad}
    for key, one in of_a.items():
        other = of_b.get(key)
        if one.bad or (other is not None and other.bad):
            continue
        if other is None or domain == "virtual" and not set(one.values) & set(other.values):
            if one.cell not in only_a and not one.metric.where_both:
                apart.append({"cell": one.cell, "metric": one.label, "reason": "no seed in common" if other else
                              f"{b.path} has no {one.label} there"})
            continue
        row = _row(one, other, domain, floors or {}, one.fields.get("kernel") in alike, apart)
        if row:
            rows.append(row)
    for key, other in of_b.items():
        if (key not in of_a and not other.bad and other.cell not in only_b and key[0] not in bad_in_a
                and not other.metric.where_both):
            apart.append({"cell": other.cell, "metric": other.label, "reason": f"{a.path} has no {other.label} there"})
    seen = {entry["cell"] for entry in rows + apart} | {cell for cell, _ in bad} | set(only_a) | set(only_b)
    for cell in {**metrics.cells_of(b, wanted), **metrics.cells_of(a, wanted)}.values():
        if cell not in seen and matches(cell, pattern, kernels):
            apart.append({"cell": cell, "metric": ", ".join(metric.id for metric in wanted),
                          "reason": "was not measured on either side"})
    _judge_wall(rows)
    return {
        "a": a.path, "b": b.path, "time_domain": domain, "unit": a.context["unit"],
        "metrics": [metric.id for metric in wanted],
        "environment": [{"field": plain(".".join(trail)), "a": x, "b": y, "weight": weight(trail, domain)}
                        for trail, x, y in load.environment_differences(a.context, b.context)],
        "incomplete": [{"side": side, "reason": result.context["reason"]} for side, result in (("a", a), ("b", b))
                       if not result.context["complete"]],
        "rows": rows, "counts": {verdict: sum(row["verdict"] == verdict for row in rows) for verdict in VERDICTS},
        "only_a": only_a, "only_b": only_b,
        "not_measured": [{"cell": cell, "side": side, "status": status, "reason": reason}
                         for (cell, side), (status, reason) in bad.items()],
        "not_comparable": apart,
        "kernels": list(kernels) if kernels else None, "paired": paired,
        "called": _called(rows, words, kernels),
        "hint": _hint(a, b, rows),
    }


def of_kernel(result, kernels, side):
    """The Result's cells of one of a pair of kernels, which is called by both names at once, so that the cells of both
    have equal fields. ReportError when it has no such kernel."""
    old, new = kernels[side], joined(kernels)
    if not any(row["kernel"] == old for row in result.rows.values()):
        raise ReportError(f"{result.path}: holds no cell of kernel {old!r}; it has "
                          f"{', '.join(kernels_of(result)) or 'none'}")
    samples = {}
    for rows in result.samples.values():
        if rows[0]["kernel"] == old:
            cell = load.of_other_kernel(rows[0]["cell"], old, new)
            name = load.name_of(cell, rows[0]["probes"])
            samples[name] = [{**row, "kernel": new, "cell": cell, "name": name} for row in rows]
    context = dict(result.context)
    context["kernels"] = {new: context["kernels"][old]} if old in context["kernels"] else {}
    if context["qemu"] is not None:  # as on the host
        arguments = context["qemu"]["arguments"]
        context["qemu"] = {**context["qemu"], "arguments": {new: arguments[old]} if old in arguments else {}}
    return load.make_result(result.path, context, samples, result.parts, result.notes,
                            result.tables)


def kernels_of(result):
    """The ids of the kernels that a Result has cells of, in reading order."""
    return sorted({row["kernel"] for row in result.rows.values()}, key=result.words.kernel_rank)


def only_kernels(a, b):
    """(kernel of a, kernel of b) where each has but one, and not the same: no other pair can be meant. Else None."""
    ours, theirs = kernels_of(a), kernels_of(b)
    return (*ours, *theirs) if len(ours) == len(theirs) == 1 and ours != theirs else None


def matches(cell, pattern, kernels):
    """Whether a cell of a comparison is asked for: the name that both sides share, or that of either."""
    if pattern is None:
        return True
    names = [cell]
    if kernels:
        names += [load.of_other_kernel(cell, joined(kernels), kernel) for kernel in kernels]
    return any(fnmatch.fnmatchcase(name, pattern) for name in names)


def joined(kernels):
    """What the kernel of a pair is called: by both names at once."""
    return "=".join(dict.fromkeys(kernels))


def _called(rows, words, kernels):
    """{what stands first in the section of a row: what it is called}. Of two kernels, or of one that is of another version on
    either side, the one to the other. words: the Vocabularies of both."""
    return {row["section"][0]: " to ".join(dict.fromkeys(one.kernel_name(name) for one, name in zip(
        words, kernels or row["section"][:1] * 2))) for row in rows}


def section_text(data, section):
    """The section of a row of a comparison in words, its parts as a list."""
    return [data["called"].get(section[0], section[0]), *section[1:]]


def _paired(a, b):
    pair = only_kernels(a, b)
    return f"kernel {pair[0]} in {a.path} is compared with {pair[1]} in {b.path}: each has no other" if pair else ""


def _of_one_build(a, b, kernels):
    """The kernels, by the names that rows of a comparison have, whose cells are of one build on both sides."""
    ours, theirs = metrics.builds(a), metrics.builds(b)
    pairs = {joined(kernels): kernels} if kernels else {kernel: (kernel, kernel) for kernel in ours}
    return {name for name, (old, new) in pairs.items() if metrics.one_build(ours.get(old), theirs.get(new))}


def _hint(a, b, rows):
    ours, theirs = kernels_of(a), kernels_of(b)
    if rows or not ours or not theirs or set(ours) & set(theirs):
        return ""
    return (f"the cells are of kernel {', '.join(ours)} and of kernel {', '.join(theirs)}: to compare two kernels, "
            "name both: --kernels OLD=NEW")


def _only(these, those):
    others = {cell for cell, _ in those}
    return list(dict.fromkeys(one.cell for (cell, _), one in these.items() if cell not in others))


def _row(one, other, domain, floors, alike, apart):
    """The comparison of two Series of one cell, without a verdict in the wall domain; None, and a line in `apart`, when
    they are not of the same work. alike: whether both are of one build."""
    def refuse(reason):
        apart.append({"cell": one.cell, "metric": one.label, "reason": reason})

    if one.probes != other.probes:
        return refuse(f"the figures are with probes {one.probes} and {other.probes}: there is no twin")
    for name, values in one.work.items():
        if values != other.work[name]:
            return refuse(f"not the same work: {name} {_words(values)} and {_words(other.work[name])}")
    share = one.metric.share
    if not share and min(one.values.values()) < LEAST and (domain == "wall" or one.values != other.values):
        return refuse("the figure of the first side is not above 0: there is no percentage of it")
    floor, builds = floors.get(one.metric.id, floors.get(None)), None
    if floor is None:
        floor = metrics.floor(one, domain, alike)
        if metrics.hangs_on_builds(one.metric, domain):
            builds = metrics.ONE_BUILD if alike else metrics.TWO_BUILDS
    row = {"cell": one.cell, "metric": one.label, "unit": one.metric.unit, "share": share, "floor": floor, "builds": builds,
           "probed": one.probed and one.metric.id not in PROBED, "section": _section(one), "what": _what(one),
           "cell_samples": [one.of, other.of]}
    judge = judge_virtual if domain == "virtual" else judge_wall
    row.update(judge(one.values, other.values, floor, share))
    return row


def _words(values):
    return ", ".join(sorted(map(str, values)))


def _section(one):
    row = one.row
    if row is None:
        return ["guests"]
    parts = [row["kernel"], row["fs"], row["workload"], row["order"], f"t{row['threads']}"]
    return parts + ([row["setting"]] if cells.is_contest(row) else [])


def _what(one):
    row = one.row
    if row is None:
        return [one.cell, ""]
    contest = [f"{row['touch']} a{row['attackers']}"] if cells.is_contest(row) else []
    return [" ".join([cells.label(row), *contest]), row["state"]]


def judge_virtual(a, b, floor, share=False):
    """Figures by seed, {seed: number} of both sides: each seed against itself. Returns the columns of a row."""
    pairs = [(a[key], b[key]) for key in sorted(set(a) & set(b))]
    percents = [stats.percent(y, x, share) for x, y in pairs]
    row = {"a": infer.median([x for x, _ in pairs]), "b": infer.median([y for _, y in pairs]),
           "difference": infer.median([y - x for x, y in pairs]), "percent": infer.median(percents),
           "samples": [len(a), len(b)], "pairs": len(pairs), "range": [min(percents), max(percents)],
           "low": None, "high": None, "confidence": None, "p": None, "q": None}
    if not any(percents):
        row.update(low=0.0, high=0.0, confidence=1.0, verdict=IDENTICAL)
    elif len(pairs) < FEWEST_SEEDS:
        row.update(verdict=DIFFERS)
    else:
        low, high, confidence = infer.median_interval(percents)
        row.update(low=low, high=high, confidence=confidence, p=infer.sign_test(percents),
                   verdict=_verdict(row["percent"], low, high, floor))
    return row


def judge_wall(a, b, floor, share=False):
    """Figures by repetition of both sides, which are no pairs. Returns the columns of a row; the verdict stands only
    after `_judge_wall` has seen all rows."""
    a, b = list(a.values()), list(b.values())
    row = {"a": infer.median(a), "b": infer.median(b), "difference": infer.median(b) - infer.median(a),
           "percent": stats.percent(infer.median(b), infer.median(a), share), "samples": [len(a), len(b)], "pairs": None,
           "range": None, "low": None, "high": None, "confidence": None, "p": None, "q": None, "verdict": NO_FLOOR}
    if min(len(a), len(b)) >= FEWEST_REPETITIONS:
        low, high = infer.bootstrap_interval(a, b, share=share)
        row.update(low=low, high=high, confidence=infer.CONFIDENCE, p=infer.mann_whitney(a, b),
                   verdict=_verdict(row["percent"], low, high, floor))
    return row


def _judge_wall(rows):
    """A cell of the wall domain has changed only if the test says so with all cells in view."""
    tested = [row for row in rows if row["p"] is not None and row["pairs"] is None]
    for row, q in zip(tested, infer.benjamini_hochberg([row["p"] for row in tested])):
        row["q"] = q
        if row["verdict"] in CHANGED and q > FALSE_DISCOVERIES:
            row["verdict"] = UNCLEAR


def _verdict(percent, low, high, floor):
    if low > 0 and percent > floor:
        return WORSE
    if high < 0 and percent < -floor:
        return BETTER
    return SAME if -floor <= low and high <= floor else UNCLEAR


def rests_on(row):
    """On how many samples a row rests."""
    return min(row["samples"]) if row["pairs"] is None else row["pairs"]


def is_partial(row):
    """Whether only some samples of its cell have the figure of a row."""
    return row["samples"] != row["cell_samples"]


def is_few(row):
    """Whether a row rests on too few samples for an interval."""
    return rests_on(row) < (FEWEST_REPETITIONS if row["pairs"] is None else FEWEST_SEEDS)


def seeds_options(rows, wanted):
    """The options of `faultline run` by which each figure of these rows has so many seeds; empty where none gives it more."""
    found = []
    for row in rows:
        option = metrics.BY_ID[metrics.id_of(row["metric"])].seeds
        if option and min(row["cell_samples"]) < wanted:
            found.append(ALL_SEEDS)
        found += [option] if option else []
    return " ".join(f"{option} {wanted}" for option in sorted(set(found), key=lambda option: option != ALL_SEEDS))


def folded(rows):
    """[(row, [label])]: the rows of a comparison less those that say of their cell what an earlier row says; the labels are
    of these."""
    kept, by_cell = [], {}
    for row in rows:
        first = next((one for one in by_cell.get(row["cell"], ()) if likewise(one[0], row)), None)
        if first:
            first[1].append(row["metric"])
            continue
        entry = (row, [])
        kept.append(entry)
        by_cell.setdefault(row["cell"], []).append(entry)
    return kept


def likewise(one, other):
    """Whether the second of two rows of one cell says what the first does: the same verdict, and a difference no farther apart
    than the lesser floor, or than a tenth of it where the second doubles the first. Where any difference counts, a tenth of it, but
    at most NEARLY, is little. A figure of too few samples for a verdict, none of which moved beyond the floor, says no more than
    one that is the same within it."""
    if (one["unit"], one["share"]) != (other["unit"], other["share"]):
        return False
    if one["verdict"] == SAME and other["verdict"] == DIFFERS:
        return max(map(abs, other["range"])) <= other["floor"]
    apart = min(one["floor"], other["floor"]) or min(NEARLY, ALIKE * abs(one["percent"]))
    if metrics.BY_ID[metrics.id_of(other["metric"])].doubles == metrics.id_of(one["metric"]):
        apart = max(apart, ALIKE * abs(one["percent"]))
    return one["verdict"] == other["verdict"] and abs(one["percent"] - other["percent"]) <= apart


def regressions(data):
    """The rows of a comparison that got worse, the worst first."""
    return sorted((row for row in data["rows"] if row["verdict"] == WORSE), key=lambda row: -row["percent"])

