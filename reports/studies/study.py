#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The gate's own error rates, from measured cells: how often it calls two equal kernels different, and how many planted
regressions of a known size it finds. tools/gate-study measures and calls this; docs/gate-study.md has the outcome.

Each folder holds one cell of kernels NAME+B, under many seeds (repetitions), and NAME+B+n, the same kernel with n
instructions more in each fault, so that the cell costs so many percent more. A comparison draws a few samples of each
side and asks the gate.

  same seeds: each planted sample against the unplanted one of its seed, as the gate compares: only the change differs.
  other seeds: against unplanted samples of other seeds, numbered anew: as if the change had also moved each tick,
  page frame and block, as a rebuilt kernel may. Harder than what the gate meets in a comparison of the same seeds.
"""

import argparse
import json
import os
import random
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # reports/

# pylint: disable=wrong-import-position
import compare  # noqa: E402
import gate  # noqa: E402
import infer  # noqa: E402
import load  # noqa: E402
import metrics  # noqa: E402

GROWTHS = (0.1, 0.2, 0.5, 1, 2, 5)  # percent
PLANTED = 200  # instructions in the kernel that is compared with: attaching alone costs up to 150 (docs/bisect.md)
SIZES = {"virtual": compare.FEWEST_SEEDS, "wall": compare.FEWEST_REPETITIONS}  # samples a side
FLOORS = {"virtual": (0.1, 0.2, 0.5), "wall": (1, 2, 5)}  # percent; injections are asked with the first
COMPARISONS = 200
OUTCOMES = {gate.PASS: "pass", gate.REGRESSION: "regression", load.NOT_COMPARABLE: "refused"}


def revision_of(faultline):
    """The commit that the command is built of, as its results have it."""
    said = subprocess.run([faultline, "--version"], check=True, capture_output=True, text=True).stdout
    return re.search(r"\((\S+)\)", said).group(1)


def whole(folder, revision):
    """The context of the folder's result, if it is complete and of that build; else None."""
    try:
        with open(os.path.join(folder, load.RESULT_NAME), encoding="utf-8") as file:
            context = json.load(file)["context"]
    except (OSError, ValueError, KeyError):
        return None
    same = context.get("faultline", {}).get("git_revision") == revision
    return context if context.get("complete") and same else None


def once(faultline, folder, options):
    """The exit code of a run with these options into the folder; 0 where it has the whole result of them and of this build."""
    context = whole(folder, revision_of(faultline))
    # The folder may have been moved since.
    if context and context["command_line"][1:2] + context["command_line"][4:] == ["run", "--force", *options]:
        return 0
    return subprocess.call([faultline, "run", "--out", folder, "--force", *options])


def of_one_build(results):
    """ReportError unless one build of faultline measured all the Results."""
    first = results[0]
    for result in results[1:]:
        if result.context["faultline"] != first.context["faultline"]:
            raise load.ReportError(f"{first.path} is of {load.tool(first.context)}, {result.path} of {load.tool(result.context)}: "
                                   "measure them with one build")


def plan(result, kernel):
    """The kernels to measure for a Result of one cell of `kernel`+PLANTED: the base and one per growth."""
    row = next(iter(result.rows.values()))
    return [f"{kernel}+{PLANTED}"] + [f"{kernel}+{PLANTED + max(1, round(row['per_page'] * growth / 100))}"
                                      for growth in GROWTHS]


def keys_of(result, kernel):
    """The samples that every cell of the kernel has."""
    found = [{load.sample_key(row) for row in rows} for rows in result.samples.values() if rows[0]["kernel"] == kernel]
    return sorted(set.intersection(*found)) if found else []


def side(result, kernel, keys):
    """A Result of these samples of one kernel alone, numbered from 0 on, so that they make pairs."""
    samples = {}
    for name, rows in result.samples.items():
        if rows[0]["kernel"] == kernel:
            number = "repetition_index" if rows[0]["time_domain"] == "wall" else "seed"
            by_key = {load.sample_key(row): row for row in rows}
            samples[name] = [{**by_key[key], number: index} for index, key in enumerate(keys)]
    context = {**result.context, "kernels": {kernel: result.context["kernels"][kernel]}}
    return load.make_result(result.path, context, samples, result.parts)


def ask(result, old, new, keys_a, keys_b, floor=None):
    """What the gate says: the name of its exit code."""
    return outcome(side(result, old, keys_a), side(result, new, keys_b), "per_page", floor, (old, new))


