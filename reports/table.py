# SPDX-License-Identifier: GPL-2.0-only
"""The table of a result: as data (which `--json` prints and the page shows) and as text for a terminal."""

import textwrap
import unicodedata

import cells
import infer
import kara2017
import outliers
from load import plain
from number import number

WIDTH = 80
VIRTUAL_NOTE = ("a virtual count is the length of the path in instructions: it knows nothing of caches, TLBs or the "
                "medium")
WALL_NOTE = "wall time is real time on one machine: it varies with the machine and its load"
PROBED_NOTE = "* no twin without probes was measured: the figure contains what the probes cost"
MOST_NAMES = 8  # of cells that were not measured for one reason
NO_TAX_NOTE = "- not measured; a tax needs the cell with probes and its twin without"
FIELDS_NOTE = "a page: per_page, all that it takes until it is durable; a fault: per_fault, the touch alone"
NO_RATIO_NOTE = "- in ratio: {floor}, which it is over, was not measured in that state"
NO_FAULT_NOTE = "- in a fault: nothing is mapped, so no fault is taken"
UNMAPPED = "none"  # the order of what is not mapped: there a touch takes no fault
LIKE = 1.0  # percent: figures of two strategies of one kind that are no farther apart are shown once
TAX_OF_PAGE_NOTE = "with several threads the tax is of per_page: a touch is timed while the other threads run"
CONTEST_NOTES = {
    "victim": "{workload}: slowdown is the victim's time per store in the worst run (median: in the middle one), over that of "
           "the victim alone; >= when a fault outlasted its deadline (starved), so that this is the least it can be. "
           "retries are median/most per fault, longest is the longest store in {unit}, P the worst run's timer in us.",
    "bystander": "{workload}: slowdown is the bystander's time per touch in the worst run (median: in the middle one), "
                 "over that beside faults that sync nothing (of a strategy that syncs nothing: how far two such runs lie "
                 "apart); never when not one touch ended (starved). retries are median/most per fault, longest is the "
                 "longest touch in {unit}, P the worst run's timer in us.",
}
REFUSED_NOTE = "an errno in place of figures: each touch was refused with it"
SAMPLES = {"virtual": "seeds", "wall": "repetitions"}  # what several samples of a cell are of, by time domain
QUANTILES = ("p50", "p90", "p99", "p99_9", "max")


def build(result):
    """The table of a Result as data that JSON can hold.

    `kernels`: what each is called. `sections` holds one entry per kernel, file system, workload, order and number of threads; its
    `rows` come by state, the baseline `volatile` first. `per_fault` and `per_page` are of the twin without probes (`probed_only`:
    of the probed row, there is no twin), `ratio` is per_page over that of `floor` (`volatile`) in the same state, all in
    `unit`; `like`: a strategy above of the same kind and K whose medians are within LIKE percent, else null. What could not be
    measured is null, and `not_measured` says why; `per_fault` is where nothing is mapped. `samples`: how many seeds (repetitions)
    a cell has at most, and whose `per_page` are farthest apart, in percent of the median: {most, cell, spread}.

    `contests` holds the cells in which others touch what a thread faults on: one entry per kernel, file system,
    workload, state and setting; `kind`: who is measured, victim or bystander; its `rows` come by touch. `at_least` and `p50_at_least`: runs starved, so that slowdown
    and slowdown_p50 are lower bounds; `touched`: false when each touch was refused. `answer`: as answer.build returns it.
    """
    import answer  # with the claims, which a comparison, whose grids are of this module, has no use for
    context = result.context
    virtual = context["time_domain"] == "virtual"
    return {
        "path": result.path,
        "time_domain": context["time_domain"], "unit": context["unit"], "accel": context["accel"],
        "note": VIRTUAL_NOTE if virtual else WALL_NOTE, "floor": result.words.floor,
        "complete": context["complete"], "reason": "" if context["complete"] else context["reason"],
        "notes": result.notes,
        "kernels": {row["kernel"]: result.words.kernel_name(row["kernel"]) for row in result.rows.values()},
        "cells": cells.tally(result),
        "samples": _samples(result),
        "outliers": outliers.find(result),
        "sections": [_section(result, key, group) for key, group in cells.sections(result).items()
                     if any(cell.best for cell in group)],
        "contests": [_contest_section(result, key, group) for key, group in cells.contests(result).items()
                     if any(cell.best for cell in group)],
        "kara2017": kara2017.compare(result),
        "not_measured": cells.not_measured(result),
        "answer": answer.build(result),
    }


