# SPDX-License-Identifier: GPL-2.0-only
"""The gate: a comparison with a baseline that ends in an exit code."""

import compare
import compare_text
import explain
import metrics
from compare import DIFFERS, NO_FLOOR, UNCLEAR
from load import NOT_COMPARABLE
from number import counted
from table import wrap

PASS, REGRESSION = 0, 1
SEEDS_FOR_AN_OUTLIER = 9  # the fewest of which the interval leaves out the least and the greatest


def gate(baseline, result, data, across=False, subset=False, single=None):
    """The verdict on a comparison `data` of two Results, as data that JSON can hold.

    across: differing surroundings are no reason to refuse. subset: cells that only the baseline has are none either.
    single: with too few samples for an interval, a growth by more than so many percent is a regression and any other
    difference is none; without it a difference above the floor is a reason to refuse.

    `exit`: 1 when anything regressed, else 2 when there is anything in `refused` ({what, remedy}), else 0. `floors`: in words,
    where they hang on whether both are of one build.
    """
    worse = compare.regressions(data)
    few = [row for row in data["rows"] if row["verdict"] in (DIFFERS, NO_FLOOR)]
    enough = {(row["cell"], row["metric"]) for row in data["rows"] if not compare.is_few(row)}
    refused = _refused(data, across, subset) + _hidden(data)
    if single is not None:
        worse += sorted((row for row in few if row["percent"] > single), key=lambda row: -row["percent"])
    else:
        # A figure that all but repeats another is judged by that one where it has seeds enough.
        refused += _too_few([row for row in few if (row["cell"], metrics.BY_ID[metrics.id_of(row["metric"])].doubles) not in enough])
    found, paired = [], data["time_domain"] == "virtual"
    of_a, of_b = map(explain.phases_of, explain.sides(baseline, result, data)) if worse else ({}, {})
    seen_a, seen_b = map(explain.profiles_of, explain.sides(baseline, result, data)) if worse else ({}, {})
    for row in worse:
        phase = explain.grown(explain.phases(of_a.get(row["cell"]), of_b.get(row["cell"]), paired))
        found.append({"cell": row["cell"], "metric": row["metric"], "figures": compare_text.figures(row),
                      "percent": row["percent"], "floor": row["floor"], "builds": row["builds"], "verdict": row["verdict"], "unit": row["unit"],
                      "share": row["share"], "phase": phase,
                      "function": explain.grown_function(seen_a.get(row["cell"]), seen_b.get(row["cell"]))})
    return {"exit": REGRESSION if found else NOT_COMPARABLE if refused else PASS, "regressions": found,
            "refused": refused, "compared": len(data["rows"]), "counts": data["counts"], "baseline": data["a"],
            "result": data["b"], "new": data["only_b"], "paired": data["paired"],
            "floors": compare_text.floors(data["rows"]) if any(row["builds"] for row in data["rows"]) else ""}


def _refused(data, across, subset):
    refused = []

    def refuse(what, remedy):
        refused.append({"what": what, "remedy": remedy})

    for part in data["incomplete"]:
        refuse(f"{_path(data, part['side'])} is incomplete: {part['reason']}", "measure it again, to the end")
    if not across:
        fields = [field["field"] for field in data["environment"] if field["weight"] == compare.SURROUNDINGS]
        if fields:
            refuse(f"the surroundings differ in {', '.join(fields)}",
                   "measure both with the same ones, or add --across-environments")
    sides = {}
    for bad in data["not_measured"]:
        sides.setdefault(bad["cell"], {})[bad["side"]] = bad
    for cell, bad in sides.items():
        if "a" in bad and bad["a"]["status"] == "skipped" and bad.get("b", bad["a"])["status"] == "skipped":
            continue  # there was nothing to lose
        worst = bad.get("b") or bad["a"]
        refuse(f"{cell} is {worst['status']} in {_path(data, worst['side'])}: {worst['reason']}",
               "measure it again; save a new baseline if the cell is gone for good")
    if data["only_a"] and not subset:
        refuse(f"in the baseline alone: {counted(len(data['only_a']), 'cell')}, the first is {data['only_a'][0]}",
               "measure these too, or add --subset if they were left out on purpose")
    for apart in data["not_comparable"]:
        refuse(f"{apart['cell']}: {apart['metric']}: {apart['reason']}", "measure both alike, or choose with --metric")
    if not data["rows"]:
        refuse("no figure in common: nothing was compared", data["hint"] or "name two results of the same cells")
    return refused


