#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""A blind trial of the gate: pairs of samples whose labels (how many instructions were planted) nobody has before all verdicts
are in. tools/blind-trial measures and calls this; docs/gate-study.md has the outcome.

  seal    draws the trials from measured results and writes trials.json, which says of each pair its figures and not its
          kernel, and labels.json, whose SHA-256 is in trials.json from then on.
  judge   reads trials.json alone and writes verdicts.json: what the gate says of each pair.
  open    refuses unless labels.json is the one that was sealed and each trial has its verdict; prints the tables.

A pair is of one build (the same seeds on both sides; with nothing planted: two measurements of them) or of two (other
seeds, numbered anew, as if each tick, page frame and block had moved, as a rebuilt kernel may).
"""

import argparse
import hashlib
import json
import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # reports/

# pylint: disable=wrong-import-position
import compare  # noqa: E402
import load  # noqa: E402
import study  # noqa: E402

SAMPLES = compare.FEWEST_SEEDS  # a side
FIGURES = ("per_page", "path")
FLOORS = (0.0, 0.1)  # percent: any difference, and the gate's own
BUILDS = ("one", "two")
NAMED = "x"  # what every kernel is called in trials.json
TRIALS, NULLS = 500, 10_000
FILES = {"trials": "trials.json", "labels": "labels.json", "verdicts": "verdicts.json"}


def planted(kernel, base):
    """Instructions that NAME+B+k has more than NAME+B."""
    return int(kernel.rpartition("+")[2]) - int(base.rpartition("+")[2])


def pools(results, base):
    """{(cell, k, measurement): {seed: row}}; the second result that has the same samples is measurement 1."""
    found = {}
    for result in results:
        for rows in result.samples.values():
            kernel = rows[0]["kernel"]
            measured = {row["seed"]: row for row in rows if row["status"] == "ok" and row["path"] is not None}
            place = (load.beyond_kernel(rows[0]["cell"], kernel), planted(kernel, base))
            number = int((*place, 0) in found)
            found.setdefault((*place, number), {}).update(measured)
    return found


def _bare(row, seed):
    """A row without what tells its kernel."""
    kernel = row["kernel"]
    named = {key: load.of_other_kernel(value, kernel, NAMED) for key, value in row.items()
             if isinstance(value, str) and load.beyond_kernel(value, kernel) != value}
    return {**row, **named, "kernel": NAMED, "seed": seed, "profile": None, "vector": None}


def draw(pool, build, cell, more):
    """(rows of one side, rows of the other) of `SAMPLES` seeds, bare."""
    old, again = pool[cell, 0, 0], pool.get((cell, 0, 1), {})
    new = pool[cell, more, 0] if more else again
    if build == "one":
        seeds = random.sample(sorted(set(old) & set(new)), SAMPLES)
        return [_bare(old[seed], seed) for seed in seeds], [_bare(new[seed], seed) for seed in seeds]
    ours = random.sample(sorted(new), SAMPLES)
    others = random.sample(sorted(set(old) - set(ours)), SAMPLES)
    return ([_bare(old[seed], number) for number, seed in enumerate(others)],
            [_bare(new[seed], number) for number, seed in enumerate(ours)])


def seal(results, base, trials=TRIALS, nulls=NULLS):
    """(trials, labels) as data that JSON can hold: `trials` of mixed labels, then `nulls` of one build with nothing planted, in
    an order that tells nothing. Rows stand once in `rows`, by the digest of what they say; a trial has `a` and `b`.
    ReportError where the results are of several builds, whose figures differ with nothing planted."""
    study.of_one_build(results)
    pool = pools(results, base)
    cells, sizes = sorted({cell for cell, _, _ in pool}), sorted({more for _, more, _ in pool})
    if 0 not in sizes or any((cell, 0, 1) not in pool for cell in cells):
        raise load.ReportError(f"{base} is to be measured twice: give the second result too")
    wishes = [(random.choice(BUILDS), random.choice(cells), random.choice(sizes)) for _ in range(trials)]
    wishes += [("one", random.choice(cells), 0) for _ in range(nulls)]
    random.shuffle(wishes)
    rows, pairs, labels = {}, [], []
    for build, cell, more in wishes:
        pair = {}
        for side, sample in zip("ab", draw(pool, build, cell, more)):
            tokens = [hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()[:16] for row in sample]
            rows.update(zip(tokens, sample))
            pair[side] = tokens
        pairs.append(pair)
        labels.append({"build": build, "cell": cell, "planted": more})
    context = {**results[0].context, "kernels": {NAMED: next(iter(results[0].context["kernels"].values()))}}
    return {"context": context, "rows": dict(sorted(rows.items())), "trials": pairs}, labels


def ask(trials, pair):
    """What the gate says of a pair: {figure: {floor: a name of study.OUTCOMES}}."""
    sides = []
    for side in "ab":
        samples = {}
        for token in pair[side]:
            row = trials["rows"][token]
            samples.setdefault(row["name"], []).append(row)
        sides.append(load.make_result(side, trials["context"], samples, [(side, trials["context"])]))
    return {figure: {str(floor): study.outcome(*sides, figure, floor) for floor in FLOORS} for figure in FIGURES}


def judge(trials):
    """A verdict per figure and floor of each trial: [{figure: {floor: outcome}}]."""
    known, found = {}, []
    for pair in trials["trials"]:
        key = json.dumps(pair)  # a pair that was drawn before is the same comparison
        if key not in known:
            known[key] = ask(trials, pair)
        found.append(known[key])
    return found


def opened(labels, verdicts):
    """[{build, planted, figure, floor, and what study.tally() gives}] in order."""
    found = []
    for build in BUILDS:
        for more in sorted({label["planted"] for label in labels}):
            mine = [verdict for label, verdict in zip(labels, verdicts)
                    if label["build"] == build and label["planted"] == more]
            for figure in FIGURES if mine else ():
                found += [{"build": build, "planted": more, "figure": figure, "floor": floor,
                           **study.tally([verdict[figure][str(floor)] for verdict in mine])} for floor in FLOORS]
    return found


def text(rows):
    """As Markdown tables of at most 80 columns; found: exit 1, with Clopper and Pearson's 95 %."""
    lines = []
    for build in BUILDS:
        lines += ["", f"{build.capitalize()} build{'s' * (build == 'two')}: found, of so many; in % (95 %); refused", "",
                  "| planted | figure | floor 0 | floor 0.1 % |", "|---|---|---|---|"]
        for more in sorted({row["planted"] for row in rows if row["build"] == build}):
            for figure in FIGURES:
                shown = [_share(row) for floor in FLOORS for row in rows
                         if (row["build"], row["planted"], row["figure"], row["floor"]) == (build, more, figure, floor)]
                lines.append(f"| +{more} | {figure} | " + " | ".join(shown) + " |")
    return "\n".join(lines[1:]) + "\n"