def text(table, wide=False, journal=False):
    """The table (as build returns it) for a terminal: lines of at most 80 columns, ending in a newline. What is cheapest stands
    first, how it was measured last. wide: with tax and syncs, and those that cost what another of their kind does; journal: with
    what the journal did."""
    lines = wrap(f"{table['path']}: {counts(table)}")
    for note in table["notes"]:
        lines += wrap(f"note: {note}")
    lines += _answer_text(table)
    starred = dashed = of_page = folded = False
    for section in table["sections"]:
        lines.append("")
        lines += wrap(f"{section['kernel_text']}, {section['fs']}, {section['workload']}, "
                       f"{section['order']}, threads {section['threads']}; {table['unit']}")
        shown = [row for row in section["rows"] if wide or row["like"] is None]
        lines += grid(WIDE_COLUMNS if wide else COLUMNS, shown) + ([] if wide else _like_text(section))
        folded |= len(shown) < len(section["rows"])
        lines += (_journal_text(section) if journal else []) + _phases_text(section) + _locks_text(section)
        starred |= any(row["probed_only"] for row in section["rows"])
        dashed |= wide and any(tax(row) is None for row in section["rows"])
        of_page |= wide and section["threads"] > 1 and any(row["tax_page"] is not None for row in section["rows"])
    lines += kara2017.text(table["kara2017"], number)
    rows = [row for section in table["sections"] for row in section["rows"]]
    if rows:
        lines += ["", *wrap(FIELDS_NOTE)]
    if any(row["ratio"] is None for row in rows):
        lines += wrap(NO_RATIO_NOTE.format(floor=table["floor"]))
    if any(row["per_fault"] is None for row in rows):
        lines += wrap(NO_FAULT_NOTE)
    if starred:
        lines += wrap(PROBED_NOTE)
    if dashed:
        lines += wrap(NO_TAX_NOTE)
    if of_page:
        lines += wrap(TAX_OF_PAGE_NOTE)
    lines += _contests_text(table)
    if table["outliers"]:
        lines.append("")
        lines += wrap("samples far off their cell's median, and what moves them there: each accident alone, against "
                      "the sample with the median; what interrupted more often, and for how long "
                      f"({table['unit']})")
        for line in outliers.lines(table["outliers"]):
            lines += wrap(line, "  ")
    for group in table["not_measured"]:
        lines.append("")
        lines += wrap(f"{group['status']}: {group['reason']}")
        names = group["cells"]
        shown = names if wide or len(names) <= MOST_NAMES else names[:MOST_NAMES - 1]
        for name in shown:
            lines += wrap(name, "  ")
        if len(shown) < len(names):
            lines += wrap(f"and {len(names) - len(shown)} more (--wide: all)", "  ")
    unit = f"unit {table['unit']} ({table['time_domain']})"
    where = "on the running kernel" if table["accel"] == "none" else f"accelerator {table['accel']}"
    lines += ["", *wrap(f"{where}, {unit}: {table['note']}{_samples_note(table)}")]
    more = ["--wide: tax, syncs" + ", each strategy" * folded] * (not wide and bool(table["sections"]))
    more += ["--journal: what the journal did"] * (not journal and any(section["journal"] for section in table["sections"]))
    return "\n".join(lines + (wrap("not shown; " + "; ".join(more)) if more else [])) + "\n"


def _like_text(section):
    """Which rows of a section are not shown, and what each of them says again, by the states in which it does."""
    states = {}
    for row in section["rows"]:
        if row["like"] is not None:
            states.setdefault(f"{row['strategy']} as {row['like']}", []).append(row["state"])
    pairs = {}
    for pair, its in states.items():
        pairs.setdefault(", ".join(its), []).append(pair)
    said = "; ".join(f"{', '.join(several)} ({its})" for its, several in pairs.items())
    return wrap(f"not shown, within {LIKE:g} %: {said}") if said else []


def _answer_text(table):
    """What is cheapest, a grid a kernel, and what its columns mean."""
    import answer
    lines, rows = [], table["answer"]
    for kernel in dict.fromkeys(row["kernel"] for row in rows):
        mine = [row for row in rows if row["kernel"] == kernel]
        lines += ["", *wrap(f"cheapest durable page on {table['kernels'].get(kernel, kernel)}; {answer.scope(mine)}"),
                  *grid(answer.columns(rows), mine, answer.WORDS)]
    return lines + (wrap(answer.note(rows, table["unit"])) if rows else [])


def summary(table):
    """One line: how many cells have which status, what their figures are of, and whether the run is complete."""
    return counts(table, _samples_note(table))