def _hidden(data):
    """Growth of the median above the floor that the interval does not confirm: one seed of five hides a regression."""
    hidden = [row for row in data["rows"] if row["verdict"] == UNCLEAR and row["pairs"] is not None
              and row["percent"] > row["floor"]]
    if not hidden:
        return []
    most = max(hidden, key=lambda row: row["percent"])
    return [{"what": f"{counted(len(hidden), 'figure')} grew by more than the floor, but not under each seed, the most "
                     f"{most['cell']} {most['metric']}: {compare_text.figures(most)}",
             "remedy": f"measure both with {compare.seeds_options(hidden, SEEDS_FOR_AN_OUTLIER)}, of which one may be an accident"}]


def _too_few(few):
    wall = [row for row in few if row["verdict"] == NO_FLOOR]
    doubtful = [row for row in few if row["verdict"] == DIFFERS and max(map(abs, row["range"])) > row["floor"]]
    refused = []
    if wall:
        least = min(min(row["samples"]) for row in wall)
        refused.append({"what": f"{counted(len(wall), 'figure')} of {counted(least, 'repetition')}: the noise floor is unknown",
                        "remedy": f"measure both with at least {compare.FEWEST_REPETITIONS} repetitions"})
    if doubtful:
        most = max(doubtful, key=lambda row: max(map(abs, row["range"])))
        options = compare.seeds_options(doubtful, compare.FEWEST_SEEDS)
        refused.append({"what": f"{counted(len(doubtful), 'figure')} beyond the floor with fewer than "
                                f"{compare.FEWEST_SEEDS} seeds, the most {most['cell']} {most['metric']}: "
                                f"{compare_text.figures(most)}",
                        "remedy": (f"measure both with {options}, or " if options else "") + "set a limit with --single PERCENT"})
    return refused


def _path(data, side):
    return data["a"] if side == "a" else data["b"]


SHOWN = 20  # reasons printed; --json has all


def text(verdict):
    """The verdict for a log: lines without wrapping, so that a cell's name can be taken from it."""
    lines = []
    for found, others in compare.folded(verdict["regressions"]):
        phase = found["phase"]
        blame = (f"; phase {phase['phase']} grew most, by {compare_text.number(phase['difference'])}" if phase else
                 "" if found["function"] else
                 "; where it went is not in the rows: `--observe profile` says by function, `--probes off,phases` by phase")
        if found["function"]:
            blame += (f"; function {found['function']['function']} grew most, by "
                      f"{compare_text.number(found['function']['difference'])}")
        likewise = f"; likewise {', '.join(others)}" if others else ""
        lines.append(f"REGRESSION: {found['cell']} {found['metric']} {found['figures']}{likewise}{blame}")
    for found in verdict["refused"][:SHOWN]:
        lines.append(f"REFUSED: {found['what']}: {found['remedy']}")
    if len(verdict["refused"]) > SHOWN:
        lines.append(f"REFUSED: and {len(verdict['refused']) - SHOWN} more (--json lists all)")
    if verdict["new"]:
        lines.append(f"new, not in the baseline: {counted(len(verdict['new']), 'cell')}; `faultline baseline save` takes them in")
    if verdict["floors"]:
        lines += wrap(verdict["floors"])  # no cell is named in it
    if verdict["paired"]:
        lines.append(verdict["paired"])
    said = ", ".join(f"{count} {name}" for name, count in verdict["counts"].items() if count)
    word = {PASS: "pass", REGRESSION: "REGRESSION", NOT_COMPARABLE: "refused: no verdict"}[verdict["exit"]]
    lines.append(f"gate: {word}; {counted(verdict['compared'], 'figure')} against {verdict['baseline']}: {said or 'none'}")
    return lines