def _share(row):
    refused = f", {row['refused']}" if row["refused"] else ""
    return f"{row['regression']}/{row['comparisons']} ({row['low']:.3g} to {row['high']:.3g}){refused}"


def _read(folder, what):
    path = os.path.join(folder, FILES[what])
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise load.ReportError(f"{path}: {error.strerror}") from None


def _write(folder, what, data):
    with open(os.path.join(folder, FILES[what]), "w", encoding="utf-8") as file:
        json.dump(data, file)


def _seal(options):
    random.seed(options.seed)
    trials, labels = seal([load.load(path) for path in options.results], options.base, options.trials, options.nulls)
    os.makedirs(options.out, exist_ok=True)
    # Without the salt a label could be guessed and tried.
    _write(options.out, "labels", {"salt": os.urandom(16).hex(), "labels": labels})
    trials["seal"] = hashlib.sha256(_read(options.out, "labels")).hexdigest()
    _write(options.out, "trials", trials)
    print(f"{len(labels)} trials, sealed: SHA-256 {trials['seal']}")


def _judge(options):
    trials = json.loads(_read(options.out, "trials"))
    verdicts = judge(trials)
    _write(options.out, "verdicts", {"seal": trials["seal"], "verdicts": verdicts})
    print(f"{len(verdicts)} verdicts")


def _open(options):
    sealed, judged = _read(options.out, "labels"), json.loads(_read(options.out, "verdicts"))
    if hashlib.sha256(sealed).hexdigest() != judged["seal"]:
        raise load.ReportError(f"{options.out}: the labels are not those that were sealed: no figure of this trial counts")
    labels = json.loads(sealed)["labels"]
    if len(labels) != len(judged["verdicts"]):
        raise load.ReportError(f"{options.out}: {len(judged['verdicts'])} verdicts of {len(labels)} trials: judge them all first")
    print(text(opened(labels, judged["verdicts"])), end="")


def main(arguments=None):
    """`seal BASE RESULT... --out DIR`, `judge DIR`, `open DIR`."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    sealing = verbs.add_parser("seal")
    sealing.add_argument("base", help="the kernel that the others are compared with, NAME+B")
    sealing.add_argument("results", nargs="+")
    sealing.add_argument("--out", required=True)
    sealing.add_argument("--seed", type=int, help="of the draws (default: by chance)")
    sealing.add_argument("--trials", type=int, default=TRIALS)
    sealing.add_argument("--nulls", type=int, default=NULLS)
    sealing.set_defaults(run=_seal)
    for name, run in (("judge", _judge), ("open", _open)):
        verb = verbs.add_parser(name)
        verb.add_argument("out")
        verb.set_defaults(run=run)
    options = parser.parse_args(arguments)
    options.run(options)
    return 0


if __name__ == "__main__":
    study.as_program("blind", main)