def counts(table, note=""):
    """One line: how many cells have which status, and whether the run is complete; note: stands between."""
    found = table["cells"]
    if not any(found.values()):
        line = "no cells: this result holds no measurement"
    else:
        line = "cells: " + ", ".join(f"{count} {status}" for status, count in found.items())
        if not table["sections"] and not table["contests"]:
            line += "; none was measured"
    line += note
    if not table["complete"]:
        line += f"; the run is INCOMPLETE: {table['reason']}"
    return line


def _samples_note(table):
    """How the summary goes on when cells have several samples."""
    samples = table["samples"]
    if samples["most"] < 2:
        return ""
    note = f"; up to {samples['most']} {SAMPLES[table['time_domain']]} a cell, its figures are of the one with the median per_page"
    return note + (f"; farthest apart, by {samples['spread']:.3g} %: {samples['cell']}" if samples["cell"] else "")


def _samples(result):
    most, cell, spread = max(map(len, result.samples.values()), default=0), None, 0
    for name, rows in result.samples.items():
        costs = [row["per_page"] for row in rows if row["status"] == "ok"]
        apart = infer.spread(costs) if costs else 0
        if apart > spread:
            cell, spread = name, apart
    return {"most": most, "cell": cell, "spread": spread}


def _section(result, key, group):
    kernel, fs, workload, order, threads = key
    return {"kernel": kernel, "release": result.context["kernels"].get(kernel, {}).get("release", "unknown"),
            "kernel_text": result.words.kernel_text(kernel), "fs": fs, "workload": workload, "order": order, "threads": threads,
            "rows": _rows(result, group),
            "journal": [_journal_row(cell) for cell in group if _commits(cell)],
            "phases": [{"strategy": cell.label, "state": cell.any["state"], "phases": cell.phases["phases"]}
                       for cell in group if cells.is_ok(cell.phases) and cell.phases["phases"]],
            "locks": [{"strategy": cell.label, "state": cell.any["state"], **lock}
                      for cell in group if cells.is_ok(cell.locks) for lock in cell.locks["locks"] or []]}


def _commits(cell):
    """Whether the default probes saw a commit; a result of before they looked at who asks has none to show."""
    return cells.is_ok(cell.on) and bool(cell.on["commits"]) and "asked" in (cell.on.get("journal") or {})


def _journal_row(cell):
    row = cell.on
    return {"strategy": cell.label, "state": row["state"], "commits": row["commits"], **row["journal"]}


def _rows(result, group):
    rows, apart = [], []  # apart: [(cell, medians)] of those that say what no cell above says
    for cell in group:
        if cell.best:
            figures = _medians(result, cell)
            like = next((other.label for other, its in apart if _of_one_kind(result.words, cell, other) and _within(figures, its)), None)
            if like is None:
                apart.append((cell, figures))
            rows.append({**_row(result.words, group, cell), "like": like})
    return rows


def _medians(result, cell):
    """The figures that two strategies are held against each other by, each over all samples."""
    samples = [row for row in result.samples[cell.best["name"]] if cells.is_ok(row)]
    return [infer.median([row[key] for row in samples]) for key in ("per_page", "per_fault")]


def _of_one_kind(words, cell, other):
    """Whether two cells are of one state, and of strategies that differ in the call they make or the flag they set alone."""
    def kind(one):
        row = one.any
        about = words.about("strategy", row["strategy"])
        return row["state"], row["writes_per_sync"], one.best["probes"], *(about.get(key) for key in ("family", "mapped", "module"))
    return words.family(cell.any["strategy"]) is not None and kind(cell) == kind(other)


def _within(figures, others):
    return all(abs(one - other) * 100 <= LIKE * other for one, other in zip(figures, others))


def _row(words, group, cell):
    shown, on = cell.best, cell.on if cells.is_ok(cell.on) else None
    return {
        "strategy": cell.label, "state": shown["state"], "probed_only": cell.probed_only,
        "per_fault": None if shown["mapped_order"] == UNMAPPED else shown["per_fault"], "per_page": shown["per_page"],
        "loop_cost": shown["loop_cost"],
        "ratio": cells.baseline_ratio(words, group, cell),
        "tax": cell.tax("per_fault"), "tax_page": cell.tax("per_page"),
        "probed_per_fault": on["per_fault"] if on else None, "probed_per_page": on["per_page"] if on else None,
        "syncs_per_fault": cell.syncs_per_fault,
        **{q: on[q] if on else None for q in QUANTILES},
    }


def _journal_text(section):
    if not section["journal"]:
        return []
    return ["", *wrap("the journal: commits and bytes per fault; in all, who asked for a commit (fault/fsync/kernel: the timer "
                       "and the like) and which waited for one (faults/fsyncs); share of the syncs spent off the CPU"),
            *grid(JOURNAL_COLUMNS, section["journal"])]