def outcome(a, b, figure, floor=None, kernels=None):
    """What the gate says of two Results by this figure: the name of its exit code."""
    data = compare.compare(a, b, [figure], {} if floor is None else {None: floor}, kernels=kernels)
    return OUTCOMES[gate.gate(a, b, data, across=True)["exit"]]


def joined(results, kernel):
    """One Result of the cells of `kernel` in all of them."""
    samples = {name: rows for result in results for name, rows in result.samples.items() if rows[0]["kernel"] == kernel}
    first = results[0]
    return load.make_result(first.path, first.context, samples, first.parts)


def merged(results):
    """Results of one cell, of other kernels or other seeds, as one."""
    samples, kernels = {}, {}
    for result in results:
        kernels.update(result.context["kernels"])
        for name, rows in result.samples.items():
            samples[name] = samples.get(name, []) + list(rows)
    first = results[0]
    return load.make_result(first.path, {**first.context, "kernels": kernels}, samples, first.parts)


def interval(hits, count, confidence=0.95):
    """Clopper and Pearson's exact interval of a share, in percent."""
    from scipy.stats import binomtest
    found = binomtest(hits, count).proportion_ci(confidence, method="exact")
    return float(found.low) * 100, float(found.high) * 100


def tally(outcomes):
    """Counts of the gate's exit codes, and the share of regressions with its interval."""
    hits = outcomes.count("regression")
    low, high = interval(hits, len(outcomes))
    return {"comparisons": len(outcomes), **{name: outcomes.count(name) for name in OUTCOMES.values()},
            "percent": hits * 100 / len(outcomes), "low": low, "high": high}


def _cell(result):
    """The name of the one cell of a Result, without the kernel."""
    return min(load.beyond_kernel(name, rows[0]["kernel"]) for name, rows in result.samples.items())


def figure_of(result, kernel):
    """The median of the kernel's samples, of a Result of one cell."""
    [rows] = [rows for rows in result.samples.values() if rows[0]["kernel"] == kernel]
    return infer.median([row["per_page"] for row in rows])


def false_alarms(results, base, comparisons=COMPARISONS):
    """Equal kernels: samples drawn anew for each comparison, the two sides disjoint, all cells in one."""
    result = joined(results, base)
    size = SIZES[result.context["time_domain"]]
    keys = keys_of(result, base)
    if len(keys) < 2 * size:
        raise load.ReportError(f"{result.path}: {len(keys)} samples of {base}, two sides of {size} need more")
    draws = [random.sample(keys, 2 * size) for _ in range(comparisons)]
    by_floor = [{"floor": floor, **tally([ask(result, base, base, drawn[:size], drawn[size:], floor)
                                          for drawn in draws])}
                for floor in FLOORS[result.context["time_domain"]]]
    return {"cells": sorted(result.rows), "samples": len(keys), "floors": by_floor}


def injections(result, base, instructions, comparisons=COMPARISONS):
    """One row per planted kernel of the Result, in order of its size. instructions: of a touch, in virtual time."""
    size, floor = SIZES[result.context["time_domain"]], FLOORS[result.context["time_domain"]][0]
    figures = {one.fields["kernel"]: one.values
               for one in metrics.series(result, metrics.choose(["per_page"])).values()}
    judge = compare.judge_virtual if result.context["time_domain"] == "virtual" else compare.judge_wall
    found = []
    for kernel in sorted(figures, key=lambda name: int(name.rpartition("+")[2])):
        if kernel == base:
            continue
        keys = keys_of(result, kernel)
        more = int(kernel.rpartition("+")[2]) - int(base.rpartition("+")[2])
        entry = {"cell": _cell(result), "kernel": kernel, "planted": more,
                 "percent_planted": more * 100 / instructions,
                 "percent_measured": judge(figures[base], figures[kernel], 0)["percent"]}
        others = [key for key in keys_of(result, base) if key not in keys]
        draws = [random.sample(keys, size) for _ in range(comparisons)]
        if result.context["time_domain"] == "virtual":
            entry["same"] = tally([ask(result, base, kernel, drawn, drawn, floor) for drawn in draws])
            if len(others) >= size:
                entry["other"] = tally([ask(result, base, kernel, random.sample(others, size), drawn, floor)
                                        for drawn in draws])
        else:
            bases = keys_of(result, base)
            entry["other"] = tally([ask(result, base, kernel, random.sample(bases, size), drawn, floor) for drawn in draws])
        found.append(entry)
    return found


