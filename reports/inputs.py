# SPDX-License-Identifier: GPL-2.0-only
"""What a report is made of: results of `run`, of `crashtest`, and stacks of `perf`, told apart by their files."""

import os
from dataclasses import dataclass, field

import crash
import flamegraph
import kara2017
import load
from load import ReportError
from number import counted

FOLDED = ".folded"


@dataclass
class Inputs:
    """result: a Result, merged; crashes: documents of crashtest.json; flames: [(name, stacks)]; paths: all, as given."""

    result: object
    crashes: list = field(default_factory=list)
    flames: list = field(default_factory=list)
    paths: list = field(default_factory=list)


def read(paths):
    """Inputs of these files and folders. A folder may hold any of a result, a crash test and stacks; a crash test or
    stacks (also in the folder `perf`) beside a result come with it. ReportError when there is no result, or a path has
    none of the three."""
    results, crashes, stacks = [], [], []
    for path in paths:
        if path.endswith(FOLDED):
            stacks.append(path)
        elif os.path.basename(path) == crash.CRASH_NAME:
            crashes.append(path)
        elif os.path.isdir(path):
            found = [crash.find(path), *_stacks(path), *_stacks(os.path.join(path, "perf"))]
            crashes += [one for one in found[:1] if one]
            stacks += found[1:]
            if os.path.isfile(os.path.join(path, load.RESULT_NAME)) or not any(found):
                results.append(path)
        else:
            results.append(path)
    if not results:
        raise ReportError("no result among what was given: name a folder that `faultline run` wrote as well")
    result, tables = _merge(results)
    result.kara = tables
    return Inputs(result, [crash.load(path) for path in dict.fromkeys(crashes)],
                  [_flame(path) for path in dict.fromkeys(stacks)], list(paths))


def _stacks(folder):
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    return [os.path.join(folder, name) for name in names if name.endswith(FOLDED)]


def _flame(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError as error:
        raise ReportError(f"{path}: cannot be read: {error.strerror}; name a file of stacks") from error
    return os.path.basename(path)[:-len(FOLDED)], flamegraph.parse_folded(text, path)


def _merge(paths):
    """The results as one, and Kara's table beside each of them. Rows of one name that are of another number of touches
    (as those of Kara's table are) are no contradiction: the first result's count."""
    results = [load.load(path) for path in paths]
    tables = []
    for result in results:
        tables += [one for one in kara2017.compare(result) if one not in tables]
    if len(results) == 1:
        return results[0], tables
    known, left = {}, {}
    for result in results:
        for name, rows in list(result.samples.items()):
            touches = {row["touches"] for row in rows if row["touches"] is not None}
            if touches - known.setdefault(name, touches):
                left.setdefault(result.path, []).append(name)
                del result.samples[name]
    merged = load.merge(results)
    for path, names in left.items():
        merged.notes.append(f"{path}: {counted(len(names), 'row')} left out, {names[0]} the first: an earlier result has them "
                            "with another number of touches")
    return merged, tables