PHASE_ROOM = 64  # columns of a terminal for cells side by side


def _phase_title(cell):
    return f"{cell['strategy']} {cell['state']}"


def _side_by_side(phases):
    """Groups of cells of which the titles fit beside each other."""
    groups, room = [], -1
    for cell in phases:
        takes = len(plain(_phase_title(cell))) + 2
        if takes > room:
            groups.append([])
            room = PHASE_ROOM
        groups[-1].append(cell)
        room -= takes
    return groups


def _phases_text(section):
    """The phases of each cell, tax taken off where there is a twin: a column a cell."""
    lines = []
    for group in _side_by_side(section["phases"]):
        ids = dict.fromkeys(phase["id"] for cell in group for phase in cell["phases"] if phase["id"] != "other")
        rows = []
        for phase_id in [*ids, "other"]:
            of = [next((p for p in cell["phases"] if p["id"] == phase_id), None) for cell in group]
            rows.append((phase_id, [None if p is None else p["mean"] if p["net"] is None else p["net"] for p in of]))
        columns = [("phase", lambda r: r[0])]
        for index, cell in enumerate(group):
            columns.append((_phase_title(cell),
                            lambda r, i=index: "" if r[1][i] is None else number(r[1][i])))
        lines += ["", *wrap("phases of a fault, what the probes cost taken off"), *grid(tuple(columns), rows)]
    return lines


def _locks_text(section):
    if not section["locks"]:
        return []
    return ["", *wrap("locks of the address space: mean wait and hold of one taking"),
            *grid(LOCK_COLUMNS, section["locks"])]


def _contest_section(result, key, group):
    kernel, fs, workload, order, threads, state, setting = key
    kind = result.words.about("workload", group[0].any["workload"]).get("kind")
    return {"kind": kind if kind in CONTEST_NOTES else "victim", "kernel": kernel,
            "release": result.context["kernels"].get(kernel, {}).get("release", "unknown"),
            "kernel_text": result.words.kernel_text(kernel), "fs": fs,
            "workload": workload, "order": order, "threads": threads, "state": state, "setting": setting,
            "rows": [contest_row(cell) for cell in group if cell.best]}


def contest_row(cell):
    """The figures of a contest that is ok, as they stand in `contests`."""
    row = cell.best
    below = [run for run in row["scan"] if run["starved"] and run["slowdown"] <= row["slowdown_p50"]]
    return {"strategy": cell.label, "at_least": row["starved"]["n"] > 0, "p50_at_least": bool(below),
            "touched": not cells.is_refused(row),
            **{key: row[key] for key in ("touch", "attackers", "slowdown", "slowdown_p50", "retries_p50", "retries_max",
                                         "starved", "progress_max", "period_us", "attack_rate", "refused",
                                         "reference")}}


def _contests_text(table):
    lines = []
    for section in table["contests"]:
        lines.append("")
        lines += wrap(f"{section['kernel_text']}, {section['fs']}, {section['workload']}, "
                       f"{section['state']}, {section['setting']}; {table['unit']}")
        lines += grid(contest_columns(CONTEST_COLUMNS, section), section["rows"])
    notes = [*contest_notes(table).values(), *filter(None, [refused_note(table)])]
    return lines + [""] * bool(notes) + [line for note in notes for line in wrap(note)]


def contest_notes(table):
    """What the columns of the contests in a table mean: {workload: text}."""
    there = {section["workload"]: section["kind"] for section in table["contests"]}
    return {workload: note.format(workload=workload, unit=table["unit"]) for kind, note in CONTEST_NOTES.items()
            for workload, its in there.items() if its == kind}


def refused_note(table):
    """What an errno in a contest's row means; empty when there is none."""
    rows = [row for section in table["contests"] for row in section["rows"]]
    return "" if all(row["touched"] for row in rows) else REFUSED_NOTE


def slowdown(value, at_least):
    """A slowdown in words: `>=` before one that is the least it can be, `never` where there is none."""
    if at_least and value == 0:
        return "never"
    return ">=" * at_least + _times(value)


def refusal(row):
    """The errno with which each touch of a contest's row (as in `contests`) was refused."""
    return row["refused"]["error"] or "refused"


def _times(value):
    return "-" if value is None else number(value) if value >= 1000 else f"{value:.2f}"


def tax(row):
    """The tax that is shown of a row of a section: of per_fault, where that has none of per_page."""
    return row["tax_page"] if row["tax"] is None else row["tax"]