def text(study):
    """As Markdown tables of at most 80 columns."""
    lines = []
    for domain, part in study.items():
        alarm = part["false_alarms"]
        lines += ["", f"### {domain}", "",
                  f"A/A, {len(alarm['cells'])} cells a comparison, {SIZES[domain]} of {alarm['samples']} samples a side:", "",
                  "| floor, % | comparisons | false alarms | refused | false alarms, % (95 %) |", "|---|---|---|---|---|"]
        lines += [f"| {row['floor']:g} | {row['comparisons']} | {row['regression']} | {row['refused']} | "
                  f"{row['percent']:.1f} ({row['low']:.1f} to {row['high']:.1f}) |" for row in alarm["floors"]]
        lines.append("")
        if part["again"] is not None:
            lines += [f"Measured twice under the same seeds: {part['again']}.", ""]
        lines += ["| planted | in % | found in % | " + ("same seeds | other seeds |" if domain == "virtual" else
                                                       "found |"),
                  "|---|---|---|---|" + ("---|" if domain == "virtual" else "")]
        for cell, rows in part["injections"].items():
            lines.append(f"| **{cell}** | | | |" + (" |" if domain == "virtual" else ""))
            for row in rows:
                shares = [_share(row.get(name)) for name in (("same", "other") if domain == "virtual" else ("other",))]
                lines.append(f"| +{row['planted']} | {row['percent_planted']:.2f} | {row['percent_measured']:+.2f} | "
                             + " | ".join(shares) + " |")
    return "\n".join(lines[1:]) + "\n"


def _share(counted):
    if counted is None:
        return "-"
    refused = f" ({counted['refused']} refused)" if counted["refused"] else ""
    return f"{counted['regression']} of {counted['comparisons']}{refused}"


def identical(pairs):
    """Of pairs of results measured alike, in words: how many cells have the same figures under the seeds of both."""
    chosen, same, count = metrics.choose(["per_page"]), 0, 0
    for one, other in pairs:
        a, b = metrics.series(one, chosen), metrics.series(other, chosen)
        for key in set(a) & set(b):
            count += 1
            same += all(b[key].values.get(sample, value) == value for sample, value in a[key].values.items())
    return f"{same} of {count} cells identical to the last digit"


def main(arguments=None):
    """`once FAULTLINE DIR OPTION...` measures what is not there; `plan RESULT KERNEL` prints the kernels to measure;
    `judge DIR...` prints the study."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    measuring = verbs.add_parser("once")
    measuring.add_argument("faultline")
    measuring.add_argument("folder")
    measuring.add_argument("options", nargs=argparse.REMAINDER, help="of `faultline run`")
    planner = verbs.add_parser("plan")
    planner.add_argument("result")
    planner.add_argument("kernel")
    judge = verbs.add_parser("judge")
    judge.add_argument("base", help="the kernel that the others are compared with, NAME+B")
    judge.add_argument("results", nargs="+")
    judge.add_argument("--again", nargs=2, action="append", default=[], help="two results measured alike")
    judge.add_argument("--out", help="the study as JSON")
    options = parser.parse_args(arguments)
    if options.verb == "once":
        return once(options.faultline, options.folder, options.options)
    if options.verb == "plan":
        print(",".join(plan(load.load(options.result), options.kernel)))
        return 0
    random.seed(7)
    study = {}
    by_cell = {}
    loaded = [load.load(path) for path in options.results]
    again = [(load.load(a), load.load(b)) for a, b in options.again]
    of_one_build([*loaded, *(result for pair in again for result in pair)])
    for result in loaded:
        by_cell.setdefault((result.context["time_domain"], _cell(result)), []).append(result)
    by_domain = {}
    for (domain, _), results in by_cell.items():
        by_domain.setdefault(domain, []).append(merged(results))
    # What is planted is a share of the instructions in either domain.
    instructions = {_cell(result): figure_of(result, options.base) for result in by_domain.get("virtual", ())}
    for domain, results in by_domain.items():
        part = {"false_alarms": false_alarms(results, options.base), "again": None, "injections": {}}
        if domain == "virtual" and again:
            part["again"] = identical(again)
        for result in results:
            rows = injections(result, options.base, instructions.get(_cell(result), float("nan")))
            if rows:
                part["injections"][rows[0]["cell"]] = rows
        study[domain] = part
    if options.out:
        with open(options.out, "w", encoding="utf-8") as file:
            json.dump(study, file, indent=1)
    print(text(study), end="")
    return 0


def as_program(name, run):
    """Ends in what run() returns; where it is refused, in words and with the refusal's exit code."""
    try:
        sys.exit(run())
    except load.ReportError as error:
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    as_program("study", main)