COLUMNS = (("strategy", lambda r: r["strategy"] + "*" * r["probed_only"]),
           ("state", lambda r: r["state"]),
           ("a page", lambda r: number(r["per_page"])),
           ("ratio", lambda r: _times(r["ratio"])),
           ("a fault", lambda r: number(r["per_fault"])))
WIDE_COLUMNS = (*COLUMNS,
                ("tax", lambda r: number(tax(r), sign=True)),
                ("syncs/fault", lambda r: "-" if r["syncs_per_fault"] is None else f"{r['syncs_per_fault']:.3f}"))


JOURNAL_COLUMNS = (
    ("strategy", lambda r: r["strategy"]),
    ("state", lambda r: r["state"]),
    ("commits", lambda r: f"{r['commits_per_fault']:.3f}"),
    ("bytes", lambda r: number(r["log_bytes_per_fault"])),
    ("asked", lambda r: "/".join(number(r["asked"][who]) for who in ("fault", "fsync", "kernel"))),
    ("served", lambda r: f"{number(r['served']['faults'])}/{number(r['served']['fsyncs'])}"),
    ("waiting", lambda r: "-" if r["sync_waiting"] is None else f"{r['sync_waiting']:.2f}"))
LOCK_COLUMNS = (
    ("strategy", lambda r: r["strategy"]),
    ("state", lambda r: r["state"]),
    ("thread", lambda r: number(r["thread"])),
    ("lock", lambda r: r["lock"]),
    ("taken", lambda r: number(r["count"])),
    ("wait", lambda r: number(round(r["wait"] / r["count"]))),
    ("hold", lambda r: number(round(r["hold"] / r["count"]))),
    ("longest hold", lambda r: number(r["hold_max"])))
ATTACKERS = "att"  # the title of how many there are
CONTEST_COLUMNS = (
    ("touch", lambda r: r["touch"]),
    (ATTACKERS, lambda r: number(r["attackers"])),
    ("strategy", lambda r: r["strategy"]),
    ("slowdown", lambda r: slowdown(r["slowdown"], r["at_least"]) if r["touched"] else refusal(r)),
    ("median", lambda r: slowdown(r["slowdown_p50"], r["p50_at_least"]) if r["touched"] else "-"),
    ("retries", lambda r: "-" if r["retries_p50"] is None or not r["touched"] else
     f"{number(r['retries_p50'])}/{number(r['retries_max'])}"),
    ("starved", lambda r: f"{number(r['starved']['n'])} of {number(r['starved']['of'])}" if r["touched"] else "-"),
    ("longest", lambda r: number(r["progress_max"] if r["touched"] else None)),
    ("P", lambda r: number(r["period_us"] if r["touched"] else None)))
def contest_columns(columns, section):
    """The columns of a contest's section: a bystander has no attackers."""
    return [column for column in columns if column[0] != ATTACKERS or section["kind"] != "bystander"]


WORDS = ("strategy", "state", "touch", "phase", "lock")  # columns that stand left


def grid(columns, rows, words=WORDS, width=WIDTH):
    """Lines of at most `width` columns: the titles, and a line a row. columns: ((title, function(row) -> text), ...); words:
    titles of those that stand left, which are cut where there is no room."""
    titles = [title for title, _ in columns]
    texts = [[plain(word) for word in line] for line in (titles, *([form(row) for _, form in columns] for row in rows))]
    widths = [max(map(len, column)) for column in zip(*texts)]
    gap = 2 if sum(widths) + 2 * (len(widths) - 1) <= width else 1
    left = [index for index, title in enumerate(titles) if title in words]
    while sum(widths) + gap * (len(widths) - 1) > width:
        widest = max(left, key=lambda index: widths[index])
        if widths[widest] <= 3:
            break
        widths[widest] -= 1
    lines = []
    for row in texts:
        parts = [_cut(cell, room).ljust(room) if index in left else cell.rjust(room)
                 for index, (cell, room) in enumerate(zip(row, widths))]
        lines.append(_cut((" " * gap).join(parts).rstrip(), width))
    return lines


def _cut(word, width):
    return word if len(word) <= width else word[:width - 1] + "~"


def _columns(word):
    """How many columns a terminal gives the word."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in word)


def wrap(line, indent=""):
    """The line, with nothing in it that could do harm, in lines of at most 80 columns."""
    line = plain(line)
    # textwrap counts characters; half the columns are enough for any text with wide ones
    width = WIDTH if _columns(line) == len(line) else WIDTH // 2
    return textwrap.wrap(line, width, initial_indent=indent, subsequent_indent=indent + "  ",
                         break_on_hyphens=False) or [""]
